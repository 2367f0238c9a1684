//! The plots: each draws a part of the results.

use std::fs;
use std::path::Path;

use plotters::style::RGBColor;

use crate::cases::{self, Case};
use crate::chart::{Axis, Chart, Series, Style, label};
use crate::peer::{Peer, Service};
use crate::results::{Results, Value, cost};
use crate::servers::PEERS;

/// Families of servers with the colours of their lines. The colours work on light and on dark.
const COLORS: [(&str, RGBColor); 9] = [
    ("limit", RGBColor(0x80, 0x86, 0x8d)),
    ("parlour relay", RGBColor(0x1f, 0x77, 0xd0)),
    ("parlour echo", RGBColor(0x1f, 0x77, 0xd0)),
    ("parlour chat", RGBColor(0x10, 0xa3, 0x9c)),
    ("ncat", RGBColor(0xe0, 0x7b, 0x00)),
    ("nats", RGBColor(0x3f, 0xa0, 0x3f)),
    ("redis", RGBColor(0xd6, 0x3b, 0x3b)),
    ("ngircd", RGBColor(0xa0, 0x5b, 0xd0)),
    ("tokio", RGBColor(0xd6, 0x5f, 0xa0)),
];

fn style(peer: &Peer) -> Style {
    let color = COLORS.iter().find(|(family, _)| peer.name.starts_with(family));
    Style {
        color: color.map_or(RGBColor(0x80, 0x86, 0x8d), |&(_, color)| color),
        dashed: peer.name.ends_with("select"),
        width: if peer.name.starts_with("parlour") { 3 } else { 2 },
    }
}

