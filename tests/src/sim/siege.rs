//! A room under attack, in virtual time. A flooder floods it, a victim says a line now and then, and a
//! witness listens. Attackers do what they can to make these three wait.
//!
//! The witness's lines are checked one by one, and its pauses are added up.

use parlour_core::{Config, Input, Instant, Limits, Listener, ListenerId, Protocol};

use super::peer::Peer;
use super::world::World;
use crate::hub::Setup;

/// How often the victim says a line, in ms.
const LINE_MS: u64 = 100;
/// How often the flooder has something more to say, in ms.
const FLOOD_MS: u64 = 10;
/// A pause between two of the victim's lines counts if it is longer.
const PAUSE_MS: u64 = 500;
/// Bytes that the network holds for clients that read at once: more than come at one instant.
const WIDE: usize = 256 << 10;
/// Names of the clients whose lines are checked.
const CHECKED: [&str; 2] = ["flooder", "victim"];

/// How much the flooder says.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// The capacity of its pipe, and the most that it says in 10 ms.
    pub pipe: usize,
    /// Bytes of a line, its ending included.
    pub line: usize,
}

/// The habit of an attacker once it is in the room.
#[derive(Clone, Copy, Debug)]
pub enum Habit {
    /// It never reads.
    Never,
    /// It reads so many bytes at once, so often.
    Takes {
        /// At the most.
        bytes: usize,
        /// In ms.
        every: u64,
    },
    /// It reads this many bytes only when the room's patience would end within `margin` ms. It knows the
    /// patience as well as the room does.
    AtTheLast {
        /// At the most.
        bytes: usize,
        /// In ms.
        margin: u64,
    },
    /// It reads at once, and has a line of so many bytes to say each 100 ms, unless the one before
    /// still waits.
    Talks(usize),
    /// It resets its connection after so many ms.
    Leaves(u64),
    /// It never reads. Its connection breaks so often, in ms, and it is back at once.
    BreaksOff(u64),
    /// The same when the room's patience would end within so many ms.
    BreaksOffAtTheLast(u64),
}

/// What an attacker does.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// What it does in the room.
    pub habit: Habit,
    /// When it comes for the first time, in ms.
    pub comes_at: u64,
    /// After how many ms it comes again once it is cut, or has left.
    pub back_after: Option<u64>,
    /// Bytes that the network holds for it.
    pub pipe: usize,
}

impl Attack {
    /// One that comes at the start, and again as soon as it is cut.
    pub const fn new(habit: Habit) -> Self {
        Self { habit, comes_at: 0, back_after: Some(0), pipe: 4096 }
    }
}

#[derive(Debug)]
struct Attacker {
    attack: Attack,
    peer: Option<Peer>,
    next_at: u64,
    cuts: u32,
}

impl Attacker {
    fn act(&mut self, world: &mut World<'_>, patience_left: Option<u64>) {
        let now = world.now();
        let Some(peer) = &mut self.peer else {
            if now >= self.next_at {
                self.peer = Some(Peer::connect(world, ListenerId(0), 256, self.attack.pipe));
                self.say_something(world);
            }
            return;
        };
        if peer.is_closed() || !world.is_held(peer.socket()) {
            self.cuts += 1;
            return self.go(now);
        }
        match self.attack.habit {
            Habit::Never => {}
            Habit::BreaksOff(every) => {
                if now >= self.next_at {
                    break_off(world, peer);
                    self.next_at = now + every;
                }
            }
            Habit::BreaksOffAtTheLast(margin) => {
                if patience_left.is_some_and(|left| left <= margin) {
                    break_off(world, peer);
                }
            }
            Habit::Takes { bytes, every } => {
                if now >= self.next_at {
                    peer.receive(world, bytes);
                    self.next_at = now + every;
                }
            }
            Habit::AtTheLast { bytes, margin } => {
                if patience_left.is_some_and(|left| left <= margin) {
                    peer.receive(world, bytes);
                }
            }
            Habit::Talks(line) => {
                while peer.receive(world, usize::MAX) {}
                if peer.outbox.is_empty() && now.is_multiple_of(LINE_MS) {
                    peer.outbox.extend(std::iter::repeat_n(b'x', line - 1).chain([b'\n']));
                }
                peer.send(world);
            }
            Habit::Leaves(_) => {
                if now >= self.next_at {
                    peer.reset(world);
                    self.go(now);
                }
            }
        }
        if let Some(peer) = &mut self.peer {
            peer.inbox.clear();
        }
    }

    /// The others learn of it, and must be told when it leaves.
    fn say_something(&mut self, world: &mut World<'_>) {
        if let Some(peer) = &mut self.peer {
            peer.outbox.extend(b"/ping\n");
            peer.send(world);
        }
        let stays = if let Habit::Leaves(ms) = self.attack.habit { ms } else { 0 };
        self.next_at = world.now() + stays;
    }

    fn go(&mut self, now: u64) {
        self.peer = None;
        self.next_at = self.attack.back_after.map_or(u64::MAX, |ms| now + ms);
    }
}

