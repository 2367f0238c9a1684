//! Rules 13 to 20: commands.

use super::{Need, Script, Stage, names_in};
use crate::chat::Chat;

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("a new name is shown to all in the room", &[13], nick),
    Script::new("names are of letters and digits of any script", &[13], nick_characters),
    Script {
        needs: &[Need::LongNames],
        ..Script::new("a name has up to 24 characters of any script", &[13], nick_longest)
    },
    Script::new("a bad name is refused with the reason", &[13], nick_bad),
    Script::new("the server's own words are nobody's name", &[7, 13], nick_reserved),
    Script { needs: &[Need::Looks], ..Script::new("letters may have their marks", &[13, 15], nick_marks) },
    Script {
        needs: &[Need::Looks],
        ..Script::new("a name that looks like one that is here is refused", &[13, 17], look_alikes)
    },
    Script::new("a taken name is refused, whatever its case", &[13], nick_taken),
    Script::new("an action is shown to the others", &[14], action),
    Script::new("a direct message is seen by its two ends only", &[15], direct_message),
    Script::new("a direct message reaches another room", &[15], direct_message_to_another_room),
    Script {
        needs: &[Need::Stall],
        ..Script::new("a direct message to a full queue is refused", &[15], direct_message_refused)
    },
    Script::new("who is in a room", &[16], who),
    Script::new("which rooms there are", &[16], rooms),
    Script::new("a room is entered, made and left", &[17], join),
    Script::new("rooms do not hear each other", &[17], rooms_are_apart),
    Script::new("a room is gone when the last one leaves", &[17, 18], room_is_gone),
    Script::new("a bad room name is refused", &[17], join_bad),
    Script::new("a topic is set, shown and told to newcomers", &[18, 17], topic),
    Script::new("a ping is answered", &[19], ping),
    Script::new("quitting closes and may have a reason", &[19, 10], quit),
    Script::new("help names each command", &[19], help),
    Script::new("two slashes say one", &[20], two_slashes),
    Script::new("an unknown command is answered to its author only", &[20], unknown_command),
];

fn nick(stage: &mut Stage<'_>) {
    let (first, given) = stage.enter();
    let [bob] = stage.people(["bob"]);
    stage.until_pong(first);
    stage.says(first, "/nick alice");
    stage.sees(first, &format!("-- {given} is now alice"));
    stage.sees(bob, &format!("-- {given} is now alice"));
    stage.says(first, "/nick Al-1_x");
    stage.sees(first, "-- alice is now Al-1_x");
    stage.sees(bob, "-- alice is now Al-1_x");
    stage.says(first, "hello");
    stage.sees(bob, "<Al-1_x> hello");
}

fn nick_characters(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    let mut present = "alice";
    for name in ["x", "Zo\u{eb}", "\u{540d}\u{524d}", "\u{418}\u{432}\u{430}\u{43d}", "\u{663}", "_"] {
        stage.says(alice, &format!("/nick {name}"));
        stage.sees(alice, &format!("-- {present} is now {name}"));
        stage.sees(bob, &format!("-- {present} is now {name}"));
        present = name;
    }
}

fn nick_longest(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    // Of two, three and four bytes each: letters with an accent, Chinese and Gothic ones.
    let mut present = "alice".to_string();
    for character in ["\u{e9}", "\u{540d}", "\u{10330}"] {
        let name = character.repeat(24);
        stage.says(alice, &format!("/nick {name}"));
        stage.sees(alice, &format!("-- {present} is now {name}"));
        stage.sees(bob, &format!("-- {present} is now {name}"));
        present = name;
    }
}

fn nick_bad(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    let too_long = "x".repeat(25);
    for name in [&too_long, "a<b", "a>", "a.b", "a,b", "a/b", "@", "a\tb", "\u{1f600}", "a\u{a0}b"] {
        stage.says(alice, &format!("/nick {name}"));
        stage.sees_where(alice, "why the name is bad", |line| line.starts_with("-- bad name: "));
    }
    stage.says(alice, "/nick");
    stage.is_told(alice);
    stage.says(alice, "/nick a b");
    stage.is_told(alice);
    stage.says(alice, "same");
    stage.sees(bob, "<alice> same");
    stage.sees_nothing(alice);
    stage.sees_nothing(bob);
}

fn nick_reserved(stage: &mut Stage<'_>) {
    let [alice] = stage.people(["alice"]);
    for name in ["server", "parlour", "Server", "PARLOUR", "nobody", "others", "you"] {
        stage.says(alice, &format!("/nick {name}"));
        stage.sees(alice, "-- bad name: it looks like one of the server's own words");
    }
    stage.says(alice, "/join server");
    stage.sees(alice, "-- bad room name: it looks like one of the server's own words");
    stage.sees_nothing(alice);
}

