//! The driver of smoltcp in cases that the rules do not cover: too few sockets, vanished peers, cut
//! links, and what stays behind.

use parlour_smoltcp::core::{Cause, ListenerId, Refusal};
use parlour_smoltcp::{Driver, Links, Note, Shortage, SocketOptions};
use parlour_tests::chat::Chat;
use parlour_tests::hub::HubMemory;
use parlour_tests::wire::{CHAT, ECHO, Faults, Ground, Layout, Wire};
use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp::{self, State};
use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, IpCidr};

const CHATTING: ListenerId = ListenerId(0);
/// Sockets of the chat that refuse.
const REFUSALS: usize = 2;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_newcomer_too_many_is_told_so_and_nobody_else_notices() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(3));
    let mut wire = Wire::new(&mut ground, &plan);
    let [alice, bob, carol] = wire.people(["alice", "bob", "carol"]);
    for _ in 0..10 {
        let newcomers = [(); REFUSALS].map(|()| wire.newcomer());
        let one_more = wire.newcomer();
        wire.says(alice, "hello");
        for newcomer in newcomers {
            wire.sees(newcomer, "-- server is full");
            wire.sees_close(newcomer);
        }
        // No socket is left to tell this one.
        wire.sees_close(one_more);
        wire.run();
        assert_eq!(wire.listening(CHAT), REFUSALS, "they are free for the next");
        for client in [bob, carol] {
            wire.sees(client, "<alice> hello");
            wire.sees_nothing(client);
        }
    }
    let refused = Note::Refused(CHATTING, Refusal::Full);
    assert_eq!(wire.take_notes().iter().filter(|note| **note == refused).count(), 20);
    wire.half_close(bob);
    wire.sees_close(bob);
    let dave = wire.person("dave");
    wire.says(dave, "there is a place now");
    wire.until_pong(dave);
    assert_eq!(wire.until_pong(alice).last().expect("a line"), "<dave> there is a place now");
}

#[test]
fn a_refused_peer_that_does_not_close_holds_no_socket() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(1));
    let mut wire = Wire::new(&mut ground, &plan);
    wire.enter();
    let before = wire.now();
    for _ in 0..3 * REFUSALS {
        let stubborn = wire.newcomer();
        wire.keep_open(stubborn);
        wire.sees(stubborn, "-- server is full");
        wire.sees_close(stubborn);
    }
    assert_eq!(wire.listening(CHAT), REFUSALS);
    assert_eq!((wire.now(), wire.hub().count()), (before, 1));
}

#[test]
fn a_refused_peer_may_have_typed_ahead() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(1));
    let mut wire = Wire::new(&mut ground, &plan);
    wire.enter();
    let before = wire.now();
    let newcomer = wire.newcomer();
    // More than the refusing socket holds.
    wire.sends(newcomer, &[b'x'; 1000]);
    wire.half_close(newcomer);
    wire.sees(newcomer, "-- server is full");
    wire.sees_close(newcomer);
    wire.run();
    assert_eq!(wire.listening(CHAT), REFUSALS, "it went in order");
    assert_eq!(wire.now(), before, "and at once");
}

#[test]
fn a_peer_that_vanishes_is_noticed_and_its_place_is_free() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(2));
    let mut wire = Wire::new(&mut ground, &plan);
    let [alice, bob] = wire.people(["alice", "bob"]);
    wire.take_notes();
    wire.unplug(bob);
    let before = wire.now();
    wire.sees(alice, "-- bob left (timed out)");
    let SocketOptions { timeout, keep_alive, .. } = plan.options;
    assert!(wire.now() - before <= timeout + keep_alive, "at {}", wire.now());
    assert!(matches!(wire.take_notes()[..], [Note::Broken(_, Cause::TimedOut)]));
    let carol = wire.person("carol");
    wire.until_pong(alice);
    // He does not know that he was given up.
    wire.plug_in(bob);
    wire.says(bob, "here I am again");
    wire.sees_close(bob);
    wire.sees_nothing(alice);
    wire.sees_nothing(carol);
}

