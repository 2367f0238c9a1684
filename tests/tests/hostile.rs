//! Clients that mean harm to others: the room that they are in, and the rest of the
//! server, go on.
//!
//! Progress is counted in lines and bytes that come through, rather than in time. Times are generous, so
//! a busy machine makes no test fail.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use parlour_tests::chat::Talk;
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::server::Poller;
use parlour_tests::speech::{GRACE, Parked, SIEGE, SMALL, Speech, besiege};
use parlour_tests::swarm::Swarm;
use parlour_tests::with_each_poller;

with_each_poller! {
    one_who_never_reads_and_always_comes_back_does_not_silence_the_room,
    one_who_reads_just_in_time_does_not_silence_the_room,
    comings_and_goings_before_one_who_never_reads_do_not_silence_the_room,
    floods_of_short_lines_do_not_drown_a_word,
    floods_of_long_lines_do_not_drown_a_word,
    those_who_reset_say_no_more_and_make_room,
    those_who_close_say_no_more_and_make_room,
    an_echo_does_not_wait_for_those_who_pour_commands,
    comings_and_goings_without_a_word_are_hardly_told,
    comings_and_goings_with_a_word_are_told_no_faster_than_one_can_read,
    connections_that_are_closed_at_once_are_not_told,
}

/// Checks that the room is silent for little longer than one grace and a tenth of the time.
fn withstand(talk: Speech, attack: impl FnMut(&mut Speech)) {
    /// A quarter of what comes through without an attack.
    const LEAST_LINES: usize = 100;
    const NOTICED: Duration = Duration::from_millis(100);
    let siege = besiege(talk, attack);
    let (lines, silent, longest) = (siege.lines, siege.silent(NOTICED), siege.longest());
    let fine = lines >= LEAST_LINES && silent <= SIEGE / 3 && longest <= 2 * GRACE;
    assert!(fine, "{lines} lines came through in {SIEGE:?}; silence of {silent:?}, {longest:?} at once");
}

fn one_who_never_reads_and_always_comes_back_does_not_silence_the_room(poller: Poller) {
    let talk = Speech::start(poller, &["--grace", "1s"], 1);
    let mut parked = Parked::new(talk.server.chat(), b"");
    withstand(talk, |_| parked.come_back());
    assert!(parked.cut > 0, "who never reads is cut");
}

fn one_who_reads_just_in_time_does_not_silence_the_room(poller: Poller) {
    /// As seldom as it can without being disconnected.
    const SELDOM: Duration = Duration::from_millis(880);
    /// Enough to read everything.
    const A_MOMENT: Duration = Duration::from_millis(50);
    let mut talk = Speech::start(poller, &["--grace", "1s"], 1);
    let address = talk.server.chat().to_string();
    let mut slow = talk.swarm.connect(&address, SMALL);
    let mut wakes = Instant::now() + SELDOM;
    withstand(talk, |talk| {
        if talk.swarm.is_closed(slow) {
            slow = talk.swarm.connect(&address, SMALL);
        }
        if wakes.elapsed() > A_MOMENT {
            wakes += SELDOM;
        }
        talk.swarm.set_reading(slow, wakes < Instant::now());
        talk.swarm.take_all(slow);
    });
}

fn comings_and_goings_before_one_who_never_reads_do_not_silence_the_room(poller: Poller) {
    let talk = Speech::start(poller, &["--grace", "1s"], 0);
    let address = talk.server.chat().to_string();
    // The answers are more than the kernel holds for it.
    let mut parked = Parked::new(&address, &b"/help\n".repeat(10_000));
    std::thread::scope(|scope| {
        // The last visit must be over when the server ends with the siege.
        let visits = scope.spawn(|| visits(&address, ConnectOptions::default(), SIEGE * 9 / 10, |_| {}));
        withstand(talk, |_| parked.come_back());
        let visits = visits.join().expect("no panic");
        assert!(visits > 100, "only {visits} visits");
    });
}

/// Connects, is welcomed, lets `visit` do something and resets, again and again for `duration`. Returns
/// how often.
fn visits(
    address: &str,
    options: ConnectOptions,
    duration: Duration,
    mut visit: impl FnMut(&mut Client),
) -> usize {
    let end = Instant::now() + duration;
    let mut count = 0;
    while Instant::now() < end {
        let mut client = Client::connect_with(address, options);
        client.read_some();
        visit(&mut client);
        client.reset();
        count += 1;
    }
    count
}