fn nick_marks(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    let mut present = "alice";
    // Hindi, Tamil, Thai.
    for name in [
        "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}",
        "\u{ba4}\u{bae}\u{bbf}\u{bb4}\u{bcd}",
        "\u{e19}\u{e49}\u{e33}\u{e1d}\u{e19}",
    ] {
        stage.says(alice, &format!("/nick {name}"));
        stage.sees(bob, &format!("-- {present} is now {name}"));
        present = name;
    }
    // One spelling for what macOS spells in two characters and others in one.
    stage.says(alice, "/nick Zoe\u{308}");
    stage.sees(bob, &format!("-- {present} is now Zo\u{eb}"));
    for spelled in ["Zoe\u{308}", "Zo\u{eb}"] {
        stage.says(bob, &format!("/msg {spelled} hi"));
        stage.sees(bob, "[to Zo\u{eb}] hi");
        stage.says(bob, &format!("/nick {spelled}"));
        stage.sees(bob, "-- the name Zo\u{eb} is taken");
    }
    for name in ["\u{308}", "\u{308}a", "q\u{308}\u{308}\u{308}\u{308}\u{308}", "\u{3164}", "a\u{200d}b"] {
        stage.says(bob, &format!("/nick {name}"));
        stage.sees_where(bob, "why the name is bad", |line| line.starts_with("-- bad name: "));
    }
    stage.sees_nothing(bob);
}

fn look_alikes(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    for name in ["\u{430}lice", "\u{ff41}\u{ff4c}\u{ff49}\u{ff43}\u{ff45}", "a1ice", "aIice"] {
        stage.says(bob, &format!("/nick {name}"));
        stage.sees(bob, &format!("-- the name {name} looks like alice, which is taken"));
    }
    for name in ["\u{455}erver", "par1our", "guest-l"] {
        stage.says(bob, &format!("/nick {name}"));
        stage.sees_where(bob, "why the name is bad", |line| line.starts_with("-- bad name: "));
    }
    // A name that looks like somebody's is still another name.
    stage.says(bob, "/msg \u{430}lice hi");
    stage.is_told(bob);
    stage.says(bob, "/join l\u{43e}bby");
    stage.sees(bob, "-- the room name l\u{43e}bby looks like lobby, which exists already");
    stage.sees_nothing(alice);
    stage.says(alice, "/nick carol");
    for client in [alice, bob] {
        stage.sees(client, "-- alice is now carol");
    }
    stage.says(bob, "/nick \u{430}lice");
    stage.sees(alice, "-- bob is now \u{430}lice");
    // Case is that of every script.
    stage.says(bob, "/nick \u{c4}pfel");
    stage.sees(alice, "-- \u{430}lice is now \u{c4}pfel");
    stage.says(alice, "/msg \u{e4}PFEL hi");
    stage.sees(alice, "[to \u{c4}pfel] hi");
    stage.says(alice, "/nick \u{e4}pfel");
    stage.sees(alice, "-- the name \u{e4}pfel is taken");
}

fn nick_taken(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    for name in ["bob", "BOB", "bOb"] {
        stage.says(alice, &format!("/nick {name}"));
        let line = stage.is_told(alice);
        assert!(line.eq_ignore_ascii_case("-- the name bob is taken"), "{line:?}");
    }
    stage.sees_nothing(bob);
    stage.says(bob, "/nick Bob");
    stage.sees(bob, "-- bob is now Bob");
    stage.sees(alice, "-- bob is now Bob");
    stage.says(bob, "/nick robert");
    stage.sees(alice, "-- Bob is now robert");
    stage.says(alice, "/nick bob");
    stage.sees(alice, "-- alice is now bob");
}

fn action(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.says(alice, "/me waves at you");
    stage.sees(bob, "* alice waves at you");
    stage.sees_nothing(alice);
}

fn direct_message(stage: &mut Stage<'_>) {
    let [alice, bob, carol] = stage.people(["alice", "bob", "carol"]);
    stage.says(alice, "/msg bob hi there");
    stage.sees(alice, "[to bob] hi there");
    stage.sees(bob, "[alice] hi there");
    stage.says(alice, "/msg dave hi");
    stage.sees(alice, "-- nobody here is called dave");
    stage.sees_nothing(alice);
    stage.sees_nothing(bob);
    stage.sees_nothing(carol);
}

