//! Hostile clients against a room, in virtual time: how long they can make the others wait.
//!
//! Its random parts follow `parlour_tests::seeds`.

use parlour_core::{Bound, Config, Listener, ListenerId, OnLag, Protocol};
use parlour_tests::hub::{HubMemory, Setup};
use parlour_tests::seeds;
use parlour_tests::sim::siege::{self, Attack, Flood, Habit, Siege, Toll};
use parlour_tests::sim::{Peer, READ_SIZE, Weather, World};

const GRACE_MS: u64 = 5_000;
/// How long each attack lasts.
const ATTACK_MS: u64 = 180_000;
/// The flood, unless an attack needs another. It is many times as much as the attackers read.
const FLOOD: Flood = Flood { pipe: 4 << 10, line: 400 };

fn seeded(name: &str) -> fastrand::Rng {
    fastrand::Rng::with_seed(seeds::one(name))
}

fn begin<'a>(memory: &'a mut HubMemory<'a>, rng: &mut fastrand::Rng, flood: Flood) -> Siege<'a> {
    let setup = siege::setup();
    let world = World::new(memory, &setup, Weather::default(), rng.u64(..));
    Siege::new(world, flood, setup.config.grace_ms)
}

/// Lets a room be attacked for three minutes, and checks the harm to the others.
#[track_caller]
fn withstand(name: &str, flood: Flood, plans: impl FnOnce(&mut fastrand::Rng) -> Vec<Attack>) -> Toll {
    let (mut memory, mut rng) = (HubMemory::default(), seeded(name));
    let mut siege = begin(&mut memory, &mut rng, flood);
    siege.pass(1_000);
    for plan in plans(&mut rng) {
        siege.add(plan);
    }
    siege.pass(ATTACK_MS);
    let toll = siege.end();
    println!("{name}: {toll:?}");
    assert!(toll.worst_minute_ms <= 12_000, "more than the grace period and a tenth of a minute: {toll:?}");
    assert!(toll.longest_ms <= GRACE_MS + 300, "one wait is longer than the grace period: {toll:?}");
    assert!(
        toll.total_ms <= GRACE_MS + ATTACK_MS / 10,
        "more than the grace period and a tenth of the attack: {toll:?}"
    );
    toll
}

/// `count` attackers that never read.
fn deaf(count: usize, plan: impl FnMut(u64) -> Attack) -> Vec<Attack> {
    (0..count as u64).map(plan).collect()
}

/// An attacker that reads this many bytes this often, over a pipe that holds little.
fn taking(bytes: usize, every: u64) -> Attack {
    Attack::new(Habit::Takes { bytes, every })
}

#[test]
fn one_that_never_reads_and_does_not_come_back_costs_the_grace_once() {
    let toll =
        withstand("never reads", FLOOD, |_| vec![Attack { back_after: None, ..Attack::new(Habit::Never) }]);
    assert_eq!(toll.cuts, [1]);
    assert!(toll.total_ms <= GRACE_MS + 300, "{toll:?}");
}

#[test]
fn those_that_never_read_and_come_back_cost_no_more_than_a_tenth() {
    for (name, count, back_after) in
        [("never reads, back at once", 1, 0), ("20, back at once", 20, 0), ("20, back after 1 s", 20, 1_000)]
    {
        let toll = withstand(name, FLOOD, |rng| {
            deaf(count, |_| Attack {
                comes_at: if back_after > 0 { rng.u64(..1_000) } else { 0 },
                back_after: Some(back_after),
                ..Attack::new(Habit::Never)
            })
        });
        assert!(toll.cuts.iter().all(|&cuts| cuts > 100), "they do come back: {toll:?}");
        assert!(toll.late_ms <= GRACE_MS + ATTACK_MS / 10, "short waits too: {toll:?}");
    }
}

#[test]
fn those_that_read_seldom_or_little_cost_no_more_than_a_tenth() {
    for (name, count, plan) in [
        ("all it has each 4.4 s", 1, taking(usize::MAX, 4_400)),
        ("all it has each 450 ms", 1, taking(usize::MAX, 450)),
        ("3 kB each 99 ms", 1, taking(3_000, 99)),
        ("3 kB each 150 ms", 1, taking(3_000, 150)),
        ("3 kB each 250 ms", 1, taking(3_000, 250)),
        ("a byte each 10 ms", 1, taking(1, 10)),
        ("20, a byte each 40 ms", 20, taking(1, 40)),
    ] {
        withstand(name, FLOOD, |_| vec![plan; count]);
    }
}

