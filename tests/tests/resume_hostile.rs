//! Clients that mean harm by what they say of a session: guesses, lies and nonsense.

use std::fs;
use std::process::Command;

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::server::{Poller, Server, binary};
use parlour_tests::session::{Speaker, Ticket, expect_unknown, message, wait_for_absence};
use parlour_tests::{sys, with_each_poller};

with_each_poller! {
    a_key_cannot_be_guessed,
    a_key_with_a_wrong_count_is_worth_nothing,
    a_client_has_one_session_however_often_it_asks,
    messages_that_make_no_sense_do_no_harm,
    what_was_not_sent_cannot_be_acknowledged,
    nobody_is_shown_a_key,
    only_the_chat_has_sessions,
}

/// All keys that differ from this one a little, or more.
fn guesses(key: &str) -> Vec<String> {
    let (session, secret) = key.split_once('-').expect("two parts");
    let digit = |at: usize| u8::from_str_radix(&secret[at..=at], 16).expect("a digit");
    let flipped = |at: usize| format!("{session}-{}{:x}{}", &secret[..at], digit(at) ^ 1, &secret[at + 1..]);
    let mut guesses: Vec<String> = (0..secret.len()).map(flipped).collect();
    let number = u64::from_str_radix(session, 16).expect("a number");
    let others = [number ^ 1, number + (1 << 32), number.wrapping_sub(1), 0, u64::MAX];
    guesses.extend(others.map(|other| format!("{other:x}-{secret}")));
    guesses.extend(["0", "f"].map(|digit| format!("{session}-{}", digit.repeat(32))));
    guesses
}

fn a_key_cannot_be_guessed(poller: Poller) {
    let mut server = poller.chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut alice = Speaker::enter(server.chat(), "alice");
    let other = Speaker::enter(server.chat(), "other").ticket();
    let ticket = alice.ticket();
    let mut all = guesses(&ticket.key);
    // The secret of another one.
    let ((session, _), (_, secret)) =
        (ticket.key.split_once('-').expect("two parts"), other.key.split_once('-').expect("two parts"));
    all.push(format!("{session}-{secret}"));
    bob.catch_up();
    let (here, away) = all.split_at(all.len() / 2);
    for key in here {
        expect_unknown(server.chat(), &Ticket { key: key.clone(), ..ticket });
    }
    alice.say("I am still here");
    let seen = bob.wait_for("<alice> I am still here");
    assert!(seen.iter().all(|line| !line.contains("alice")), "{seen:#?}");
    let ticket = alice.cut();
    wait_for_absence(&mut server, 1);
    for key in away {
        expect_unknown(server.chat(), &Ticket { key: key.clone(), ..ticket });
    }
    bob.say("where is alice");
    let mut alice = Speaker::back(server.chat(), &ticket);
    alice.expect_resumed();
    alice.wait_for("<bob> where is alice");
    alice.say("here");
    let seen = bob.wait_for("<alice> here");
    assert!(seen.iter().all(|line| !line.contains("alice")), "{seen:#?}");
    server.stop();
}

fn a_key_with_a_wrong_count_is_worth_nothing(poller: Poller) {
    let server = poller.chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut alice = Speaker::enter(server.chat(), "alice");
    bob.say("hello");
    alice.wait_for("<bob> hello");
    alice.acknowledge();
    bob.say("again");
    alice.wait_for("<bob> again");
    alice.expect_nothing();
    let acknowledged = "<bob> hello\r\n".len() as u64;
    let ticket = alice.ticket();
    for received in [0, acknowledged - 1, ticket.received + 1, ticket.received + (1 << 32), u64::MAX] {
        expect_unknown(server.chat(), &Ticket { received, ..ticket.clone() });
    }
    bob.say("once more");
    alice.wait_for("<bob> once more");
    // From an earlier place on, it is told again.
    let mut alice = Speaker::back(server.chat(), &Ticket { received: acknowledged, ..ticket });
    alice.expect_resumed();
    alice.expect_line("<bob> again");
    alice.expect_line("-- pong");
    alice.expect_line("<bob> once more");
    alice.expect_nothing();
    server.stop();
}