#[test]
fn when_the_link_is_cut_all_places_get_free() {
    for long in [false, true] {
        let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(3));
        let mut wire = Wire::lossy(&mut ground, &plan, Faults::default());
        let people = wire.people(["alice", "bob", "carol"]);
        wire.take_notes();
        wire.set_faults(Faults { drop: 100, ..Faults::default() });
        wire.says(people[0], "nobody hears this");
        // For longer than hardware addresses are remembered, or not quite as long.
        wire.advance(
            plan.options.timeout + plan.options.keep_alive + if long { SECOND * 600 } else { SECOND },
        );
        wire.is_at_rest(&plan);
        let notes = wire.take_notes();
        assert!(notes.iter().all(|note| matches!(note, Note::Broken(_, Cause::TimedOut))), "{notes:?}");
        assert_eq!(notes.len(), 3);
        wire.set_faults(Faults::default());
        for client in people {
            // Clients without a time limit notice it when they say something.
            wire.says(client, "hello?");
            wire.sees_close(client);
        }
        let [dave, eve, _] = wire.people(["dave", "eve", "frank"]);
        wire.says(dave, "hello");
        wire.sees(eve, "<dave> hello");
    }
}

#[test]
fn a_connection_that_is_idle_for_long_is_kept() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(2));
    let mut wire = Wire::new(&mut ground, &plan);
    let [alice, bob] = wire.people(["alice", "bob"]);
    let before = wire.turns();
    wire.advance(HOUR);
    let each = HOUR.total_millis() / plan.options.keep_alive.total_millis();
    // A probe and its answer, for each.
    assert!(wire.turns() - before <= 4 * each * 2, "{} turns in an hour", wire.turns() - before);
    wire.says(alice, "still here");
    wire.sees(bob, "<alice> still here");
}

#[test]
fn a_driver_without_clients_sleeps() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(2));
    let mut wire = Wire::new(&mut ground, &plan);
    wire.run();
    assert_eq!(wire.due(), None);
    let (alice, _) = wire.enter();
    wire.half_close(alice);
    wire.sees_close(alice);
    wire.run();
    wire.is_at_rest(&plan);
    // Until then the hub may want to look whether she has closed.
    wire.advance(SECOND);
    assert_eq!(wire.due(), None);
}

#[test]
fn handshakes_that_are_never_finished_hold_no_place_for_long() {
    const PLACES: usize = 3;
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(PLACES));
    let mut wire = Wire::new(&mut ground, &plan);
    wire.enter();
    for _ in 0..PLACES - 1 + REFUSALS {
        let newcomer = wire.newcomer();
        wire.send_only();
        wire.turn();
        wire.unplug(newcomer);
        wire.run();
    }
    assert_eq!(wire.listening(CHAT), 0, "each place has its handshake");
    wire.advance(plan.options.linger + SECOND);
    assert_eq!(wire.listening(CHAT), PLACES - 1 + REFUSALS);
    wire.people(["alice", "bob"]);
}

#[test]
fn a_reset_is_a_lost_connection_and_what_came_before_it_counts() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(2));
    let mut wire = Wire::new(&mut ground, &plan);
    let [alice, bob] = wire.people(["alice", "bob"]);
    wire.take_notes();
    wire.says(bob, "my last words");
    wire.send_only();
    wire.reset(bob);
    // Both are found in one turn.
    wire.send_only();
    wire.sees(alice, "<bob> my last words");
    wire.sees(alice, "-- bob left (connection lost)");
    assert!(matches!(wire.take_notes()[..], [Note::Broken(_, Cause::Reset)]));
    wire.run();
    assert_eq!(wire.listening(CHAT), 1 + REFUSALS);
}

