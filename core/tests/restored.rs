//! What a hub that was restored tells a driver that was not there before.
#![cfg(all(feature = "save", feature = "console"))]

use parlour_core::{
    Config, Followed, FollowerId, Following, Hub, Input, Instant, Limits, Listener, ListenerId, Output,
    Protocol, Scope,
};
use parlour_memory::Memory;

const LIMITS: Limits = Limits {
    conns: 4,
    rooms: 2,
    rooms_per_conn: 2,
    members: 8,
    catch_ups: 4,
    name: 32,
    line: 64,
    queue: 512,
    proposals: 0,
    log: 1024,
    records: 16,
    followers: 2,
    rings: 0,
};
const NOW: Instant = Instant::from_millis(0);

/// The followers that are named, in order.
fn named(hub: &mut Hub<'_>) -> Vec<FollowerId> {
    let outputs = core::iter::from_fn(|| hub.next_output());
    outputs
        .filter_map(|output| if let Output::News { follower } = output { Some(follower) } else { None })
        .collect()
}

/// The texts that a follower reads now.
fn texts(hub: &mut Hub<'_>, follower: FollowerId) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(Followed::Record(record)) = hub.read(follower) {
        texts.push(String::from_utf8_lossy(record.text).into_owned());
    }
    texts
}

#[test]
fn followers_that_have_something_to_read_are_named_again() {
    let listeners = [Listener::new(Protocol::Chat)];
    let config = Config::new(&listeners);
    let (mut memory, mut other_memory) = (Memory::new(&LIMITS), Memory::new(&LIMITS));
    let mut hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    let following = Following { grace_ms: None, scope: Scope::All };
    let [reader, sleeper] = [(); 2].map(|()| hub.follow(following).unwrap());
    let conn =
        hub.handle(NOW, Input::Accepted { listener: ListenerId(0), peer: None }).opened().expect("a place");
    hub.handle(NOW, Input::Received { conn, bytes: b"one\ntwo\n" });
    assert_eq!(named(&mut hub), [reader, sleeper]);
    assert_eq!(texts(&mut hub, reader), ["", "one", "two"]);
    assert_eq!(named(&mut hub), [], "each is named once");
    let mut bytes = Vec::new();
    hub.save(&mut |part| bytes.extend_from_slice(part));
    let mut hub = Hub::restore(config, LIMITS, other_memory.storage(), &bytes).unwrap();
    assert_eq!(named(&mut hub), [], "the same driver knows");
    hub.name_again();
    assert_eq!(named(&mut hub), [sleeper], "the other one has read everything");
    assert_eq!(texts(&mut hub, reader), [""; 0]);
    hub.read_again(reader);
    assert_eq!(named(&mut hub), [reader], "and reads it again, because it was not kept");
    assert_eq!(texts(&mut hub, reader), ["", "one", "two"]);
}

#[test]
fn one_that_has_nothing_to_read_again_is_not_named() {
    let listeners = [Listener::new(Protocol::Chat)];
    let mut memory = Memory::new(&LIMITS);
    let mut hub = Hub::new(Config::new(&listeners), LIMITS, memory.storage()).unwrap();
    let follower = hub.follow(Following { grace_ms: None, scope: Scope::All }).unwrap();
    hub.read_again(follower);
    assert_eq!(named(&mut hub), []);
}

#[test]
fn proposals_that_were_not_taken_are_named_again() {
    let listeners = [Listener::new(Protocol::Chat)];
    let config = Config { proposes: true, ..Config::new(&listeners) };
    let limits = Limits { proposals: 512, ..LIMITS };
    let (mut memory, mut other_memory) = (Memory::new(&limits), Memory::new(&limits));
    let mut hub = Hub::new(config, limits, memory.storage()).unwrap();
    let conn =
        hub.handle(NOW, Input::Accepted { listener: ListenerId(0), peer: None }).opened().expect("a place");
    hub.handle(NOW, Input::Received { conn, bytes: b"one\n" });
    let is_named = |hub: &mut Hub<'_>| {
        core::iter::from_fn(|| hub.next_output()).any(|output| output == Output::Proposals)
    };
    assert!(is_named(&mut hub) && !is_named(&mut hub));
    let mut bytes = Vec::new();
    hub.save(&mut |part| bytes.extend_from_slice(part));
    let mut hub = Hub::restore(config, limits, other_memory.storage(), &bytes).unwrap();
    assert!(!is_named(&mut hub), "the same driver knows");
    hub.name_again();
    assert!(is_named(&mut hub) && !is_named(&mut hub));
}

#[test]
fn connections_and_pages_that_are_waited_for_are_named_again() {
    let listeners = [Listener::new(Protocol::Chat)];
    let config = Config { keeps_records: true, history: 5, origin: 100, ..Config::new(&listeners) };
    let (mut memory, mut other_memory) = (Memory::new(&LIMITS), Memory::new(&LIMITS));
    let mut hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    let conn =
        hub.handle(NOW, Input::Accepted { listener: ListenerId(0), peer: None }).opened().expect("a place");
    let all = |hub: &mut Hub<'_>| core::iter::from_fn(|| hub.next_output()).collect::<Vec<_>>();
    let mut outputs = all(&mut hub);
    assert_eq!(outputs, [Output::Changed { conn }]);
    let count = hub.transmit(conn).map(<[u8]>::len).sum();
    hub.handle(NOW, Input::Sent { conn, count });
    hub.handle(NOW, Input::Tick);
    outputs.splice(0..0, all(&mut hub).into_iter().filter(|output| matches!(output, Output::Wanted(_))));
    assert_eq!(outputs.len(), 2, "{outputs:?}");
    let mut bytes = Vec::new();
    hub.save(&mut |part| bytes.extend_from_slice(part));
    let mut hub = Hub::restore(config, LIMITS, other_memory.storage(), &bytes).unwrap();
    assert_eq!(all(&mut hub), [], "the same driver knows");
    hub.name_again();
    assert_eq!(all(&mut hub), outputs);
}
