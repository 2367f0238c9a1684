//! Traces: what was recorded can happen again, from the beginning or from the middle of a hub's life. A trace that was
//! cut is replayed as far as it goes, and one that was changed is refused.

use parlour_core::{Config, Limits, Listener, ListenerId, Protocol};
use parlour_tests::hub::{HubMemory, KNOWN, Setup};
use parlour_tests::seeds::Seeds;
use parlour_tests::sim::{Peer, Weather, World, recorded};
use parlour_trace::{End, ReadError, Reader, ReplayError, Replayed, replay};

const LIMITS: Limits = Limits {
    conns: 3,
    rooms: 2,
    rooms_per_conn: 2,
    members: 6,
    catch_ups: 3,
    name: 13,
    line: 20,
    queue: 200,
    proposals: 0,
    log: 512,
    records: 16,
    followers: 0,
    rings: 0,
};

fn setup(greeting: &'static str) -> Setup {
    let config = Config { greeting, history: 3, ..Config::new(&[]) };
    let listeners = [Protocol::Chat, Protocol::Echo].map(Listener::new).to_vec();
    Setup { limits: LIMITS, listeners, config }
}

fn replayed(trace: &[u8]) -> Result<Replayed, ReplayError> {
    replay(&mut Reader::new(trace)?, KNOWN, None, None)
}

/// A short chat, of a hub that says `greeting`, in a trace that says that it says `told`.
fn chat(greeting: &'static str, told: &'static str) -> Vec<u8> {
    let mut memory = HubMemory::default();
    let mut world = World::new(&mut memory, &setup(greeting), Weather::default(), 0);
    world.record(&setup(told).header());
    let mut peers = [0, 0, 1, 0].map(|listener| Peer::connect(&mut world, ListenerId(listener), 100, 1000));
    for line in ["hello\n", "/nick zoe\n", "/msg guest-1 psst\n", "half a "] {
        for peer in &mut peers {
            world.run();
            peer.outbox.extend(line.as_bytes());
            peer.send(&mut world);
        }
        world.jump_to(world.now() + 400);
    }
    world.run();
    peers[0].reset(&mut world);
    world.shut_down();
    while let Some(at) = world.next_turn_at().filter(|at| *at < 10_000) {
        world.jump_to(at);
        world.run();
        for peer in &mut peers {
            peer.receive(&mut world, usize::MAX);
        }
    }
    world.trace().expect("a trace")
}

#[test]
fn whatever_happens_can_happen_again() {
    let mut count = 0;
    for seed in Seeds::chosen(600).one_by_one("whatever_happens_can_happen_again") {
        // Lives have some hundreds of steps. From the beginning, or from somewhere.
        let steps = if seed % 2 == 0 { 0 } else { (seed % 97) as u32 };
        let Some(trace) = recorded(seed, steps) else { continue };
        let replayed = replayed(&trace).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(replayed.end, End::Whole);
        count += 1;
    }
    assert!(count > 0, "no life was so long");
}

#[test]
fn a_trace_that_is_cut_anywhere_is_replayed_up_to_there() {
    let trace = chat("hi", "hi");
    let whole = replayed(&trace).expect("the same");
    assert_eq!(whole.end, End::Whole);
    let (mut last, mut least) = (None, None);
    for len in 0..trace.len() {
        match replayed(&trace[..len]) {
            Ok(Replayed { steps, end, .. }) => {
                assert_eq!(end, End::Cut, "{len} bytes");
                assert!(last.is_none_or(|last| (last..=last + 1).contains(&steps)), "{len} bytes: {steps}");
                least.get_or_insert(steps);
                last = Some(steps);
            }
            Err(ReplayError::Read(ReadError::NotATrace)) => assert!(len < 8, "{len} bytes"),
            Err(ReplayError::Read(ReadError::NoHeader)) => assert_eq!(last, None, "{len} bytes"),
            Err(error) => panic!("{len} bytes: {error}"),
        }
    }
    assert_eq!((least, last), (Some(0), Some(whole.steps)));
}

