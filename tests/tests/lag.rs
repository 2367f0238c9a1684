//! Clients that do not read, or not fast enough: the others go on.

use std::collections::HashMap;
use std::io::Read;
use std::time::{Duration, Instant};

use parlour_tests::chat::line_text;
use parlour_tests::client::{Client, ConnectOptions, Stream};
use parlour_tests::lines::{Next, PATIENCE};
use parlour_tests::server::Poller;
use parlour_tests::swarm::Swarm;
use parlour_tests::with_each_poller;

with_each_poller! {
    a_receiver_that_never_reads_is_cut_and_harms_nobody,
    a_receiver_that_takes_a_little_now_and_then_is_cut_as_well,
    a_receiver_that_is_slow_but_steady_sets_the_pace,
    a_relay_cuts_who_never_reads,
    a_relay_without_a_grace_waits_for_who_does_not_read,
    the_shutdown_is_told_to_all_even_while_one_stalls,
    a_client_that_breaks_off_while_answers_wait_is_gone,
    a_client_that_breaks_off_while_messages_wait_is_gone,
    clients_that_ask_and_never_read_the_answers_take_little_memory,
    waiting_costs_no_processor_time,
    a_lagging_client_is_told_exactly_how_many_messages_it_missed,
}

/// The server's memory must stay below this.
const MOST_MEMORY_KIB: u64 = 32 << 10;

/// A receiver for which the kernel holds little.
const SMALL: ConnectOptions = ConnectOptions { receive_buffer: Some(4096), source: None };

/// The lines of the talker named `talker`, which the others must see.
fn flood(lines: usize) -> Vec<u8> {
    let fill = "x".repeat(64);
    (0..lines).flat_map(|number| format!("{number} {fill}\n").into_bytes()).collect()
}

/// Lets `listener` see all of a flood of `lines`. Returns how often it saw that someone was too slow.
fn see_flood(swarm: &mut Swarm, listener: usize, lines: usize) -> usize {
    let fill = "x".repeat(64);
    let mut next = 0;
    let mut cut = 0;
    while next < lines {
        let Next::Line(line) = swarm.next_within(listener, PATIENCE) else { panic!("no line {next}") };
        match line_text(&line) {
            line if line == format!("<talker> {next} {fill}") => next += 1,
            line if line.ends_with(" left (too slow)") => cut += 1,
            line => panic!("{line:?} instead of number {next}"),
        }
    }
    cut
}

fn a_receiver_that_never_reads_is_cut_and_harms_nobody(poller: Poller) {
    const LINES: usize = 200_000;
    let server = poller.chatting(&["--grace", "1s"]);
    let mut swarm = Swarm::default();
    let [talker, listener] = [0, 1].map(|_| swarm.connect(server.chat(), ConnectOptions::default()));
    let stalled = swarm.connect(server.chat(), SMALL);
    enter(&mut swarm, &[(talker, "talker"), (listener, "listener"), (stalled, "stalled")]);
    swarm.set_reading(stalled, false);
    swarm.send(talker, &flood(LINES));
    assert_eq!(see_flood(&mut swarm, listener, LINES), 1, "it is cut, once");
    assert!(server.memory_peak_kib() < MOST_MEMORY_KIB, "{} KiB", server.memory_peak_kib());
    server.stop();
}

/// Lets a talker flood a room with `lines`, while one client takes `piece` bytes at a time and pauses.
/// The others see all lines. Returns how often somebody was too slow.
fn flood_before_a_slow_one(poller: Poller, lines: usize, piece: usize, pause: Duration) -> usize {
    let server = poller.chatting(&["--grace", "1s"]);
    let mut swarm = Swarm::default();
    let [talker, listener] = [0, 1].map(|_| swarm.connect(server.chat(), ConnectOptions::default()));
    enter(&mut swarm, &[(talker, "talker"), (listener, "listener")]);
    let mut slow = Client::enter_with(server.chat(), SMALL).into_stream();
    for client in [talker, listener] {
        catch_up(&mut swarm, client);
    }
    let reader = std::thread::spawn(move || {
        let mut bytes = vec![0; piece];
        while matches!(slow.read(&mut bytes), Ok(1..)) {
            std::thread::sleep(pause);
        }
        drop::<Stream>(slow);
    });
    swarm.send(talker, &flood(lines));
    let cut = see_flood(&mut swarm, listener, lines);
    server.stop();
    reader.join().expect("no panic");
    cut
}

