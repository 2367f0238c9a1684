//! Rule 21: clients that stop reading.

use super::{Need, OnLag, Script, Settings, Stage};
use crate::chat::{Chat, ClientId, line_text, past};
use crate::lines::Next;

/// The most that a talker says before the hub must have noticed the lagging client.
const MOST_BYTES: usize = 64 << 20;

const SMALL: Settings = Settings { grace_ms: Some(400), log_size: Some(16 << 10), ..Settings::DEFAULT };

pub(super) const SCRIPTS: &[Script] = &[
    Script {
        needs: &[Need::Stall, Need::Grace, Need::LogSize],
        settings: SMALL,
        ..Script::new("a stalled client is cut after the grace, the others lose nothing", &[21], disconnect)
    },
    Script {
        needs: &[Need::Stall, Need::Grace, Need::LogSize, Need::OnLag],
        settings: Settings { on_lag: OnLag::Skip, grace_ms: Some(100), log_size: Some(256 << 10), ..SMALL },
        ..Script::new("a stalled client misses a counted number of messages", &[21], skip)
    },
    Script {
        needs: &[Need::Stall, Need::Grace, Need::LogSize, Need::OnLag],
        settings: Settings { on_lag: OnLag::Replay, grace_ms: Some(100), log_size: Some(256 << 10), ..SMALL },
        ..Script::new("a stalled client gets later what the log still has", &[21], replay)
    },
    Script {
        needs: &[Need::Stall],
        ..Script::new("a client that pauses within the grace loses nothing", &[21], short_pause)
    },
];

/// Lets `talker` say numbered lines, which `listener` must all see in order. Stops when `is_end` accepts
/// a line of the listener, or when the listener has seen `bytes` bytes. Returns how many lines there
/// were.
fn flood(
    stage: &mut Stage<'_>,
    [talker, listener]: [ClientId; 2],
    bytes: usize,
    is_end: impl Fn(&str) -> bool,
) -> usize {
    const BATCH: usize = 32;
    let fill = "x".repeat(stage.line_limit() / 2);
    let message = |number: usize| format!("{number:08} {fill}");
    let mut seen = 0;
    let mut ended = false;
    while !ended && seen * message(0).len() < bytes {
        for number in seen..seen + BATCH {
            stage.says(talker, &message(number));
        }
        let end = seen + BATCH;
        let mut waits = 0;
        while seen < end {
            match stage.next(listener) {
                Next::Line(line) => {
                    let line = line_text(&line);
                    if is_end(&line) {
                        ended = true;
                    } else {
                        assert_eq!(line, format!("<talker> {}", message(seen)));
                        seen += 1;
                    }
                }
                // Where time passes only on demand, the grace does not run out by itself.
                Next::Nothing if waits < 100 => {
                    waits += 1;
                    stage.advance(100);
                }
                other => panic!("the listener: {other:?}"),
            }
        }
    }
    seen
}

fn disconnect(stage: &mut Stage<'_>) {
    let [talker, listener, stalled] = stage.people(["talker", "listener", "stalled"]);
    stage.stalls(stalled);
    let gone = |line: &str| line == "-- stalled left (too slow)";
    let said = flood(stage, [talker, listener], MOST_BYTES, gone);
    let saw_it = said * stage.line_limit() / 2 < MOST_BYTES;
    assert!(saw_it, "a stalled client was never cut");
    assert_eq!(stage.until_pong(talker), ["-- stalled left (too slow)"]);
    stage.sees_nothing(listener);
    stage.reads_again(stalled);
    while stage.next(stalled) != Next::Closed {}
}

fn skip(stage: &mut Stage<'_>) {
    let [talker, listener, stalled] = stage.people(["talker", "listener", "stalled"]);
    stage.stalls(stalled);
    // More than a kernel and the log hold for him.
    let said = flood(stage, [talker, listener], 10 << 20, |_| false);
    stage.reads_again(stalled);
    stage.says(talker, "end");
    stage.sees(listener, "<talker> end");
    let mut next = 0;
    let mut missed = 0;
    loop {
        let line = stage.line(stalled);
        if line == "<talker> end" {
            break;
        }
        if let Some(count) =
            line.strip_prefix("-- you missed ").and_then(|line| line.strip_suffix(" messages"))
        {
            let count: usize = count.parse().expect("a number of messages");
            assert!(count > 0, "a gap of nothing");
            next += count;
            missed += count;
        } else {
            assert!(line.starts_with(&format!("<talker> {next:08} ")), "{line:?} instead of number {next}");
            next += 1;
        }
    }
    assert_eq!(next, said, "messages that were seen or told to be missed");
    assert!(missed > 0, "a client that read nothing of {said} messages missed none");
    stage.sees_nothing(stalled);
    stage.sees_nothing(listener);
}

fn replay(stage: &mut Stage<'_>) {
    let [talker, listener, stalled] = stage.people(["talker", "listener", "stalled"]);
    stage.stalls(stalled);
    // More than a kernel and the log hold for him.
    let said = flood(stage, [talker, listener], 10 << 20, |_| false);
    stage.reads_again(stalled);
    stage.says(talker, "end");
    stage.sees(listener, "<talker> end");
    let (mut next, mut gaps, mut told_again) = (0, 0, 0);
    loop {
        let line = stage.line(stalled);
        if line == "-- you missed some messages" {
            gaps += 1;
            continue;
        }
        let from_before = past(&line);
        told_again += usize::from(from_before.is_some());
        let line = from_before.unwrap_or(line);
        if line == "<talker> end" {
            break;
        }
        let number = line.strip_prefix("<talker> ").and_then(|line| line.get(..8)?.parse().ok());
        let number: usize = number.unwrap_or_else(|| panic!("{line:?} instead of number {next}"));
        assert!(number == next || number > next && gaps > 0, "number {number} instead of {next}");
        next = number + 1;
    }
    assert_eq!(next, said, "the newest are there");
    assert!(gaps > 0 && told_again > 0, "{gaps} gaps, {told_again} lines told again");
    stage.says(talker, "on");
    stage.sees(stalled, "<talker> on");
    stage.sees_nothing(stalled);
}

fn short_pause(stage: &mut Stage<'_>) {
    let [talker, listener, slow] = stage.people(["talker", "listener", "slow"]);
    let mut next = 0;
    for _ in 0..5 {
        stage.stalls(slow);
        for number in next..next + 50 {
            stage.says(talker, &format!("{number} of many"));
            stage.sees(listener, &format!("<talker> {number} of many"));
        }
        stage.advance(20);
        stage.reads_again(slow);
        for number in next..next + 50 {
            stage.sees(slow, &format!("<talker> {number} of many"));
        }
        next += 50;
    }
    stage.sees_nothing(slow);
}
