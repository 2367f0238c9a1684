//! Many clients of the driver of smoltcp at once. No line of theirs is lost, doubled, cut or reordered,
//! even if others misbehave. In the end the driver's sockets are free again.

use std::collections::BTreeMap;

use parlour_boards::BOARDS;
use parlour_firmware::{PORTS, limits, listeners, services, socket_options};
use parlour_smoltcp::core::{Config, Followed, Input, Listener, ListenerId, OnLag, Protocol, Stats};
use parlour_tests::chat::{Chat, ClientId};
use parlour_tests::hub::Setup;
use parlour_tests::lines::Next;
use parlour_tests::seeds::Seeds;
use parlour_tests::wire::{ADDRESS, CHAT, Cable, ECHO, Faults, Ground, Layout, Wire};
use smoltcp::phy::{Device, FaultInjector};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Newcomers called `p0`, `p1` and so on, who have seen each other come.
fn crowd<D: Device>(wire: &mut Wire<'_, D>, count: usize) -> Vec<ClientId> {
    let crowd: Vec<_> = (0..count).map(|number| wire.person(&format!("p{number}"))).collect();
    for client in &crowd {
        wire.until_pong(*client);
    }
    crowd
}

fn bytes(rng: &mut fastrand::Rng, most: usize) -> Vec<u8> {
    let len = rng.usize(..most);
    std::iter::repeat_with(|| rng.u8(..)).take(len).collect()
}

fn text(rng: &mut fastrand::Rng, round: usize) -> String {
    format!("{round} {}", "x".repeat(rng.usize(..100)))
}

/// Lets a whole crowd talk at once. Each must see every message of the others, in order, and no other
/// message.
fn all_talk<D: Device>(wire: &mut Wire<'_, D>, crowd: &[ClientId], rounds: usize) {
    let mut rng = fastrand::Rng::with_seed(7);
    let said: Vec<Vec<String>> =
        (0..rounds).map(|round| crowd.iter().map(|_| text(&mut rng, round)).collect()).collect();
    for round in &said {
        for (author, text) in crowd.iter().zip(round) {
            wire.says(*author, text);
        }
        if rng.bool() {
            wire.run();
        }
    }
    for (reader, client) in crowd.iter().enumerate() {
        let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for _ in 0..(crowd.len() - 1) * rounds {
            let line = wire.line(*client);
            let (name, text) = line.split_once("> ").unwrap_or_else(|| panic!("p{reader} saw {line:?}"));
            seen.entry(name.to_owned()).or_default().push(text.to_owned());
        }
        for author in (0..crowd.len()).filter(|author| *author != reader) {
            let said: Vec<_> = said.iter().map(|round| round[author].clone()).collect();
            assert_eq!(seen[&format!("<p{author}")], said, "what p{reader} saw of p{author}");
        }
    }
    for client in crowd {
        wire.sees_nothing(*client);
    }
}

/// Lets a crowd leave in order.
fn all_leave<D: Device>(wire: &mut Wire<'_, D>, crowd: &[ClientId]) {
    for client in crowd {
        wire.half_close(*client);
        until_close(wire, *client);
    }
    wire.run();
}

fn until_close<D: Device>(wire: &mut Wire<'_, D>, client: ClientId) {
    loop {
        match wire.next(client) {
            Next::Line(_) => {}
            Next::Closed => return,
            Next::Nothing => panic!("client {client} waits for ever"),
        }
    }
}

#[test]
fn all_talk_at_once_over_a_bad_network_and_nothing_is_lost() {
    for seed in Seeds::chosen_few(5).one_by_one("all_talk_at_once_over_a_bad_network_and_nothing_is_lost") {
        let mut ground = Ground::default();
        let mut plan = Layout { seed, ..Layout::chat_and_echo(12) };
        // A frame may be lost several times in a row. No client must be cut for that.
        plan.setup.config.grace_ms = 3_600_000;
        (plan.options.timeout, plan.options.linger) = (SECOND * 3600, SECOND * 600);
        let mut wire = Wire::lossy(&mut ground, &plan, Faults { drop: 5, corrupt: 5, reorder: 10 });
        let crowd = crowd(&mut wire, 12);
        all_talk(&mut wire, &crowd, 30);
        all_leave(&mut wire, &crowd);
        wire.advance(plan.options.linger);
        wire.is_at_rest(&plan);
    }
}