#[test]
fn a_trace_of_which_one_bit_was_changed_is_refused() {
    let trace = chat("hi", "hi");
    for at in 0..trace.len() {
        for bit in 0..8 {
            let mut changed = trace.clone();
            changed[at] ^= 1 << bit;
            match replayed(&changed) {
                Err(ReplayError::Read(ReadError::NotATrace)) => assert!(at < 8),
                Err(ReplayError::Read(ReadError::Version(_))) => assert!((8..12).contains(&at)),
                Err(ReplayError::Read(ReadError::Damaged(_))) => assert!(at >= 12),
                other => panic!("bit {bit} of byte {at}: {other:?}"),
            }
        }
    }
}

/// The contents of all blocks but the header's.
fn blocks(trace: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut at, mut found) = (12, Vec::new());
    while let Some(len) = trace.get(at..at + 4) {
        let len = u32::from_le_bytes(len.try_into().expect("four bytes")) as usize;
        found.push(at + 12..at + 12 + len);
        at += 12 + len;
    }
    found.split_off(1)
}

/// CRC-32 (IEEE), bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// The checksums are right. So only the checks of what is in the entries stand between them and a panic.
#[test]
fn hostile_entries_make_no_replay_panic() {
    let trace = chat("hi", "hi");
    let (mut damaged, mut differ) = (0, 0);
    for seed in Seeds::chosen(3_000).one_by_one("hostile_entries_make_no_replay_panic") {
        let (mut rng, mut hostile) = (fastrand::Rng::with_seed(seed), trace.clone());
        let block = rng.choice(blocks(&trace)).expect("a block");
        for _ in 0..rng.usize(1..4) {
            hostile[rng.usize(block.clone())] = rng.u8(..);
        }
        let sum = crc(&hostile[block.clone()]).to_le_bytes();
        hostile[block.start - 8..block.start - 4].copy_from_slice(&sum);
        let sum = crc(&hostile[block.start - 12..block.start - 4]).to_le_bytes();
        hostile[block.start - 4..block.start].copy_from_slice(&sum);
        match replayed(&hostile) {
            Err(ReplayError::Read(ReadError::Damaged(_))) => damaged += 1,
            Err(ReplayError::Differs { .. }) => differ += 1,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(damaged > 0 && differ > 0, "{damaged} are damaged, {differ} differ");
}

#[test]
fn a_hub_that_does_something_else_is_found_where_it_does() {
    let trace = chat("good day", "good bye");
    let shown = |until| {
        let mut lines = Vec::new();
        let replayed = replay(&mut Reader::new(&trace[..]).expect("a trace"), KNOWN, until, Some(&mut lines));
        (replayed, String::from_utf8(lines).expect("text"))
    };
    let (replayed, lines) = shown(None);
    let Err(ReplayError::Differs { step, what, .. }) = replayed else { panic!("{replayed:?}") };
    // The lines before the difference are all there.
    assert!(lines.contains("#0.0 connected to listener 0") && !lines.contains("good"), "{lines}");
    assert_eq!(what, "other bytes go to #0.0");
    let (replayed, before) = shown(Some(step - 1));
    let replayed = replayed.expect("it does the same up to there");
    assert_eq!((replayed.steps, replayed.end), (step - 1, End::Until));
    assert_eq!(before, lines);
}

#[test]
fn a_trace_that_needs_what_nobody_has_is_refused() {
    let mut memory = HubMemory::default();
    let mut world = World::new(&mut memory, &setup(""), Weather::default(), 0);
    world.record(&setup("").header());
    let trace = world.trace().expect("a trace");
    let known = parlour_trace::Known::default();
    let refused = replay(&mut Reader::new(&trace[..]).expect("a trace"), known, None, None);
    assert!(matches!(refused, Err(ReplayError::Unknown(_))), "{refused:?}");
}
