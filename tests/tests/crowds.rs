//! Many clients at once: every line reaches everyone else, whole, once, in order.

use std::time::{Duration, Instant};

use parlour_tests::chat::Talk;
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::lines::{Next, PATIENCE};
use parlour_tests::server::{Poller, Server};
use parlour_tests::swarm::Swarm;
use parlour_tests::sys;
use parlour_tests::with_each_poller;

with_each_poller! {
    a_hundred_clients_who_all_talk_lose_nothing,
    fifteen_hundred_clients_are_served_as_few_are,
    after_any_disorder_nothing_is_left_behind,
}

/// The server's memory must stay below this.
const MOST_MEMORY_KIB: u64 = 32 << 10;

/// Connects `count` clients named `cNUMBER`. Drops the lines that they see until all are there.
fn crowd(server: &Server, count: usize) -> Swarm {
    let mut swarm = Swarm::default();
    for client in 0..count {
        swarm.connect(server.chat(), ConnectOptions::default());
        swarm.send(client, format!("/nick c{client}\n").as_bytes());
    }
    for client in 0..count {
        swarm.wait_for(client, format!(" is now c{client}\r\n").as_bytes());
    }
    for client in 0..count {
        swarm.send(client, b"/ping\n");
    }
    for client in 0..count {
        swarm.wait_for(client, b"-- pong\r\n");
    }
    swarm
}

fn a_hundred_clients_who_all_talk_lose_nothing(poller: Poller) {
    const CLIENTS: usize = 100;
    const LINES: usize = 150;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let server = poller.chatting(&[]);
    let mut swarm = crowd(&server, CLIENTS);
    let fill = |client: usize, number: usize| "z".repeat((client * 31 + number * 17) % 90);
    let mut texts: Vec<Vec<u8>> = (0..CLIENTS)
        .map(|client| (0..LINES).flat_map(|n| format!("{n} {}\n", fill(client, n)).into_bytes()).collect())
        .collect();
    // The next line that each client expects of each other one.
    let mut next = vec![[0; CLIENTS]; CLIENTS];
    let mut open = CLIENTS * (CLIENTS - 1) * LINES;
    let mut quiet = 0;
    while open > 0 {
        for (client, text) in texts.iter_mut().enumerate() {
            // The pieces end anywhere.
            let piece = random.usize(0..=300).min(text.len());
            swarm.send(client, &text[..piece]);
            text.drain(..piece);
        }
        swarm.turn(Duration::from_millis(10));
        let before = open;
        for (receiver, next) in next.iter_mut().enumerate() {
            while let Some(line) = swarm.pop_line(receiver) {
                let text = std::str::from_utf8(&line).expect("UTF-8");
                let words = text.strip_prefix("<c").and_then(|text| text.split_once("> "));
                let (author, text) = words.unwrap_or_else(|| panic!("seed {seed}: {text:?}"));
                let author: usize = author.parse().expect("a number");
                assert_ne!(author, receiver, "seed {seed}: one's own message");
                let number = next[author];
                let expected = format!("{number} {}\r\n", fill(author, number));
                assert_eq!(text, expected, "seed {seed}: what {receiver} saw of {author}");
                next[author] += 1;
                open -= 1;
            }
        }
        quiet = if open == before { quiet + 1 } else { 0 };
        assert!(quiet < 2_000, "seed {seed}: {open} lines never came");
    }
    for (receiver, next) in next.iter().enumerate() {
        let complete =
            |(author, &count): (usize, &usize)| count == if author == receiver { 0 } else { LINES };
        assert!(next.iter().enumerate().all(complete), "seed {seed}: what {receiver} saw: {next:?}");
    }
    assert!(server.memory_peak_kib() < MOST_MEMORY_KIB, "{} KiB", server.memory_peak_kib());
    server.stop();
}