fn direct_message_to_another_room(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.says(bob, "/join den");
    stage.until_pong(bob);
    stage.until_pong(alice);
    stage.says(alice, "/msg bob psst");
    stage.sees(alice, "[to bob] psst");
    stage.sees(bob, "[alice] psst");
}

fn direct_message_refused(stage: &mut Stage<'_>) {
    const MOST: usize = 200_000;
    let [alice, bob, carol] = stage.people(["alice", "bob", "carol"]);
    stage.stalls(bob);
    let fill = "x".repeat(stage.line_limit() - "/msg bob 000000 ".len());
    let mut accepted = 0;
    while accepted < MOST {
        let text = format!("{accepted:06} {fill}");
        stage.says(alice, &format!("/msg bob {text}"));
        let line = stage.line(alice);
        if line == "-- bob takes no more messages now, not sent" {
            break;
        }
        assert_eq!(line, format!("[to bob] {text}"));
        accepted += 1;
    }
    assert!(accepted < MOST, "a queue without end");
    stage.sees_nothing(carol);
    stage.reads_again(bob);
    for number in 0..accepted {
        stage.sees(bob, &format!("[alice] {number:06} {fill}"));
    }
    stage.sees_nothing(bob);
    stage.says(alice, "/msg bob again");
    stage.sees(alice, "[to bob] again");
    stage.sees(bob, "[alice] again");
}

fn who(stage: &mut Stage<'_>) {
    let [alice, bob, carol] = stage.people(["alice", "bob", "carol"]);
    stage.says(carol, "/join den");
    stage.until_pong(carol);
    stage.until_pong(alice);
    stage.says(alice, "/who");
    let line = stage.line(alice);
    assert_eq!(names_in(&[line], "-- in lobby: "), ["alice", "bob"]);
    stage.says(alice, "/who den");
    stage.sees(alice, "-- in den: carol");
    stage.says(carol, "/who");
    stage.sees(carol, "-- in den: carol");
    stage.says(carol, "/who lobby");
    let line = stage.line(carol);
    assert_eq!(names_in(&[line], "-- in lobby: "), ["alice", "bob"]);
    stage.says(alice, "/who nowhere");
    stage.is_told(alice);
    stage.sees_nothing(alice);
    stage.until_pong(bob);
    stage.sees_nothing(carol);
}

fn rooms(stage: &mut Stage<'_>) {
    let [alice, bob, carol] = stage.people(["alice", "bob", "carol"]);
    stage.says(carol, "/join den");
    stage.until_pong(carol);
    stage.says(bob, "/topic of bees");
    stage.until_pong(bob);
    stage.until_pong(alice);
    stage.says(alice, "/rooms");
    let lines = stage.until_pong(alice);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines.contains(&"-- den: 1 here".to_string()), "{lines:#?}");
    let lobby = lines.iter().find(|line| line.starts_with("-- lobby: 2 here")).expect("the lobby");
    assert!(lobby.ends_with("of bees"), "{lobby:?} has the topic");
}

fn join(stage: &mut Stage<'_>) {
    let [alice, bob, carol] = stage.people(["alice", "bob", "carol"]);
    stage.says(alice, "/join den");
    stage.sees(alice, "-- you are in den");
    stage.sees(alice, "-- here: alice");
    stage.sees(bob, "-- alice went to den");
    stage.sees(carol, "-- alice went to den");
    stage.says(bob, "/join den");
    stage.sees(bob, "-- you are in den");
    let line = stage.line(bob);
    assert_eq!(names_in(&[line], "-- here: "), ["alice", "bob"]);
    stage.sees(alice, "-- bob joined");
    stage.sees(carol, "-- bob went to den");
    stage.says(alice, "/join lobby");
    stage.sees(alice, "-- you are in lobby");
    let line = stage.line(alice);
    assert_eq!(names_in(&[line], "-- here: "), ["alice", "carol"]);
    stage.sees(bob, "-- alice went to lobby");
    stage.sees(carol, "-- alice joined");
    for client in [alice, bob, carol] {
        stage.sees_nothing(client);
    }
}

fn rooms_are_apart(stage: &mut Stage<'_>) {
    let [alice, bob, carol] = stage.people(["alice", "bob", "carol"]);
    stage.says(carol, "/join den");
    stage.until_pong(carol);
    stage.until_pong(alice);
    stage.until_pong(bob);
    stage.says(alice, "in the lobby");
    stage.says(alice, "/me waves");
    stage.sees(bob, "<alice> in the lobby");
    stage.sees(bob, "* alice waves");
    stage.says(carol, "in the den");
    stage.says(carol, "/topic dens");
    stage.sees(carol, "-- carol set the topic: dens");
    stage.says(carol, "/nick caroline");
    stage.sees(carol, "-- carol is now caroline");
    for client in [alice, bob, carol] {
        stage.sees_nothing(client);
    }
}

