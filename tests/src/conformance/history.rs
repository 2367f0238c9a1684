//! Rules 9, 17 and 23: what was said before.

use super::{Need, Script, Settings, Stage, names_in};
use crate::chat::{Chat, line_text, past};
use crate::lines::Next;

const FEW: Settings = Settings { history: Some(3), ..Settings::DEFAULT };
/// More than a room's log has.
const MUCH: Settings = Settings { history: Some(10_000), log_size: Some(256 << 10), ..Settings::DEFAULT };

pub(super) const SCRIPTS: &[Script] = &[
    Script {
        needs: &[Need::History],
        settings: FEW,
        ..Script::new("a newcomer sees the last messages before who is here", &[9], newcomer)
    },
    Script {
        needs: &[Need::History],
        settings: FEW,
        ..Script::new("each room has its own past, which ends with the room", &[9, 17], rooms)
    },
    Script::new("a client asks for the last messages of its room", &[23], asked_for),
    Script {
        needs: &[Need::History, Need::LogSize, Need::Stall],
        settings: MUCH,
        ..Script::new("a newcomer that reads slowly while others talk loses nothing", &[9], slowly)
    },
];

fn newcomer(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    for text in ["one", "two", "three"] {
        stage.says(alice, text);
        stage.sees(bob, &format!("<alice> {text}"));
    }
    stage.says(bob, "/me waves");
    stage.says(bob, "/topic of bees");
    stage.says(bob, "/msg alice psst");
    stage.says(bob, "last");
    stage.until_pong(bob);
    let carol = stage.newcomer();
    stage.sees(carol, "-- welcome to parlour, you are guest-1; /help lists the commands");
    for line in ["<alice> three", "* bob waves", "<bob> last"] {
        stage.sees_past(carol, line);
    }
    let here = stage.line(carol);
    assert_eq!(names_in(&[here], "-- here: "), ["alice", "bob", "guest-1"]);
    stage.says(alice, "new");
    stage.sees(carol, "<alice> new");
    stage.sees_nothing(carol);
}

fn rooms(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.says(alice, "in the lobby");
    stage.says(alice, "/join den");
    stage.sees(alice, "-- you are in den");
    stage.sees(alice, "-- here: alice");
    stage.says(alice, "in the den");
    stage.until_pong(alice);
    stage.says(bob, "/join den");
    stage.sees(bob, "<alice> in the lobby");
    stage.sees(bob, "-- alice went to den");
    stage.sees(bob, "-- you are in den");
    stage.sees_past(bob, "<alice> in the den");
    let here = stage.line(bob);
    assert_eq!(names_in(&[here], "-- here: "), ["alice", "bob"]);
    // The lobby stays, even if nobody is there.
    for (client, here) in [(bob, &["bob"][..]), (alice, &["alice", "bob"])] {
        stage.until_pong(client);
        stage.says(client, "/join lobby");
        stage.sees(client, "-- you are in lobby");
        stage.sees_past(client, "<alice> in the lobby");
        let line = stage.line(client);
        assert_eq!(names_in(&[line], "-- here: "), here);
    }
    // Nobody is in the den any more.
    stage.says(alice, "/join den");
    stage.sees(alice, "-- you are in den");
    stage.sees(alice, "-- here: alice");
    stage.sees_nothing(alice);
}

fn asked_for(stage: &mut Stage<'_>) {
    const ALL: usize = 24;
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.says(bob, "/history");
    stage.sees(bob, "-- nothing was said here lately");
    for number in 1..ALL {
        stage.says(alice, &format!("{number}"));
        stage.sees(bob, &format!("<alice> {number}"));
    }
    stage.says(bob, "/me ends it");
    stage.until_pong(bob);
    for (command, count) in [("/history", 20), ("/history 3", 3), ("/history 1", 1)] {
        stage.says(bob, command);
        for number in ALL - count + 1..ALL {
            stage.sees_past(bob, &format!("<alice> {number}"));
        }
        stage.sees_past(bob, "* bob ends it");
        stage.sees_nothing(bob);
    }
    for text in ["0", "x", "-1", "3 4"] {
        stage.says(bob, &format!("/history {text}"));
        stage.sees(bob, "-- /history needs a number, as in /history 50");
    }
    stage.says(bob, "/join den");
    stage.until_pong(bob);
    stage.says(bob, "/history");
    stage.sees(bob, "-- nothing was said here lately");
    assert_eq!(
        stage.until_pong(alice),
        ["* bob ends it", "-- bob went to den"],
        "and nothing of his questions"
    );
}

fn slowly(stage: &mut Stage<'_>) {
    const BEFORE: usize = 150;
    const ALL: usize = 250;
    let [alice, bob] = stage.people(["alice", "bob"]);
    let fill = "x".repeat(stage.line_limit() / 2);
    let say = |stage: &mut Stage<'_>, number: usize| {
        stage.says(alice, &format!("{number:03} {fill}"));
        let line = stage.line(bob);
        let is_notice = line == "-- guest-1 joined";
        let line = if is_notice { stage.line(bob) } else { line };
        assert_eq!(line, format!("<alice> {number:03} {fill}"));
    };
    for number in 0..BEFORE {
        say(stage, number);
    }
    let carol = stage.newcomer();
    stage.stalls(carol);
    for number in BEFORE..BEFORE + 20 {
        say(stage, number);
    }
    stage.reads_again(carol);
    stage.sees(carol, "-- welcome to parlour, you are guest-1; /help lists the commands");
    let (mut seen, mut said, mut is_here, mut is_new) = (0, BEFORE + 20, false, false);
    while seen < ALL || !is_here {
        if said < ALL && seen % 3 == 0 {
            say(stage, said);
            said += 1;
        }
        let Next::Line(line) = stage.next(carol) else { panic!("she has seen {seen} lines of {said}") };
        let line = line_text(&line);
        if line.starts_with("-- here: ") {
            assert!(!std::mem::replace(&mut is_here, true), "she is told once who is here");
            continue;
        }
        let from_before = past(&line);
        is_new |= from_before.is_none();
        assert!(!is_new || from_before.is_none(), "{line:?} comes after newer lines");
        assert!(!is_here || from_before.is_none(), "{line:?} comes after who is here");
        let line = from_before.unwrap_or(line);
        assert!(line.starts_with(&format!("<alice> {seen:03} ")), "{line:?} instead of number {seen}");
        seen += 1;
    }
    stage.sees_nothing(carol);
}
