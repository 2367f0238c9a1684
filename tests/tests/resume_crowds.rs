//! Clients that come back all the time, all at once or never, and those that acknowledge nothing. The others, and the
//! server, go on.

use std::net::Ipv4Addr;
use std::time::Duration;

use parlour_tests::chat::{Talk, past};
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::server::Poller;
use parlour_tests::session::{Speaker, expect_unknown, message, wait_for_absence};
use parlour_tests::swarm::Swarm;
use parlour_tests::{sys, with_each_poller};

with_each_poller! {
    the_last_of_several_that_come_back_at_once_is_the_client,
    one_that_comes_back_all_the_time_harms_nobody,
    those_that_are_away_keep_nobody_out,
    those_that_are_away_count_for_the_address_that_they_came_from_first,
    silent_newcomers_are_let_in_and_harm_nobody,
    one_that_acknowledges_nothing_is_too_slow,
    one_that_acknowledges_nothing_gets_all_later_where_the_server_replays,
    many_that_acknowledge_nothing_need_little_memory,
}

fn the_last_of_several_that_come_back_at_once_is_the_client(poller: Poller) {
    let mut server = poller.chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let ticket = Speaker::enter(server.chat(), "alice").cut();
    wait_for_absence(&mut server, 1);
    bob.say("you missed this");
    // Stopped, the server finds them all at once.
    server.signal(sys::SIGSTOP);
    let mut clients: Vec<_> = (0..5).map(|_| Speaker::back(server.chat(), &ticket)).collect();
    server.signal(sys::SIGCONT);
    let mut alice = clients.pop().expect("five");
    alice.expect_resumed();
    bob.say("only once");
    alice.expect_line("<bob> you missed this");
    alice.expect_line("<bob> only once");
    for mut client in clients {
        let seen = client.lines_to_close();
        assert!(seen.iter().all(|line| line == "<bob> you missed this"), "{seen:#?}");
    }
    alice.say("it is me");
    alice.expect_nothing();
    bob.wait_for("<alice> it is me");
    bob.expect_nothing();
    server.stop();
}

fn one_that_comes_back_all_the_time_harms_nobody(poller: Poller) {
    const TIMES: usize = 500;
    let server = poller.chatting(&[]);
    let [mut bob, mut carol] = ["bob", "carol"].map(|name| Client::named(server.chat(), name));
    let alice = Speaker::enter(server.chat(), "alice");
    let ticket = alice.ticket();
    carol.catch_up();
    bob.catch_up();
    let before = server.descriptors().len();
    let mut last = alice;
    for round in 0..TIMES {
        // What it has not received goes out each time.
        let next = Speaker::back(server.chat(), &ticket);
        if round % 2 == 0 {
            drop(last);
        }
        last = next;
        bob.say(&format!("round {round}"));
        carol.expect_line(&format!("<bob> round {round}"));
    }
    last.expect_resumed();
    for round in 0..TIMES {
        last.expect_line(&format!("<bob> round {round}"));
    }
    bob.expect_nothing();
    assert!(server.descriptors().len() <= before, "{:?}", server.descriptors());
    server.stop();
}

fn those_that_are_away_keep_nobody_out(poller: Poller) {
    let mut server = poller.chatting(&["--max-conns", "4"]);
    let mut bob = Client::named(server.chat(), "bob");
    let tickets = ["first", "second", "third"].map(|name| {
        let ticket = Speaker::enter(server.chat(), name).cut();
        wait_for_absence(&mut server, 1);
        ticket
    });
    bob.catch_up();
    let _newcomer = Client::named(server.chat(), "newcomer");
    let seen = bob.wait_for("-- guest-1 is now newcomer");
    assert_eq!(seen, ["-- first left (connection lost)", "-- guest-1 joined"]);
    // It is a newcomer itself now.
    let mut first = Speaker::back(server.chat(), &tickets[0]);
    assert_eq!(first.message(), "unknown");
    let name = first.is_welcomed();
    bob.expect_line("-- second left (connection lost)");
    bob.expect_line(&format!("-- {name} joined"));
    let mut third = Speaker::back(server.chat(), &tickets[2]);
    third.expect_resumed();
    Client::connect(server.chat()).expect_line("-- server is full");
    bob.expect_nothing();
    server.stop();
}

