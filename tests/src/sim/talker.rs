//! A client of the chat. It says numbered messages and changes rooms and names. For each line that it
//! gets, it checks whether the line may come, and whether one is missing.

use std::collections::HashMap;

use super::part::{Ledger, Part, scramble};
use crate::outbox::Outbox;

/// A talker's knowledge of another one's messages.
#[derive(Clone, Copy, Debug, Default)]
struct Track {
    /// The number of the other's stay in the room; unknown before its first message.
    stay: Option<u32>,
    next: u32,
    /// There was a gap since.
    is_loose: bool,
}

/// A client of the chat.
#[derive(Debug)]
pub(super) struct Talker {
    id: usize,
    line_limit: usize,
    /// It gets later what it has missed; and all of it, because a good store keeps that.
    is_replayed: bool,
    is_kept: bool,
    /// Nobody moves, so that every message can be accounted for.
    is_static: bool,
    left_to_do: u32,
    version: u32,
    room: String,
    has_name: bool,
    /// It was in the room before anybody said anything.
    was_early: bool,
    /// A `/ping` was sent and is not answered yet.
    is_fenced: bool,
    tracks: HashMap<usize, Track>,
    /// The last message of each: none may come twice, or after a later one.
    newest: HashMap<usize, (u32, u32)>,
    seen: u64,
    missed: u64,
    /// Messages that are missing, and were not found missing yet.
    unexplained: u64,
    /// It was told that it has missed some, and not how many.
    has_lost: bool,
    /// How many comings got no line of their own, less the number that sums have reported.
    unseen: i64,
    whispered: u32,
    whispers: HashMap<usize, (u32, usize)>,
}

const ROOMS: &[&str] = &["lobby", "den", "pub", "attic"];

fn text(id: usize, stay: u32, number: u32, room: &str, limit: usize) -> String {
    let mut text = format!("{id} {stay} {number} {room} ");
    let random = scramble(id, stay, number);
    let most = limit.min(if random & 3 == 0 { limit } else { text.len() + 20 });
    let padding = 1 + (random >> 2) as usize % (most - text.len());
    text.extend((0..padding).map(|at| char::from(b'a' + ((random >> 8) as usize + at) as u8 % 26)));
    text
}

/// The number of the talker with this name, if there is one.
fn bearer(name: &str) -> Option<usize> {
    name.strip_prefix('c')?.split('v').next()?.parse().ok()
}

impl Talker {
    pub(super) fn new(
        id: usize,
        line_limit: usize,
        left_to_do: u32,
        (is_static, is_replayed, is_kept): (bool, bool, bool),
        ledger: &mut Ledger,
    ) -> Self {
        ledger.said.resize(ledger.said.len().max(id + 1), vec![0]);
        Self {
            id,
            line_limit,
            is_replayed,
            is_kept,
            is_static,
            left_to_do,
            version: 0,
            room: "lobby".to_string(),
            has_name: false,
            was_early: false,
            is_fenced: false,
            tracks: HashMap::new(),
            newest: HashMap::new(),
            seen: 0,
            missed: 0,
            unexplained: 0,
            has_lost: false,
            unseen: 0,
            whispered: 0,
            whispers: HashMap::new(),
        }
    }

    fn say(&mut self, rng: &mut fastrand::Rng, ledger: &mut Ledger, out: &mut Outbox) {
        let stay = ledger.said[self.id].len() as u32 - 1;
        let said = &mut ledger.said[self.id][stay as usize];
        let text = text(self.id, stay, *said, &self.room, self.line_limit - 4);
        *said += 1;
        let verb = if rng.u8(..) < 30 { "/me " } else { "" };
        let ending = if rng.bool() { "\r\n" } else { "\n" };
        out.extend(format!("{verb}{text}{ending}").bytes());
    }

    fn command(&mut self, rng: &mut fastrand::Rng, ledger: &Ledger, out: &mut Outbox) {
        let moves = !self.is_static;
        let command = match rng.u8(..7) {
            0 => format!(
                "/join {}",
                ROOMS.iter().filter(|&&room| room != self.room && moves).nth(rng.usize(..3)).unwrap_or(&"")
            ),
            1 => {
                self.version += 1;
                format!("/nick c{}v{}", self.id, self.version)
            }
            2 | 3 => {
                self.whispered += 1;
                let to = rng.usize(..ledger.said.len());
                format!("/msg c{to} {} {}", self.id, self.whispered)
            }
            4 => "/help".to_string(),
            5 => "/who".to_string(),
            _ => "/rooms".to_string(),
        };
        self.is_fenced = true;
        out.extend(format!("{command}\n/ping\n").bytes());
    }

