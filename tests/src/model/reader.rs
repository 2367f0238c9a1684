//! A follower as the model sees it: all records that it has not committed. It reads and commits at random,
//! and sometimes nothing for long.

use std::collections::VecDeque;

use parlour_core::{Followed, FollowerId, Input, Instant, Lost, Place, Record};

use super::case::{Case, GRACE_MS, LOBBY, RELAYS};
use super::peer::Room;

/// A record as the follower must read it.
#[derive(Debug)]
struct Said {
    room: Room,
    bytes: Vec<u8>,
    is_message: bool,
    /// Its number, once it was read.
    seq: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Reader {
    id: FollowerId,
    said: VecDeque<Said>,
    /// How many of them were read.
    read: usize,
    /// What it has lost, and has not committed.
    lost: Option<Lost>,
    /// Since when there has always been something that it has not committed.
    behind_since: Instant,
}

impl Reader {
    pub(super) fn new(id: FollowerId) -> Self {
        Self { id, said: VecDeque::new(), read: 0, lost: None, behind_since: Instant::from_millis(0) }
    }

    /// A record was said in a room.
    pub(super) fn expect(&mut self, room: Room, bytes: &[u8], is_message: bool, now: Instant) {
        if self.said.is_empty() {
            self.behind_since = now;
        }
        self.said.push_back(Said { room, bytes: bytes.to_vec(), is_message, seq: None });
    }

    fn takes_record(&mut self, record: &Record<'_>) {
        let said = self.said.get_mut(self.read).expect("nothing is read that was not said");
        let room = match record.place {
            Place::Chat(name) => {
                assert_eq!(name, "lobby");
                LOBBY
            }
            Place::Relay(listener) => {
                1 + RELAYS.iter().position(|relay| *relay == listener).expect("a relay")
            }
        };
        assert_eq!(record.pieces().concat(), said.bytes);
        assert_eq!((room, record.kind.is_message()), (said.room, said.is_message));
        assert_eq!(*said.seq.get_or_insert(record.seq), record.seq);
        self.read += 1;
    }

    /// All that was lost is lost for good, and is what came next.
    fn takes_lost(&mut self, lost: Lost, now: Instant) {
        let (records, messages) = self.lost.map_or((0, 0), |old| (old.records, old.messages));
        let new = usize::try_from(lost.records - records).expect("a count");
        let first = self.lost.map(|old| Some(old.first));
        if self.lost.is_none() {
            let waited_ms = now.millis_since(self.behind_since);
            assert!(waited_ms >= u64::from(GRACE_MS), "it had only {waited_ms} ms");
        }
        let first = first.unwrap_or_else(|| self.said[0].seq);
        assert!(first.is_none_or(|first| first == lost.first), "{first:?} is lost first: {lost:?}");
        let gone: Vec<_> = self.said.drain(..new).collect();
        let last = gone.last().and_then(|said| said.seq);
        assert!(last.is_none_or(|last| last == lost.last), "{last:?} is lost last: {lost:?}");
        let count = gone.iter().filter(|said| said.is_message).count() as u64;
        assert_eq!(count, lost.messages - messages);
        (self.read, self.lost) = (0, Some(lost));
    }

    /// It commits its first records, so many of those that it has read. Returns the number that it commits.
    fn commit(&mut self, count: usize) -> Option<u64> {
        let committed = self.said.drain(..count).next_back();
        self.read -= count;
        let lost = self.lost.take();
        committed.map(|said| said.seq.expect("it was read")).or(lost.map(|lost| lost.last))
    }
}

impl Case<'_> {
    /// The follower reads up to `most` records, and commits some of those that it has read.
    pub(super) fn follow(&mut self, most: usize) {
        let id = self.reader.id;
        if self.rng.u8(..8) == 0 {
            self.hub.read_again(id);
            self.reader.read = 0;
        }
        // The first look shows whether it has lost something.
        for _ in 0..=most {
            let has_news = self.hub.has_news(id);
            let followed = self.hub.read(id);
            assert_eq!(has_news, followed.is_some());
            match followed {
                Some(Followed::Record(record)) => self.reader.takes_record(&record),
                Some(Followed::Lost(lost)) => self.reader.takes_lost(lost, self.now),
                None => {
                    assert_eq!(self.reader.read, self.reader.said.len(), "everything was read");
                    break;
                }
            }
        }
        let count =
            if most == usize::MAX - 1 { self.reader.read } else { self.rng.usize(..=self.reader.read) };
        if let Some(seq) = self.reader.commit(count) {
            self.hub.handle(self.now, Input::Committed { follower: id, seq });
        }
        self.observe();
    }

    /// The follower reads and commits all that there is.
    pub(super) fn follow_all(&mut self) {
        self.follow(usize::MAX - 1);
        assert!(!self.hub.has_news(self.reader.id));
    }
}
