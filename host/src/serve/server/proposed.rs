//! With `--durable`: what clients want to say, from when the hub proposes it until it is read back as a record. It is
//! appended, and so shown, only when it is in the file.
//!
//! The order is decided here: lines of a room are appended as they were proposed. A room that has no place keeps
//! its own lines waiting, and not those of other rooms: its clients are not read, and the place for lines that
//! wait to be stored is free for others. A client cannot go to another room before all that it has
//! said is appended, so the lines of each client stay in order too.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::{Instant as Clock, SystemTime, UNIX_EPOCH};

use parlour_core::{ConnId, Identity, Input, Instant, Kind, Place, Proposal, Record, RoomRef};
use parlour_trace::Taped;

use crate::serve::recording::Recording;

/// The most bytes of lines that wait to be stored, besides one. More would not be stored sooner: it is what a disk
/// stores in some commits.
const MOST: usize = 1 << 20;
/// From so many bytes of lines of one room on, those who have said them must wait. Beyond that there is no more than
/// one read of each of them.
const MOST_IN_ROOM: usize = 1 << 20;
/// How many lines are appended between two looks at the clock.
const BETWEEN_LOOKS: usize = 64;

/// A line that was not appended yet.
struct Line {
    /// Names it in the file. `None`: the journal leaves its room out.
    number: Option<u64>,
    conn: ConnId,
    room: RoomRef,
    author: Identity,
    unix_ms: u64,
    kind: Kind,
    is_torn: bool,
    /// The name of the author, and then the text.
    bytes: Box<[u8]>,
    name: usize,
}

impl Line {
    /// Its memory, in bytes.
    fn size(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }

    fn record(&self) -> Record<'_> {
        let &Line { number, room, author, unix_ms, kind, is_torn, ref bytes, name, .. } = self;
        let (name, text) = bytes.split_at(name);
        let name = str::from_utf8(name).unwrap_or_default();
        // Nobody looks at the place of a record that has a room.
        let seq = number.unwrap_or_default();
        Record { seq, unix_ms, room, place: Place::Private, author, name, kind, is_torn, text }
    }
}

/// What is about to be said in a room.
#[derive(Default)]
struct Room {
    /// Those that are in the file, or are not to be there.
    stored: VecDeque<Line>,
    /// The memory of all its lines, in bytes.
    size: usize,
}

/// One that has said something that was not appended yet. It is in one room until all of it is.
struct Author {
    room: RoomRef,
    lines: usize,
}

/// All of them.
pub(super) struct Proposed {
    /// Those that may not be in the file yet.
    unstored: VecDeque<Line>,
    /// Their memory, in bytes.
    size: usize,
    rooms: HashMap<RoomRef, Room>,
    authors: HashMap<ConnId, Author>,
    /// Clients that had to wait, and need not now.
    released: Vec<ConnId>,
    /// The numbers of those that were appended, and not read back yet.
    appended: VecDeque<u64>,
    /// The number of the next one.
    next: u64,
    /// The next place in the order.
    index: u64,
}

impl Proposed {
    /// `next`: the number of the first line.
    pub(super) fn new(next: u64) -> Self {
        Self {
            unstored: VecDeque::new(),
            size: 0,
            rooms: HashMap::new(),
            authors: HashMap::new(),
            released: Vec::new(),
            appended: VecDeque::new(),
            next,
            index: 0,
        }
    }

    /// Whether it takes more lines.
    pub(super) fn has_place(&self) -> bool {
        self.size < MOST
    }

    /// Takes a line. Returns it as the journal gets it.
    pub(super) fn take(&mut self, proposal: &Proposal<'_>) -> Record<'_> {
        let line = self.line(proposal, Some(self.next));
        self.next += 1;
        self.size += line.size();
        self.unstored.push_back(line);
        self.unstored[self.unstored.len() - 1].record()
    }

    /// Takes a line of a room that the journal leaves out.
    pub(super) fn take_unkept(&mut self, proposal: &Proposal<'_>) {
        let line = self.line(proposal, None);
        self.rooms.entry(line.room).or_default().stored.push_back(line);
    }

    fn line(&mut self, proposal: &Proposal<'_>, number: Option<u64>) -> Line {
        let &Proposal { conn, room, author, name, kind, is_torn, text, .. } = proposal;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ms = now.as_millis() as u64;
        let bytes = [name.as_bytes(), text].concat().into_boxed_slice();
        let name = name.len();
        let line = Line { number, conn, room, author, unix_ms, kind, is_torn, bytes, name };
        self.rooms.entry(room).or_default().size += line.size();
        self.authors.entry(conn).or_insert(Author { room, lines: 0 }).lines += 1;
        line
    }

    /// All lines up to this number are in the file.
    pub(super) fn note_stored(&mut self, last: u64) {
        while self.unstored.front().is_some_and(|line| line.number <= Some(last))
            && let Some(line) = self.unstored.pop_front()
        {
            self.size -= line.size();
            self.rooms.entry(line.room).or_default().stored.push_back(line);
        }
    }

    /// Whether a client must wait until lines of its room are appended.
    pub(super) fn must_wait(&self, conn: ConnId) -> bool {
        let room = self.authors.get(&conn).and_then(|author| self.rooms.get(&author.room));
        room.is_some_and(|room| room.size >= MOST_IN_ROOM)
    }

    /// The clients that had to wait, and need not now.
    pub(super) fn take_released(&mut self) -> Vec<ConnId> {
        std::mem::take(&mut self.released)
    }

    /// Appends what is in the file, as far as the rooms have place and the time allows. Returns whether anything
    /// was done. `only_unkept`: only in the rooms that the journal leaves out.
    pub(super) fn decide(
        &mut self,
        hub: &mut Taped<'_, Recording>,
        now: Instant,
        until: Clock,
        only_unkept: bool,
    ) -> bool {
        let Self { rooms, authors, released, appended, index, .. } = self;
        let (mut count, mut is_late) = (0, false);
        for (&id, room) in rooms.iter_mut() {
            let was_full = room.size >= MOST_IN_ROOM;
            while !is_late
                && let Some(line) = room.stored.front()
                && !(only_unkept && line.number.is_some())
            {
                let conn = line.conn;
                if hub.room(id).is_none() {
                    // Nobody is left there to see it. It stays in the file.
                    hub.handle(now, Input::Withdrawn { conn });
                } else if hub.takes_decision(id) {
                    let record = line.record();
                    hub.handle(now, Input::Decided { index: *index, conn: Some(conn), record });
                    *index += 1;
                    appended.extend(line.number);
                } else {
                    break;
                }
                room.size -= line.size();
                room.stored.pop_front();
                if let Entry::Occupied(mut author) = authors.entry(conn) {
                    author.get_mut().lines -= 1;
                    if author.get().lines == 0 {
                        author.remove();
                        // It may wait for its room.
                        released.extend(was_full.then_some(conn));
                    }
                }
                count += 1;
                is_late = count % BETWEEN_LOOKS == 0 && Clock::now() > until;
            }
            if was_full && room.size < MOST_IN_ROOM {
                released
                    .extend(authors.iter().filter(|(_, author)| author.room == id).map(|(conn, _)| *conn));
            }
        }
        rooms.retain(|_, room| room.size > 0);
        count > 0
    }

    /// The number of the line that is read back next. Followers read what was said in the order in which it was
    /// appended.
    pub(super) fn read_back(&mut self) -> Option<u64> {
        self.appended.pop_front()
    }
}