/// The connection of a client breaks, and the client goes on over another one, which holds as little.
fn break_off(world: &mut World<'_>, peer: &Peer) {
    let (now, conn) = (Instant::from_millis(world.now()), world.conn(peer.socket()));
    if let Some(conn) = conn {
        world.hub.handle(now, Input::Away { conn });
        world.hub.handle(now, Input::Back { conn });
    }
}

/// A client whose lines are numbered, and that reads the others' lines at once.
#[derive(Debug)]
struct Member {
    name: &'static str,
    peer: Peer,
    said: u64,
    /// How many lines it has seen of each client whose lines are checked.
    seen: [u64; 2],
}

impl Member {
    fn connect(world: &mut World<'_>, name: &'static str, up: usize) -> Self {
        let mut peer = Peer::connect(world, ListenerId(0), up, WIDE);
        peer.outbox.extend(format!("/nick {name}\n").bytes());
        peer.send(world);
        Self { name, peer, said: 0, seen: [0; 2] }
    }

    /// Says a line of so many bytes, or more if its number needs them.
    fn say(&mut self, len: usize) {
        let mut line = format!("{} ", self.said).into_bytes();
        line.resize(line.len().max(len - 1), b'x');
        line.push(b'\n');
        self.peer.outbox.extend(line);
        self.said += 1;
    }

    /// Reads, and checks that no line is missing, doubled, or out of order.
    fn read(&mut self, world: &mut World<'_>) {
        assert!(world.is_held(self.peer.socket()), "{} was cut at {}", self.name, world.now());
        while self.peer.receive(world, usize::MAX) {}
        let (inbox, mut used) = (std::mem::take(&mut self.peer.inbox), 0);
        while let Some(len) = inbox[used..].iter().position(|&byte| byte == b'\n') {
            let line = &inbox[used..used + len];
            used += len + 1;
            for (name, seen) in CHECKED.iter().zip(&mut self.seen) {
                let text = line
                    .strip_prefix(b"<")
                    .and_then(|rest| rest.strip_prefix(name.as_bytes()))
                    .and_then(|rest| rest.strip_prefix(b"> "));
                let Some(text) = text else { continue };
                let number = text.split(|&byte| byte == b' ').next().unwrap_or_default();
                let digits = number.iter().map(|&digit| u64::from(digit.wrapping_sub(b'0')));
                let is_next = digits.fold(0, |all, digit| 10 * all + digit) == *seen;
                assert!(
                    is_next,
                    "{} saw {:?}, not line {seen} of {name}",
                    self.name,
                    String::from_utf8_lossy(number)
                );
                *seen += 1;
            }
        }
        self.peer.inbox = inbox;
        self.peer.inbox.drain(..used);
    }
}

/// The room's patience as an attacker may know it: docs/protocol.md, rule 21.
#[derive(Debug)]
struct Shadow {
    /// In sixteenths of a ms.
    left: u64,
    closed_since: Option<u64>,
}

/// A room and its attackers.
#[derive(Debug)]
pub struct Siege<'a> {
    /// The hub and its network.
    pub world: World<'a>,
    /// `None` while nobody floods.
    pub flood: Option<Flood>,
    flooder: Member,
    victim: Member,
    witness: Member,
    attackers: Vec<Attacker>,
    shadow: Shadow,
    grace_ms: u64,
    /// The beginning and end of the witness's pauses that count.
    pauses: Vec<(u64, u64)>,
    last_seen_at: u64,
    longest_ms: u64,
    late_ms: u64,
}

/// The harm to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toll {
    /// The pauses of the worst 60 s, in ms.
    pub worst_minute_ms: u64,
    /// The longest time between two lines of the victim, in ms.
    pub longest_ms: u64,
    /// All pauses, in ms.
    pub total_ms: u64,
    /// The delays of the witness's lines in all, short waits included, in ms.
    pub late_ms: u64,
    /// How often each attacker was disconnected.
    pub cuts: Vec<u32>,
    /// Lines of the flooder and of the victim that the witness saw.
    pub lines: [u64; 2],
}

/// The hub that is attacked: one chat listener.
pub fn setup() -> Setup {
    Setup {
        limits: Limits {
            conns: 64,
            rooms: 2,
            rooms_per_conn: 2,
            members: 128,
            catch_ups: 128,
            name: 32,
            line: 1024,
            queue: 4096,
            proposals: 0,
            log: 64 << 10,
            records: 4096,
            followers: 0,
            rings: 0,
        },
        listeners: vec![Listener::new(Protocol::Chat)],
        config: Config::new(&[]),
    }
}

impl<'a> Siege<'a> {
    /// The three harmless clients come in.
    pub fn new(mut world: World<'a>, flood: Flood, grace_ms: u32) -> Self {
        let flooder = Member::connect(&mut world, CHECKED[0], flood.pipe);
        let victim = Member::connect(&mut world, CHECKED[1], 64 << 10);
        let witness = Member::connect(&mut world, "witness", 256);
        world.run();
        let grace_ms = u64::from(grace_ms);
        Self {
            world,
            flood: Some(flood),
            flooder,
            victim,
            witness,
            attackers: Vec::new(),
            shadow: Shadow { left: 16 * grace_ms, closed_since: None },
            grace_ms,
            pauses: Vec::new(),
            last_seen_at: 0,
            longest_ms: 0,
            late_ms: 0,
        }
    }

