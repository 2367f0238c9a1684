//! Results as Markdown tables, medians of all rounds.

use std::fmt::Write;

use crate::cases::{self, Case};
use crate::peer::{Peer, Service};
use crate::results::{Results, Value, cost};
use crate::servers::PEERS;

/// A cell without a measurement.
pub(crate) const NOTHING: &str = "-";

/// A column: its head, and a server's cell.
pub(crate) struct Column<'a> {
    pub(crate) head: String,
    pub(crate) cell: Box<dyn Fn(&Peer) -> String + 'a>,
}

/// The tables of servers that only pass lines on.
pub(crate) fn sections(text: &mut String, results: &Results) {
    let rooms = |peer: &Peer| peer.service == Service::Room;
    let echoes = |peer: &Peer| peer.service == Service::Echo;
    let all = |_: &Peer| true;
    *text += " In brackets: how many times the limit, a program of the workspace that makes the same system calls \
              and does nothing else (median of the rounds' ratios).\n";
    section(
        text,
        results,
        "Processor time of the server for each delivery",
        rooms,
        &costs(results, Service::Room),
    );
    section(text, results, "The same of an echo", echoes, &costs(results, Service::Echo));
    section(text, results, "Latency of 200 messages a second, 100 receivers", rooms, &latencies(results));
    section(text, results, "Connections that say nothing", all, &idle(results));
    *text += "\nWhere there is only a dash, the case was not for that server: its protocol has no lines of that \
              length, or so many connections take it too long.\n";
}

fn costs(results: &Results, service: Service) -> Vec<Column<'_>> {
    let (limit, columns) = match service {
        Service::Echo => (
            "limit-echo",
            vec![(cases::ECHO_50, "50, 1 line each"), (cases::ECHO_DEEP, "500, 32 lines each")],
        ),
        Service::Room | Service::Store | Service::Writer => (
            "limit-fan",
            vec![
                (cases::FAN_100, "1 to 100"),
                (cases::FAN_900, "1 to 900"),
                (cases::FAN_LONG, "1 to 100, 512 B"),
                (cases::LOCKSTEP, "100 talk in lock-step"),
                (cases::AHEAD, "16 lines ahead"),
            ],
        ),
    };
    let column = |(case, head): (Case, &str)| Column {
        head: head.to_owned(),
        cell: Box::new(move |peer| {
            let cell = value(results, &case, peer, cost, |ns| format!("{} ns", short(ns)));
            match results.ratio(&case, (peer.name, limit), cost) {
                Some(ratio) if peer.name != limit => format!("{cell} ({ratio:.2})"),
                _ => cell,
            }
        }),
    };
    columns.into_iter().map(column).collect()
}

fn latencies(results: &Results) -> Vec<Column<'_>> {
    const P99: Value = |report| Some(report.latency.as_ref()?.p99);
    const VALUES: [(&str, Value); 3] = [
        ("p50", |report| Some(report.latency.as_ref()?.p50)),
        ("p99", P99),
        ("p99.9", |report| Some(report.latency.as_ref()?.p999)),
    ];
    let mut columns = Vec::new();
    for (case, circumstance) in [(cases::LATENCY, ""), (cases::LATENCY_STALLED, ", 10 never read")] {
        for (name, read) in VALUES {
            columns.push(Column {
                head: format!("{name}{circumstance}"),
                cell: Box::new(move |peer| {
                    value(results, &case, peer, read, |us| format!("{} us", short(us)))
                }),
            });
        }
    }
    let pause: Value = |report| Some(report.stall?.longest_pause);
    columns.push(Column {
        head: "longest pause while their buffers filled".into(),
        cell: Box::new(move |peer| {
            value(results, &cases::LATENCY_STALLED, peer, pause, |seconds| format!("{seconds:.2} s"))
        }),
    });
    columns.push(Column {
        head: "p99 of the healthy, 10 never read and come back when they are cut".into(),
        cell: Box::new(move |peer| {
            value(results, &cases::LATENCY_BESIEGED, peer, P99, |us| format!("{} us", short(us)))
        }),
    });
    columns
}

fn idle(results: &Results) -> Vec<Column<'_>> {
    const MOST: Case = cases::hold(cases::IDLE[cases::IDLE.len() - 1]);
    let column = |head: &str, read: Value, show: fn(f64) -> String| Column {
        head: head.to_owned(),
        cell: Box::new(move |peer| value(results, &MOST, peer, read, show)),
    };
    vec![
        column(
            &format!("memory each of {}", MOST.clients),
            |report| report.idle?.memory_each,
            |bytes| format!("{} B", short(bytes)),
        ),
        column(
            "with all else that the server has",
            |report| Some(report.memory? as f64 / f64::from(report.idle?.connections)),
            |bytes| format!("{} B", short(bytes)),
        ),
        column("processor", |report| report.cpu_server, |percent| format!("{percent:.2} %")),
        column(
            "greeted, nobody there",
            |report| report.idle?.greeted_empty,
            |us| format!("{} us", short(us)),
        ),
        column("greeted, all there", |report| report.idle?.greeted_full, |us| format!("{} us", short(us))),
        column(
            "heard, nobody there",
            |report| Some(report.idle?.heard_empty),
            |us| format!("{} us", short(us)),
        ),
        column("heard, all there", |report| Some(report.idle?.heard_full), |us| format!("{} us", short(us))),
    ]
}

/// A median as text, or why there is none.
pub(crate) fn value(
    results: &Results,
    case: &Case,
    peer: &Peer,
    read: Value,
    show: impl Fn(f64) -> String,
) -> String {
    let trouble = results.trouble(case, peer.name);
    match (results.median(case, peer.name, read), trouble) {
        (Some(value), None) => show(value),
        (_, Some(trouble)) => trouble,
        (None, None) => NOTHING.into(),
    }
}

/// Three significant digits, or all digits of a whole number.
pub(crate) fn short(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

pub(crate) fn section(
    text: &mut String,
    results: &Results,
    title: &str,
    takes_part: impl Fn(&Peer) -> bool,
    columns: &[Column<'_>],
) {
    let peers = PEERS.iter().filter(|peer| takes_part(peer) && results.versions.contains_key(peer.name));
    let rows = peers.map(|peer| (peer, columns.iter().map(|column| (column.cell)(peer)).collect::<Vec<_>>()));
    let rows: Vec<_> = rows.filter(|(_, cells)| cells.iter().any(|cell| cell != NOTHING)).collect();
    if rows.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n\n| |");
    for column in columns {
        let _ = write!(text, " {} |", column.head);
    }
    let _ = writeln!(text, "\n|---|{}", "---:|".repeat(columns.len()));
    for (peer, cells) in rows {
        let _ = writeln!(text, "| {} | {} |", peer.name, cells.join(" | "));
    }
}
