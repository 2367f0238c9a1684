//! Rules 1 to 8: lines.

use super::{Need, Script, Settings, Stage};
use crate::chat::Chat;
use crate::lines::Next;

const IAC: u8 = 255;

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("a line ends as every client ends it, and arrives with CR LF", &[1], line_endings),
    Script::new("a line that a CR ends is said at once", &[1], bare_carriage_return),
    Script::new("lines do not depend on how they were split", &[1, 2], split_anyhow),
    Script::new("text of any script arrives as it was", &[2], any_script),
    Script::new("invalid bytes become U+FFFD", &[2], invalid_bytes),
    Script::new("a byte order mark is no part of a line", &[2], byte_order_mark),
    Script::new("control characters are removed, tabs are not", &[3], control_characters),
    Script::new("what was erased is not said", &[3, 4], erased),
    Script::new("nothing turns text around or breaks its line", &[3, 7], directions_and_separators),
    Script::new("telnet commands are never shown", &[4], telnet_negotiation),
    Script::new("who asks whether anybody is there is answered alone", &[4], are_you_there),
    Script::new("an interrupt leaves, and Ctrl-D at the start of a line", &[4, 10], interrupts),
    Script::new("telnet negotiation may be split anywhere", &[4], telnet_split),
    Script::new("telnet negotiation is no part of the line's length", &[4, 6], telnet_takes_no_room),
    Script::new("empty lines are ignored", &[5], empty_lines),
    Script::new("a line of the limit is sent, a longer one is not", &[6], line_limit),
    Script {
        needs: &[Need::LineLimit],
        settings: Settings { line_limit: Some(80), ..Settings::DEFAULT },
        ..Script::new("the line limit is the one that was set", &[6], line_limit)
    },
    Script::new("a very long line is refused once", &[6], very_long_line),
    Script::new("the limit counts bytes as they were sent", &[2, 6], limit_as_sent),
    Script::new("no text forges another kind of line", &[7], no_forgery),
    Script::new("one's own messages do not come back", &[8], own_messages),
    Script::new("a client of another protocol is answered, closed, and not heard", &[22], other_protocols),
    Script {
        needs: &[Need::HalfClose],
        ..Script::new("a last line without an ending counts", &[8, 10], last_line)
    },
    Script {
        needs: &[Need::HalfClose],
        ..Script::new("all that came before the end of the input counts", &[8], all_before_the_end)
    },
];

fn line_endings(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.sends(alice, b"one\ntwo\r\nthree\n\r\nfour\r\nfive\r\0six\rseven\r\r\0\r\n");
    for text in ["one", "two", "three", "four", "five", "six", "seven"] {
        stage.sees(bob, &format!("<alice> {text}"));
    }
    stage.sees_nothing(bob);
}

fn bare_carriage_return(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    for ending in [&b"\r"[..], b"\r", b"\r\0", b"\r\n"] {
        stage.sends(alice, &[b"line", &ending[..1]].concat());
        stage.sees(bob, "<alice> line");
        stage.sends(alice, &ending[1..]);
    }
    stage.says(alice, "end");
    stage.sees(bob, "<alice> end");
    stage.sees_nothing(bob);
}

fn split_anyhow(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    for byte in "h\u{e9}llo w\u{f6}rld \u{1f600}\r\n/me waves\n".as_bytes() {
        stage.sends(alice, &[*byte]);
    }
    stage.sees(bob, "<alice> h\u{e9}llo w\u{f6}rld \u{1f600}");
    stage.sees(bob, "* alice waves");
    stage.sends(alice, b"many\nlines\nat\n");
    stage.sends(alice, b"once\n");
    for text in ["many", "lines", "at", "once"] {
        stage.sees(bob, &format!("<alice> {text}"));
    }
}

fn any_script(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    for text in
        ["na\u{ef}ve", "\u{65e5}\u{672c}\u{8a9e}", "\u{5e9}\u{5dc}\u{5d5}\u{5dd}", "e\u{301}", "\u{10ffff}"]
    {
        stage.says(alice, text);
        stage.sees(bob, &format!("<alice> {text}"));
    }
}