    /// One more attacks.
    pub fn add(&mut self, attack: Attack) {
        let next_at = self.world.now() + attack.comes_at;
        self.attackers.push(Attacker { attack, peer: None, next_at, cuts: 0 });
    }

    /// All attackers leave, and do not come back.
    pub fn relieve(&mut self) {
        for attacker in self.attackers.drain(..) {
            if let Some(mut peer) = attacker.peer {
                peer.reset(&mut self.world);
            }
        }
    }

    /// How often each attacker has been disconnected.
    pub fn cuts(&self) -> Vec<u32> {
        self.attackers.iter().map(|attacker| attacker.cuts).collect()
    }

    /// Since when the room waits, as far as the flooder can tell.
    pub fn closed_since(&self) -> Option<u64> {
        self.world.waiting_since(self.flooder.peer.socket())
    }

    /// An attacker reads all its bytes.
    pub fn let_read(&mut self, attacker: usize) {
        if let Some(peer) = &mut self.attackers[attacker].peer {
            while peer.receive(&mut self.world, usize::MAX) {
                self.world.run();
            }
        }
    }

    /// Lets this much time pass.
    pub fn pass(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
        }
    }

    /// Lets time pass at once, in which nobody says or does anything.
    pub fn sleep(&mut self, ms: u64) {
        let to = self.world.now() + ms;
        while let Some(at) = self.world.next_turn_at().filter(|&at| at <= to) {
            self.world.jump_to(at);
            self.world.run();
        }
        self.world.jump_to(to);
        self.last_seen_at = to;
        self.shadow = Shadow { left: 16 * self.grace_ms, closed_since: None };
    }

    fn step(&mut self) {
        self.world.jump_to(self.world.now() + 1);
        let now = self.world.now();
        let patience_left = self.patience_left(now);
        for attacker in &mut self.attackers {
            attacker.act(&mut self.world, patience_left);
        }
        if now.is_multiple_of(LINE_MS) {
            self.victim.say(16);
        }
        if let Some(flood) = self.flood.filter(|_| now.is_multiple_of(FLOOD_MS)) {
            while self.flooder.peer.outbox.len() < flood.pipe {
                self.flooder.say(flood.line);
            }
        }
        for member in [&mut self.flooder, &mut self.victim] {
            member.peer.send(&mut self.world);
        }
        self.world.run();
        let seen_before = self.witness.seen[1];
        for member in [&mut self.flooder, &mut self.victim, &mut self.witness] {
            member.read(&mut self.world);
        }
        if self.witness.seen[1] > seen_before {
            self.note_pause(now);
            self.last_seen_at = now;
        }
    }

    fn note_pause(&mut self, now: u64) {
        let ms = now - self.last_seen_at;
        self.longest_ms = self.longest_ms.max(ms);
        self.late_ms += ms.saturating_sub(LINE_MS);
        if ms > PAUSE_MS {
            self.pauses.push((self.last_seen_at, now));
        }
    }

    /// How long a closed room still waits, as an attacker reckons it.
    fn patience_left(&mut self, now: u64) -> Option<u64> {
        let closed_since = self.closed_since();
        let Shadow { left, closed_since: before } = &mut self.shadow;
        match (*before, closed_since) {
            (None, None) => *left = (*left + 1).min(16 * self.grace_ms),
            (Some(since), current) if current != Some(since) && now - since > 200 => {
                *left = left.saturating_sub(16 * (now - since));
            }
            _ => {}
        }
        *before = closed_since;
        closed_since.map(|since| (*left / 16).saturating_sub(now - since))
    }

    /// Ends the siege: all attackers leave, and all clients see all lines.
    pub fn end(mut self) -> Toll {
        let end = self.world.now();
        self.note_pause(end);
        let (cuts, pauses) = (self.cuts(), std::mem::take(&mut self.pauses));
        let (longest_ms, late_ms) = (self.longest_ms, self.late_ms);
        self.relieve();
        self.flood = None;
        self.pass(2_000);
        for (member, other) in [(&self.victim, 0), (&self.flooder, 1), (&self.witness, 0), (&self.witness, 1)]
        {
            let said = [self.flooder.said, self.victim.said][other];
            assert_eq!(member.seen[other], said, "{} saw every line of {}", member.name, CHECKED[other]);
        }
        let within = |from: u64| -> u64 {
            let part = |&(start, stop): &(u64, u64)| stop.min(from + 60_000).saturating_sub(start.max(from));
            pauses.iter().map(part).sum()
        };
        // The worst minute begins with a pause, or ends with one.
        let starts = pauses.iter().flat_map(|&(start, stop)| [start, stop.saturating_sub(60_000)]);
        Toll {
            worst_minute_ms: starts.map(within).max().unwrap_or(0),
            longest_ms,
            total_ms: pauses.iter().map(|(start, stop)| stop - start).sum(),
            late_ms,
            cuts,
            lines: self.witness.seen,
        }
    }
}