/// They are told later what was said meanwhile, and hold the room up again.
#[test]
fn those_that_break_off_and_come_back_cost_no_more_than_a_tenth() {
    for (name, count, habit) in [
        ("breaks off each 10 ms", 1, Habit::BreaksOff(10)),
        ("breaks off each 190 ms", 1, Habit::BreaksOff(190)),
        ("breaks off each 4.9 s", 1, Habit::BreaksOff(4_900)),
        ("20, break off each 300 ms", 20, Habit::BreaksOff(300)),
        ("breaks off at the last", 1, Habit::BreaksOffAtTheLast(2)),
        ("20, break off at the last", 20, Habit::BreaksOffAtTheLast(2)),
    ] {
        withstand(name, FLOOD, |_| vec![Attack::new(habit); count]);
    }
}

#[test]
fn those_that_read_only_when_the_patience_is_about_to_end_cost_no_more_than_a_tenth() {
    for (name, margins) in [("4 kB at the last", 2..=2), ("20, 4 kB at the last", 2..=21)] {
        withstand(name, FLOOD, |_| {
            margins.map(|margin| Attack::new(Habit::AtTheLast { bytes: 4_096, margin })).collect()
        });
    }
}

/// A client that reads a line now and then must not set the pace. If many clients talk, each would have
/// to wait for as many of these lines.
#[test]
fn one_that_reads_a_line_now_and_then_where_many_talk_costs_no_more_than_a_tenth() {
    withstand("a line each 195 ms, 50 talk", FLOOD, |_| {
        let talks = Attack { pipe: 256 << 10, ..Attack::new(Habit::Talks(1_000)) };
        [vec![taking(1_100, 195)], vec![talks; 50]].concat()
    });
}

#[test]
fn comings_and_goings_beside_one_that_never_reads_cost_no_more_than_a_tenth() {
    let toll = withstand("comings and goings", FLOOD, |rng| {
        let mut plans: Vec<Attack> = (0..10).map(|_| Attack::new(Habit::Leaves(rng.u64(1..20)))).collect();
        plans.push(Attack::new(Habit::Never));
        plans
    });
    assert!(toll.late_ms <= GRACE_MS + ATTACK_MS / 10, "short waits too: {toll:?}");
}

/// Each attacker holds the log at another place. The others must not wait for one after the other.
#[test]
fn those_that_never_read_and_stand_at_different_places_cost_no_more_than_a_tenth() {
    // 100 short lines come in 10 ms.
    let flood = Flood { pipe: 1_600, line: 16 };
    for (name, back_after) in [("20, 100 lines apart", None), ("20, 100 lines apart, back", Some(0))] {
        withstand(name, flood, |_| {
            deaf(20, |number| Attack { comes_at: 10 * number, back_after, ..Attack::new(Habit::Never) })
        });
    }
}

#[test]
fn a_slow_reader_after_an_hour_of_quiet_has_its_whole_grace() {
    let (mut memory, mut rng) = (HubMemory::default(), seeded("slow after an hour"));
    let mut siege = begin(&mut memory, &mut rng, FLOOD);
    // An earlier attack must not count.
    siege.add(Attack::new(Habit::Never));
    siege.pass(20_000);
    siege.relieve();
    siege.flood = None;
    siege.pass(1_000);
    siege.sleep(3_600_000);
    siege.add(Attack::new(Habit::Never));
    siege.pass(100);
    siege.flood = Some(FLOOD);
    while siege.closed_since().is_none() {
        siege.pass(1);
    }
    siege.pass(4_900);
    assert_eq!(siege.cuts(), [0], "it is not cut before its grace has ended");
    siege.let_read(0);
    siege.pass(10);
    assert_eq!(
        (siege.closed_since(), siege.cuts()),
        (None, vec![0]),
        "it has read all, and the room is open"
    );
    siege.end();
}