#[test]
fn each_board_serves_as_many_as_it_says() {
    for board in BOARDS {
        let clients = board.sizes.max_conns;
        let setup = Setup {
            limits: limits(board, clients),
            listeners: listeners(OnLag::Disconnect).to_vec(),
            config: Config::new(&[]),
        };
        let services = services(board, clients).to_vec();
        let plan = Layout {
            setup,
            services,
            options: socket_options(board),
            sessions: None,
            client: [4096; 2],
            seed: 1,
        };
        let mut ground = Ground::default();
        let mut wire = Wire::new(&mut ground, &plan);
        assert_eq!(PORTS, [CHAT, ECHO]);
        for _ in 0..2 {
            let crowd = crowd(&mut wire, clients);
            all_talk(&mut wire, &crowd, 5);
            let newcomer = wire.newcomer();
            wire.sees(newcomer, "-- server is full");
            wire.sees_close(newcomer);
            all_leave(&mut wire, &crowd);
            wire.is_at_rest(&plan);
        }
    }
}

#[test]
fn who_never_reads_is_cut_after_the_grace_and_the_others_lose_nothing() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(4));
    let mut wire = Wire::new(&mut ground, &plan);
    let people = crowd(&mut wire, 3);
    let stalled = wire.person("stalled");
    for client in &people {
        wire.until_pong(*client);
    }
    wire.set_reading(stalled, false);
    let before = wire.now();
    let texts: Vec<String> = (0..200).map(|number| format!("{number} {}", "x".repeat(100))).collect();
    for text in &texts {
        wire.says(people[0], text);
    }
    let mut expected = texts.iter().map(|text| format!("<p0> {text}")).peekable();
    let mut cut_at = None;
    while expected.peek().is_some() {
        let line = wire.line(people[1]);
        if line == "-- stalled left (too slow)" {
            cut_at = Some(wire.now());
        } else {
            assert_eq!(Some(line), expected.next());
        }
    }
    // The room waited for him at once, so the grace period began at the start.
    let grace = Duration::from_millis(u64::from(plan.setup.config.grace_ms));
    assert_eq!(cut_at, Some(before + grace));
    assert_eq!(wire.hub().stats().lagged, 1);
    assert_eq!(wire.until_pong(people[0]), ["-- stalled left (too slow)"]);
    wire.run();
    assert_eq!(wire.listening(CHAT), 1 + 2, "his socket is free");
    wire.set_reading(stalled, true);
    until_close(&mut wire, stalled);
    for client in &people[2..] {
        wire.until_pong(*client);
    }
    all_talk(&mut wire, &people, 5);
}

#[test]
fn echo_gives_back_all_that_it_got_and_who_does_not_read_it_harms_nobody() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(2));
    let mut wire = Wire::new(&mut ground, &plan);
    let people = crowd(&mut wire, 2);
    let [reader, stalled] = [wire.connect(ECHO), wire.connect(ECHO)];
    wire.set_reading(stalled, false);
    let mut rng = fastrand::Rng::with_seed(3);
    let sent = bytes(&mut rng, 100_000);
    for client in [reader, stalled] {
        wire.sends(client, &sent);
    }
    // The third is told nothing: the protocol has no words for it.
    let third = wire.connect(ECHO);
    wire.sees_close(third);
    for client in [reader, stalled] {
        wire.half_close(client);
    }
    all_talk(&mut wire, &people, 20);
    assert!(wire.take_all(reader) == sent, "all bytes come back in order");
    wire.sees_close(reader);
    wire.set_reading(stalled, true);
    wire.run();
    assert!(wire.take_all(stalled) == sent, "all bytes come back in order");
    wire.sees_close(stalled);
    all_leave(&mut wire, &people);
    wire.is_at_rest(&plan);
}

#[test]
fn echo_waits_for_one_who_said_all_and_does_not_read() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(1));
    let mut wire = Wire::new(&mut ground, &plan);
    let lazy = wire.connect(ECHO);
    wire.set_reading(lazy, false);
    // As much as he, the network and the hub hold for him.
    let sent = vec![b'x'; 1024 + 512 + 300];
    wire.sends(lazy, &sent);
    wire.half_close(lazy);
    wire.advance(SECOND * 30);
    assert_eq!(wire.hub().stats().received_bytes, sent.len() as u64);
    wire.set_reading(lazy, true);
    wire.run();
    assert!(wire.take_all(lazy) == sent, "all bytes come back in order");
    wire.sees_close(lazy);
    wire.is_at_rest(&plan);
}