fn a_client_has_one_session_however_often_it_asks(poller: Poller) {
    let mut server = poller.chatting(&[]);
    let mut alice = Speaker::enter(server.chat(), "alice");
    for _ in 0..20 {
        alice.send(&message("new").repeat(1_000));
        alice.expect_nothing();
    }
    assert_eq!(alice.messages(), [""; 0]);
    let ticket = alice.cut();
    wait_for_absence(&mut server, 1);
    Speaker::back(server.chat(), &ticket).expect_resumed();
    // One that asks before it has read anything, too.
    let mut eager = Speaker::connect(server.chat());
    eager.send(&message("new").repeat(1_000));
    eager.is_welcomed();
    assert_eq!(eager.messages().len(), 1);
    server.stop();
}

/// Messages that nobody may send, or that are none.
fn nonsense(ticket: &Ticket) -> Vec<Vec<u8>> {
    let Ticket { key, received } = ticket;
    let long = "x".repeat(100_000);
    let words = [
        "",
        " ",
        "NEW",
        "new new",
        "ack",
        "ack -1",
        "ack 99999999999999999999999",
        "ack 0x10",
        "resume",
        &format!("resume {key}"),
        &format!("resume {key} {received} "),
        &format!("resume {key} -{received}"),
        &format!("resume {key}0 {received}"),
        "resume 1-2 3",
        "resumed 5",
        "unknown",
        "key 1-2",
        "bye bye",
        &long,
    ];
    let words = words.map(message);
    // What is no message ends what was begun: a client that begins a subnegotiation must end it.
    let others: [&[u8]; 8] = [
        b"\xff\xfa\x52\xff\xfa\x52\xff\xf0",
        b"\xff\xfa\x52new\xff\xff\xff\xf0",
        b"\xff\xfa\x52ne\x00w\xff\xf0",
        b"\xff\xfa\x52n\r\new\xff\xf0",
        b"\xff\xfa\x52\xc3\x28\xff\xf0",
        b"\xff\xfa\x53new\xff\xf0",
        b"\xff\xff\xfa\x52new\xff\xf0",
        b"\xff\xff\xf0",
    ];
    words.into_iter().chain(others.map(<[u8]>::to_vec)).collect()
}

