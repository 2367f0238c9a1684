//! The limits of `parlour serve`: which clients may connect, how many, how long and how fast.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use parlour_tests::chat::Talk;
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::server::{Poller, Server};
use parlour_tests::with_each_poller;

with_each_poller! {
    only_those_allowed_come_in,
    those_denied_do_not_come_in,
    who_is_denied_is_not_let_in_by_an_allowance,
    one_address_has_no_more_than_its_connections,
    who_comes_by_ipv4_to_a_listener_for_both_counts_as_that,
    newcomers_of_one_address_come_in_at_a_rate_and_others_do_not_wait_for_them,
    a_newcomer_for_whom_there_is_no_place_to_wait_is_told_so,
    a_newcomer_too_many_is_told_so_while_the_others_go_on,
    who_sends_nothing_for_long_is_timed_out,
    who_is_too_fast_is_slowed_down_and_loses_nothing,
    rooms_are_no_more_than_allowed,
}

fn from(last: u8) -> ConnectOptions {
    ConnectOptions { source: Some(Ipv4Addr::new(127, 0, 0, last)), receive_buffer: None }
}

/// Whether a client from 127.0.0.`last` gets in.
fn may_enter(server: &Server, last: u8) -> bool {
    let mut client = Client::connect_with(server.chat(), from(last));
    let seen = client.read_some();
    String::from_utf8_lossy(&seen).contains("-- welcome to parlour")
}

fn only_those_allowed_come_in(poller: Poller) {
    let server = poller.chatting(&["--allow", "127.0.0.2/32", "--allow", "127.0.0.16/28"]);
    assert_eq!(
        [1, 2, 3, 16, 31, 32].map(|last| may_enter(&server, last)),
        [false, true, false, true, true, false]
    );
}

fn those_denied_do_not_come_in(poller: Poller) {
    let server = poller.chatting(&["--deny", "127.0.0.2/32"]);
    assert_eq!([1, 2, 3].map(|last| may_enter(&server, last)), [true, false, true]);
}

fn who_is_denied_is_not_let_in_by_an_allowance(poller: Poller) {
    let server = poller.chatting(&["--allow", "127.0.0.0/8", "--deny", "127.0.0.2/32"]);
    assert_eq!([1, 2].map(|last| may_enter(&server, last)), [true, false]);
}

fn one_address_has_no_more_than_its_connections(poller: Poller) {
    let server = poller.chatting(&["--max-conns-per-ip", "2"]);
    let first = Client::enter_with(server.chat(), from(2));
    let mut second = Client::enter_with(server.chat(), from(2));
    assert!(!may_enter(&server, 2));
    let other = Client::enter_with(server.chat(), from(3));
    second.expect_line(&format!("-- {} joined", other.name()));
    first.half_close();
    second.expect_line(&format!("-- {} left", first.name()));
    let _third = Client::enter_with(server.chat(), from(2));
}

fn who_comes_by_ipv4_to_a_listener_for_both_counts_as_that(poller: Poller) {
    let server =
        poller.start(&["--chat", "[::]:0", "--max-conns-per-ip", "1", "--deny", "::ffff:127.0.0.4/128"]);
    let address = format!("127.0.0.1:{}", server.port());
    let welcomed = |last: u8| {
        let mut client = Client::connect_with(&address, from(last));
        let seen = client.read_some();
        String::from_utf8_lossy(&seen).starts_with("-- welcome").then_some(client)
    };
    let inside = [2, 3, 2, 4, 5].map(welcomed);
    assert_eq!(inside.map(|client| client.is_some()), [true, true, false, false, true]);
}

fn newcomers_of_one_address_come_in_at_a_rate_and_others_do_not_wait_for_them(poller: Poller) {
    let server = poller.chatting(&["--connect-rate", "2"]);
    let start = Instant::now();
    let mut many: Vec<Client> = (0..5).map(|_| Client::connect_with(server.chat(), from(2))).collect();
    // It is the last to come, and the third to be let in.
    let other = Client::enter_with(server.chat(), from(3));
    assert_eq!(other.name(), "guest-3");
    for newcomer in &mut many {
        newcomer.expect_matching("a welcome", |line| line.starts_with("-- welcome to parlour"));
    }
    // Two at once, and the other three half a second apart.
    assert!(start.elapsed() > Duration::from_millis(1_400), "took only {:?}", start.elapsed());
    server.stop();
}