fn those_that_are_away_count_for_the_address_that_they_came_from_first(poller: Poller) {
    let mut server = poller.chatting(&["--max-conns-per-ip", "2"]);
    let from =
        |last: u8| ConnectOptions { source: Some(Ipv4Addr::new(127, 0, 0, last)), receive_buffer: None };
    let mut bob = Client::named(server.chat(), "bob");
    let ticket = Speaker::enter_with(server.chat(), "alice", from(2)).cut();
    wait_for_absence(&mut server, 1);
    let mut alice = Speaker::back_with(server.chat(), &ticket, from(3));
    alice.expect_resumed();
    alice.catch_up();
    alice.cut();
    wait_for_absence(&mut server, 1);
    bob.catch_up();
    // She takes no place of the address that she was at last.
    let _others = [4, 5].map(|_| Client::enter_with(server.chat(), from(3)));
    let mut refused = Client::connect_with(server.chat(), from(3));
    refused.expect_line("-- too many connections from your address");
    let seen = bob.catch_up();
    assert!(seen.iter().all(|line| !line.contains("alice")), "{seen:#?}");
    let _one = Client::enter_with(server.chat(), from(2));
    let _two = Client::enter_with(server.chat(), from(2));
    let seen = bob.catch_up();
    assert!(seen.contains(&"-- alice left (connection lost)".to_owned()), "{seen:#?}");
    server.stop();
}

fn silent_newcomers_are_let_in_and_harm_nobody(poller: Poller) {
    const NEWCOMERS: usize = 400;
    let server = poller.chatting(&["--max-conns", "500"]);
    let mut bob = Client::named(server.chat(), "bob");
    let ticket = Speaker::enter(server.chat(), "alice").cut();
    // Stopped, the server finds them all at once.
    server.signal(sys::SIGSTOP);
    let mut newcomers: Vec<_> = (0..NEWCOMERS).map(|_| Client::connect(server.chat())).collect();
    let mut alice = Speaker::back(server.chat(), &ticket);
    server.signal(sys::SIGCONT);
    alice.expect_resumed();
    alice.say("hello");
    bob.wait_for("<alice> hello");
    for newcomer in &mut newcomers {
        newcomer.expect_matching("a welcome", |line| line.starts_with("-- welcome to parlour"));
    }
    server.stop();
}

/// Much more than is kept for a client.
fn flood() -> Vec<String> {
    (0..10_000).map(|number| format!("{number} {}", "x".repeat(100))).collect()
}

fn one_that_acknowledges_nothing_is_too_slow(poller: Poller) {
    let server = poller.chatting(&["--grace", "1s"]);
    let [mut bob, mut carol] = ["bob", "carol"].map(|name| Client::named(server.chat(), name));
    let mut alice = Speaker::enter(server.chat(), "alice");
    carol.catch_up();
    let ticket = alice.ticket();
    for (number, line) in flood().into_iter().enumerate() {
        bob.say(&line);
        if number % 64 == 0 {
            alice.drop_input();
        }
        let seen = carol.wait_for(&format!("<bob> {line}"));
        if seen == ["-- alice left (too slow)"] {
            expect_unknown(server.chat(), &ticket);
            return server.stop();
        }
        assert!(seen.is_empty(), "{seen:#?}");
    }
    panic!("she is there to the end");
}

fn one_that_acknowledges_nothing_gets_all_later_where_the_server_replays(poller: Poller) {
    let server = poller.chatting(&["--on-lag", "replay", "--log-size", "4M"]);
    let [mut bob, mut carol] = ["bob", "carol"].map(|name| Client::named(server.chat(), name));
    let mut alice = Speaker::enter(server.chat(), "alice");
    carol.catch_up();
    for line in flood() {
        bob.say(&line);
        carol.expect_line(&format!("<bob> {line}"));
    }
    for line in flood() {
        let heard = alice.line();
        let heard = past(&heard).unwrap_or(heard);
        assert_eq!(heard, format!("<bob> {line}"));
        alice.acknowledge();
    }
    server.stop();
}

fn many_that_acknowledge_nothing_need_little_memory(poller: Poller) {
    const CLIENTS: usize = 300;
    /// For each, its queue and its input. And what is kept for all, and some to spare.
    const MOST_KIB: u64 = CLIENTS as u64 * (16 + 20) + (16 << 10) + (10 << 10);
    let server = poller.chatting(&["--on-lag", "replay", "--log-size", "1M"]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut swarm = Swarm::default();
    let pings = "/ping\n".repeat(40_000);
    for client in 0..CLIENTS {
        swarm.connect(server.chat(), ConnectOptions::default());
        swarm.send(client, b"/ping\n");
        swarm.wait_for(client, b"-- pong\r\n");
        swarm.send(client, &message("new"));
    }
    bob.catch_up();
    let before = server.memory_kib();
    for (client, line) in flood().iter().take(1_500).enumerate() {
        bob.say(line);
        if client < CLIENTS {
            swarm.send(client, pings.as_bytes());
        }
        swarm.turn(Duration::ZERO);
    }
    // Much is kept for them by now.
    bob.catch_up();
    swarm.run_for(Duration::from_secs(1));
    let grown = server.memory_peak_kib().saturating_sub(before);
    assert!(grown < MOST_KIB, "{grown} KiB");
    // All of them were there.
    assert_eq!(bob.names_here().len(), CLIENTS + 1);
    server.stop();
}