#[test]
fn a_follower_that_is_no_socket_reads_along() {
    let (mut ground, mut plan) = (Ground::default(), Layout::chat_and_echo(2));
    plan.setup.listeners.push(Listener::new(Protocol::Console));
    (plan.setup.limits.conns, plan.setup.limits.followers) = (plan.setup.limits.conns + 1, 1);
    let mut wire = Wire::new(&mut ground, &plan);
    let start = parlour_smoltcp::core::Instant::from_millis(0);
    let hub = wire.hub();
    let console =
        hub.handle(start, Input::Accepted { listener: ListenerId(2), peer: None }).opened().expect("a place");
    let watcher = hub.watch(console).expect("a place");
    let [alice, bob] = wire.people(["alice", "bob"]);
    wire.says(alice, "hello");
    wire.sees(bob, "<alice> hello");
    let mut last = String::new();
    while let Some(Followed::Record(record)) = wire.hub().read(watcher) {
        last = String::from_utf8(record.pieces().concat()).expect("text");
        let seq = record.seq;
        wire.hub().handle(start, Input::Committed { follower: watcher, seq });
    }
    assert_eq!(last, "<alice> hello\r\n");
    wire.hub().handle(start, Input::Received { conn: console, bytes: b"/say dinner is ready\n" });
    wire.sees(bob, "-- dinner is ready");
    wire.sees(alice, "-- dinner is ready");
    for client in [alice, bob] {
        wire.sees_nothing(client);
    }
}

#[test]
fn garbage_harms_nobody() {
    for seed in Seeds::chosen_few(5).one_by_one("garbage_harms_nobody") {
        let (mut ground, plan) = (Ground::default(), Layout { seed, ..Layout::chat_and_echo(4) });
        let mut wire = Wire::new(&mut ground, &plan);
        let [alice, bob] = wire.people(["alice", "bob"]);
        let fools = [wire.newcomer(), wire.newcomer()];
        let mut rng = fastrand::Rng::with_seed(seed);
        for number in 0..200 {
            for fool in fools {
                let mut bytes = bytes(&mut rng, 400);
                // More bytes that have a meaning.
                for byte in bytes.iter_mut().filter(|byte| **byte >= 192) {
                    *byte = *rng.choice(b"\n\r/\xff\xfb\xfa\xf0 ").expect("some");
                }
                wire.sends(fool, &bytes);
            }
            wire.says(alice, &format!("line {number}"));
            if rng.bool() {
                wire.run();
            }
        }
        let mut number = 0;
        while number < 200 {
            if wire.line(bob).starts_with("<alice> ") {
                number += 1;
            }
        }
        for fool in fools {
            wire.half_close(fool);
        }
        wire.until_pong(alice);
        all_leave(&mut wire, &[alice, bob]);
        wire.is_at_rest(&plan);
    }
}

/// One short visit of a random kind.
fn visit<D: Device>(wire: &mut Wire<'_, D>, rng: &mut fastrand::Rng) {
    let port = if rng.u8(..4) == 0 { ECHO } else { CHAT };
    let client = wire.connect(port);
    if rng.bool() {
        wire.run();
    }
    if rng.bool() {
        wire.says(
            client,
            rng.choice(["hello", "/nick visitor", "/join den", "/quit", "/who"]).expect("some"),
        );
    }
    if rng.bool() {
        wire.run();
    }
    match rng.u8(..6) {
        0 | 1 => wire.half_close(client),
        2 | 3 => wire.reset(client),
        _ if port == ECHO => wire.half_close(client),
        4 => wire.says(client, "/quit"),
        _ => {
            // It waits for the driver to lose patience.
            wire.keep_open(client);
            wire.says(client, "/quit");
        }
    }
    if rng.u8(..10) == 0 {
        wire.advance(SECOND * rng.u32(1..10));
    }
}

#[test]
fn thousands_come_and_go_and_nothing_is_left_of_them() {
    const VISITS: usize = 5_000;
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(4));
    let mut wire = Wire::new(&mut ground, &plan);
    let [alice] = wire.people(["alice"]);
    let mut rng = fastrand::Rng::with_seed(5);
    for _ in 0..VISITS {
        visit(&mut wire, &mut rng);
    }
    wire.advance(SECOND * 20);
    wire.until_pong(alice);
    let Stats { accepted, refused, .. } = wire.hub().stats();
    println!("{accepted} were let in, {refused} not, and some found no socket");
    assert!(accepted > VISITS as u64 / 2);
    all_leave(&mut wire, &[alice]);
    wire.advance(SECOND * 20);
    wire.is_at_rest(&plan);
    let crowd = crowd(&mut wire, 4);
    all_talk(&mut wire, &crowd, 5);
}

