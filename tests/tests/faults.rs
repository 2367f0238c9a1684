//! Faults of connections and descriptors harm no other client.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use parlour_tests::chat::Talk;
use parlour_tests::chat::line_text;
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::lines::{Next, PATIENCE};
use parlour_tests::server::{Poller, Server};
use parlour_tests::swarm::Swarm;
use parlour_tests::{sys, with_each_poller};

with_each_poller! {
    without_descriptors_it_waits_until_one_is_free,
    few_descriptors_from_the_start_are_enough_for_few,
    resets_in_the_middle_of_lines_harm_nobody,
    connections_that_end_before_they_are_taken_harm_nobody,
    bytes_that_come_one_at_a_time_are_lines_in_the_end,
    a_hundred_megabytes_without_a_line_feed_are_one_line_too_long,
    garbage_reaches_the_others_as_clean_lines,
    who_asks_and_does_not_read_is_not_read_until_it_does,
    who_is_gone_but_not_read_yet_costs_nothing_and_goes_within_a_second,
    who_comes_in_the_turn_in_which_another_leaves_is_heard,
    an_urgent_byte_is_where_it_was_sent,
    a_peer_that_vanishes_is_looked_for,
}

fn without_descriptors_it_waits_until_one_is_free(poller: Poller) {
    const SPARE: usize = 5;
    const WAITING: usize = 4;
    let mut server = poller.chatting(&["--max-conns", "100"]);
    let mut alice = Client::named(server.chat(), "alice");
    // The limit is one of numbers, and those in use have gaps.
    let used = server.descriptors();
    let spare = (0..).filter(|number| !used.contains(number)).nth(SPARE).expect("numbers without end");
    sys::set_descriptor_limit_of(server.pid(), spare).expect("a child");
    let mut inside: Vec<Client> = (0..SPARE).map(|_| Client::enter(server.chat())).collect();
    // The kernel completes these connections; the server cannot take them.
    let mut outside: Vec<Client> = (0..WAITING).map(|_| Client::connect(server.chat())).collect();
    alice.catch_up();
    let before = server.processor_time();
    outside[0].expect_silence(Duration::from_millis(1_000));
    let busy = server.processor_time() - before;
    assert!(busy < Duration::from_millis(300), "no busy loop: {busy:?} of processor time in a second");
    alice.say("we go on");
    inside[0].wait_for("<alice> we go on");
    // Complaints are one line, however often it tried, and plain where no terminal is.
    let complaints = server.stderr.seen().iter().filter(|line| line.contains("Too many open files")).count();
    assert_eq!(complaints, 1, "said once: {:#?}", server.stderr.seen());
    let is_plain = |line: &String| !line.contains('\x1b');
    assert!(server.stderr.seen().iter().all(is_plain), "no colours in a pipe: {:#?}", server.stderr.seen());
    for (left, waiting) in outside.iter_mut().enumerate() {
        drop(inside.pop().expect("more inside than outside"));
        let welcome = waiting.line();
        assert!(welcome.starts_with("-- welcome to parlour"), "number {left}: {welcome:?}");
    }
    alice.say("all together");
    for client in &mut outside {
        client.wait_for("<alice> all together");
    }
    server.stop();
}

fn few_descriptors_from_the_start_are_enough_for_few(poller: Poller) {
    let mut command = poller.command(&["--chat", "0", "--max-conns", "20"]);
    sys::limit_descriptors(&mut command, 40);
    let server = Server::launch(command);
    for _ in 0..3 {
        let mut clients: Vec<Client> = (0..20).map(|_| Client::enter(server.chat())).collect();
        Client::connect(server.chat()).expect_line("-- server is full");
        clients[0].catch_up();
        while let Some(client) = clients.pop() {
            client.reset();
        }
        // The next ones come in only when the server saw these go.
        wait_for_descriptors(&server, 20);
    }
    server.stop();
}

