//! Rules 9 to 12: coming and going.

use super::{Need, Script, Settings, Stage, names_in};
use crate::chat::Chat;
use crate::lines::Next;

/// The others are told of a silent newcomer within this time.
const MOMENT_MS: u64 = 600;

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("a newcomer is welcomed and told who is here", &[9], welcome),
    Script {
        needs: &[Need::Greeting],
        settings: Settings { greeting: Some("Be kind.\nNo spoilers."), ..Settings::DEFAULT },
        ..Script::new("the greeting comes first", &[9], greeting)
    },
    Script {
        needs: &[Need::Reset],
        clients: 4,
        ..Script::new("a newcomer gets the lowest free number", &[9, 10], lowest_number)
    },
    Script { clients: 60, ..Script::new("a long list of names goes on in further lines", &[9], long_list) },
    Script {
        needs: &[Need::HalfClose],
        ..Script::new("the others see who comes and goes", &[10], comings_and_goings)
    },
    Script {
        needs: &[Need::Reset],
        ..Script::new("who comes and goes without a word is not told of", &[10], visitor)
    },
    Script::new(
        "a newcomer that takes a name at once is told of once, by that name",
        &[10, 13],
        named_at_once,
    ),
    Script { needs: &[Need::Reset], ..Script::new("many comings and goings are told in a sum", &[10], sum) },
    Script {
        needs: &[Need::Reset],
        ..Script::new("a broken connection is a leave", &[10], broken_connection)
    },
    Script {
        needs: &[Need::IdleTimeout],
        settings: Settings { idle_timeout_ms: Some(600), ..Settings::DEFAULT },
        ..Script::new("an idle client leaves with the reason", &[10], idle)
    },
    Script {
        needs: &[Need::MaxConns, Need::HalfClose],
        settings: Settings { max_conns: Some(2), ..Settings::DEFAULT },
        ..Script::new("a newcomer too many is told so and closed", &[11], full)
    },
    Script { needs: &[Need::Shutdown], ..Script::new("everyone is told of the shutdown", &[12], shutdown) },
    Script {
        needs: &[Need::Shutdown, Need::Stall],
        ..Script::new("what is queued at the shutdown is still sent", &[12], shutdown_sends_what_is_queued)
    },
    Script {
        needs: &[Need::Shutdown, Need::Stall, Need::LogSize],
        settings: Settings { log_size: Some(256 << 10), ..Settings::DEFAULT },
        ..Script::new("a stalled client does not hold up the shutdown", &[12], shutdown_ends)
    },
];

fn welcome(stage: &mut Stage<'_>) {
    let first = stage.newcomer();
    stage.sees(first, "-- welcome to parlour, you are guest-1; /help lists the commands");
    stage.sees(first, "-- here: guest-1");
    stage.sees_nothing(first);
    let second = stage.newcomer();
    stage.sees(second, "-- welcome to parlour, you are guest-2; /help lists the commands");
    let here = stage.line(second);
    assert_eq!(names_in(&[here], "-- here: "), ["guest-1", "guest-2"]);
    stage.advance(MOMENT_MS);
    stage.sees(first, "-- guest-2 joined");
    stage.sees_nothing(first);
    stage.sees_nothing(second);
}

fn greeting(stage: &mut Stage<'_>) {
    let client = stage.newcomer();
    stage.sees(client, "-- Be kind.");
    stage.sees(client, "-- No spoilers.");
    stage.sees(client, "-- welcome to parlour, you are guest-1; /help lists the commands");
}

fn lowest_number(stage: &mut Stage<'_>) {
    let (_first, name) = stage.enter();
    assert_eq!(name, "guest-1");
    let (second, name) = stage.enter();
    assert_eq!(name, "guest-2");
    let (third, name) = stage.enter();
    assert_eq!(name, "guest-3");
    stage.resets(second);
    while !stage.line(third).starts_with("-- guest-2 left") {}
    let (_second, name) = stage.enter();
    assert_eq!(name, "guest-2");
    stage.says(third, "/nick carol");
    while stage.line(third) != "-- guest-3 is now carol" {}
    let (_fourth, name) = stage.enter();
    assert_eq!(name, "guest-3");
}

fn long_list(stage: &mut Stage<'_>) {
    let mut expected = Vec::new();
    for number in 0..59 {
        let (client, given) = stage.enter();
        let name = format!("a-name-of-20-chars-{number:02}");
        stage.says(client, &format!("/nick {name}"));
        stage.sees(client, &format!("-- {given} is now {name}"));
        expected.push(name);
    }
    let last = stage.newcomer();
    stage.sees(last, "-- welcome to parlour, you are guest-1; /help lists the commands");
    expected.push("guest-1".to_string());
    let lines = stage.until_pong(last);
    assert_eq!(names_in(&lines, "-- here: "), expected);
    let limit = stage.line_limit();
    let total: usize = expected.iter().map(String::len).sum();
    assert!(lines.len() > total / limit, "{} lines for {total} bytes of names", lines.len());
    assert!(lines.iter().all(|line| line.len() <= limit), "no line is longer than the limit: {lines:#?}");
}

