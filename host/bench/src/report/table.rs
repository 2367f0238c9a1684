//! The reports as tables.

use std::fmt::Write;

use super::columns::{Column, IDLE, LATENCY, STORED, THROUGHPUT};
use super::figures::grouped;
use super::findings::Report;

/// The reports as tables: one each of throughput, latencies, idle connections and journals. A table
/// without rows is left out.
pub fn tables(reports: &[Report]) -> String {
    let mut text = String::new();
    let throughput = reports.iter().filter(|report| report.idle.is_none());
    table(
        &mut text,
        &THROUGHPUT,
        throughput.map(|report| {
            [
                report.work.clone(),
                format!("{} B", report.line),
                if report.stopped { "stopped".into() } else { grouped(report.throughput) },
                or_dash(report.cpu_each, |ns| format!("{ns:.1} ns")),
                or_dash(report.cpu_server, |percent| format!("{percent:.0} %")),
                format!("{:.0} %", report.cpu_bench),
                report.faults.to_string(),
            ]
        }),
    );
    table(
        &mut text,
        &LATENCY,
        reports.iter().filter_map(|report| report.latency.as_ref().map(|latency| (report, latency))).map(
            |(report, latency)| {
                [
                    report.work.clone(),
                    us(latency.p50),
                    us(latency.p99),
                    us(latency.p999),
                    us(latency.max),
                    or_dash(report.stall, |stall| stall.stalled.to_string()),
                    or_dash(report.stall, |stall| stall.closed.to_string()),
                    or_dash(report.stall, |stall| stall.came_back.to_string()),
                    or_dash(report.stall, |stall| format!("{:.1} s", stall.longest_pause)),
                ]
            },
        ),
    );
    table(
        &mut text,
        &IDLE,
        reports.iter().filter_map(|report| report.idle.map(|idle| (report, idle))).map(|(report, idle)| {
            [
                report.work.clone(),
                or_dash(idle.memory_each, |bytes| format!("{} B", grouped(bytes))),
                or_dash(report.cpu_server, |percent| format!("{percent:.2} %")),
                or_dash(idle.greeted_empty, us),
                us(idle.heard_empty),
                or_dash(idle.greeted_full, us),
                us(idle.heard_full),
            ]
        }),
    );
    table(
        &mut text,
        &STORED,
        reports.iter().filter_map(|report| report.stored.map(|stored| (report, stored))).map(
            |(report, stored)| {
                [
                    report.work.clone(),
                    grouped(stored.stored),
                    or_dash(stored.cpu_stored, |ns| format!("{ns:.1} ns")),
                    stored.journal_faults.to_string(),
                ]
            },
        ),
    );
    text
}

fn us(value: f64) -> String {
    format!("{} us", grouped(value))
}

fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".into(), show)
}

/// Appends a table, unless it has no rows. Columns are as wide as they need to be.
fn table<const N: usize>(text: &mut String, columns: &[Column; N], rows: impl Iterator<Item = [String; N]>) {
    let head = columns.map(|column| column.name.to_owned());
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    if rows.len() == 1 {
        return;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
    for row in rows {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            // Writing to a string does not fail.
            let _ = write!(line, "  {cell:>width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_it_needs_to_be() {
        let mut text = String::new();
        let columns = [THROUGHPUT[0], THROUGHPUT[1]];
        table(&mut text, &columns, [["fan:100".into(), grouped(1_234_567.0)]].into_iter());
        assert_eq!(text, "work          line\nfan:100  1,234,567\n");
        table(&mut text, &columns, std::iter::empty());
        assert_eq!(text.lines().count(), 2);
    }
}