fn a_receiver_that_takes_a_little_now_and_then_is_cut_as_well(poller: Poller) {
    // Its socket takes something now and then, but far too seldom.
    let cut = flood_before_a_slow_one(poller, 200_000, 4096, Duration::from_millis(400));
    assert_eq!(cut, 1, "it is cut, once");
}

fn a_receiver_that_is_slow_but_steady_sets_the_pace(poller: Poller) {
    let cut = flood_before_a_slow_one(poller, 50_000, 4096, Duration::from_millis(5));
    assert_eq!(cut, 0, "the others wait for it, a moment at a time");
}

fn a_relay_cuts_who_never_reads(poller: Poller) {
    const LINES: usize = 150_000;
    let server = poller.start(&["--relay", "0", "--grace", "1s"]);
    let mut swarm = Swarm::default();
    let [talker, listener] =
        [0, 1].map(|_| swarm.connect(server.address("relay"), ConnectOptions::default()));
    let stalled = swarm.connect(server.address("relay"), SMALL);
    swarm.set_reading(stalled, false);
    // Lines from before the listener is in do not reach it.
    loop {
        swarm.send(talker, b"is anybody there\n");
        if let Next::Line(_) = swarm.next_within(listener, Duration::from_millis(100)) {
            break;
        }
    }
    swarm.send(talker, &flood(LINES));
    let fill = "x".repeat(64);
    let mut next = 0;
    while next < LINES {
        match swarm.next_within(listener, PATIENCE) {
            Next::Line(line) if line == format!("{next} {fill}\n").as_bytes() => next += 1,
            Next::Line(line) if next == 0 && line == b"is anybody there\n" => {}
            other => panic!("{other:?} instead of number {next}"),
        }
    }
    swarm.set_reading(stalled, true);
    while swarm.next_within(stalled, PATIENCE) != Next::Closed {}
    server.stop();
}

fn a_relay_without_a_grace_waits_for_who_does_not_read(poller: Poller) {
    const LINES: usize = 100_000;
    let server = poller.start(&["--relay", "0,grace=off", "--grace", "100ms"]);
    let mut swarm = Swarm::default();
    let talker = swarm.connect(server.address("relay"), ConnectOptions::default());
    let stalled = swarm.connect(server.address("relay"), SMALL);
    loop {
        swarm.send(talker, b"is anybody there\n");
        if let Next::Line(_) = swarm.next_within(stalled, Duration::from_millis(100)) {
            break;
        }
    }
    swarm.set_reading(stalled, false);
    swarm.send(talker, &flood(LINES));
    swarm.run_for(Duration::from_secs(1));
    assert!(swarm.unsent(talker) > 0, "the sender waits");
    swarm.set_reading(stalled, true);
    let fill = "x".repeat(64);
    let mut next = 0;
    while next < LINES {
        match swarm.next_within(stalled, PATIENCE) {
            Next::Line(line) if line == format!("{next} {fill}\n").as_bytes() => next += 1,
            Next::Line(line) if next == 0 && line == b"is anybody there\n" => {}
            other => panic!("{other:?} instead of number {next}"),
        }
    }
    server.stop();
}

fn the_shutdown_is_told_to_all_even_while_one_stalls(poller: Poller) {
    let server = poller.chatting(&[]);
    let mut swarm = Swarm::default();
    let [talker, listener] = [0, 1].map(|_| swarm.connect(server.chat(), ConnectOptions::default()));
    let stalled = swarm.connect(server.chat(), SMALL);
    enter(&mut swarm, &[(talker, "talker"), (listener, "listener"), (stalled, "stalled")]);
    swarm.set_reading(stalled, false);
    // More than the hub can take while it waits for the stalled one.
    swarm.send(talker, &flood(200_000));
    while swarm.next_within(listener, Duration::from_millis(500)) != Next::Nothing {}
    server.signal(parlour_tests::sys::SIGTERM);
    for client in [listener, talker] {
        let mut last = Vec::new();
        while let Next::Line(line) = swarm.next_within(client, PATIENCE) {
            last = line;
        }
        assert_eq!(
            String::from_utf8_lossy(&last),
            "-- server is shutting down\r\n",
            "what {client} saw last"
        );
    }
}