fn comings_and_goings(stage: &mut Stage<'_>) {
    let [alice] = stage.people(["alice"]);
    let newcomer = stage.newcomer();
    stage.advance(MOMENT_MS);
    stage.sees(alice, "-- guest-1 joined");
    let (elsewhere, name) = stage.enter();
    stage.sees(alice, &format!("-- {name} joined"));
    stage.says(elsewhere, "/join den");
    stage.sees(alice, &format!("-- {name} went to den"));
    stage.until_pong(elsewhere);
    stage.half_closes(newcomer);
    stage.sees(alice, "-- guest-1 left");
    stage.sees_nothing(elsewhere);
    stage.half_closes(elsewhere);
    stage.sees_close(elsewhere);
    stage.sees_nothing(alice);
}

fn visitor(stage: &mut Stage<'_>) {
    let [alice] = stage.people(["alice"]);
    for _ in 0..5 {
        let visitor = stage.newcomer();
        stage.sees(visitor, "-- welcome to parlour, you are guest-1; /help lists the commands");
        stage.resets(visitor);
        // It has gone when its number is free again.
        loop {
            stage.says(alice, "/who");
            if stage.until_pong(alice) == ["-- in lobby: alice"] {
                break;
            }
            stage.advance(10);
        }
    }
    stage.advance(MOMENT_MS);
    stage.sees_nothing(alice);
}

fn named_at_once(stage: &mut Stage<'_>) {
    let [alice] = stage.people(["alice"]);
    let bob = stage.newcomer();
    stage.says(bob, "/nick bob");
    stage.sees(bob, "-- welcome to parlour, you are guest-1; /help lists the commands");
    stage.sees_where(bob, "who is here", |line| line.starts_with("-- here: "));
    stage.sees(bob, "-- guest-1 is now bob");
    stage.sees(alice, "-- bob joined");
    stage.advance(MOMENT_MS);
    stage.sees_nothing(alice);
    stage.sees_nothing(bob);
}

fn sum(stage: &mut Stage<'_>) {
    const VISITS: usize = 40;
    let [alice] = stage.people(["alice"]);
    let (mut joined, mut left) = (0, 0);
    for _ in 0..VISITS {
        let (visitor, _) = stage.enter();
        stage.resets(visitor);
    }
    // A coming that is not told at once is told within a second, or together with the next ones.
    let mut one_by_one = 0;
    for _ in 0..40 {
        for line in stage.until_pong(alice) {
            let notice = line.strip_prefix("-- ").expect("a line of the server");
            if let Some(sum) = notice.strip_prefix("others: ") {
                let number = |text: &str| text.split(' ').next()?.parse().ok();
                let (came, gone) = sum.split_once(" joined, ").expect("both numbers");
                joined += number(came).unwrap_or(0);
                left += number(gone).unwrap_or(0);
            } else {
                one_by_one += 1;
                joined += usize::from(notice.ends_with(" joined"));
                left += usize::from(notice.contains(" left"));
            }
        }
        if (joined, left) == (VISITS, VISITS) {
            break;
        }
        stage.advance(100);
    }
    assert_eq!((joined, left), (VISITS, VISITS), "everyone is counted");
    assert!(one_by_one < 2 * VISITS, "not all are told one by one");
}

fn broken_connection(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.says(bob, "here");
    stage.sees(alice, "<bob> here");
    stage.resets(bob);
    stage.sees_where(alice, "a leave", |line| {
        line == "-- bob left" || line.starts_with("-- bob left (") && line.ends_with(')')
    });
    stage.sees_nothing(alice);
}

fn idle(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    let mut seen = Vec::new();
    for _ in 0..40 {
        stage.advance(100);
        seen.extend(stage.until_pong(alice));
        if !seen.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["-- bob left (timed out)"]);
    stage.sees_goodbye(bob);
}

fn full(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    let carol = stage.newcomer();
    stage.sees(carol, "-- server is full");
    stage.sees_close(carol);
    stage.sees_nothing(alice);
    stage.half_closes(bob);
    stage.sees(alice, "-- bob left");
    stage.sees_close(bob);
    let (_carol, name) = stage.enter();
    stage.sees(alice, &format!("-- {name} joined"));
}

fn shutdown(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.says(bob, "/join den");
    stage.until_pong(bob);
    stage.sees(alice, "-- bob went to den");
    stage.shuts_down();
    for client in [alice, bob] {
        stage.sees(client, "-- server is shutting down");
        stage.sees_close(client);
    }
}

fn shutdown_sends_what_is_queued(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.stalls(bob);
    for number in 0..20 {
        stage.says(alice, &format!("line {number}"));
    }
    stage.sees_nothing(alice);
    stage.shuts_down();
    stage.sees(alice, "-- server is shutting down");
    stage.reads_again(bob);
    for number in 0..20 {
        stage.sees(bob, &format!("<alice> line {number}"));
    }
    stage.sees(bob, "-- server is shutting down");
    stage.sees_close(bob);
}

fn shutdown_ends(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.stalls(bob);
    let line = "x".repeat(stage.line_limit());
    // Not so much that the hub would have to wait for bob, but more than a
    // kernel takes for him at once.
    for _ in 0..100 {
        stage.says(alice, &line);
    }
    stage.sees_nothing(alice);
    stage.shuts_down();
    stage.sees(alice, "-- server is shutting down");
    stage.sees_close(alice);
    stage.advance(3_500);
    stage.reads_again(bob);
    while stage.next(bob) != Next::Closed {}
}