#[test]
fn a_slow_but_steady_receiver_sets_the_pace() {
    let flood = Flood { pipe: 16 << 10, line: 400 };
    let toll = withstand("5 kB each 10 ms", flood, |_| vec![taking(5_000, 10)]);
    assert!(toll.cuts == [0] && toll.total_ms == 0, "{toll:?}");
    let said = toll.lines[0] * 400 / (ATTACK_MS / 10);
    assert!((4_000..6_000).contains(&said), "the pace is the receiver's: {said} bytes each 10 ms");
}

#[test]
fn a_slow_but_steady_receiver_is_not_cut_because_another_one_never_reads() {
    let flood = Flood { pipe: 16 << 10, line: 400 };
    let toll = withstand("5 kB each 10 ms, and never reads", flood, |_| {
        vec![taking(5_000, 10), Attack::new(Habit::Never)]
    });
    assert!(toll.cuts[0] == 0 && toll.cuts[1] > 100, "{toll:?}");
}

#[test]
fn a_relay_that_is_to_wait_waits_for_ever() {
    let (mut memory, mut rng) = (HubMemory::default(), seeded("relay"));
    let listener = Listener { on_lag: OnLag::Wait, ..Listener::new(Protocol::Relay) };
    let setup = Setup { listeners: vec![listener], ..siege::setup() };
    let mut world = World::new(&mut memory, &setup, Weather::default(), rng.u64(..));
    let [mut talker, mut deaf] = [(); 2].map(|()| Peer::connect(&mut world, ListenerId(0), 4_096, 4_096));
    world.run();
    let said: Vec<u8> = (0..20_000).flat_map(|number| format!("{number}\n").into_bytes()).collect();
    talker.outbox.extend(&said);
    for _ in 0..24 * 60 {
        talker.send(&mut world);
        world.run();
        world.jump_to(world.now() + 60_000);
    }
    assert!(world.is_held(deaf.socket()) && !talker.outbox.is_empty(), "it waits, and so does the talker");
    while deaf.inbox.len() < said.len() {
        world.jump_to(world.now() + 1);
        talker.send(&mut world);
        world.run();
        assert!(deaf.receive(&mut world, 1_000), "after {} bytes nothing comes", deaf.inbox.len());
    }
    assert_eq!(deaf.inbox, said);
}

// --- Turns ---

/// Flooders, whose lines have different lengths.
const FLOODERS: usize = 10;

fn text_len(flooder: usize) -> usize {
    [1, 100, 1_000][flooder % 3]
}

/// How much each flooder has said since some event, in bytes of its input.
type Said = [usize; FLOODERS];

