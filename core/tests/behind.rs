//! Clients that are behind, where places to note that are few, or rooms many: nothing goes out twice, and
//! they read on afterwards.
#![cfg(feature = "large")]

use parlour_core::{
    Close, Config, ConnId, Hub, Input, Instant, Joining, Limits, Listener, ListenerId, OnLag, Protocol,
};
use parlour_memory::Memory;

const LIMITS: Limits = Limits {
    conns: 4,
    rooms: 8,
    rooms_per_conn: 8,
    members: 16,
    catch_ups: 4,
    name: 32,
    line: 64,
    queue: 512,
    proposals: 0,
    log: 4096,
    records: 64,
    followers: 0,
    rings: 0,
};
/// Lines that a room takes while nobody reads, and one that waits for a place. They are more than a queue
/// holds.
const LINES: u32 = 63;
const GRACE_MS: u64 = 100;

struct Scene<'a> {
    hub: Hub<'a>,
    now: Instant,
}

/// Clients of the first one may be in several rooms.
const LISTENERS: [Listener; 2] = [
    Listener { on_lag: OnLag::Replay, joining: Joining::Several, ..Listener::new(Protocol::Chat) },
    Listener { on_lag: OnLag::Replay, ..Listener::new(Protocol::Chat) },
];

fn config() -> Config<'static> {
    Config { origin: u64::MAX - 5, grace_ms: GRACE_MS as u32, history: 3, ..Config::new(&LISTENERS) }
}

fn with_hub(limits: Limits, test: impl FnOnce(Scene<'_>)) {
    let mut memory = Memory::new(&limits);
    let hub = Hub::new(config(), limits, memory.storage()).unwrap();
    test(Scene { hub, now: Instant::from_millis(0) });
}

impl Scene<'_> {
    fn open(&mut self) -> ConnId {
        self.open_at(ListenerId(0))
    }

    fn open_at(&mut self, listener: ListenerId) -> ConnId {
        self.hub.handle(self.now, Input::Accepted { listener, peer: None }).opened().unwrap()
    }

    /// Lets time pass, after everybody was offered everything.
    fn pass(&mut self, ms: u64) {
        while self.hub.next_output().is_some() {}
        self.now = Instant::from_millis(self.now.as_millis() + ms);
        self.hub.handle(self.now, Input::Tick);
    }

    #[track_caller]
    fn say(&mut self, conn: ConnId, text: &str) {
        assert_eq!(self.offer(conn, text), text.len(), "of {text:?}");
    }

    fn offer(&mut self, conn: ConnId, text: &str) -> usize {
        self.hub.handle(self.now, Input::Received { conn, bytes: text.as_bytes() }).taken()
    }

    /// Bob says lines with numbers, and reads what he gets.
    fn say_lines(&mut self, bob: ConnId, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.say(bob, &format!("line {number}\n"));
            self.take_all(bob);
        }
    }

    /// A client reads until its queue has a place for what it says. Returns what it has read.
    fn say_reading(&mut self, conn: ConnId, text: &str) -> String {
        let mut seen = String::new();
        for _ in 0..100 {
            seen += &self.take(conn, 100);
            let taken = self.offer(conn, text);
            self.hub.handle(self.now, Input::Tick);
            if taken > 0 {
                return seen;
            }
        }
        panic!("nobody takes {text:?}");
    }

    /// Takes at most so many bytes of what waits for a connection.
    fn take(&mut self, conn: ConnId, most: usize) -> String {
        let lent: Vec<u8> = self.hub.transmit(conn).flatten().copied().take(most).collect();
        self.hub.handle(self.now, Input::Sent { conn, count: lent.len() });
        String::from_utf8(lent).unwrap()
    }

    /// Takes a few lines, so the log has place for what comes.
    fn take_some(&mut self, conn: ConnId) -> String {
        let take = |scene: &mut Self| {
            let text = scene.take(conn, 50);
            scene.hub.handle(scene.now, Input::Tick);
            text
        };
        (0..10).map(|_| take(self)).collect()
    }

    /// Takes all that waits, and what comes because of that.
    fn take_all(&mut self, conn: ConnId) -> String {
        let (mut all, mut idle) = (String::new(), 0);
        for _ in 0..1_000 {
            let text = self.take(conn, usize::MAX);
            idle = if text.is_empty() { idle + 1 } else { 0 };
            all += &text;
            self.hub.handle(self.now, Input::Tick);
            if idle == 2 {
                return all;
            }
        }
        panic!("it does not end: {all}");
    }
}

