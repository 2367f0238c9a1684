//! Clients that are behind, where places to note that are few, or rooms many: nothing goes out twice, and
//! they read on afterwards.
#![cfg(feature = "large")]

use parlour_core::{
    Config, ConnId, Hub, Input, Instant, Joining, Limits, Listener, ListenerId, OnLag, Protocol,
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

const LISTENERS: [Listener; 1] =
    [Listener { on_lag: OnLag::Replay, joining: Joining::Several, ..Listener::new(Protocol::Chat) }];

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
        let listener = ListenerId(0);
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

#[test]
fn one_that_leaves_a_room_in_which_it_is_behind_gets_all_of_the_other() {
    for (left, numbers) in [("den", 0..LINES), ("lobby", 100..100 + LINES)] {
        with_hub(LIMITS, |mut scene| {
            let [bob, slow] = one_behind_in_two_rooms(&mut scene);
            let mut seen = scene.say_reading(slow, &format!("/part {left}\n"));
            seen += &scene.take_all(slow);
            let said = seen.replace("-- earlier: ", "");
            let is_of_other = |line: &&str| {
                let number = line.strip_prefix("<bob> line ").and_then(|number| number.parse().ok());
                number.is_some_and(|number: u32| numbers.contains(&number))
            };
            let of_other: Vec<_> = said.lines().filter(is_of_other).collect();
            assert_eq!(of_other, lines(numbers.clone()).lines().collect::<Vec<_>>(), "without {left}");
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