fn messages_that_make_no_sense_do_no_harm(poller: Poller) {
    let mut server = poller.chatting(&["--line-limit", "256k", "--log-size", "2M"]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut alice = Speaker::enter(server.chat(), "alice");
    let mut carol = Client::named(server.chat(), "carol");
    for bytes in nonsense(&alice.ticket()) {
        for size in [1, 2, 3, bytes.len()] {
            for talker in [&mut alice as &mut dyn Talk, &mut carol] {
                let name = talker.who();
                if bytes.len() / size < 1_000 {
                    bytes.chunks(size).for_each(|piece| talker.send(piece));
                } else {
                    talker.send(&bytes);
                }
                // What was no message may have left something in the line.
                talker.say("");
                talker.say("still here");
                bob.wait_for(&format!("<{name}> still here"));
            }
        }
    }
    carol.wait_for("<alice> still here");
    alice.catch_up();
    let ticket = alice.cut();
    wait_for_absence(&mut server, 1);
    let mut alice = Speaker::back(server.chat(), &ticket);
    alice.expect_resumed();
    alice.expect_nothing();
    server.stop();
}

fn what_was_not_sent_cannot_be_acknowledged(poller: Poller) {
    let mut server = poller.chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut alice = Speaker::enter(server.chat(), "alice");
    bob.say("one");
    alice.wait_for("<bob> one");
    let ticket = alice.ticket();
    for beyond in [1, 10, 1 << 20, 1 << 62, u64::MAX - ticket.received] {
        alice.tell(&format!("ack {}", ticket.received + beyond));
    }
    bob.say("two");
    alice.wait_for("<bob> two");
    // She has not got that, she says, and the server still has it.
    alice.cut();
    wait_for_absence(&mut server, 1);
    bob.say("three");
    let mut alice = Speaker::back(server.chat(), &ticket);
    alice.expect_resumed();
    alice.expect_line("<bob> two");
    alice.expect_line("<bob> three");
    alice.expect_nothing();
    server.stop();
}

fn nobody_is_shown_a_key(poller: Poller) {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let mut command = poller.command(&["--chat", "0", "--record", trace.to_str().expect("a path")]);
    command.env("RUST_LOG", "trace");
    let mut server = Server::launch(command);
    let mut bob = Client::named(server.chat(), "bob");
    let ticket = Speaker::enter(server.chat(), "alice").cut();
    server.stderr.wait_for("absence", |line| line.contains("away, may come back"));
    let resume = message(&format!("resume {} {}", ticket.key, ticket.received));
    let mut seen = bob.catch_up();
    // One that is unknown, at once, late, and in pieces.
    let wrong = message(&format!("resume {} {}", ticket.key, ticket.received + 1));
    for pieces in [1, 2, 5] {
        for waits in [false, true] {
            let mut client = Speaker::connect(server.chat());
            if waits {
                client.is_welcomed();
            }
            for piece in wrong.chunks(wrong.len().div_ceil(pieces)) {
                client.send(piece);
                if pieces > 1 {
                    bob.catch_up();
                }
            }
            assert_eq!(client.message(), "unknown");
            client.catch_up();
        }
    }
    // One that comes late and in pieces, and is understood.
    let mut alice = Speaker::connect(server.chat());
    alice.is_welcomed();
    for piece in resume.chunks(7) {
        alice.send(piece);
        seen.extend(bob.catch_up());
    }
    alice.expect_resumed();
    alice.say("/who");
    seen.extend(alice.catch_up());
    bob.say("/who");
    seen.extend(bob.catch_up());
    server.signal(sys::SIGTERM);
    server.wait();
    seen.extend(server.stderr.to_end().to_vec());
    let replayed = Command::new(binary()).arg("replay").arg(&trace).output().expect("parlour replay");
    assert!(replayed.status.success(), "{replayed:?}");
    seen.push(String::from_utf8_lossy(&replayed.stdout).into_owned());
    let (_, secret) = ticket.key.split_once('-').expect("two parts");
    let raw: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).expect("a byte")).collect();
    // A piece of it would be enough to guess the rest.
    let pieces: Vec<&str> = (0..=secret.len() - 8).map(|at| &secret[at..at + 8]).collect();
    for text in &seen {
        assert!(pieces.iter().all(|piece| !text.contains(piece)), "{text:?} has a piece of {secret}");
    }
    let trace = fs::read(&trace).expect("a trace");
    for piece in pieces.iter().map(|piece| piece.as_bytes()).chain(raw.windows(4)) {
        assert!(trace.windows(piece.len()).all(|bytes| bytes != piece), "the trace has a piece of the key");
    }
    assert!(seen.iter().any(|line| line.contains("back")), "the log was looked at");
}

/// What a relay and an echo get are bytes, whatever they look like.
fn only_the_chat_has_sessions(poller: Poller) {
    let server = poller.start(&["--chat", "0", "--echo", "0", "--relay", "0"]);
    let ticket = Speaker::enter(server.chat(), "alice").ticket();
    let resume = message(&format!("resume {} {}", ticket.key, ticket.received));
    for bytes in [message("new"), message("bye"), resume] {
        let bytes = [&bytes[..], b"\n"].concat();
        let mut echo = Client::connect(server.address("echo"));
        echo.send(&bytes);
        assert_eq!(echo.read_exactly(bytes.len()), bytes);
        let mut receiver = Client::connect(server.address("relay"));
        // It comes in after the receiver.
        let mut sender = Client::connect(server.address("relay"));
        sender.send(&bytes);
        assert_eq!(receiver.read_exactly(bytes.len()), bytes);
    }
    server.stop();
}
