//! The names of all figures in a report, with units and meanings. One table serves the heads of the
//! printed tables, the JSON and `--help`.

/// A name, its unit, and what it means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    unit: &'static str,
    meaning: &'static str,
}

const fn column(name: &'static str, unit: &'static str, meaning: &'static str) -> Column {
    Column { name, unit, meaning }
}

const WORK: Column = column("work", "", "the work, as on the command line");
const CPU_SERVER: Column = column("cpu_server", "%", "processor time of the server; 100 is one processor");

/// The columns of every work but `idle`.
pub(super) const THROUGHPUT: [Column; 7] = [
    WORK,
    column("line", "B", "length of a line with its LF"),
    column("throughput", "lines/s", "whole lines that came, counted for each receiver"),
    column("cpu_each", "ns", "processor time of the server for each of these lines"),
    CPU_SERVER,
    column("cpu_bench", "%", "the same of parlour-bench; near 100 it may be the bottleneck"),
    column("faults", "lines", "lost, cut, doubled, reordered, corrupt, stray; connections closed"),
];

/// The further columns of `latency`.
pub(super) const LATENCY: [Column; 9] = [
    WORK,
    column("p50", "us", "half of the lines came within this time after they were due"),
    column("p99", "us", "the same for 99 of 100 lines"),
    column("p999", "us", "the same for 999 of 1000 lines"),
    column("max", "us", "the same for all lines"),
    column("stalled", "clients", "clients that never read (--stall)"),
    column("closed", "times", "the server disconnected one of them"),
    column("came_back", "times", "one of them connected again (--come-back)"),
    column("longest_pause", "s", "no other client received anything while their buffers filled"),
];

/// The columns of `idle`.
pub(super) const IDLE: [Column; 7] = [
    WORK,
    column("memory_each", "B", "resident memory of the server for each connection"),
    CPU_SERVER,
    column("greeted_empty", "us", "from connecting to the server's first byte, with no other client"),
    column("heard_empty", "us", "from connecting until another client has the newcomer's line"),
    column("greeted_full", "us", "as greeted_empty, with all connections there"),
    column("heard_full", "us", "as heard_empty, with all connections there"),
];

/// The further columns with `--journal`.
pub(super) const STORED: [Column; 4] = [
    WORK,
    column("stored", "lines/s", "lines that came into the journal (--journal)"),
    column("cpu_stored", "ns", "processor time of the server for each of these lines"),
    column("journal_faults", "lines", "lines that the journal lacks or has damaged, as in faults"),
];

/// The fields of the JSON around the reports.
const DOCUMENT: [Column; 5] = [
    column("version", "", "version of parlour-bench"),
    column("time", "", "when the first work began, in UTC as in RFC 3339"),
    column("address", "", "where the server listens"),
    column("pids", "", "the server's processes, added up in the CPU columns"),
    column("reports", "", "a list with an object for each work"),
];

/// The fields that no table shows.
const REPORT: [Column; 6] = [
    column("seconds", "s", "the time that was measured"),
    column("deliveries", "lines", "whole lines that came in that time, for each receiver"),
    column("memory", "B", "resident memory of the server at the end"),
    column("stopped", "", "true if the server stopped passing lines on"),
    column("connections", "", "silent connections of idle"),
    column("curve", "%, us", "pairs: a percentile of the latency, and its value"),
];

/// The part of `--help` that explains all names.
pub(crate) fn explained() -> String {
    let mut text = String::new();
    for (head, columns) in [
        ("Columns of all works but idle", &THROUGHPUT[..]),
        ("Further columns of latency", &LATENCY[1..]),
        ("Columns of idle", &IDLE[1..]),
        ("Further columns with --journal", &STORED[1..]),
        ("JSON (--json)", &DOCUMENT),
        (
            "Each report in the JSON has the columns by the same names (numbers in the same units), and",
            &REPORT,
        ),
    ] {
        text += &format!("{head}:\n");
        for Column { name, unit, meaning } in columns {
            text += &format!("  {name:<14}  {unit:<7}  {meaning}\n");
        }
        text.push('\n');
    }
    text + "A name is missing or null if the work does not measure it."
}