#[test]
fn a_newcomer_that_resets_at_once_has_still_said_what_it_said() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(2));
    let mut wire = Wire::new(&mut ground, &plan);
    let [alice] = wire.people(["alice"]);
    let bob = wire.newcomer();
    wire.send_only();
    wire.turn();
    wire.turn();
    // The end of the handshake, the lines and the reset are found in one turn.
    wire.says(bob, "/nick bob\nhello and goodbye");
    wire.send_only();
    wire.reset(bob);
    wire.send_only();
    wire.sees(alice, "-- bob joined");
    wire.sees(alice, "<bob> hello and goodbye");
    wire.sees(alice, "-- bob left (connection lost)");
    wire.run();
    assert_eq!(wire.listening(CHAT), 1 + REFUSALS);
}

#[test]
fn what_a_peer_said_before_it_vanished_is_said_when_there_is_place() {
    let (mut ground, mut plan) = (Ground::default(), Layout::chat_and_echo(3));
    // Nobody is cut for being slow.
    plan.setup.config.grace_ms = 1_000_000;
    // Nothing else is due when it is noticed.
    plan.options.keep_alive = SECOND * 13;
    let mut wire = Wire::new(&mut ground, &plan);
    let [alice, bob, carol] = wire.people(["alice", "bob", "carol"]);
    wire.set_reading(bob, false);
    let text = "x".repeat(200);
    for number in 0..50 {
        wire.says(alice, &format!("{number} {text}"));
    }
    // More than the room takes while bob does not read.
    wire.run();
    wire.says(bob, "I still want to say this");
    wire.run();
    let before = wire.now();
    wire.unplug(bob);
    let (mut said, mut others) = (0, Vec::new());
    while said < 50 || others.len() < 2 {
        match wire.line(carol) {
            line if line == format!("<alice> {said} {text}") => said += 1,
            line => others.push(line),
        }
    }
    assert_eq!(others, ["<bob> I still want to say this", "-- bob left (timed out)"]);
    // His place is free, and everything goes on at once.
    assert_eq!(wire.now(), before + plan.options.timeout);
}

#[test]
fn who_has_quit_and_does_not_close_is_given_up_in_time() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(1));
    let mut wire = Wire::new(&mut ground, &plan);
    let (alice, _) = wire.enter();
    wire.keep_open(alice);
    wire.says(alice, "/quit");
    wire.sees_close(alice);
    while wire.hub().count() > 0 {
        let due = wire.due().expect("the hub waits for her");
        wire.sleep(due - wire.now());
        wire.run();
    }
    wire.is_at_rest(&plan);
}

#[test]
fn a_shutdown_does_not_break_the_connection_of_one_who_was_leaving() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(1));
    let mut wire = Wire::new(&mut ground, &plan);
    let (alice, _) = wire.enter();
    wire.keep_open(alice);
    wire.says(alice, "/quit");
    wire.sees_close(alice);
    wire.shut_down();
    wire.advance(SECOND * 2);
    assert_eq!(wire.hub().count(), 0);
    // She was told all and has not closed yet: she still may.
    let socket = wire.socket(alice).expect("she is still there");
    assert_eq!(wire.sockets.get::<tcp::Socket<'_>>(socket).state(), State::CloseWait);
    let newcomer = wire.newcomer();
    wire.sees(newcomer, "-- server is shutting down");
    wire.sees_close(newcomer);
    wire.is_at_rest(&plan);
}

#[test]
fn one_address_has_no_more_connections_than_it_may() {
    let (mut ground, mut plan) = (Ground::default(), Layout::chat_and_echo(3));
    plan.setup.config.per_peer = Some(parlour_core::Bound::for_all(2));
    let mut wire = Wire::new(&mut ground, &plan);
    wire.people(["alice", "bob"]);
    let newcomer = wire.newcomer();
    wire.sees(newcomer, "-- too many connections from your address");
    wire.sees_close(newcomer);
    assert_eq!(wire.take_notes().last(), Some(&Note::Refused(CHATTING, Refusal::PerPeer)));
}

#[test]
fn an_echo_client_that_never_reads_does_not_stay_for_ever() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(1));
    let mut wire = Wire::new(&mut ground, &plan);
    let stalled = wire.connect(ECHO);
    wire.set_reading(stalled, false);
    wire.sends(stalled, &[b'x'; 10_000]);
    wire.advance(plan.options.timeout);
    assert_eq!(wire.hub().count(), 1, "it is still there and may read");
    wire.advance(plan.options.timeout * 2);
    wire.is_at_rest(&plan);
}

