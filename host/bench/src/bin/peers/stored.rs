//! The tables of servers that store what is said.

use std::fmt::Write;

use parlour_bench::grouped;

use crate::cases::{self, Case};
use crate::markdown::{Column, NOTHING, section, short, value};
use crate::peer::{Loss, Peer, Service};
use crate::results::{Results, Value};

/// Appends the tables.
pub(crate) fn sections(text: &mut String, results: &Results) {
    let stores = |peer: &Peer| matches!(peer.service, Service::Store | Service::Writer);
    if let Some(us) = results.machine.sync {
        let _ = write!(text, " A write of 4 KiB and fdatasync(2) take {} on this disk.", time(us));
    }
    text.push('\n');
    section(text, results, "Messages that are stored", stores, &throughput(results));
    section(text, results, "The time until another client has a message", stores, &latencies(results));
    let _ = write!(
        text,
        "\n\"May be lost\" says what somebody has seen, and the store may not have afterwards. In brackets: only passed on, \
         not stored. `1 talks` is `fan:1`, `10 talk` is `gather:10`, and the second table is `latency:1`; there, {} \
         messages a second come in bursts of {}. A message has {} bytes.\n",
        grouped(cases::STORE_BUSY.rate.into()),
        grouped(cases::STORE_BUSY.burst.into()),
        cases::STORE_BUSY.line,
    );
}

fn throughput(results: &Results) -> Vec<Column<'_>> {
    let lost = |when: &str, read: fn(&Loss) -> &'static str| Column {
        head: format!("may be lost after {when}"),
        cell: Box::new(move |peer: &Peer| peer.loss.as_ref().map_or(NOTHING, read).to_owned()),
    };
    let mut columns =
        vec![lost("`kill -9`", |loss| loss.by_kill), lost("a power cut", |loss| loss.by_power_cut)];
    for (case, who) in [(cases::STORE_ONE, "1 talks"), (cases::STORE_TEN, "10 talk")] {
        columns.push(Column {
            head: format!("{who}: messages/s"),
            cell: Box::new(move |peer| {
                stored(
                    results,
                    &case,
                    peer,
                    |report| Some(report.stored.map_or(report.throughput, |stored| stored.stored)),
                    grouped,
                )
            }),
        });
        columns.push(Column {
            head: format!("{who}: processor time for each"),
            cell: Box::new(move |peer| {
                stored(
                    results,
                    &case,
                    peer,
                    |report| report.stored.map_or(report.cpu_each, |stored| stored.cpu_stored),
                    |ns| format!("{} ns", short(ns)),
                )
            }),
        });
    }
    columns
}

/// A cell. It is in brackets if the server stores nothing.
fn stored(results: &Results, case: &Case, peer: &Peer, read: Value, show: impl Fn(f64) -> String) -> String {
    let cell = value(results, case, peer, read, show);
    if peer.stores() || cell == NOTHING { cell } else { format!("({cell})") }
}

fn latencies(results: &Results) -> Vec<Column<'_>> {
    const VALUES: [(&str, Value); 2] = [
        ("p50", |report| Some(report.latency.as_ref()?.p50)),
        ("p99", |report| Some(report.latency.as_ref()?.p99)),
    ];
    let mut columns = Vec::new();
    for case in [cases::STORE_CALM, cases::STORE_BUSY] {
        for (name, read) in VALUES {
            columns.push(Column {
                head: format!("{name}, {} messages/s", grouped(case.rate.into())),
                cell: Box::new(move |peer| value(results, &case, peer, read, time)),
            });
        }
    }
    columns
}

/// Microseconds in a unit that is easy to read.
fn time(us: f64) -> String {
    match us {
        ..1e3 => format!("{} us", short(us)),
        1e3..1e6 => format!("{} ms", short(us / 1e3)),
        _ => format!("{} s", short(us / 1e6)),
    }
}