/// Something that a network or a client may do.
fn mishap(wire: &mut Wire<'_, FaultInjector<Cable>>, rng: &mut fastrand::Rng, clients: &mut Vec<ClientId>) {
    let client = rng.choice(&*clients).copied();
    match (rng.u8(..12), client) {
        (0..=2, _) | (_, None) => clients.push(wire.connect(if rng.u8(..4) == 0 { ECHO } else { CHAT })),
        (3 | 4, Some(client)) => wire.says(client, &"x".repeat(rng.usize(..300))),
        (5, Some(client)) => wire.sends(client, &vec![b'y'; rng.usize(..5_000)]),
        (6, Some(client)) => wire.half_close(client),
        (7, Some(client)) => wire.reset(client),
        (8, Some(client)) => wire.set_reading(client, rng.bool()),
        (9, Some(client)) => wire.unplug(client),
        (10, Some(client)) => wire.plug_in(client),
        (_, Some(client)) => {
            let [drop, corrupt, reorder] = [rng.u8(..20), rng.u8(..10), rng.u8(..20)];
            wire.set_faults(Faults { drop, corrupt, reorder });
            if rng.bool() {
                wire.keep_open(client);
            }
        }
    }
    match rng.u8(..4) {
        0 => wire.advance(Duration::from_millis(rng.u64(..20_000))),
        1 | 2 => wire.run(),
        _ => {}
    }
}

#[test]
fn whatever_happens_every_socket_listens_again() {
    for seed in Seeds::chosen_few(150).one_by_one("whatever_happens_every_socket_listens_again") {
        let (mut ground, plan) = (Ground::default(), Layout { seed, ..Layout::chat_and_echo(4) });
        let mut wire = Wire::lossy(&mut ground, &plan, Faults::default());
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut clients = Vec::new();
        for _ in 0..100 {
            mishap(&mut wire, &mut rng, &mut clients);
        }
        if rng.bool() {
            // All of them vanish.
            wire.set_faults(Faults { drop: 100, ..Faults::default() });
        } else {
            wire.set_faults(Faults::default());
            for client in &clients {
                wire.reset(*client);
            }
        }
        wire.advance(plan.options.timeout * 3);
        wire.is_at_rest(&plan);
        // When the network works again, everything is as before. Some clients may not have given up yet.
        for client in &clients {
            wire.reset(*client);
        }
        wire.set_faults(Faults::default());
        wire.advance(SECOND * 60);
        let crowd = crowd(&mut wire, 4);
        all_talk(&mut wire, &crowd, 3);
    }
}

#[test]
fn sockets_of_ones_own_work_beside_the_drivers() {
    let (mut ground, plan) = (Ground::default(), Layout::chat_and_echo(2));
    let mut wire = Wire::new(&mut ground, &plan);
    let buffer = || tcp::SocketBuffer::new(vec![0; 300]);
    let [server, client] = [(); 2].map(|()| wire.sockets.add(tcp::Socket::new(buffer(), buffer())));
    wire.sockets.get_mut::<tcp::Socket<'_>>(server).listen(80).expect("a port");
    let remote = (ADDRESS, 80);
    let own = wire.sockets.get_mut::<tcp::Socket<'_>>(client);
    own.connect(wire.interface.context(), remote, 40_000).expect("a new socket");
    let packets = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 256]);
    let datagrams = wire.sockets.add(udp::Socket::new(packets(), packets()));
    wire.sockets.get_mut::<udp::Socket<'_>>(datagrams).bind(53).expect("a port");

    let people = crowd(&mut wire, 2);
    let mut rng = fastrand::Rng::with_seed(9);
    let sent = bytes(&mut rng, 20_000);
    let (mut position, mut received) = (0, Vec::new());
    while received.len() < sent.len() {
        let own = wire.sockets.get_mut::<tcp::Socket<'_>>(client);
        position += own.send_slice(&sent[position..]).unwrap_or(0);
        wire.run();
        let own = wire.sockets.get_mut::<tcp::Socket<'_>>(server);
        let _ = own.recv(|bytes| (bytes.len(), received.extend_from_slice(bytes)));
        wire.says(people[0], "and meanwhile");
        wire.sees(people[1], "<p0> and meanwhile");
    }
    assert!(received == sent);

    let own = wire.sockets.get_mut::<udp::Socket<'_>>(datagrams);
    own.send_slice(b"to myself", (ADDRESS, 53)).expect("a place");
    wire.run();
    let own = wire.sockets.get_mut::<udp::Socket<'_>>(datagrams);
    assert_eq!(own.recv().expect("a datagram").0, b"to myself");
}