/// A client with waiting output breaks its connection, after a half-close or without one. The server
/// must drop it, and the room must go on, long before the grace period is over.
fn breaks_off(poller: Poller, asks: &[u8], talk: &[u8], half_closes: bool) {
    const A_WHILE: Duration = Duration::from_millis(500);
    let server = poller.chatting(&["--grace", "600s"]);
    let mut swarm = Swarm::default();
    let [talker, listener] = [0, 1].map(|_| swarm.connect(server.chat(), ConnectOptions::default()));
    enter(&mut swarm, &[(talker, "talker"), (listener, "listener")]);
    let before = server.descriptors().len();
    let stalled = swarm.connect(server.chat(), SMALL);
    enter(&mut swarm, &[(stalled, "stalled")]);
    swarm.set_reading(stalled, false);
    swarm.send(stalled, asks);
    swarm.send(talker, talk);
    swarm.run_for(A_WHILE);
    if half_closes {
        swarm.half_close(stalled);
        swarm.run_for(A_WHILE);
    }
    swarm.reset(stalled);
    let give_up = Instant::now() + PATIENCE;
    while server.descriptors().len() > before {
        assert!(Instant::now() < give_up, "the server holds on to a broken connection");
        swarm.run_for(Duration::from_millis(10));
    }
    swarm.send(talker, b"the last\n");
    let mut left = 0;
    loop {
        match swarm.next_within(listener, PATIENCE) {
            Next::Line(line) if line == b"<talker> the last\r\n" => break,
            Next::Line(line) => left += usize::from(line.starts_with(b"-- stalled left")),
            other => panic!("the room does not go on: {other:?}"),
        }
    }
    assert_eq!(left, 1, "the others see it leave, once");
    server.stop();
}

fn a_client_that_breaks_off_while_answers_wait_is_gone(poller: Poller) {
    let asks = b"/help\n".repeat(200_000);
    breaks_off(poller, &asks, b"", false);
    breaks_off(poller, &asks, b"", true);
}

fn a_client_that_breaks_off_while_messages_wait_is_gone(poller: Poller) {
    breaks_off(poller, b"", &flood(100_000), false);
    breaks_off(poller, b"", &flood(100_000), true);
}

fn clients_that_ask_and_never_read_the_answers_take_little_memory(poller: Poller) {
    let server = poller.chatting(&[]);
    let mut swarm = Swarm::default();
    for _ in 0..300 {
        let client = swarm.connect(server.chat(), ConnectOptions::default());
        swarm.set_reading(client, false);
        swarm.send(client, &b"/help\n".repeat(60_000));
    }
    swarm.run_for(Duration::from_secs(3));
    assert!(server.memory_peak_kib() < MOST_MEMORY_KIB, "{} KiB", server.memory_peak_kib());
    server.stop();
}

fn waiting_costs_no_processor_time(poller: Poller) {
    const WINDOW: Duration = Duration::from_millis(600);
    const LITTLE: Duration = Duration::from_millis(150);
    let server = poller.start(&["--chat", "0", "--echo", "0", "--relay", "0", "--grace", "60s"]);
    let mut swarm = Swarm::default();
    let measure = |what: &str, swarm: &mut Swarm| {
        // Until the kernel's buffers are full and everything waits.
        let mut before = usize::MAX;
        let unsent = |swarm: &Swarm| (0..swarm.len()).map(|client| swarm.unsent(client)).sum();
        while unsent(swarm) < before {
            before = unsent(swarm);
            swarm.run_for(Duration::from_millis(100));
        }
        let start = server.processor_time();
        std::thread::sleep(WINDOW);
        let busy = server.processor_time() - start;
        assert!(busy < LITTLE, "{what}: {busy:?} of processor time in {WINDOW:?}");
    };
    for protocol in ["chat", "echo", "relay"] {
        swarm.connect(server.address(protocol), ConnectOptions::default());
    }
    measure("idle clients", &mut swarm);
    for protocol in ["chat", "echo", "relay"] {
        let stalled = swarm.connect(server.address(protocol), SMALL);
        swarm.set_reading(stalled, false);
        swarm.send(stalled, &b"/help\n".repeat(200_000));
    }
    measure("clients that do not read what they asked for", &mut swarm);
    let talkers =
        ["chat", "relay"].map(|protocol| swarm.connect(server.address(protocol), ConnectOptions::default()));
    for talker in talkers {
        swarm.send(talker, &flood(100_000));
    }
    measure("rooms that wait for someone", &mut swarm);
    for client in 0..swarm.len() {
        swarm.half_close(client);
    }
    measure("half-closed clients", &mut swarm);
    for client in 3..swarm.len() {
        swarm.reset(client);
    }
    measure("reset clients", &mut swarm);
    server.stop();
}