fn room_is_gone(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.says(alice, "/join den");
    stage.says(alice, "/topic secret");
    stage.until_pong(alice);
    stage.says(alice, "/join lobby");
    stage.until_pong(alice);
    stage.until_pong(bob);
    stage.says(bob, "/rooms");
    let lines = stage.until_pong(bob);
    assert!(!lines.iter().any(|line| line.starts_with("-- den:")), "{lines:#?}");
    stage.says(bob, "/join den");
    stage.sees(bob, "-- you are in den");
    stage.sees(bob, "-- here: bob");
    stage.says(bob, "/topic");
    stage.sees(bob, "-- no topic");
}

fn join_bad(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    let too_long = format!("/join {}", "x".repeat(25));
    for command in ["/join", "/join a<b", "/join #den", &too_long] {
        stage.says(alice, command);
        stage.is_told(alice);
    }
    stage.says(alice, "still here");
    stage.sees(bob, "<alice> still here");
    stage.sees_nothing(alice);
    stage.sees_nothing(bob);
}

fn topic(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.says(alice, "/topic");
    stage.sees(alice, "-- no topic");
    stage.says(alice, "/topic all about bees");
    stage.sees(alice, "-- alice set the topic: all about bees");
    stage.sees(bob, "-- alice set the topic: all about bees");
    stage.says(bob, "/topic");
    stage.sees(bob, "-- topic: all about bees");
    stage.says(bob, "/join den");
    stage.until_pong(bob);
    stage.says(bob, "/join lobby");
    stage.sees(bob, "-- you are in lobby");
    stage.sees(bob, "-- topic: all about bees");
    let line = stage.line(bob);
    assert_eq!(names_in(&[line], "-- here: "), ["alice", "bob"]);
}

fn ping(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.says(alice, "/ping");
    stage.sees(alice, "-- pong");
    stage.sees_nothing(bob);
}

fn quit(stage: &mut Stage<'_>) {
    let [alice, bob, carol] = stage.people(["alice", "bob", "carol"]);
    stage.says(alice, "/quit");
    stage.sees_goodbye(alice);
    stage.sees(bob, "-- alice left");
    stage.sees(carol, "-- alice left");
    stage.says(bob, "/quit gone fishing");
    stage.sees_goodbye(bob);
    stage.sees(carol, "-- bob left: gone fishing");
    // A user's reason does not look like one of the server's.
    let reasons =
        [("dora", "timed out"), ("eve", "(timed out)"), ("fay", ") (timed out)"), ("gus", "kicked: spam")];
    for (name, reason) in reasons {
        let [leaver] = stage.people([name]);
        stage.until_pong(carol);
        stage.says(leaver, &format!("/quit {reason}"));
        stage.sees_goodbye(leaver);
        stage.sees(carol, &format!("-- {name} left: {reason}"));
    }
    stage.sees_nothing(carol);
}

fn help(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.says(alice, "/help");
    let lines = stage.until_pong(alice);
    assert!(lines.iter().all(|line| line.starts_with("-- ")), "{lines:#?}");
    for name in ["nick", "me", "msg", "who", "rooms", "join", "topic", "history", "ping", "quit", "help"] {
        let starts_with_it = |line: &String| {
            let rest = line[3..].trim_start().strip_prefix('/').and_then(|line| line.strip_prefix(name));
            rest.is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
        };
        assert_eq!(lines.iter().filter(|line| starts_with_it(line)).count(), 1, "/{name} in {lines:#?}");
    }
    stage.sees_nothing(bob);
}

fn two_slashes(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.says(alice, "//nick is a command");
    stage.sees(bob, "<alice> /nick is a command");
    stage.says(alice, "///");
    stage.sees(bob, "<alice> //");
    stage.says(alice, " /nick is text");
    stage.sees(bob, "<alice>  /nick is text");
    stage.sees_nothing(alice);
}

fn unknown_command(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    for command in ["frobnicate", "nickname x", "n"] {
        stage.says(alice, &format!("/{command}"));
        let line = stage.is_told(alice);
        let name = command.split(' ').next().expect("a word");
        assert!(line.contains(name), "{line:?} names {name}");
        stage.sees_nothing(alice);
        stage.sees_nothing(bob);
    }
}