fn fifteen_hundred_clients_are_served_as_few_are(poller: Poller) {
    const CLIENTS: usize = 1_500;
    let limit = sys::raise_descriptor_limit().expect("a limit");
    assert!(limit > 2 * CLIENTS as u64, "this test needs descriptors: a hard limit of {limit} is too low");
    let server = poller.chatting(&["--max-conns", "1600"]);
    let mut swarm = crowd(&server, CLIENTS);
    assert!(server.descriptors().len() > 1_500, "beyond FD_SETSIZE");
    // It is not told all names.
    let newcomer = swarm.connect(server.chat(), ConnectOptions::default());
    let mut names = 0;
    let others = loop {
        match swarm.next_within(newcomer, PATIENCE) {
            Next::Line(line) => {
                let line = String::from_utf8(line).expect("UTF-8");
                names += line.strip_prefix("-- here: ").map_or(0, |names| names.split(", ").count());
                if let Some(others) = line.strip_prefix("-- and ") {
                    break others.to_string();
                }
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((names, others.as_str()), (1_000, "501 others; /who lists all\r\n"));
    // It has said nothing, and nobody is told that it was there.
    swarm.reset(newcomer);
    // The first, one beyond the first 1,024 descriptors, and the last one talk.
    for talker in [0, 1_100, CLIENTS - 1] {
        for number in 0..5 {
            swarm.send(talker, format!("{number} of {talker}\n").as_bytes());
        }
        for receiver in (0..CLIENTS).filter(|&receiver| receiver != talker) {
            for number in 0..5 {
                let expected = format!("<c{talker}> {number} of {talker}\r\n").into_bytes();
                assert_eq!(
                    swarm.next_within(receiver, PATIENCE),
                    Next::Line(expected),
                    "what {receiver} saw"
                );
            }
        }
    }
    assert!(server.memory_peak_kib() < MOST_MEMORY_KIB, "{} KiB", server.memory_peak_kib());
    // All leave at once, by resets.
    for client in 1..CLIENTS {
        swarm.reset(client);
    }
    let mut left = 0;
    while left < CLIENTS - 1 {
        match swarm.next_within(0, PATIENCE) {
            Next::Line(line) => left += departures(&String::from_utf8_lossy(&line)),
            other => panic!("{left} left, then {other:?}"),
        }
    }
    server.stop();
}

/// How many departures a line reports: one by its name, or many as a number.
fn departures(line: &str) -> usize {
    let Some(notice) = line.strip_prefix("-- ").filter(|notice| notice.contains(" left")) else { return 0 };
    let of_many = notice.strip_prefix("others: ").and_then(|sum| sum.split_once(" joined, "));
    of_many.and_then(|(_, left)| left.split(' ').next()?.parse().ok()).unwrap_or(1)
}

fn after_any_disorder_nothing_is_left_behind(poller: Poller) {
    const TURNS: usize = 3_000;
    const MOST: usize = 60;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for policy in ["disconnect", "skip"] {
        let server = poller.chatting(&[
            "--on-lag",
            policy,
            "--grace",
            "100ms",
            "--log-size",
            "16384",
            "--max-conns",
            "50",
        ]);
        let before = server.descriptors().len();
        let mut swarm = Swarm::default();
        let mut open: Vec<usize> = Vec::new();
        for _ in 0..TURNS {
            if open.len() < MOST && random.u8(..) < 40 {
                let receive_buffer = random.bool().then_some(4096);
                open.push(swarm.connect(server.chat(), ConnectOptions { receive_buffer, source: None }));
            }
            let Some(index) = random.choice(0..open.len()) else { continue };
            let client = open[index];
            match random.u8(..) {
                0..8 => {
                    swarm.reset(client);
                    open.swap_remove(index);
                }
                8..16 => swarm.half_close(client),
                16..24 => swarm.send(client, b"/quit for good\n"),
                24..48 => swarm.set_reading(client, random.bool()),
                48..64 => swarm.send(client, b"unfin"),
                _ => {
                    let text = disorder(&mut random);
                    if swarm.unsent(client) < 1 << 20 {
                        swarm.send(client, text.as_bytes());
                    }
                }
            }
            swarm.turn(Duration::ZERO);
            for &client in &open {
                while swarm.pop_line(client).is_some() {}
            }
        }
        for client in open {
            swarm.reset(client);
        }
        wait_until(&format!("seed {seed}: all connections are closed"), || {
            server.descriptors().len() <= before
        });
        let mut alice = Client::enter(server.chat());
        assert_eq!(alice.name(), "guest-1", "seed {seed}: all names are free");
        alice.say("/rooms");
        let rooms = alice.catch_up();
        assert_eq!(rooms.len(), 1, "seed {seed}: {rooms:#?}");
        assert!(rooms[0].starts_with("-- lobby: 1 here"), "seed {seed}: {rooms:#?}");
        assert!(server.memory_peak_kib() < MOST_MEMORY_KIB, "{} KiB", server.memory_peak_kib());
        server.stop();
    }
}

/// One or many lines of any kind.
fn disorder(random: &mut fastrand::Rng) -> String {
    let number = random.u8(..8);
    let line = match random.u8(..10) {
        0 => format!("/join room-{number}\n"),
        1 => "/join lobby\n".to_string(),
        2 => format!("/nick name-{number}\n"),
        3 => format!("/msg name-{number} psst\n"),
        4 => format!("/topic about {number}\n"),
        5 => ["/who\n", "/rooms\n", "/help\n", "/topic\n", "/me \n", "/nothing\n", "\n", "//\n"]
            [usize::from(number)]
        .to_string(),
        6 => format!("/who room-{number}\n"),
        7 => "x".repeat(1_100) + "\n",
        _ => "y".repeat(usize::from(number) * 50) + "\n",
    };
    line.repeat(if random.u8(..) < 16 { random.usize(1..1_000) } else { 1 })
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < give_up, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