fn a_lagging_client_is_told_exactly_how_many_messages_it_missed(poller: Poller) {
    const TALKERS: usize = 3;
    const LINES: usize = 25_000;
    const GRACE: Duration = Duration::from_millis(500);
    let server = poller.chatting(&["--on-lag", "skip", "--grace", "500ms", "--log-size", "65536"]);
    let mut swarm = Swarm::default();
    let listener = swarm.connect(server.chat(), ConnectOptions::default());
    let lagging = swarm.connect(server.chat(), SMALL);
    let talkers: Vec<usize> =
        (0..TALKERS).map(|_| swarm.connect(server.chat(), ConnectOptions::default())).collect();
    enter(&mut swarm, &[(listener, "listener"), (lagging, "lagging")]);
    for talker in &talkers {
        enter(&mut swarm, &[(*talker, &format!("t{talker}"))]);
    }
    for client in [listener, lagging] {
        catch_up(&mut swarm, client);
    }
    swarm.set_reading(lagging, false);
    let fill = "y".repeat(80);
    for talker in &talkers {
        let text: String = (0..LINES).map(|number| format!("{number} {fill}\n")).collect();
        swarm.send(*talker, text.as_bytes());
    }
    // The others see all, and wait for the lagging one no longer than its grace.
    let start = Instant::now();
    let mut order = Vec::new();
    while order.len() < TALKERS * LINES {
        let Next::Line(line) = swarm.next_within(listener, PATIENCE) else { panic!("nothing more") };
        order.push(line);
    }
    let took = start.elapsed();
    check_talkers(&order, LINES);
    assert!(took < GRACE * 10, "one lagging client held the others up for {took:?}");

    swarm.set_reading(lagging, true);
    let mut position = 0;
    let mut missed = 0;
    while position < order.len() {
        let Next::Line(line) = swarm.next_within(lagging, PATIENCE) else { panic!("nothing more") };
        let text = line_text(&line);
        if let Some(count) =
            text.strip_prefix("-- you missed ").and_then(|text| text.strip_suffix(" messages"))
        {
            let count: usize = count.parse().expect("a number");
            position += count;
            missed += count;
        } else {
            assert!(order[position] == line, "{text:?} instead of number {position}");
            position += 1;
        }
    }
    assert_eq!(position, order.len());
    assert!(missed > 0);
}

/// Lets clients of a swarm take names. Drops the lines that they see meanwhile.
fn enter(swarm: &mut Swarm, names: &[(usize, &str)]) {
    for (client, name) in names {
        swarm.send(*client, format!("/nick {name}\n").as_bytes());
        catch_up(swarm, *client);
    }
    for client in 0..swarm.len() {
        catch_up(swarm, client);
    }
}

/// Drops all that waits for a client.
fn catch_up(swarm: &mut Swarm, client: usize) {
    swarm.send(client, b"/ping\n");
    swarm.wait_for(client, b"-- pong\r\n");
}

/// Lines `<NAME> NUMBER ...` must be complete and in order for each name.
fn check_talkers(lines: &[Vec<u8>], each: usize) {
    let mut next: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        let text = std::str::from_utf8(line).expect("UTF-8");
        let (name, number) = text.split_once("> ").expect("a message");
        let number: usize =
            number.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
        let expected = next.entry(name).or_default();
        assert_eq!(number, *expected, "from {name}");
        *expected += 1;
    }
    assert!(next.values().all(|&count| count == each), "{next:?}");
}