fn invalid_bytes(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.sends(alice, b"a\xc0b\n");
    stage.sees(bob, "<alice> a\u{fffd}b");
    // A surrogate, a code point beyond the last, a truncated character. The rules leave open how many
    // signs replace one such fault.
    for bytes in [&b"a\xed\xa0\x80b\n"[..], b"a\xf4\x90\x80\x80b\n", b"a\xe2\x82b\n"] {
        stage.sends(alice, bytes);
        let line = stage.sees_where(bob, "a message", |line| line.starts_with("<alice> a"));
        let between = line["<alice> a".len()..].strip_suffix('b').expect("the text after the fault");
        assert!(!between.is_empty() && between.chars().all(|c| c == '\u{fffd}'), "{line:?}");
    }
    stage.sends(alice, b"end\xe2\x82\n");
    stage.sees_where(bob, "a message", |line| line.trim_end_matches('\u{fffd}') == "<alice> end");
    stage.sees_nothing(bob);
}

fn byte_order_mark(stage: &mut Stage<'_>) {
    let [bob] = stage.people(["bob"]);
    let newcomer = stage.newcomer();
    for byte in "\u{feff}/msg bob for you\r\n".as_bytes() {
        stage.sends(newcomer, &[*byte]);
    }
    stage.until_pong(newcomer);
    let seen = stage.until_pong(bob);
    assert_eq!(seen.iter().filter(|line| line.ends_with("] for you")).count(), 1, "{seen:?}");
    assert!(!seen.iter().any(|line| line.starts_with('<')), "{seen:?}");
}

fn control_characters(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.sends(alice, b"\x1b[2Jred\x07 a\tb\x00\x0e\n");
    stage.sees(bob, "<alice> [2Jred a\tb");
    // C1 controls: U+009B alone introduces an escape sequence on many terminals.
    stage.says(alice, "x\u{9b}31my\u{85}z");
    stage.sees(bob, "<alice> x31myz");
    stage.says(alice, "/me \u{1b}]0;title\u{7}");
    stage.sees(bob, "* alice ]0;title");
    stage.says(alice, "/msg bob \u{1b}c");
    stage.sees(bob, "[alice] c");
}

fn erased(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.sends(alice, b"hellp\x08o\r\nhellp\x7fo\r\nhellp\xff\xf7o\r\nsecret\xff\xf8hello\r\n");
    for _ in 0..4 {
        stage.sees(bob, "<alice> hello");
    }
    // A character goes as a whole, and where there is none nothing goes.
    stage.sends(alice, "\x7f\x08\u{e9}\x08\x08\u{1f600}\x7fok\x15/me \u{fc}\u{fc}\x7f\n".as_bytes());
    stage.sees(bob, "* alice \u{fc}");
    // Key by key, as a terminal in character mode sends it.
    for key in b"/mgs\x7f\x7fsg bob hi\r" {
        stage.sends(alice, &[*key]);
    }
    stage.sees(bob, "[alice] hi");
    stage.sees_nothing(bob);
}

fn directions_and_separators(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    for c in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
        stage.says(alice, &format!("invoice {c}gnp.exe"));
        stage.sees(bob, "<alice> invoice gnp.exe");
    }
    for c in ['\u{2028}', '\u{2029}'] {
        stage.says(alice, &format!("/me waves{c}<carol> hi"));
        stage.sees(bob, "* alice waves <carol> hi");
        stage.says(alice, &format!("/topic a{c}-- b"));
        stage.sees(bob, "-- alice set the topic: a -- b");
    }
}

/// The output for a client up to the answer to its `/ping`, without telnet commands.
fn without_telnet(stage: &mut Stage<'_>, client: usize) -> Vec<u8> {
    stage.says(client, "/ping");
    let mut seen = Vec::new();
    while !seen.ends_with(b"-- pong\r\n") {
        match stage.next(client) {
            Next::Line(line) => seen.extend(line),
            other => panic!("client {client}: {other:?} instead of a pong"),
        }
    }
    let mut text = Vec::new();
    let mut bytes = seen.into_iter();
    while let Some(byte) = bytes.next() {
        // The answers to WILL and DO are three bytes long.
        if byte == IAC {
            bytes.nth(1);
        } else {
            text.push(byte);
        }
    }
    text
}

const NEGOTIATION: &[&[u8]] = &[
    b"\xff\xfb\x01",                         // WILL ECHO
    b"\xff\xfc\x03",                         // WONT SUPPRESS-GO-AHEAD
    b"\xff\xfd\x18",                         // DO TERMINAL-TYPE
    b"\xff\xfe\x22",                         // DONT LINEMODE
    b"\xff\xec\xff\xed\xff\xee\xff\xef",     // EOF, SUSPEND, ABORT, EOR
    b"\xff\xf0\xff\xf1\xff\xf2\xff\xf3",     // SE, NOP, DATA MARK, BREAK
    b"\xff\xf5\xff\xf9",                     // ABORT OUTPUT, GO AHEAD
    b"\xff\xfa\x18\x00xterm\xff\xf0",        // SB TERMINAL-TYPE IS xterm SE
    b"\xff\xfa\x1f\x00\x0a\x00\x0a\xff\xf0", // SB NAWS with line feeds in it
];