/// Draws all plots that have results into `folder`.
pub(crate) fn draw(results: &Results, folder: &Path) -> Result<(), String> {
    let charts = [
        ("receivers.svg", by_receivers(results)),
        ("idle.svg", by_idle(results)),
        ("stalled.svg", latencies(results)),
        ("memory.svg", by_connections(results)),
    ];
    for (name, chart) in charts {
        if chart.series.iter().all(|series| series.points.is_empty()) {
            eprintln!("{name}: left out, nothing was measured for it");
            continue;
        }
        let svg = chart.svg().map_err(|error| format!("{name}: {error}"))?;
        fs::write(folder.join(name), svg).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// A line for each server, with a median for each of these counts.
fn lines(
    results: &Results,
    counts: &[u32],
    case: fn(u32) -> Case,
    takes_part: impl Fn(&Peer) -> bool,
    value: Value,
) -> (Vec<Series>, Vec<String>) {
    let (mut series, mut notes) = (Vec::new(), Vec::new());
    for peer in PEERS.iter().filter(|peer| takes_part(peer)) {
        let mut points = Vec::new();
        for &count in counts {
            match results.trouble(&case(count), peer.name) {
                Some(trouble) => notes.push(format!("{}, {count}: {trouble}", peer.name)),
                // A logarithmic axis has no place for 0.
                None => points.extend(
                    results
                        .median(&case(count), peer.name, value)
                        .filter(|&value| value > 0.0)
                        .map(|value| (f64::from(count), value)),
                ),
            }
        }
        series.push(Series { name: peer.name.into(), style: style(peer), points });
    }
    (series, notes)
}

fn chart(
    title: &'static str,
    (x, y): (&'static str, &'static str),
    counts: &[u32],
    (series, notes): (Vec<Series>, Vec<String>),
) -> Chart {
    let values = series.iter().flat_map(|series| series.points.iter().map(|point| point.1));
    let y = Axis::spanning(y, values.collect::<Vec<_>>().into_iter());
    let (least, most) = (f64::from(counts[0]), f64::from(counts[counts.len() - 1]));
    let marks = counts.iter().map(|&count| (f64::from(count), label(f64::from(count)))).collect();
    let x = Axis { title: x, range: least / 1.1..most * 1.1, marks };
    Chart { title, x, y, series, notes }
}

fn by_receivers(results: &Results) -> Chart {
    chart(
        "One sender, as fast as it goes, 64-byte lines",
        ("receivers", "processor time for each delivery (ns)"),
        &cases::RECEIVERS,
        lines(results, &cases::RECEIVERS, cases::fan, |peer| peer.service == Service::Room, cost),
    )
}

fn by_idle(results: &Results) -> Chart {
    let microseconds: Value = |report| Some(cost(report)? / 1e3);
    chart(
        "One line echoed among connections that say nothing",
        ("connections that say nothing", "processor time for each line (µs)"),
        &cases::IDLE,
        lines(results, &cases::IDLE, cases::wake_up, |peer| peer.service == Service::Echo, microseconds),
    )
}

fn by_connections(results: &Results) -> Chart {
    let mebibytes: Value = |report| Some(report.memory? as f64 / f64::from(1 << 20));
    chart(
        "Resident memory of the server, all told but the kernel's",
        ("connections that say nothing", "resident memory (MiB)"),
        &cases::IDLE,
        lines(results, &cases::IDLE, cases::hold, |peer| peer.service == Service::Room, mebibytes),
    )
}

/// Percentiles have logarithmic places, by how many lines there are for each slower one.
fn latencies(results: &Results) -> Chart {
    const MARKS: [(f64, &str); 5] =
        [(2.0, "50 %"), (10.0, "90 %"), (100.0, "99 %"), (1_000.0, "99.9 %"), (10_000.0, "99.99 %")];
    let place = |percentile: f64| 100.0 / (100.0 - percentile);
    let (mut series, mut notes) = (Vec::new(), vec!["dashed: all of them read".to_owned()]);
    for peer in PEERS.iter().filter(|peer| peer.service == Service::Room && !is_superseded(peer, results)) {
        if let Some(trouble) = results.trouble(&cases::LATENCY_STALLED, peer.name) {
            notes.push(format!("{}: {trouble}", peer.name));
            continue;
        }
        for (case, dashed) in [(cases::LATENCY_STALLED, false), (cases::LATENCY, true)] {
            let curve = curve(results, &case, peer).into_iter();
            let points = curve.filter(|&(percentile, _)| (50.0..100.0).contains(&percentile));
            let points: Vec<_> = points.map(|(percentile, us)| (place(percentile), us)).collect();
            series.push((peer, dashed, points));
        }
    }
    let values: Vec<_> =
        series.iter().flat_map(|(_, _, points)| points.iter().map(|point| point.1)).collect();
    let series = series.into_iter().map(|(peer, dashed, points)| Series {
        // The dashed line is named by the note.
        name: if dashed { String::new() } else { peer.name.into() },
        style: Style { dashed, ..style(peer) },
        points,
    });
    Chart {
        title: "200 messages a second to 100 receivers, 10 of whom never read",
        x: Axis {
            title: "share of the lines that came within this time",
            range: 2.0..10_000.0,
            marks: MARKS.iter().map(|&(place, label)| (place, label.to_owned())).collect(),
        },
        y: Axis::spanning("time from when a line was due (µs)", values.into_iter()),
        series: series.collect(),
        notes,
    }
}

/// Whether to leave a server out, because parlour with the other poller is drawn already.
fn is_superseded(peer: &Peer, results: &Results) -> bool {
    let other = peer.name.replace("select", "epoll");
    other != peer.name && results.versions.contains_key(&other)
}

/// The median latency over the rounds at each percentile.
fn curve(results: &Results, case: &Case, peer: &Peer) -> Vec<(f64, f64)> {
    let curves: Vec<_> =
        results.reports(case, peer.name).filter_map(|report| report.latency.as_ref()).collect();
    let Some(first) = curves.first() else { return Vec::new() };
    let at = |place: usize| parlour_bench::median(curves.iter().map(|one| one.curve[place].1).collect());
    let places = first.curve.iter().enumerate();
    places.filter_map(|(place, &(percentile, _))| Some((percentile, at(place)?))).collect()
}