#[test]
fn a_new_address_ends_all_connections_and_newcomers_are_served_there() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(2));
    let mut wire = Wire::new(&mut ground, &plan);
    wire.people(["alice", "bob"]);
    wire.interface.update_ip_addrs(|addresses| addresses[0] = IpCidr::new(IpAddress::v4(192, 0, 2, 77), 24));
    wire.run();
    wire.is_at_rest(&plan);
    let [carol, dave] = wire.people(["carol", "dave"]);
    wire.says(carol, "hello");
    wire.sees(dave, "<carol> hello");
}

#[test]
fn memory_that_is_too_small_is_refused() {
    fn make<const LINKS: usize>(plan: &Layout, bytes: usize) -> Option<Shortage> {
        let (mut memory, mut links, mut buffers) =
            (HubMemory::default(), Links::<LINKS>::new(), vec![0; bytes]);
        let mut sockets = SocketSet::new(Vec::new());
        let hub = memory.hub(&plan.setup);
        let services = &plan.services;
        Driver::new(hub, services, plan.options, &mut sockets, &mut links, &mut buffers).err()
    }
    let mut plan = Layout::chat_and_echo(2);
    let bytes = plan.options.bytes(&plan.services);
    assert_eq!((SocketOptions::links(&plan.services), bytes), (8, 4 * (256 + 512) + 4 * 64));
    assert_eq!(make::<8>(&plan, bytes), None);
    assert_eq!(make::<8>(&plan, bytes - 1), Some(Shortage::Bytes));
    assert_eq!(make::<7>(&plan, bytes), Some(Shortage::Links));
    (plan.setup.limits.conns, plan.setup.limits.members) = (9, 18);
    assert_eq!(make::<20>(&plan, bytes), Some(Shortage::Links));
}

/// A newcomer's repeated segments go to the first listening socket, although another one has begun to
/// answer.
#[test]
fn a_newcomer_whose_handshake_is_repeated_takes_one_place_only() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(3));
    let mut wire = Wire::lossy(&mut ground, &plan, Faults::default());
    let [alice, bob] = wire.people(["alice", "bob"]);
    let carol = wire.newcomer();
    wire.send_only();
    // The answer is lost. Meanwhile the first socket becomes free.
    wire.unplug(carol);
    wire.run();
    wire.half_close(alice);
    wire.sees_close(alice);
    wire.run();
    assert_eq!(wire.listening(CHAT), 1 + REFUSALS);
    wire.plug_in(carol);
    assert!(wire.line(carol).starts_with("-- welcome"));
    wire.until_pong(carol);
    assert_eq!(wire.listening(CHAT), 1 + REFUSALS);
    wire.until_pong(bob);
    wire.advance(plan.options.timeout * 2);
    wire.sees_nothing(carol);
    wire.sees_nothing(bob);
}

#[test]
fn a_handshake_that_is_repeated_late_does_not_harm_the_connection() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(3));
    let mut wire = Wire::new(&mut ground, &plan);
    let alice = wire.person("alice");
    let bob = wire.newcomer();
    wire.keep_next_frame();
    wire.send_only();
    wire.until_pong(bob);
    let carol = wire.person("carol");
    wire.until_pong(alice);
    wire.half_close(alice);
    wire.sees_close(alice);
    wire.run();
    // A socket that is asked before bob's listens again.
    wire.until_pong(bob);
    wire.repeat_frame();
    wire.run();
    assert_eq!(wire.listening(CHAT), 1 + REFUSALS);
    wire.says(bob, "still here");
    wire.until_pong(bob);
    assert_eq!(wire.until_pong(carol).last().expect("a line"), "<guest-1> still here");
}

