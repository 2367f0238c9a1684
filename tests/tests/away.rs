//! A client that is away, and comes back, reads what one reads that was there all the time: the same bytes in the
//! same order. And while it is away, it holds nobody up.

use std::collections::VecDeque;

use fastrand::Rng;
use parlour_core::{
    Config, ConnId, Followed, FollowerId, Following, Hub, Input, Instant, Limits, Listener, ListenerId,
    OnLag, Output, Protocol, Scope, Wanted,
};
use parlour_tests::hub::{HubMemory, Setup, saved};
use parlour_tests::kept::{self, Kept};
use parlour_tests::seeds::Seeds;

const LIMITS: Limits = Limits {
    conns: 4,
    rooms: 4,
    rooms_per_conn: 3,
    members: 12,
    catch_ups: 8,
    name: 16,
    line: 32,
    queue: 4096,
    proposals: 0,
    log: 1 << 14,
    records: 1024,
    followers: 1,
    rings: 0,
};

fn setup(limits: Limits, keeps_records: bool) -> Setup {
    let chat = Listener { on_lag: OnLag::Disconnect, ..Listener::new(Protocol::Chat) };
    let config = Config {
        grace_ms: 50,
        history: 3,
        origin: u64::MAX - 20,
        keeps_records,
        idle_ms: Some(10_000),
        ..Config::new(&[])
    };
    Setup { limits, listeners: vec![chat], config }
}

/// A hub, a driver that keeps all records if it has a follower, and what one client was sent.
struct World<'a> {
    hub: Hub<'a>,
    now: Instant,
    follower: Option<FollowerId>,
    kept: Vec<Kept>,
    wanted: VecDeque<Wanted>,
    conns: Vec<ConnId>,
    seen: Vec<u8>,
    is_away: bool,
}

impl<'a> World<'a> {
    /// Three clients are there. The first one is watched.
    fn new(mut hub: Hub<'a>, keeps_records: bool) -> Self {
        let following = Following { grace_ms: None, scope: Scope::All };
        let follower = keeps_records.then(|| hub.follow(following).expect("a place"));
        let now = Instant::from_millis(0);
        let mut open = || {
            let accepted = Input::Accepted { listener: ListenerId(0), peer: None };
            hub.handle(now, accepted).opened().expect("a place")
        };
        let conns = (0..3).map(|_| open()).collect();
        let (kept, wanted, seen) = (Vec::new(), VecDeque::new(), Vec::new());
        Self { hub, now, follower, kept, wanted, conns, seen, is_away: false }
    }

    fn pass(&mut self, ms: u64) {
        self.now = Instant::from_millis(self.now.as_millis() + ms);
        self.hub.handle(self.now, Input::Tick);
    }

    #[track_caller]
    fn say(&mut self, who: usize, text: &str) {
        let (conn, mut bytes) = (self.conns[who], text.as_bytes());
        for _ in 0..3 {
            bytes = &bytes[self.hub.handle(self.now, Input::Received { conn, bytes }).taken()..];
            if !bytes.is_empty() {
                // One that has just come back may not have read all.
                self.settle();
            }
        }
        assert_eq!(bytes, b"", "of {text:?}");
    }

    /// Sends at most so many bytes to a client.
    fn send(&mut self, who: usize, mut most: usize) -> usize {
        let (conn, is_watched, seen) = (self.conns[who], who == 0, &mut self.seen);
        self.hub.send(self.now, conn, |pieces| {
            let mut count = 0;
            for piece in pieces {
                let part = &piece[..piece.len().min(most)];
                seen.extend_from_slice(if is_watched { part } else { b"" });
                (count, most) = (count + part.len(), most - part.len());
            }
            count
        })
    }

    /// Does what the hub asks for, but leaves pages for later.
    fn obey(&mut self) {
        while let Some(output) = self.hub.next_output() {
            if let Output::Wanted(wanted) = output {
                self.wanted.push_back(wanted);
            }
        }
        let Some(follower) = self.follower else { return };
        let mut last = None;
        while let Some(Followed::Record(record)) = self.hub.read(follower) {
            self.kept.push(Kept::new(&record));
            last = Some(record.seq);
        }
        if let Some(seq) = last {
            self.hub.handle(self.now, Input::Committed { follower, seq });
        }
    }

    /// Gives a page that was asked for, of at most so many records.
    fn give_page(&mut self, most: usize) {
        let Some(wanted) = self.wanted.pop_front() else { return };
        let records: Vec<_> = kept::wanted(&self.kept, wanted).map(Kept::record).take(most).collect();
        self.hub.handle(self.now, Input::Page { wanted, records: &records, has_gap: false });
    }