fn wait_for_descriptors(server: &Server, most: usize) {
    let give_up = Instant::now() + PATIENCE;
    while server.descriptors().len() > most {
        assert!(Instant::now() < give_up, "{:?} stay open", server.descriptors());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn resets_in_the_middle_of_lines_harm_nobody(poller: Poller) {
    let server = poller.chatting(&[]);
    let mut alice = Client::named(server.chat(), "alice");
    let mut bob = Client::named(server.chat(), "bob");
    alice.catch_up();
    let descriptors = server.descriptors();
    for round in 0..200 {
        let mut broken = Client::connect(server.chat());
        broken.send(b"/nick broken\nin the midd");
        if round % 2 == 0 {
            broken.read_some();
        }
        broken.reset();
        alice.say(&format!("round {round}"));
        bob.wait_for(&format!("<alice> round {round}"));
    }
    wait_for_descriptors(&server, descriptors.len());
    alice.catch_up();
    assert_eq!(alice.names_here().len(), 2, "nobody stays who is gone");
    server.stop();
}

fn connections_that_end_before_they_are_taken_harm_nobody(poller: Poller) {
    let server = poller.chatting(&[]);
    let mut alice = Client::named(server.chat(), "alice");
    let descriptors = server.descriptors();
    // Stopped, the server accepts none of them before they are gone.
    server.signal(sys::SIGSTOP);
    for _ in 0..100 {
        let stream = TcpStream::connect(server.chat()).expect("the backlog is longer");
        sys::reset_on_close(&stream).expect("a socket");
    }
    server.signal(sys::SIGCONT);
    alice.catch_up();
    wait_for_descriptors(&server, descriptors.len());
    assert_eq!(alice.names_here(), ["alice"]);
    server.stop();
}

fn bytes_that_come_one_at_a_time_are_lines_in_the_end(poller: Poller) {
    let server = poller.chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut alice = Client::named(server.chat(), "alice");
    bob.catch_up();
    for byte in "sl\u{f6}wly \u{1f600}\r\n/me t\u{ff}pes\n".as_bytes() {
        alice.send(&[*byte]);
        bob.say("meanwhile");
    }
    bob.expect_line("<alice> sl\u{f6}wly \u{1f600}");
    bob.expect_line("* alice t\u{ff}pes");
}

fn a_hundred_megabytes_without_a_line_feed_are_one_line_too_long(poller: Poller) {
    const CHUNK: usize = 1 << 20;
    const CHUNKS: usize = 100;
    let server = poller.chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut alice = Client::named(server.chat(), "alice");
    bob.catch_up();
    let before = server.memory_kib();
    let chunk = vec![b'x'; CHUNK];
    for _ in 0..CHUNKS {
        alice.send(&chunk);
    }
    alice.say("");
    alice.say("short");
    alice.expect_line("-- line too long (limit 1024 bytes), not sent");
    bob.expect_line("<alice> short");
    alice.expect_nothing();
    let after = server.memory_peak_kib();
    assert!(after < before + (4 << 10), "memory is flat: {before} KiB before, {after} KiB at most");
    bob.expect_nothing();
}

fn garbage_reaches_the_others_as_clean_lines(poller: Poller) {
    const SENDERS: usize = 4;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let server = poller.chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut swarm = Swarm::default();
    for _ in 0..SENDERS {
        let sender = swarm.connect(server.chat(), ConnectOptions::default());
        // Input that begins with garbage counts as another protocol.
        swarm.send(sender, b"hello\n");
    }
    for _ in 0..200 {
        for sender in 0..SENDERS {
            let telnet = random.bool();
            let garbage: Vec<u8> = (0..random.usize(1..2_000))
                .map(|_| match random.u8(..) {
                    0..16 => b'\n',
                    16..64 if telnet => random.u8(240..),
                    _ => random.u8(..),
                })
                // Ctrl-D and the telnet command 244 would leave.
                .map(|byte| if matches!(byte, 4 | 244) { byte + 1 } else { byte })
                .collect();
            swarm.send(sender, &garbage);
            // Nothing may be left open that would swallow what follows: neither a
            // line nor a telnet command.
            swarm.send(sender, b"\xff\xf0\xff\xf0\n");
        }
        swarm.turn(Duration::from_millis(1));
    }
    for sender in 0..SENDERS {
        swarm.send(sender, format!("garbage of {sender} ends\n").as_bytes());
    }
    let mut ends = 0;
    while ends < SENDERS {
        swarm.turn(Duration::from_millis(1));
        while let Next::Line(line) = bob.next_within(Duration::from_millis(1)) {
            let line = line_text(&line);
            let kinds = ["<", "* ", "[", "-- "];
            assert!(kinds.iter().any(|kind| line.starts_with(kind)), "seed {seed}: {line:?}");
            assert!(!line.contains(|c: char| c.is_control() && c != '\t'), "seed {seed}: {line:?}");
            ends += usize::from(line.contains("garbage of ") && line.ends_with(" ends"));
        }
    }
    server.stop();
}

fn who_asks_and_does_not_read_is_not_read_until_it_does(poller: Poller) {
    const QUESTIONS: usize = 100_000;
    let server = poller.chatting(&[]);
    let mut alice = Client::named(server.chat(), "alice");
    let mut swarm = Swarm::default();
    let stalled = swarm.connect(server.chat(), ConnectOptions { receive_buffer: Some(4096), source: None });
    swarm.set_reading(stalled, false);
    swarm.send(stalled, &b"/nick bob\n".repeat(QUESTIONS));
    let mut before = usize::MAX;
    while swarm.unsent(stalled) < before {
        before = swarm.unsent(stalled);
        swarm.run_for(Duration::from_millis(200));
    }
    alice.wait_for("-- bob joined");
    alice.expect_nothing();
    swarm.half_close(stalled);
    swarm.set_reading(stalled, true);
    let mut answers = 0;
    loop {
        match swarm.next_within(stalled, PATIENCE) {
            Next::Line(line) if line == b"-- you are bob already\r\n" => answers += 1,
            Next::Line(line) if answers > 0 => panic!("{:?} among the answers", line_text(&line)),
            Next::Line(_) => {}
            Next::Closed => break,
            Next::Nothing => panic!("stuck after {answers} answers"),
        }
    }
    assert_eq!(answers, QUESTIONS - 1, "every question is answered before the close");
    assert!(server.memory_peak_kib() < 32 << 10, "{} KiB", server.memory_peak_kib());
}

fn who_is_gone_but_not_read_yet_costs_nothing_and_goes_within_a_second(poller: Poller) {
    const WINDOW: Duration = Duration::from_millis(1_000);
    const LITTLE: Duration = Duration::from_millis(150);
    let directory = tempfile::tempdir().expect("a directory");
    let unix = format!("unix:{}", directory.path().join("chat.sock").display());
    // A client above the rate is not read for a while.
    let server = poller.chatting(&["--chat", &unix, "--rate", "1"]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut half = Client::enter(server.chat());
    let mut broken = Client::enter(server.chat());
    let mut local = Client::enter(&unix);
    for client in [&mut half, &mut broken, &mut local] {
        client.send(b"one\ntwo\nthree\nfour\n");
    }
    half.half_close();
    broken.reset();
    drop(local);
    let start = server.processor_time();
    std::thread::sleep(WINDOW);
    let busy = server.processor_time() - start;
    assert!(busy < LITTLE, "{busy:?} of processor time in {WINDOW:?}");
    let mut seen = Vec::new();
    while seen.iter().filter(|line: &&String| line.contains(" left")).count() < 3 {
        seen.push(bob.line());
    }
    let last: Vec<_> = seen.iter().filter(|line| line.ends_with("> four")).collect();
    assert_eq!(last, [&format!("<{}> four", half.name())], "what was sent before the end of input counts");
    let first_two = seen.iter().filter(|line| line.contains(" left (connection lost)")).count();
    assert_eq!(first_two, 2, "those that broke off do not stay for what they could not say yet");
    half.read_to_close();
}

fn who_comes_in_the_turn_in_which_another_leaves_is_heard(poller: Poller) {
    let server = poller.chatting(&[]);
    let mut alice = Client::named(server.chat(), "alice");
    for round in 0..5 {
        let former = Client::enter(server.chat());
        alice.catch_up();
        let descriptors = server.descriptors();
        // Stopped, the server finds both in the turn after.
        server.signal(sys::SIGSTOP);
        former.reset();
        let mut newcomer = Client::connect(server.chat());
        newcomer.say(&format!("round {round}"));
        server.signal(sys::SIGCONT);
        alice.wait_for(&format!("<guest-1> round {round}"));
        newcomer.catch_up();
        assert_eq!(server.descriptors(), descriptors, "it has the other's number");
        newcomer.reset();
        wait_for_descriptors(&server, descriptors.len() - 1);
    }
    server.stop();
}

fn an_urgent_byte_is_where_it_was_sent(poller: Poller) {
    let server = poller.start(&["--echo", "0"]);
    let stream = TcpStream::connect(server.address("echo")).expect("a listener");
    for (before, urgent, after) in [("a", b'b', "c\n"), ("d", b'\xf2', "e\n"), ("", b'f', "g\n")] {
        (&stream).write_all(before.as_bytes()).expect("a connection");
        sys::send_urgent(&stream, urgent).expect("a connection");
        (&stream).write_all(after.as_bytes()).expect("a connection");
        let sent = [before.as_bytes(), &[urgent], after.as_bytes()].concat();
        let mut echoed = vec![0; sent.len()];
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        (&stream).read_exact(&mut echoed).expect("all of it");
        assert_eq!(echoed, sent);
    }
}

fn a_peer_that_vanishes_is_looked_for(poller: Poller) {
    let server = poller.chatting(&[]);
    let mut alice = Client::enter(server.chat());
    alice.expect_nothing();
    let port: u16 = server.port().parse().expect("a port");
    // proc(5): the local address, the remote one, the state, the queues, and which timer runs.
    let (local, established, keepalive) = (format!(":{port:04X}"), "01", "02:");
    let give_up = Instant::now() + PATIENCE;
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut ours = rows.filter(|row| row[1].ends_with(&local) && row[3] == established);
        let row = ours.next().expect("the connection");
        if row[5].starts_with(keepalive) {
            break;
        }
        // Until what was sent last is acknowledged another one runs.
        assert!(Instant::now() < give_up, "no timer for a peer that is silent: {row:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    server.stop();
}