    fn notice(&mut self, notice: &str, ledger: &mut Ledger) {
        if notice == "pong" {
            assert!(self.is_fenced, "a pong without a ping");
            self.is_fenced = false;
            self.has_name = true;
        } else if let Some(room) = notice.strip_prefix("you are in ").filter(|room| !room.contains(' ')) {
            self.room = room.to_string();
            self.tracks.clear();
            self.unseen = 0;
            ledger.said[self.id].push(0);
        } else if let Some(line) = notice.strip_prefix("earlier: ") {
            self.earlier(line, ledger);
        } else if notice == "you missed some messages" {
            assert!(!self.is_kept, "c{}: the store has it", self.id);
            (self.has_lost, self.unexplained) = (true, u64::from(u32::MAX));
            self.tracks.values_mut().for_each(|track| track.is_loose = true);
        } else if let Some(count) = notice.strip_prefix("you missed ") {
            let count: u64 = count.strip_suffix(" messages").and_then(|n| n.parse().ok()).expect("a number");
            self.missed += count;
            self.unexplained += count;
            self.tracks.values_mut().for_each(|track| track.is_loose = true);
        } else if let Some(sum) = notice.strip_prefix("others: ") {
            let (came, _) = sum.split_once(" joined, ").expect("a sum");
            self.unseen -= came.parse::<i64>().expect("a number");
        } else if let Some(name) = notice.strip_suffix(" joined") {
            self.expects_from_start(bearer(name));
        } else if let Some((old, new)) = notice.split_once(" is now ") {
            if bearer(old).is_none() {
                self.expects_from_start(bearer(new));
            }
        } else if let Some((name, _)) = notice.split_once(" went to ") {
            if let Some(id) = bearer(name) {
                self.sees_leave(id, "", ledger);
            }
        } else if let Some((name, reason)) = notice.split_once(" left") {
            if let Some(id) = bearer(name) {
                self.sees_leave(id, reason, ledger);
            }
        } else {
            const OTHERS: &[&str] = &[
                "welcome to parlour, ",
                "here: ",
                "in ",
                "lobby: ",
                "den: ",
                "pub: ",
                "attic: ",
                "/",
                "bad ",
                "nobody here ",
                "there are too many rooms",
                "server is ",
                "you were idle ",
                "hello",
                "c",
            ];
            assert!(
                OTHERS.iter().any(|start| notice.starts_with(start)),
                "c{}: what is {notice:?}?",
                self.id
            );
        }
    }

    /// A line from before: what was said before it came, or what it could not take.
    fn earlier(&mut self, line: &str, ledger: &mut Ledger) {
        if self.is_replayed {
            return self.line(line, ledger);
        }
        let (_, said) = line.split_once("> ").or_else(|| line[2..].split_once(' ')).expect("a message");
        let mut numbers = said.split(' ').map_while(|word| word.parse::<u32>().ok());
        let [id, stay, number] =
            [(); 3].map(|()| numbers.next().unwrap_or_else(|| panic!("{line:?} of before")));
        let whole = text(id as usize, stay, number, &self.room, self.line_limit - 4);
        // Before the answer to a `/join`, it is another room's.
        let is_whole = |room: &&&str| said == text(id as usize, stay, number, room, self.line_limit - 4);
        assert!(
            said == whole || ROOMS.iter().any(|room| is_whole(&room)),
            "c{}: {said:?} of before",
            self.id
        );
    }

    fn expects_from_start(&mut self, other: Option<usize>) {
        if let Some(other) = other.filter(|&other| other != self.id) {
            self.tracks.insert(other, Track::default());
        }
    }

    /// Checks that every message of a talker came before its notice of leaving.
    fn sees_leave(&mut self, id: usize, reason: &str, ledger: &Ledger) {
        let is_cut =
            ["(connection lost)", "(too slow)", "(timed out)"].iter().any(|cut| reason.ends_with(cut));
        if let Some(Track { stay: Some(stay), next, is_loose: false }) = self.tracks.remove(&id)
            && !is_cut
        {
            let said = ledger.said[id][stay as usize];
            assert_eq!(next, said, "c{}: messages of c{id} in its stay {stay}, which has left", self.id);
        }
    }

    fn message(&mut self, name: &str, said: &str) {
        let mut words = said.split(' ');
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
        let (Some(id), Some(stay), Some(number)) = (number(), number(), number()) else {
            panic!("c{}: not a message: {said:?}", self.id);
        };
        let (me, id) = (self.id, id as usize);
        assert_eq!(said, text(id, stay, number, &self.room, self.line_limit - 4), "c{me} in {}", self.room);
        assert_eq!(bearer(name), Some(id), "c{me}: {said:?} in the name of {name}");
        assert!(id != me, "c{me} got its own {said:?}");
        let newest = self.newest.insert(id, (stay, number));
        assert!(newest < Some((stay, number)), "c{me} got {said:?} after {newest:?}");
        self.seen += 1;
        // A talker that was not seen to come was there before, or came within a gap.
        let track =
            *self.tracks.get(&id).unwrap_or(&Track { stay: Some(stay), next: number, is_loose: false });
        if track.stay.is_none_or(|known| known == stay) {
            let hole = u64::from(number - track.next);
            assert!(
                hole == 0 || track.is_loose,
                "c{me} missed {hole} messages before {said:?} and was not told; replayed: {}, lost: {}",
                self.is_replayed,
                self.has_lost
            );
            assert!(hole <= self.unexplained, "c{me} missed more than it was told of, before {said:?}");
            self.unexplained -= hole;
        } else if !track.is_loose {
            // In that case a sum must tell of it.
            self.unseen += 1;
        }
        self.tracks.insert(id, Track { stay: Some(stay), next: number + 1, is_loose: false });
    }