/// Bob's lines with these numbers, as the others see them.
fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("<bob> line {number}\r\n")).collect()
}

/// Bob, who talks, and others, who have read that he has come.
fn people<const OTHERS: usize>(scene: &mut Scene<'_>) -> (ConnId, [ConnId; OTHERS]) {
    let (bob, others) = (scene.open(), [(); OTHERS].map(|()| scene.open()));
    scene.say(bob, "/nick bob\n");
    scene.pass(1_000);
    for conn in others.iter().chain([&bob]) {
        scene.take_all(*conn);
    }
    (bob, others)
}

#[test]
fn one_that_joins_another_room_while_it_is_behind_gets_all_of_both() {
    with_hub(LIMITS, |mut scene| {
        let (bob, [slow]) = people(&mut scene);
        scene.say_lines(bob, 0..LINES);
        scene.pass(GRACE_MS);
        for line in ["/join den\n", "uno\n"] {
            scene.say(bob, line);
            scene.take_all(bob);
        }
        // Before it has read the rest.
        let mut seen = scene.say_reading(slow, "/join den\n");
        assert!(!seen.contains(&format!("line {}", LINES - 1)), "{seen}");
        for line in ["dos\n", "/join lobby\n", "last\n"] {
            scene.say(bob, line);
            scene.take_all(bob);
        }
        seen += &scene.take_all(slow);
        let said = seen.replace("-- earlier: ", "");
        let of_bob = |text: &str| text.strip_prefix("<bob> ").map(str::to_owned);
        let (lobby, den): (Vec<_>, Vec<_>) =
            said.lines().filter_map(of_bob).partition(|text| text.starts_with("line") || text == "last");
        let numbers = (0..LINES).map(|number| format!("line {number}"));
        assert_eq!(lobby, numbers.chain(["last".to_owned()]).collect::<Vec<_>>());
        assert_eq!(den, ["uno", "dos"]);
        scene.say(bob, "on\n");
        assert_eq!(scene.take_all(slow), "<bob> on\r\n", "it is attached again");
    });
}

/// Bob, and one that is behind in the lobby and then in the den. In each, bob has said lines.
fn one_behind_in_two_rooms(scene: &mut Scene<'_>) -> [ConnId; 2] {
    let (bob, [slow]) = people(scene);
    for conn in [slow, bob] {
        scene.say(conn, "/join den\n");
        scene.pass(1_000);
    }
    scene.take_all(slow);
    for (room, numbers) in [("lobby", 0..LINES), ("den", 100..100 + LINES)] {
        scene.say(bob, &format!("/join {room}\n"));
        scene.say_lines(bob, numbers);
        scene.pass(GRACE_MS);
    }
    [bob, slow]
}

/// Bob, and one that may be in one room and is behind.
fn one_behind(scene: &mut Scene<'_>) -> [ConnId; 2] {
    let slow = scene.open_at(ListenerId(1));
    let (bob, []) = people(scene);
    scene.take_all(slow);
    scene.say_lines(bob, 0..LINES);
    scene.pass(GRACE_MS);
    [bob, slow]
}