#[test]
fn small_messages_do_not_wait_for_acknowledgements() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(2));
    let mut wire = Wire::new(&mut ground, &plan);
    let [alice, bob] = wire.people(["alice", "bob"]);
    wire.be_lazy(alice);
    wire.be_lazy(bob);
    wire.advance(SECOND);
    let before = wire.now();
    for number in 0..10 {
        wire.says(alice, &format!("{number}"));
        wire.sees(bob, &format!("<alice> {number}"));
    }
    assert_eq!(wire.now(), before);
}

#[test]
fn a_line_of_the_last_moment_counts() {
    let (mut ground, mut plan) = (Ground::default(), Layout::chat_and_echo(2));
    plan.setup.config.idle_ms = Some(5_000);
    let mut wire = Wire::new(&mut ground, &plan);
    let [alice, _bob] = wire.people(["alice", "bob"]);
    wire.advance(SECOND * 4);
    wire.says(alice, "here");
    wire.send_only();
    wire.sleep(SECOND);
    wire.sees(alice, "-- bob left (timed out)");
    wire.sees_nothing(alice);
}

/// Lets `alice` say something and reset her connection while the room waits for a client that does not
/// read. Then lets `wait` pass. Returns the lines that `bob` sees.
fn reset_while_the_room_waits(wait: Duration) -> Vec<String> {
    let (mut ground, mut plan) = (Ground::default(), Layout::chat_and_echo(3));
    plan.setup.config.grace_ms = wait.total_millis() as u32;
    let mut wire = Wire::new(&mut ground, &plan);
    let [alice, bob, stalled] = wire.people(["alice", "bob", "stalled"]);
    wire.set_reading(stalled, false);
    let text = "x".repeat(200);
    for _ in 0..100 {
        wire.says(bob, &text);
    }
    wire.run();
    wire.says(alice, "wait for me");
    wire.run();
    wire.take_notes();
    wire.reset(alice);
    wire.advance(SECOND * 2);
    assert!(wire.hub().count() <= 2, "she is gone within a second, or when all is said");
    let mut seen = Vec::new();
    while !seen.iter().any(|line: &String| line.starts_with("-- stalled left")) || seen.len() < 2 {
        seen.push(wire.line(bob));
    }
    seen.extend(wire.until_pong(bob));
    seen
}

#[test]
fn what_a_peer_said_before_a_reset_waits_for_a_place_but_no_longer_than_a_second() {
    let seen = reset_while_the_room_waits(Duration::from_millis(900));
    let said = ["-- stalled left (too slow)", "<alice> wait for me", "-- alice left (connection lost)"];
    assert_eq!(seen, said);
    let seen = reset_while_the_room_waits(Duration::from_millis(1_500));
    assert_eq!(seen, ["-- alice left (connection lost)", "-- stalled left (too slow)"]);
}

#[test]
fn a_reset_is_sent_though_the_card_was_busy() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(2));
    let mut wire = Wire::new(&mut ground, &plan);
    let [alice, bob] = wire.people(["alice", "bob"]);
    wire.set_reading(bob, false);
    for _ in 0..100 {
        wire.says(alice, &"x".repeat(200));
    }
    wire.run();
    wire.sleep(Duration::from_millis(u64::from(plan.setup.config.grace_ms)));
    wire.set_busy(true);
    for _ in 0..5 {
        wire.turn();
        assert_eq!(wire.due(), Some(smoltcp::time::Instant::ZERO), "it has something to send");
    }
    wire.set_busy(false);
    wire.sees(alice, "-- bob left (too slow)");
    // A client that sends nothing notices it in no other way.
    let socket = wire.socket(bob).expect("he has not read all");
    assert_eq!(wire.sockets.get::<tcp::Socket<'_>>(socket).state(), State::Closed);
}

#[test]
fn more_frames_than_one_turn_takes_are_taken_at_once() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(30));
    let mut wire = Wire::new(&mut ground, &plan);
    wire.enter();
    for _ in 0..25 {
        wire.newcomer();
    }
    wire.send_only();
    wire.turn();
    assert_eq!(wire.due(), Some(wire.now()));
}