    fn whisper(&mut self, name: &str, text: &str) {
        let (from, number) = text.split_once(' ').expect("a whisper");
        let (from, number) = (from.parse().expect("a talker"), number.parse().expect("a number"));
        assert_eq!(bearer(name), Some(from), "a whisper in another's name");
        let (last, count) = self.whispers.entry(from).or_default();
        assert!(*last < number, "a whisper of c{from} came twice or late");
        (*last, *count) = (number, *count + 1);
    }

    fn line(&mut self, line: &str, ledger: &mut Ledger) {
        let cut = |line: &str, open: &str, close: &str| -> Option<(String, String)> {
            let (name, text) = line.strip_prefix(open)?.split_once(close)?;
            Some((name.to_string(), text.to_string()))
        };
        if let Some(notice) = line.strip_prefix("-- ") {
            self.notice(notice, ledger);
        } else if let Some((name, text)) = cut(line, "<", "> ").or_else(|| cut(line, "* ", " ")) {
            self.message(&name, &text);
        } else if let Some((name, _)) = cut(line, "[to ", "] ") {
            ledger.confirmed.push((self.id, bearer(&name).expect("a talker")));
        } else if let Some((name, text)) = cut(line, "[", "] ") {
            self.whisper(&name, &text);
        } else {
            panic!("c{} got {line:?}", self.id);
        }
    }
}

impl Part for Talker {
    fn write(&mut self, rng: &mut fastrand::Rng, ledger: &mut Ledger, out: &mut Outbox) {
        if self.is_fenced {
            return;
        }
        if !self.has_name {
            self.is_fenced = true;
            out.extend(format!("/nick c{}\n/ping\n", self.id).bytes());
        } else if self.left_to_do > 0 && ledger.has_begun {
            if rng.u8(..4) == 0 {
                self.left_to_do -= 1;
                self.command(rng, ledger, out);
            }
            // After a command, the room may be another until the answer comes.
            let burst = if self.is_fenced { 0 } else { self.left_to_do.min(rng.u32(1..8)) };
            for _ in 0..burst {
                self.say(rng, ledger, out);
            }
            self.left_to_do -= burst;
        }
    }

    fn read(&mut self, ledger: &mut Ledger, received: &mut Vec<u8>) {
        let mut start = 0;
        while let Some(end) = received[start..].iter().position(|&byte| byte == b'\n') {
            let line = std::str::from_utf8(&received[start..=start + end]).expect("UTF-8");
            self.line(line.strip_suffix("\r\n").expect("CR LF"), ledger);
            start += end + 1;
        }
        received.drain(..start);
        self.was_early |= self.has_name && !ledger.has_begun;
    }

    fn is_done(&self) -> bool {
        self.has_name && self.left_to_do == 0 && !self.is_fenced
    }

    fn is_waiting(&self) -> bool {
        self.is_fenced
    }

    fn check_rest(&self, ledger: &Ledger, is_unsure: &dyn Fn(usize) -> bool) {
        let me = self.id;
        let others = || (0..ledger.said.len()).filter(|&id| id != me);
        for (from, &(_, count)) in &self.whispers {
            let confirmed = ledger.confirmed.iter().filter(|&&pair| pair == (*from, me)).count();
            assert!(
                confirmed == count || is_unsure(*from),
                "c{me}: {count} whispers of c{from}, not {confirmed}"
            );
        }
        for (id, track) in self.tracks.iter().filter(|(id, track)| !track.is_loose && !is_unsure(**id)) {
            if let Some(stay) = track.stay {
                let said = ledger.said[*id][stay as usize];
                assert_eq!(track.next, said, "c{me}: messages of c{id} in its stay {stay}");
            }
        }
        assert!(self.unseen <= 0, "c{me} was not told of {} comings, one by one or in a sum", self.unseen);
        if self.is_static && self.was_early && !self.has_lost && !others().any(is_unsure) {
            let said: u32 = others().flat_map(|id| &ledger.said[id]).sum();
            assert_eq!(self.seen + self.missed, u64::from(said), "c{me}: seen {} of all", self.seen);
        }
    }

    fn farewell(&self) -> &'static str {
        if self.id.is_multiple_of(2) { "/quit bye\n" } else { "" }
    }
}