/// Lets clients that were there first flood a room with lines of `length` bytes.
fn drown(poller: Poller, length: usize) {
    const FLOOD: Duration = Duration::from_secs(2);
    /// Only shows that lines come. The traffic between two lines is what counts.
    const LEAST_LINES: usize = 5;
    /// Some logs of a room of 256 KiB, and the kernel's buffers for the witness.
    const MOST_BETWEEN: usize = 2 << 20;
    let line = format!("{}\n", "x".repeat(length));
    let chunk = line.repeat((64 << 10) / line.len());
    for flooders in [1, 10] {
        let mut talk = Speech::start(poller, &[], flooders);
        let start = Instant::now();
        while start.elapsed() < FLOOD {
            talk.flood(chunk.as_bytes());
            talk.turn();
        }
        if talk.heard.len() < talk.said {
            talk.passed = talk.passed.max(talk.got - talk.last.1);
        }
        let (lines, passed, got) = (talk.heard.len(), talk.passed, talk.got);
        assert!(
            lines >= LEAST_LINES && passed <= MOST_BETWEEN,
            "{flooders} flooders: {lines} lines were heard among {got} bytes; {passed} passed one"
        );
        talk.end();
    }
}

fn floods_of_short_lines_do_not_drown_a_word(poller: Poller) {
    drown(poller, 1);
}

fn floods_of_long_lines_do_not_drown_a_word(poller: Poller) {
    drown(poller, 1000);
}