/// Lets the flooders flood a room, while a quiet client says a line now and then. The listener keeps up,
/// at a pace that leaves the flooders' pipes full.
fn flood_by_many(name: &str, weather: Weather) {
    let (mut memory, mut rng) = (HubMemory::default(), seeded(name));
    let mut world = World::new(&mut memory, &siege::setup(), weather, rng.u64(..));
    let mut enter = |name: &str, up, down| {
        let mut peer = Peer::connect(&mut world, ListenerId(0), up, down);
        peer.outbox.extend(format!("/nick {name}\n").bytes());
        peer.send(&mut world);
        world.run();
        peer
    };
    let mut flooders: Vec<Peer> =
        (0..FLOODERS).map(|number| enter(&format!("f{number}"), 16 << 10, 1 << 20)).collect();
    let (mut quiet, mut scribe) = (enter("quiet", 256, 1 << 20), enter("scribe", 256, 1 << 20));
    let mut pacemaker = enter("pacemaker", 256, 32 << 10);
    let (mut between, mut since_quiet): ([Said; FLOODERS], Said) = Default::default();
    let (mut has_begun, mut waits_for_quiet, mut turns) = ([false; FLOODERS], false, 0);
    let (mut most_between, mut most_before_quiet) = (0, 0);
    for ms in 0..1_000 {
        world.jump_to(world.now() + 1);
        for (number, flooder) in flooders.iter_mut().enumerate() {
            let line = format!("{}\n", "x".repeat(text_len(number)));
            while flooder.outbox.len() < 16 << 10 {
                flooder.outbox.extend(line.bytes());
            }
            flooder.send(&mut world);
        }
        if ms > 100 && !waits_for_quiet && rng.u8(..4) == 0 {
            // The scribe has seen all earlier lines.
            (waits_for_quiet, since_quiet) = (true, [0; FLOODERS]);
            quiet.outbox.extend(b"hm\n");
            quiet.send(&mut world);
        }
        world.run();
        pacemaker.receive(&mut world, usize::MAX);
        for peer in flooders.iter_mut().chain([&mut quiet, &mut pacemaker]) {
            peer.receive(&mut world, usize::MAX);
            peer.inbox.clear();
        }
        scribe.receive(&mut world, usize::MAX);
        let inbox = std::mem::take(&mut scribe.inbox);
        for line in inbox.split_inclusive(|&byte| byte == b'\n') {
            if !line.ends_with(b"\n") {
                scribe.inbox = line.to_vec();
            } else if line.starts_with(b"<quiet> ") {
                most_before_quiet = most_before_quiet.max(since_quiet.into_iter().max().unwrap_or(0));
                (waits_for_quiet, turns) = (false, turns + 1);
            } else if let [b'<', b'f', digit, b'>', ..] = line {
                let number = usize::from(digit - b'0');
                for other in (0..FLOODERS).filter(|_| has_begun == [true; FLOODERS]) {
                    most_between = most_between.max(between[number][other]);
                    between[other][number] += text_len(number) + 1;
                }
                (between[number], has_begun[number]) = ([0; FLOODERS], true);
                since_quiet[number] += text_len(number) + 1;
            }
        }
    }
    println!("{name}: {most_between} bytes between two lines, {most_before_quiet} before the quiet one's");
    assert!(turns > 50, "{turns}");
    // One may be the first in a round of reads and the last in the next one. So each of the others has
    // two turns in between, and perhaps a line that had waited.
    assert!(most_between <= 2 * READ_SIZE + 1_001, "{most_between} bytes between two lines");
    assert!(most_before_quiet <= READ_SIZE + 1_001, "{most_before_quiet} bytes before a quiet one's line");
}

#[test]
fn those_who_flood_a_room_take_turns_and_a_quiet_one_is_heard_in_the_next() {
    flood_by_many("fair", Weather::default());
    flood_by_many("fair, choppy", Weather { is_choppy: true, ..Weather::default() });
}

// --- Ghosts ---

#[test]
fn one_that_resets_with_much_left_over_is_gone_within_a_second() {
    let mut rng = seeded("ghost");
    for _ in 0..20 {
        let mut memory = HubMemory::default();
        let listener = Listener { rate: Some(Bound::for_all(2)), ..Listener::new(Protocol::Chat) };
        let setup = Setup { listeners: vec![listener], config: Config::new(&[]), ..siege::setup() };
        let mut world = World::new(&mut memory, &setup, Weather::default(), rng.u64(..));
        let [mut witness, mut ghost] =
            [16 << 10; 2].map(|up| Peer::connect(&mut world, ListenerId(0), up, 64 << 10));
        ghost.outbox.extend("/nick ghost\n".bytes());
        ghost.outbox.extend((0..1_000).flat_map(|number| format!("{number}\n").into_bytes()));
        ghost.send(&mut world);
        let pass = |world: &mut World<'_>, ms| {
            for _ in 0..ms {
                world.run();
                world.jump_to(world.now() + 1);
            }
            world.run();
        };
        let lived_ms = rng.u64(..5_000);
        pass(&mut world, lived_ms);
        ghost.reset(&mut world);
        pass(&mut world, 1_000);
        assert!(!world.is_held(ghost.socket()), "it is still there");
        assert_eq!(world.count(), 1);
        witness.receive(&mut world, usize::MAX);
        let seen = String::from_utf8(witness.inbox).expect("text");
        assert!(seen.ends_with("-- ghost left (connection lost)\r\n"), "{seen}");
        let said = seen.lines().filter(|line| line.starts_with("<ghost> ")).count() as u64;
        assert!((lived_ms / 500..=lived_ms / 500 + 4).contains(&said), "{said} lines in {lived_ms} ms");
    }
}