#[test]
fn one_that_leaves_while_it_is_behind_is_told_first_what_was_said_until_then() {
    let end = "the end of its input";
    for (way, close) in [("/quit\n", Close::Write), ("/join den\n", Close::No), (end, Close::Full)] {
        with_hub(LIMITS, |mut scene| {
            let [bob, slow] = one_behind(&mut scene);
            let mut seen = scene.take_some(slow);
            if way == end {
                scene.hub.handle(scene.now, Input::PeerClosed { conn: slow });
                while scene.hub.ending(slow).is_none() {
                    seen += &scene.take(slow, 100);
                    scene.hub.handle(scene.now, Input::Tick);
                }
            } else {
                seen += &scene.say_reading(slow, way);
            }
            scene.say(bob, "after\n");
            while let Some(at) = scene.hub.interest(slow).write.then_some(seen.len()) {
                assert_eq!(scene.hub.interest(slow).close, Close::No, "{way:?}, and it knows {at} bytes");
                seen += &scene.take(slow, 100);
                scene.hub.handle(scene.now, Input::Tick);
            }
            let said = seen.replace("-- earlier: ", "");
            let of_bob: String = said.split_inclusive('\n').filter(|line| line.starts_with('<')).collect();
            assert_eq!(of_bob, lines(0..LINES), "{way:?}");
            assert_eq!(scene.hub.interest(slow).close, close, "{way:?}");
            if close == Close::No {
                let [last, there] = ["line 62\r\n", "-- you are in den\r\n"].map(|text| seen.find(text));
                assert!(last.is_some() && last < there, "lines do not name their room: {seen}");
                // Nothing holds its place in the other room.
                scene.say(slow, "/join lobby\n");
                assert!(scene.take_all(slow).contains("-- you are in lobby\r\n"));
            }
        });
    }
}

#[test]
fn one_that_cannot_go_to_another_room_when_it_was_told_the_rest_is_in_the_lobby() {
    with_hub(Limits { rooms: 2, ..LIMITS }, |mut scene| {
        let [bob, slow] = one_behind(&mut scene);
        let mut seen = scene.take_some(slow) + &scene.say_reading(slow, "/join den\n");
        assert!(scene.take_all(bob).contains(" went to den\r\n"));
        scene.say(bob, "/join pub\n");
        seen += &scene.take_all(slow);
        assert!(seen.contains("line 62\r\n-- there are too many rooms"), "{seen}");
        assert!(seen.contains("-- you are in lobby\r\n"), "{seen}");
        scene.say(bob, "/join lobby\non\n");
        assert!(scene.take_all(slow).ends_with("<bob> on\r\n"));
    });
}

#[test]
fn one_that_leaves_while_it_is_behind_and_does_not_read_is_reset_in_time() {
    for ends_hub in [false, true] {
        with_hub(LIMITS, |mut scene| {
            let [_, slow] = one_behind(&mut scene);
            scene.say_reading(slow, "/quit\n");
            if ends_hub {
                scene.hub.handle(scene.now, Input::Shutdown);
            }
            scene.pass(2_999);
            assert_eq!(scene.hub.interest(slow).close, Close::No);
            scene.pass(1);
            assert_eq!(scene.hub.interest(slow).close, Close::Abort);
            scene.hub.handle(scene.now, Input::Closed { conn: slow });
            assert_eq!(scene.hub.count(), 1);
        });
    }
}

#[test]
fn one_that_is_behind_when_the_hub_ends_is_told_first_what_was_said() {
    with_hub(LIMITS, |mut scene| {
        let [_, slow] = one_behind(&mut scene);
        scene.hub.handle(scene.now, Input::Shutdown);
        let seen = scene.take_all(slow).replace("-- earlier: ", "");
        let notice = "-- server is shutting down\r\n";
        assert_eq!(seen.replace(notice, ""), lines(0..LINES));
        assert!(seen.contains(notice));
        assert_eq!(scene.hub.interest(slow).close, Close::Write);
    });
}

