//! The echo and the relay: bytes, not words.

use std::time::Duration;

use parlour_tests::chat::Talk;
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::lines::{Next, PATIENCE};
use parlour_tests::server::Poller;
use parlour_tests::swarm::Swarm;
use parlour_tests::with_each_poller;

with_each_poller! {
    an_echo_gives_every_byte_back,
    an_echo_gives_everything_back_after_a_half_close,
    an_echo_keeps_its_clients_apart,
    an_echo_stops_reading_a_peer_that_does_not_read,
    a_relay_passes_bytes_on_as_they_are,
    a_relay_sends_an_unfinished_line_after_a_while,
    a_relay_sends_a_line_beyond_the_limit_in_pieces,
    a_relay_cuts_no_line_by_another,
    relays_do_not_hear_each_other,
}

/// Reproducible bytes, all values among them.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| random.u8(..)).collect()
}

fn an_echo_gives_every_byte_back(poller: Poller) {
    let server = poller.start(&["--echo", "0"]);
    let mut client = Client::connect(server.address("echo"));
    client.send(b"\x00");
    assert_eq!(client.read_exactly(1), b"\x00");
    let sent = noise(1, 10_000);
    for piece in sent.chunks(777) {
        client.send(piece);
    }
    assert_eq!(client.read_exactly(sent.len()), sent);
}

fn an_echo_gives_everything_back_after_a_half_close(poller: Poller) {
    let server = poller.start(&["--echo", "0"]);
    let sent = noise(2, 200_000);
    let mut client = Client::connect(server.address("echo"));
    client.send(&sent);
    client.half_close();
    assert!(client.read_to_close() == sent, "all came back, then the close");
    let mut silent = Client::connect(server.address("echo"));
    silent.half_close();
    silent.expect_close();
}

fn an_echo_keeps_its_clients_apart(poller: Poller) {
    let server = poller.start(&["--echo", "0", "--echo", "0"]);
    let addresses = [0, 1].map(|number| server.listening()[number].1.clone());
    let mut clients: Vec<Client> = (0..20).map(|number| Client::connect(&addresses[number % 2])).collect();
    for round in 0..10 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(format!("client {number} round {round};").as_bytes());
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let expected = format!("client {number} round {round};");
            assert_eq!(client.read_exactly(expected.len()), expected.as_bytes());
        }
    }
}

fn an_echo_stops_reading_a_peer_that_does_not_read(poller: Poller) {
    const MOST: usize = 64 << 20;
    let server = poller.start(&["--echo", "0"]);
    let mut swarm = Swarm::default();
    let stalled =
        swarm.connect(server.address("echo"), ConnectOptions { receive_buffer: Some(4096), source: None });
    swarm.set_reading(stalled, false);
    let sent: Vec<u8> = noise(3, 1 << 20).repeat(MOST >> 20);
    swarm.send(stalled, &sent);
    let mut before = usize::MAX;
    // It stops if the server takes nothing for a while.
    while swarm.unsent(stalled) < before {
        before = swarm.unsent(stalled);
        swarm.run_for(Duration::from_millis(300));
    }
    assert!(before > MOST / 2, "only {before} bytes of {MOST} were not taken");
    assert!(server.memory_peak_kib() < 32 << 10, "{} KiB", server.memory_peak_kib());
    let mut other = Client::connect(server.address("echo"));
    other.send(b"unharmed");
    assert_eq!(other.read_exactly(8), b"unharmed");

    // Once it reads again, all 64 MiB come back.
    swarm.half_close(stalled);
    swarm.set_reading(stalled, true);
    let mut at = 0;
    loop {
        match swarm.next_within(stalled, PATIENCE) {
            Next::Line(line) => {
                assert!(sent[at..].starts_with(&line), "another byte than sent after {at}");
                at += line.len();
            }
            Next::Closed => break,
            Next::Nothing => panic!("stuck after {at} bytes"),
        }
    }
    assert_eq!(at, MOST);
    assert!(server.memory_peak_kib() < 32 << 10, "{} KiB", server.memory_peak_kib());
}

fn a_relay_passes_bytes_on_as_they_are(poller: Poller) {
    let server = poller.start(&["--relay", "0"]);
    let mut sender = Client::connect(server.address("relay"));
    let mut receivers: Vec<Client> = (0..3).map(|_| Client::connect(server.address("relay"))).collect();
    settle(&mut sender, &mut receivers);
    let mut sent = noise(4, 1 << 20);
    sent.push(b'\n');
    std::thread::scope(|scope| {
        scope.spawn(|| sender.send(&sent));
        let readers: Vec<_> = receivers
            .iter_mut()
            .map(|receiver| scope.spawn(|| receiver.read_exactly(sent.len()) == sent))
            .collect();
        assert!(readers.into_iter().all(|reader| reader.join().expect("no panic")), "verbatim");
    });
    sender.expect_silence(Duration::from_millis(50));
}