/// Clients say much more at once than they may in a long time, and leave by `go`. Their lines must be
/// gone with them, and their places free.
fn haunt(poller: Poller, go: impl Fn(Client)) {
    const GHOSTS: usize = 20;
    const MOST_LINES: usize = 5 * GHOSTS;
    /// To say it all would take six hundred times as long.
    const SOON: Duration = Duration::from_secs(4);
    let server = poller.chatting(&["--rate", "2", "--idle-timeout", "3s", "--max-conns", "21"]);
    let mut witness = Client::enter(server.chat());
    let before = server.descriptors().len();
    for _ in 0..GHOSTS {
        let mut ghost = Client::connect(server.chat());
        ghost.send(&b"x\n".repeat(5_000));
        std::thread::sleep(Duration::from_millis(20));
        go(ghost);
    }
    let start = Instant::now();
    let mut said = 0;
    loop {
        let gone = server.descriptors().len() <= before;
        said += witness.catch_up().iter().filter(|line| line.ends_with("> x")).count();
        if gone {
            break;
        }
        assert!(start.elapsed() < SOON, "those who are gone keep their places, and said {said} lines");
        // No faster than the witness itself may ask.
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(said <= MOST_LINES, "{GHOSTS} who are gone said {said} lines");
    let _newcomer = Client::enter(server.chat());
}

fn those_who_reset_say_no_more_and_make_room(poller: Poller) {
    haunt(poller, Client::reset);
}

/// They leave a welcome unread, so that sooner or later their kernel resets as well.
fn those_who_close_say_no_more_and_make_room(poller: Poller) {
    haunt(poller, drop);
}

fn an_echo_does_not_wait_for_those_who_pour_commands(poller: Poller) {
    const OTHERS: usize = 300;
    const ATTACKERS: usize = 8;
    const POURED: usize = 128 << 10;
    const TRIPS: usize = 50;
    const ENOUGH_TIME: Duration = Duration::from_secs(3);
    /// Some turns of the server of 10 ms each, in which it says nothing else.
    const MOST_ANSWERS: usize = 12_000 * ATTACKERS;
    let server = poller.start(&["--chat", "0", "--echo", "0"]);
    let mut swarm = Swarm::default();
    let echo = swarm.connect(server.address("echo"), ConnectOptions::default());
    for _ in 0..OTHERS {
        swarm.connect(server.chat(), ConnectOptions::default());
    }
    for commands in ["/who\n", "/msg zz y\n", "/nick aN\n/nick bN\n"] {
        let attackers: Vec<usize> =
            (0..ATTACKERS).map(|_| swarm.connect(server.chat(), ConnectOptions::default())).collect();
        for attacker in &attackers {
            swarm.send(*attacker, format!("/join a{attacker}\n/ping\n").as_bytes());
            swarm.wait_for(*attacker, b"-- pong\r\n");
        }
        // How many answers the attackers got during each round trip of the echo.
        let mut trips: Vec<usize> = Vec::new();
        let mut answers = 0;
        swarm.send(echo, b"is anybody there\n");
        let start = Instant::now();
        while trips.len() < TRIPS && start.elapsed() < ENOUGH_TIME {
            for &attacker in &attackers {
                if swarm.unsent(attacker) == 0 {
                    let commands = commands.replace('N', &attacker.to_string());
                    swarm.send(attacker, commands.repeat(POURED / commands.len()).as_bytes());
                }
            }
            swarm.turn(Duration::from_millis(5));
            for client in echo + 1..swarm.len() {
                let answered = swarm.take_all(client);
                if attackers.contains(&client) {
                    answers += answered.iter().filter(|&&byte| byte == b'\n').count();
                }
            }
            if swarm.pop_line(echo).is_some() {
                trips.push(std::mem::take(&mut answers));
                swarm.send(echo, b"is anybody there\n");
            }
        }
        // The worst tenth may be those in which this process was not running.
        trips.sort_unstable();
        let count = trips.len();
        let passed = trips.get(count * 9 / 10).copied().unwrap_or(answers);
        assert!(
            count == TRIPS && passed <= MOST_ANSWERS,
            "{count} round trips while {commands:?} is poured, with up to {passed} answers in one"
        );
        for attacker in attackers {
            swarm.reset(attacker);
        }
    }
    drop(swarm);
    server.stop();
}

/// How long a client comes and goes.
const UNREST: Duration = Duration::from_secs(2);

/// Lets a client come and go, with a `visit` each time. Returns the lobby's notices in the meantime and
/// soon afterwards.
fn unrest(poller: Poller, visit: impl Fn(&mut Client)) -> Vec<String> {
    let server = poller.chatting(&["--max-conns-per-ip", "4"]);
    let mut witness = Client::enter(server.chat());
    let from = ConnectOptions { source: Some(Ipv4Addr::new(127, 0, 0, 2)), receive_buffer: None };
    let (mut told, mut count) = (Vec::new(), 0);
    let visits = visits(server.chat(), from, UNREST, |client| {
        visit(client);
        count += 1;
        if count % 50 == 0 {
            // One that never reads would hold up the others.
            told.extend(witness.catch_up());
        }
    });
    assert!(visits > 20, "only {visits} visits");
    std::thread::sleep(Duration::from_secs(1));
    told.extend(witness.catch_up());
    server.stop();
    told
}

/// How many of these lines are from the server itself.
fn notices(seen: &[String]) -> usize {
    seen.iter().filter(|line| line.starts_with("-- ")).count()
}

fn comings_and_goings_without_a_word_are_hardly_told(poller: Poller) {
    let told = unrest(poller, |_| {});
    assert!(told.len() <= 10, "{} lines, with {} notices", told.len(), notices(&told));
}

fn comings_and_goings_with_a_word_are_told_no_faster_than_one_can_read(poller: Poller) {
    const MOST_A_SECOND: usize = 50;
    let told = unrest(poller, |client| {
        // It may have been refused.
        if client.try_send(b"hello\n").is_ok() {
            client.half_close();
            client.read_to_close();
        }
    });
    let words = told.iter().filter(|line| line.ends_with("> hello")).count();
    assert!(words > 20, "only {words} words");
    let notices = notices(&told);
    assert!(notices < MOST_A_SECOND * UNREST.as_secs() as usize, "{notices} notices in {UNREST:?}");
}

fn connections_that_are_closed_at_once_are_not_told(poller: Poller) {
    let server = poller.chatting(&[]);
    let mut witness = Client::enter(server.chat());
    let before = server.descriptors().len();
    for _ in 0..100 {
        drop(Client::connect(server.chat()));
    }
    std::thread::sleep(Duration::from_secs(1));
    let told = witness.catch_up();
    assert!(told.is_empty(), "{} lines about connections that nobody used", told.len());
    assert!(server.descriptors().len() <= before, "the server lets go of them");
}
