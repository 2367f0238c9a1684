//! A hub that is restored with larger logs than it had when it was saved.

use parlour_core::{Config, Hub, Input, Instant, Limits, Listener, ListenerId, OnLag, Protocol};
use parlour_tests::hub::{HubMemory, Setup, saved};

const LIMITS: Limits = Limits {
    conns: 8,
    rooms: 2,
    rooms_per_conn: 3,
    members: 14,
    catch_ups: 4,
    name: 13,
    line: 20,
    queue: 200,
    proposals: 0,
    log: 512,
    records: 16,
    followers: 0,
    rings: 0,
};

/// Members that are too slow get later what they missed.
fn setup() -> Setup {
    let chat = Listener { on_lag: OnLag::Replay, ..Listener::new(Protocol::Chat) };
    // Positions and numbers wrap around on the way.
    let config = Config { grace_ms: 50, origin: u64::MAX - 50, ..Config::new(&[]) };
    Setup { limits: LIMITS, listeners: vec![chat], config }
}

#[test]
fn what_was_said_is_still_there_in_a_larger_log() {
    let mut setup = setup();
    setup.config.history = 9;
    let mut memory = HubMemory::default();
    let mut hub = memory.hub(&setup);
    let now = Instant::from_millis(0);
    let accept = |hub: &mut Hub<'_>| {
        hub.handle(now, Input::Accepted { listener: ListenerId(0), peer: None }).opened().expect("a place")
    };
    let read = |hub: &mut Hub<'_>, conn| {
        let (mut all, mut idle) = (String::new(), 0);
        // What was said before comes at a tick, after the client's own input.
        while idle < 2 {
            let lent: Vec<u8> = hub.transmit(conn).flatten().copied().collect();
            idle = if lent.is_empty() { idle + 1 } else { 0 };
            all += &String::from_utf8_lossy(&lent);
            hub.handle(now, Input::Sent { conn, count: lent.len() });
            hub.handle(now, Input::Tick);
        }
        all
    };
    let alice = accept(&mut hub);
    read(&mut hub, alice);
    for number in 0..40 {
        let line = format!("line {number}\n");
        assert_eq!(
            hub.handle(now, Input::Received { conn: alice, bytes: line.as_bytes() }).taken(),
            line.len()
        );
    }
    let bytes = saved(&mut hub);
    setup.limits = Limits { log: 4096, records: 64, queue: 1000, ..LIMITS };
    let mut larger = HubMemory::default();
    let mut hub = larger.restore(&setup, &bytes).expect("higher limits");
    assert_eq!((hub.conns().collect::<Vec<_>>(), hub.name(alice)), (vec![alice], "guest-1"));
    let bob = accept(&mut hub);
    let shown = read(&mut hub, bob);
    let earlier: Vec<_> = shown.lines().filter(|line| line.starts_with("-- earlier")).collect();
    let said = |number| format!("-- earlier: <guest-1> line {number}");
    assert_eq!(earlier, (31..40).map(said).collect::<Vec<_>>());
}

/// Records that were gone when the hub was saved are gone in a larger log too, and are not passed over in
/// silence.
#[test]
fn what_was_gone_is_still_gone_in_a_larger_log() {
    let mut setup = setup();
    // The first limit that is reached is that of the bytes, or that of the records.
    for (records, text) in [(64, "hello, how are you"), (4, "hi")] {
        setup.limits = Limits { records, ..LIMITS };
        let mut memory = HubMemory::default();
        let mut hub = memory.hub(&setup);
        let mut now = Instant::from_millis(0);
        let accept = |hub: &mut Hub<'_>| {
            let input = Input::Accepted { listener: ListenerId(0), peer: None };
            hub.handle(now, input).opened().expect("a place")
        };
        let read = |hub: &mut Hub<'_>, now, conn| {
            let (mut all, mut idle) = (String::new(), 0);
            while idle < 2 {
                let lent: Vec<u8> = hub.transmit(conn).flatten().copied().collect();
                idle = if lent.is_empty() { idle + 1 } else { 0 };
                all += &String::from_utf8_lossy(&lent);
                hub.handle(now, Input::Sent { conn, count: lent.len() });
                hub.handle(now, Input::Tick);
                while hub.next_output().is_some() {}
            }
            all
        };
        let [bob, deaf] = [accept(&mut hub), accept(&mut hub)];
        read(&mut hub, now, deaf);
        for number in 0..90 {
            let line = format!("{text}{number}\n");
            hub.handle(now, Input::Received { conn: bob, bytes: line.as_bytes() });
            read(&mut hub, now, bob);
            now = Instant::from_millis(now.as_millis() + 50);
            hub.handle(now, Input::Tick);
            while hub.next_output().is_some() {}
        }
        let bytes = saved(&mut hub);
        let mut same = None;
        for (log, records) in [(512, records), (512, 256), (4096, records), (4096, 256)] {
            let larger = Setup { limits: Limits { log, records, ..LIMITS }, ..setup.clone() };
            let mut memory = HubMemory::default();
            let mut hub = memory.restore(&larger, &bytes).expect("what was saved can be restored");
            let shown = read(&mut hub, now, deaf);
            let case = format!("{text}, {log} bytes, {records} records: {shown}");
            assert!(shown.contains("-- you missed some messages\r\n"), "{case}");
            assert!(shown.ends_with(&format!("<guest-1> {text}89\r\n")), "{case}");
            let mut lines = shown.lines().filter_map(|line| line.split(text).nth(1)?.parse().ok());
            let first: u32 = lines.next().expect("a line");
            let last =
                lines.fold(first, |last: u32, line: u32| if line > last { line } else { panic!("{case}") });
            assert_eq!(last, 89, "{case}");
            // As much is left as before.
            let plain = shown.replace("-- earlier: ", "");
            assert_eq!(*same.get_or_insert(plain.clone()), plain, "{case}");
        }
    }
}