/// Waits until a line of `sender` reaches all `receivers`: all are connected then.
fn settle(sender: &mut Client, receivers: &mut [Client]) {
    for (number, receiver) in receivers.iter_mut().enumerate() {
        // A connection that the server has not yet accepted would miss it.
        loop {
            sender.send(format!("settle {number}\n").as_bytes());
            let next = receiver.next_within(Duration::from_millis(100));
            if matches!(next, Next::Line(_)) {
                break;
            }
        }
    }
    sender.send(b"settled\n");
    for receiver in receivers {
        while receiver.next_within(PATIENCE) != Next::Line(b"settled\n".to_vec()) {}
    }
}

fn a_relay_sends_an_unfinished_line_after_a_while(poller: Poller) {
    let server = poller.start(&["--relay", "0"]);
    let mut sender = Client::connect(server.address("relay"));
    let mut receivers = [Client::connect(server.address("relay"))];
    settle(&mut sender, &mut receivers);
    let [receiver] = &mut receivers;
    sender.send(b"login: ");
    assert_eq!(receiver.read_exactly(7), b"login: ");
    sender.send(b"\xff\x00no ending");
    sender.half_close();
    assert_eq!(receiver.read_exactly(11), b"\xff\x00no ending");
}

fn a_relay_sends_a_line_beyond_the_limit_in_pieces(poller: Poller) {
    let server = poller.start(&["--relay", "0", "--line-limit", "100"]);
    let mut sender = Client::connect(server.address("relay"));
    let mut receivers = [Client::connect(server.address("relay"))];
    settle(&mut sender, &mut receivers);
    let [receiver] = &mut receivers;
    let sent = [b"y".repeat(10_000), b"\n".to_vec()].concat();
    sender.send(&sent);
    assert!(receiver.read_exactly(sent.len()) == sent);
}

fn a_relay_cuts_no_line_by_another(poller: Poller) {
    const SENDERS: usize = 8;
    const LINES: usize = 2_000;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let server = poller.start(&["--relay", "0"]);
    let mut swarm = Swarm::default();
    let listener = swarm.connect(server.address("relay"), ConnectOptions::default());
    let senders: Vec<usize> =
        (0..SENDERS).map(|_| swarm.connect(server.address("relay"), ConnectOptions::default())).collect();
    // The listener must be in before anything is said: it is served first.
    swarm.run_for(Duration::from_millis(100));
    let mut texts: Vec<Vec<u8>> = (0..SENDERS)
        .map(|sender| {
            let line = |number| format!("{sender} {number} {}\n", "z".repeat((number * 37 + sender) % 900));
            (0..LINES).flat_map(|number| line(number).into_bytes()).collect()
        })
        .collect();
    let mut expected = [0; SENDERS];
    while expected != [LINES; SENDERS] {
        // In pieces that end anywhere, from one after another.
        for (sender, text) in senders.iter().zip(&mut texts) {
            let piece = random.usize(0..=5_000).min(text.len());
            swarm.send(*sender, &text[..piece]);
            text.drain(..piece);
        }
        swarm.turn(Duration::from_millis(10));
        while let Some(line) = swarm.pop_line(listener) {
            let line = String::from_utf8(line).expect("text");
            let mut words = line.trim_end_matches('\n').split(' ');
            let mut number =
                || words.next().and_then(|word| word.parse::<usize>().ok()).expect("a whole line");
            let (sender, number) = (number(), number());
            assert_eq!(number, expected[sender], "in order from {sender}");
            assert_eq!(words.next().map(str::len), Some((number * 37 + sender) % 900), "whole");
            expected[sender] += 1;
        }
    }
}

fn relays_do_not_hear_each_other(poller: Poller) {
    let server = poller.start(&["--relay", "0", "--relay", "0"]);
    let [first, second] = [0, 1].map(|number| server.listening()[number].1.clone());
    let mut sender = Client::connect(&first);
    let mut receivers = [Client::connect(&first)];
    let mut stranger = Client::connect(&second);
    settle(&mut sender, &mut receivers);
    sender.send(b"only here\n");
    assert_eq!(receivers[0].read_exactly(10), b"only here\n");
    stranger.expect_silence(Duration::from_millis(100));
}