fn telnet_negotiation(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    for command in NEGOTIATION {
        stage.sends(alice, command);
        stage.sends(alice, b"be");
        stage.sends(alice, command);
        stage.sends(alice, b"fore\r\n");
        stage.sees(bob, "<alice> before");
    }
    stage.sees_nothing(bob);
    assert_eq!(
        without_telnet(stage, alice).escape_ascii().to_string(),
        "-- pong\\r\\n",
        "what the author saw"
    );
}

fn telnet_split(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    for command in NEGOTIATION {
        for byte in *command {
            stage.sends(alice, &[*byte]);
        }
    }
    stage.says(alice, "clean");
    stage.sees(bob, "<alice> clean");
    stage.sees_nothing(bob);
}

fn are_you_there(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.sends(alice, b"half a \xff\xf6");
    stage.sees(alice, "-- yes");
    stage.sends(alice, b"line\n");
    stage.sees(bob, "<alice> half a line");
    stage.sees_nothing(alice);
    stage.sees_nothing(bob);
}

fn interrupts(stage: &mut Stage<'_>) {
    let [alice, bob, carol] = stage.people(["alice", "bob", "carol"]);
    stage.sends(bob, b"not \x04yet\n");
    stage.sees(alice, "<bob> not yet");
    stage.sees(carol, "<bob> not yet");
    stage.sends(bob, b"half a li\xff\xf4ne\n");
    stage.sees(alice, "-- bob left");
    stage.sees_close(bob);
    stage.sees(carol, "-- bob left");
    stage.sends(carol, b"\x04");
    stage.sees(alice, "-- carol left");
    stage.sees_close(carol);
    stage.sees_nothing(alice);
}

fn telnet_takes_no_room(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    let longest = "x".repeat(stage.line_limit());
    let (before, after) = longest.split_at(stage.line_limit() / 2);
    stage.sends(alice, before.as_bytes());
    for command in NEGOTIATION {
        stage.sends(alice, command);
    }
    stage.says(alice, after);
    stage.sees(bob, &format!("<alice> {longest}"));
    stage.sees_nothing(bob);
}

fn empty_lines(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.sends(alice, b"\n\r\n\r\r\n\x07\x1b\n\x00\r\n\xff\xf1\n   \n\t\r\n\xe2\x80\x8b\n");
    stage.sees_nothing(alice);
    stage.sees_nothing(bob);
}

fn line_limit(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    let limit = stage.line_limit();
    let refusal = format!("-- line too long (limit {limit} bytes), not sent");
    let longest = "x".repeat(limit);
    for ending in ["\n", "\r\n"] {
        stage.sends(alice, format!("{longest}{ending}").as_bytes());
        stage.sees(bob, &format!("<alice> {longest}"));
        stage.sends(alice, format!("{longest}y{ending}next{ending}").as_bytes());
        stage.sees(alice, &refusal);
        stage.sees(bob, "<alice> next");
    }
    stage.sends(alice, format!("/me {}\nlast\n", "z".repeat(limit)).as_bytes());
    stage.sees(alice, &refusal);
    stage.sees(bob, "<alice> last");
    stage.sees_nothing(alice);
    stage.sees_nothing(bob);
}

fn very_long_line(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    let limit = stage.line_limit();
    for _ in 0..100 {
        stage.sends(alice, "l\u{e4}ng ".repeat(limit / 6).as_bytes());
    }
    stage.sends(alice, b"\nnext\n");
    stage.sees(alice, &format!("-- line too long (limit {limit} bytes), not sent"));
    stage.sees_nothing(alice);
    stage.sees(bob, "<alice> next");
    stage.sees_nothing(bob);
}

fn limit_as_sent(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    let limit = stage.line_limit();
    stage.sends(alice, &[&vec![0xE9; limit][..], b"\n"].concat());
    let line = stage.sees_where(bob, "a message", |line| line.starts_with("<alice> "));
    assert_eq!(line["<alice> ".len()..].chars().count(), limit, "{line:?}");
    stage.sends(alice, &[&vec![0xE9; limit + 1][..], b"\n"].concat());
    stage.sees(alice, &format!("-- line too long (limit {limit} bytes), not sent"));
    stage.sees_nothing(bob);
}