    /// Everybody reads all, and the driver answers all.
    fn settle(&mut self) {
        for _ in 0..3 {
            loop {
                self.obey();
                let was_asked = !self.wanted.is_empty();
                self.give_page(usize::MAX);
                let watched = if self.is_away { 0 } else { self.send(0, usize::MAX) };
                let sent = watched + self.send(1, usize::MAX) + self.send(2, usize::MAX);
                self.hub.handle(self.now, Input::Tick);
                if sent == 0 && !was_asked && self.wanted.is_empty() {
                    break;
                }
            }
            self.pass(1);
        }
    }
}

/// One step of the others, or of the one that is watched while it is there.
fn line(rng: &mut Rng, who: usize) -> String {
    let room = ["lobby", "den"][rng.usize(..2)];
    match rng.u32(..16) {
        0 => format!("/join {room}\n"),
        1 => format!("/nick name{who}{}\n", rng.u32(..3)),
        2 => format!("/topic about {}\n", rng.u32(..9)),
        3 => "/me waves\n".to_owned(),
        4 => "/who\n".to_owned(),
        5..8 => format!("/msg guest-1 psst {}\n/msg name01 psst\n", rng.u32(..99)),
        _ => format!("says {}\n", rng.u32(..10_000)),
    }
}

/// Plays the same in two hubs. In one of them, the first client is away for a while, and that hub may be saved and
/// restored at any time.
fn play(rng: &mut Rng, limits: Limits, keeps_records: bool) {
    let setup = setup(limits, keeps_records);
    let (mut memory, mut broken_memory, mut restored) =
        (HubMemory::default(), HubMemory::default(), HubMemory::default());
    let mut whole = World::new(memory.hub(&setup), keeps_records);
    let mut broken = World::new(broken_memory.hub(&setup), keeps_records);
    broken.settle();
    let steps = rng.usize(1..120);
    let (mut leaves_at, mut returns_at) = (rng.usize(..steps), 0);
    let saves_at = if rng.bool() { rng.usize(..steps) } else { usize::MAX };
    let mut other = Some(&mut restored);
    for step in 0..steps {
        if step == leaves_at {
            let conn = broken.conns[0];
            assert_eq!(broken.hub.handle(broken.now, Input::Away { conn }).taken(), 1);
            broken.is_away = true;
            returns_at = rng.usize(step..steps);
        }
        if step == saves_at
            && let Some(memory) = other.take()
        {
            let bytes = saved(&mut broken.hub);
            broken.hub = memory.restore(&setup, &bytes).expect("what was saved");
        }
        let who = rng.usize(..3);
        if who > 0 || !broken.is_away {
            let line = line(rng, who);
            whole.say(who, &line);
            broken.say(who, &line);
            if who == 0 {
                // Who is here is told after the history of a room, when that has come.
                broken.settle();
            }
        }
        // Something is half sent when it goes.
        let most = if step + 1 == leaves_at { rng.usize(..80) } else { usize::MAX };
        whole.settle();
        for world in [&mut whole, &mut broken] {
            world.obey();
        }
        broken.send(1, usize::MAX);
        broken.send(2, usize::MAX);
        if rng.bool() {
            broken.give_page(rng.usize(1..4));
        }
        if !broken.is_away {
            broken.send(0, most);
        }
        if broken.is_away && step >= returns_at {
            let conn = broken.conns[0];
            broken.hub.handle(broken.now, Input::Back { conn });
            broken.is_away = false;
            leaves_at = if rng.bool() { rng.usize(step..steps + 1) } else { steps };
            leaves_at = leaves_at.max(step + 1);
        }
        let ms = rng.u64(..20);
        // Others are named as gone or come in sums that depend on the time.
        let ms = (whole.now.as_millis() + ms).max(broken.now.as_millis() + ms);
        for world in [&mut whole, &mut broken] {
            world.now = Instant::from_millis(ms);
            world.hub.handle(world.now, Input::Tick);
        }
    }
    let conn = broken.conns[0];
    broken.hub.handle(broken.now, Input::Back { conn });
    broken.is_away = false;
    whole.settle();
    broken.settle();
    let [whole, broken] = [whole.seen, broken.seen].map(|seen| String::from_utf8(seen).expect("text"));
    assert_eq!(broken, whole);
}

#[test]
fn one_that_was_away_reads_what_one_reads_that_was_there() {
    for seed in Seeds::chosen(3_000).one_by_one("one_that_was_away_reads_what_one_reads_that_was_there") {
        play(&mut Rng::with_seed(seed), LIMITS, false);
    }
}