fn a_newcomer_for_whom_there_is_no_place_to_wait_is_told_so(poller: Poller) {
    /// One client comes in and 64 wait. The test needs some more, because a few may come in meanwhile.
    const OTHERS: usize = 1 + 64 + 10;
    let server = poller.chatting(&["--connect-rate", "1"]);
    let _others: Vec<Client> = (0..OTHERS).map(|_| Client::connect_with(server.chat(), from(2))).collect();
    let mut newcomer = Client::connect_with(server.chat(), from(2));
    newcomer.expect_line("-- too many connections from your address");
    newcomer.expect_close();
    server.stop();
}

fn a_newcomer_too_many_is_told_so_while_the_others_go_on(poller: Poller) {
    let server = poller.chatting(&["--max-conns", "3"]);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::enter(server.chat())).collect();
    for client in &mut clients {
        client.catch_up();
    }
    for round in 0..50 {
        let mut refused = Client::connect(server.chat());
        if round % 2 == 0 {
            // Unread input must not cost the client the reason. The connection may be closed already.
            let _ = refused.try_send(b"hello\n");
        }
        refused.expect_line("-- server is full");
        refused.expect_close();
    }
    clients[0].say("still here");
    clients[1].expect_line("<guest-1> still here");
    clients[2].expect_line("<guest-1> still here");
    drop(clients.pop());
    clients[0].expect_line("-- guest-3 left");
    assert_eq!(Client::enter(server.chat()).name(), "guest-3");
}

fn who_sends_nothing_for_long_is_timed_out(poller: Poller) {
    let server = poller.chatting(&["--idle-timeout", "500ms"]);
    let mut idle = Client::enter(server.chat());
    let mut lively = Client::enter(server.chat());
    lively.catch_up();
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        let seen = lively.catch_up();
        if !seen.is_empty() {
            assert_eq!(seen, ["-- guest-1 left (timed out)"]);
            break;
        }
        assert!(Instant::now() < give_up, "an idle client stays");
        std::thread::sleep(Duration::from_millis(50));
    }
    idle.read_to_close();
}

fn who_is_too_fast_is_slowed_down_and_loses_nothing(poller: Poller) {
    const LINES: usize = 60;
    let server = poller.chatting(&["--rate", "30"]);
    let mut listener = Client::enter(server.chat());
    let mut fast = Client::enter(server.chat());
    let mut other = Client::enter(server.chat());
    listener.catch_up();
    let start = Instant::now();
    let text: String = (0..LINES).map(|number| format!("line {number}\n")).collect();
    fast.send(text.as_bytes());
    other.say("not held up");
    let mut next = 0;
    let mut others = None;
    while next < LINES || others.is_none() {
        let line = listener.line();
        if line == "<guest-3> not held up" {
            others = Some(next);
        } else {
            assert_eq!(line, format!("<guest-2> line {next}"));
            next += 1;
        }
    }
    assert!(others < Some(LINES), "another client waits for nobody's rate");
    // Sixty lines at thirty a second, less what may be sent at once.
    assert!(start.elapsed() > Duration::from_millis(500), "took only {:?}", start.elapsed());
    assert!(!fast.catch_up().iter().any(|line| line.contains("left")), "never punished");
}

fn rooms_are_no_more_than_allowed(poller: Poller) {
    let server = poller.chatting(&["--rooms", "2"]);
    let mut alice = Client::named(server.chat(), "alice");
    let mut bob = Client::named(server.chat(), "bob");
    bob.say("/join den");
    bob.expect_line("-- you are in den");
    alice.catch_up();
    let mut carol = Client::named(server.chat(), "carol");
    alice.catch_up();
    carol.say("/join third");
    carol.expect_matching("why not", |line| line.starts_with("-- ") && !line.starts_with("-- you are in"));
    carol.say("still in the lobby");
    alice.expect_line("<carol> still in the lobby");
}