fn other_protocols(stage: &mut Stage<'_>) {
    let [bob] = stage.people(["bob"]);
    let long = format!("GET /{} HTTP/1.1\r\n/nick root\r\nI am here\r\n", "a".repeat(stage.line_limit()));
    let strangers: [(&[u8], &[u8]); 6] = [
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n/nick root\r\nI am here\r\n", b"HTTP/1.0 400 "),
        (long.as_bytes(), b"HTTP/1.0 400 "),
        (b"\x16\x03\x01\x00\x05\x01I am here\r\n", &[21, 3, 1, 0, 2, 2, 70]),
        (b"SSH-2.0-OpenSSH_9.2\r\nI am here\r\n", b"Protocol mismatch."),
        (b"NICK root\r\nUSER root 0 * :Root\r\nPRIVMSG #lobby :I am here\r\n", b"ERROR :"),
        (b"\x03\x00\x00\x0bI am here\r\n", b""),
    ];
    for (sent, answer) in strangers {
        for is_split in [false, sent.len() < 100] {
            let stranger = stage.newcomer();
            if is_split {
                sent.iter().for_each(|byte| stage.sends(stranger, &[*byte]));
            } else {
                stage.sends(stranger, sent);
            }
            let mut seen = Vec::new();
            loop {
                match stage.next(stranger) {
                    Next::Line(line) => seen.extend(line),
                    Next::Closed => break,
                    Next::Nothing => panic!("it is not closed"),
                }
            }
            assert!(answer.is_empty() || seen.windows(answer.len()).any(|part| part == answer), "{seen:?}");
        }
    }
    // The others see a slow foreign client come and go, as they see everybody. They see nothing of its
    // input.
    let is_notice = |line: &String| line.starts_with("-- guest-") || line.starts_with("-- others: ");
    let seen = stage.until_pong(bob);
    assert!(seen.iter().all(is_notice) && !seen.iter().any(|line| line.contains("root")), "{seen:#?}");
}

fn no_forgery(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    for text in ["-- bob left", "* bob waves", "<bob> hi", "[bob] psst", " -- indented"] {
        stage.says(alice, text);
        stage.sees(bob, &format!("<alice> {text}"));
        stage.says(alice, &format!("/me {text}"));
        stage
            .sees_where(bob, "an action", |line| line.starts_with("* alice ") && line.ends_with(text.trim()));
        stage.says(alice, &format!("/msg bob {text}"));
        stage.sees_where(bob, "a direct message", |line| {
            line.starts_with("[alice] ") && line.ends_with(text.trim())
        });
    }
    for name in ["a>", "<a", "a]", "[a", "*", "--", "a b", "a:", "alice\u{202e}"] {
        stage.says(alice, &format!("/nick {name}"));
    }
    stage.says(alice, "still me");
    stage.until_pong(alice);
    // "--" has only allowed characters. Even with this name, the line's kind is clear.
    let seen = stage.until_pong(bob);
    let message = seen.last().expect("the message");
    assert!(message == "<alice> still me" || message == "<--> still me", "{seen:#?}");
}

fn own_messages(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.says(alice, "hello");
    stage.says(bob, "hi");
    stage.says(alice, "/me smiles");
    stage.sees(bob, "<alice> hello");
    stage.sees(bob, "* alice smiles");
    stage.sees(alice, "<bob> hi");
    stage.sees_nothing(alice);
    stage.sees_nothing(bob);
}

fn last_line(stage: &mut Stage<'_>) {
    let [alice, bob] = stage.people(["alice", "bob"]);
    stage.sends(alice, b"first\nlast");
    stage.half_closes(alice);
    stage.sees(bob, "<alice> first");
    stage.sees(bob, "<alice> last");
    stage.sees(bob, "-- alice left");
    stage.sees_close(alice);
}

fn all_before_the_end(stage: &mut Stage<'_>) {
    let [bob] = stage.people(["bob"]);
    let alice = stage.newcomer();
    let mut script = String::from("/nick alice\n");
    for number in 0..200 {
        script.push_str(&format!("line {number}\n"));
    }
    script.push_str("/ping");
    stage.sends(alice, script.as_bytes());
    stage.half_closes(alice);
    stage.sees(bob, "-- alice joined");
    for number in 0..200 {
        stage.sees(bob, &format!("<alice> line {number}"));
    }
    stage.sees(bob, "-- alice left");
    while stage.line(alice) != "-- pong" {}
    stage.sees_close(alice);
}