#[test]
fn one_that_leaves_a_room_in_which_it_is_behind_gets_all_of_both() {
    for left in ["den", "lobby"] {
        with_hub(LIMITS, |mut scene| {
            let [bob, slow] = one_behind_in_two_rooms(&mut scene);
            let mut seen = scene.take_some(slow) + &scene.say_reading(slow, &format!("/part {left}\n"));
            seen += &scene.take_all(slow);
            let said = seen.replace("-- earlier: ", "");
            for numbers in [0..LINES, 100..100 + LINES] {
                let is_of_room = |line: &&str| {
                    let number = line.strip_prefix("<bob> line ").and_then(|number| number.parse().ok());
                    number.is_some_and(|number: u32| numbers.contains(&number))
                };
                let of_room: Vec<_> = said.lines().filter(is_of_room).collect();
                let all = lines(numbers.clone());
                let all: Vec<_> = all.lines().collect();
                // That it leaves overwrites the first line of a log that is full.
                let lost = usize::from(left == "den" && numbers.start == 100);
                assert_eq!(said.matches("you missed some").count(), usize::from(left == "den"));
                assert_eq!(of_room, all[lost..], "it leaves {left}");
            }
            let room = if left == "den" { "lobby" } else { "den" };
            scene.say(bob, &format!("/join {room}\n"));
            scene.say(bob, "on\n");
            assert_eq!(scene.take_all(slow), "<bob> on\r\n", "without {left}");
        });
    }
}

#[cfg(feature = "save")]
#[test]
fn one_that_is_behind_in_two_rooms_is_so_in_a_restored_hub() {
    with_hub(LIMITS, |mut scene| {
        let [_, slow] = one_behind_in_two_rooms(&mut scene);
        let mut bytes = Vec::new();
        scene.hub.save(&mut |part| bytes.extend_from_slice(part));
        let mut memory = Memory::new(&LIMITS);
        let hub = Hub::restore(config(), LIMITS, memory.storage(), &bytes).expect("what was saved");
        let mut restored = Scene { hub, now: scene.now };
        let seen = restored.take_all(slow);
        assert_eq!(seen, scene.take_all(slow));
        let said = seen.replace("-- earlier: ", "");
        assert!(
            lines(0..LINES).lines().chain(lines(100..100 + LINES).lines()).all(|line| said.contains(line))
        );
    });
}

#[test]
fn one_in_many_rooms_reads_on_in_the_one_in_which_it_was_behind() {
    with_hub(LIMITS, |mut scene| {
        let (bob, [deaf, slow]) = people(&mut scene);
        for room in 0..7 {
            scene.say(deaf, &format!("/join r{room}\n"));
            scene.pass(1_000);
            scene.take_all(deaf);
        }
        scene.say_lines(bob, 0..LINES / 2);
        scene.take_all(slow);
        scene.say_lines(bob, LINES / 2..LINES);
        scene.pass(GRACE_MS);
        let seen = scene.take_all(deaf);
        assert_eq!(seen.replace("-- earlier: ", ""), lines(0..LINES));
        // What others have not read either, it reads from the log again.
        assert!(seen.contains("-- earlier: ") && seen.ends_with(&lines(LINES - 2..LINES)), "{seen}");
        scene.say(bob, "on\n");
        assert_eq!(scene.take_all(deaf), "<bob> on\r\n");
    });
}

/// Both have read a part of the first line. There is one place to note how far a client is.
#[test]
fn of_two_that_are_too_slow_one_is_replayed_to_and_one_skips_where_there_is_one_place() {
    with_hub(Limits { catch_ups: 1, ..LIMITS }, |mut scene| {
        let (bob, others) = people::<2>(&mut scene);
        scene.say_lines(bob, 0..1);
        let begun = others.map(|conn| scene.take(conn, 10));
        scene.say_lines(bob, 1..LINES);
        scene.pass(GRACE_MS);
        let [replayed, skipped]: [String; 2] =
            std::array::from_fn(|at| begun[at].clone() + &scene.take_all(others[at]));
        assert_eq!(replayed.replace("-- earlier: ", ""), lines(0..LINES));
        let notice = format!("-- you missed {} messages\r\n", LINES - 2);
        assert_eq!(skipped, lines(0..1) + &notice + &lines(LINES - 1..LINES));
    });
}