#[test]
fn what_the_log_does_not_have_any_more_comes_from_the_driver_and_in_the_same_order() {
    for seed in Seeds::chosen(3_000)
        .one_by_one("what_the_log_does_not_have_any_more_comes_from_the_driver_and_in_the_same_order")
    {
        play(&mut Rng::with_seed(seed), Limits { log: 512, records: 16, ..LIMITS }, true);
    }
}

/// While somebody is away, others say more than the log takes.
#[test]
fn one_that_is_away_holds_nobody_up_and_is_told_how_many_messages_are_gone() {
    let setup = setup(Limits { log: 1024, records: 32, ..LIMITS }, false);
    for seed in Seeds::chosen(300)
        .one_by_one("one_that_is_away_holds_nobody_up_and_is_told_how_many_messages_are_gone")
    {
        let (mut rng, mut memory) = (Rng::with_seed(seed), HubMemory::default());
        let mut world = World::new(memory.hub(&setup), false);
        world.settle();
        let half = rng.usize(..5);
        for _ in 0..half {
            world.say(1, "before\n");
        }
        world.send(0, rng.usize(..20));
        let conn = world.conns[0];
        assert_eq!(world.hub.handle(world.now, Input::Away { conn }).taken(), 1);
        world.is_away = true;
        let (mut count, most) = (half, rng.usize(..200));
        for step in 0..most {
            let (line, is_message) = if rng.bool() { ("hello\n", true) } else { ("/topic tea\n", false) };
            let (conn, bytes) = (world.conns[1 + step % 2], line.as_bytes());
            let taken = world.hub.handle(world.now, Input::Received { conn, bytes }).taken();
            assert_eq!(taken, bytes.len(), "nobody waits");
            count += usize::from(is_message);
            world.settle();
        }
        world.hub.handle(world.now, Input::Back { conn });
        world.is_away = false;
        world.settle();
        let seen = String::from_utf8(world.seen).expect("text");
        let came = seen.matches(" before\r\n").count() + seen.matches(" hello\r\n").count();
        let missed =
            seen.lines().filter_map(|line| line.strip_prefix("-- you missed ")?.strip_suffix(" messages"));
        let missed: usize = missed.map(|count| count.parse::<usize>().expect("a number")).sum();
        assert_eq!(came + missed, count, "{seen}");
        assert!(most < 60 || missed > 0, "{seen}");
    }
}

/// A direct message takes a part of the queue. What was said before it still comes first.
#[test]
fn the_order_is_kept_in_a_queue_of_one_line() {
    let mut limits = LIMITS;
    limits.queue = limits.longest() + 12;
    let setup = setup(limits, false);
    let mut memory = HubMemory::default();
    let mut world = World::new(memory.hub(&setup), false);
    world.settle();
    for who in 0..3 {
        world.say(who, "hello\n");
    }
    world.settle();
    let conn = world.conns[0];
    for most in 0..40 {
        world.seen.clear();
        // Something may be half sent when it goes.
        world.say(1, "zero\n");
        world.send(0, most);
        assert_eq!(world.hub.handle(world.now, Input::Away { conn }).taken(), 1);
        world.is_away = true;
        for line in ["one\n", "/msg guest-1 two\n", "three\n", "/msg guest-1 four\n", "five\n"] {
            world.say(1, line);
            world.settle();
        }
        world.hub.handle(world.now, Input::Back { conn });
        world.is_away = false;
        world.settle();
        let seen = String::from_utf8(world.seen.clone()).expect("text");
        let expected = "<guest-2> zero\r\n<guest-2> one\r\n[guest-2] two\r\n<guest-2> three\r\n\
                        [guest-2] four\r\n<guest-2> five\r\n";
        assert_eq!(seen, expected, "after {most} bytes");
    }
}

/// There is one place to note how far a client is, and another client has it.
#[test]
fn one_that_cannot_be_away_goes_on_where_it_was() {
    let setup = setup(Limits { catch_ups: 1, ..LIMITS }, false);
    for most in 0..40 {
        let mut memory = HubMemory::default();
        let mut world = World::new(memory.hub(&setup), false);
        world.settle();
        let [conn, _, other] = world.conns[..] else { panic!("three clients") };
        assert_eq!(world.hub.handle(world.now, Input::Away { conn: other }).taken(), 1);
        world.seen.clear();
        world.say(1, "one\n");
        world.say(1, "/msg guest-1 two\n");
        world.say(1, "three\n");
        world.send(0, most);
        assert_eq!(world.hub.handle(world.now, Input::Away { conn }).taken(), 0);
        while world.send(0, usize::MAX) > 0 {}
        let seen = String::from_utf8(world.seen).expect("text");
        let expected = "-- guest-2 joined\r\n<guest-2> one\r\n[guest-2] two\r\n<guest-2> three\r\n";
        assert_eq!(seen, expected, "after {most} bytes");
    }
}
