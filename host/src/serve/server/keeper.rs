//! The keeper of the journal: a follower that hands over what was said, and pages for those that are behind. It
//! never waits for the disk. If the journal has no place, the keeper does not read on. Then the rooms wait, and
//! after the follower's grace it reads how much it lost.
//!
//! With `--durable` it also takes what clients want to say, and decides about it when it is stored. Then the rooms
//! wait for as long as they must.

mod answers;
mod clients;
mod echoes;
mod news;
mod pages;
mod shelves;

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::time::{Duration, Instant as Clock};

use parlour_core::{
    Cause, ConnId, Followed, FollowerId, Following, Hub, Input, Instant, Kind, Lost, Place, Record, Scope,
    Span, Wanted,
};
use parlour_journal::{Batch, Event, Forgot, Gap, Journal, JournalError, Known, Mark, Whom};
use parlour_trace::Taped;

use self::answers::Answers;
pub(crate) use self::answers::Asker;
use self::clients::Clients;
use self::news::News;
use self::shelves::Shelves;
use super::proposed::Proposed;
use crate::resume::{self, Key};
use crate::serve::options::OnFailure;
use crate::serve::recording::Recording;

/// A journal, and what the server knows of it.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) journal: Journal<Asker>,
    pub(crate) known: Known,
    pub(crate) on_failure: OnFailure,
    /// Nobody is shown what is not stored.
    pub(crate) is_durable: bool,
    /// How long a room waits for the journal, in ms, unless it is durable.
    pub(crate) grace_ms: u32,
    /// What the rooms of relays and echo listeners are called in the journal, by listener. `None`: the journal
    /// does not have them.
    pub(crate) labels: Vec<Option<String>>,
    /// How long a client of the server before this one may take to come back.
    pub(crate) resume_window: Option<Duration>,
}

pub(super) struct Keeper {
    journal: Journal<Asker>,
    follower: FollowerId,
    on_failure: OnFailure,
    batch: Batch,
    shelves: Shelves,
    clients: Clients,
    /// The last record that was handed over.
    handed: Option<u64>,
    /// Memory for a line of a client.
    line: Vec<u8>,
    /// What is in the file.
    stored: Mark,
    /// What clients want to say; `None`: they say it at once.
    proposed: Option<Proposed>,
    /// The clients of echo listeners whose bytes wait until they are stored, and the number of these bytes.
    echoes: HashMap<ConnId, u64>,
    answers: Answers,
    /// The number of the next bytes that an echo listener gets.
    next_echo: u64,
    /// There is something to hand over.
    news: Option<News>,
    /// It had no place when it was asked last.
    was_full: bool,
    has_failed: bool,
    /// Messages are lost now, and the operator was told.
    is_losing: bool,
    /// It takes what is left.
    is_closing: bool,
    /// What was not handed over while the journal failed.
    dropped: Option<Lost>,
    /// The same of echo listeners.
    dropped_echo: Option<Lost>,
    /// The numbers of the first and the last record of each gap.
    gaps: Vec<(u64, u64)>,
    unix_ms: u64,
    /// What became of clients that are forgotten.
    forgotten: Vec<Forgot>,
}

impl Keeper {
    /// Begins to keep what is said. `None`: the hub has no place for its follower.
    pub(super) fn new(hub: &mut Taped<'_, Recording>, open: Open) -> Option<Self> {
        let Open { journal, known, on_failure, is_durable, grace_ms, labels, resume_window } = open;
        let grace_ms = (!is_durable).then_some(grace_ms);
        let follower = hub.follow(Following { grace_ms, scope: Scope::All })?;
        Some(Self {
            journal,
            follower,
            on_failure,
            batch: Batch::default(),
            shelves: Shelves::new(labels, known.rooms),
            clients: Clients::new(known.keys, resume_window, Clock::now()),
            handed: None,
            line: vec![0; hub.limits().line],
            stored: Mark::default(),
            proposed: is_durable.then(|| Proposed::new(known.next_proposal)),
            echoes: HashMap::new(),
            answers: Answers::default(),
            next_echo: known.next_seq,
            news: None,
            was_full: false,
            has_failed: false,
            is_losing: false,
            is_closing: false,
            dropped: None,
            dropped_echo: None,
            gaps: Vec::new(),
            unix_ms: 0,
            forgotten: Vec::new(),
        })
    }

    pub(super) fn is(&self, follower: FollowerId) -> bool {
        self.follower == follower
    }

    /// Can be read when [`Keeper::listen`] has something to do.
    pub(super) fn wake_fd(&self) -> RawFd {
        self.journal.wake_fd()
    }

    /// Whether messages of clients must wait until the journal can be written again.
    pub(super) fn stops_clients(&self) -> bool {
        self.has_failed && self.on_failure == OnFailure::Stop
    }

    /// Notes where a client has come from.
    pub(super) fn note_address(&mut self, hub: &Hub<'_>, conn: ConnId, address: String) {
        if let Some(identity) = hub.identity(conn) {
            self.clients.note_address(identity, address);
        }
    }

    /// Notes the key of a client that has a session.
    pub(super) fn note_key(&mut self, hub: &Hub<'_>, conn: ConnId, key: &Key) {
        if let Some(identity) = hub.identity(conn).filter(|_| self.has_place()) {
            self.clients.set_key(&mut self.batch, identity, resume::hash(key));
            self.journal.write(&mut self.batch);
        }
    }

    /// A client is about to go. If the server ends, it may come back to the next one.
    pub(super) fn forget_client(&mut self, hub: &Hub<'_>, conn: ConnId) {
        if let Some(identity) = hub.identity(conn) {
            let ending = hub.ending(conn).map(|(cause, _)| cause);
            let may_return = hub.is_shutting_down() && matches!(ending, None | Some(Cause::Shutdown));
            self.clients.forget(&mut self.batch, identity, may_return);
            self.journal.write(&mut self.batch);
        }
    }

    /// Until when clients of the server before this one may come back.
    pub(super) fn awaits_until(&self) -> Option<Clock> {
        self.clients.awaits_until()
    }

    /// Forgets those that have not come back in time.
    pub(super) fn expire(&mut self, now: Clock) {
        self.clients.expire(&mut self.batch, now);
        self.journal.write(&mut self.batch);
    }

    /// If the key is one of a client of the server before this one, the newcomer is that client. Returns its number
    /// in the journal.
    pub(super) fn know_again(
        &mut self,
        hub: &mut Taped<'_, Recording>,
        now: Instant,
        conn: ConnId,
        key: &Key,
    ) -> Option<u64> {
        let (hash, newcomer) = (resume::hash(key), hub.identity(conn)?);
        let identity = self.clients.earlier(&hash)?;
        if hub.handle(now, Input::Known { conn, identity }).taken() == 0 {
            // Others know of it already.
            return None;
        }
        self.clients.come_back(&hash, identity, newcomer);
        Some(identity.as_u64())
    }

    /// Whether the journal has nothing of the listener that a connection came to.
    pub(super) fn leaves_out(&self, hub: &Hub<'_>, conn: ConnId) -> bool {
        hub.listener(conn).is_some_and(|listener| self.shelves.leave_out(listener))
    }

    /// Whether clients of echo listeners must wait for place in the journal.
    pub(super) fn is_full(&self) -> bool {
        self.was_full && !self.drops()
    }

    /// Whether what finds no place is dropped. Without a journal, others must not wait for it.
    fn drops(&self) -> bool {
        self.has_failed && self.on_failure == OnFailure::Continue
    }

    /// Whether a client must wait until what was said in its room is shown.
    pub(super) fn holds_room(&self, conn: ConnId) -> bool {
        self.proposed.as_ref().is_some_and(|proposed| proposed.must_wait(conn))
    }

    /// Takes what clients want to say, as far as there is place.
    pub(super) fn take_proposals(&mut self, hub: &mut Taped<'_, Recording>, now: Instant) {
        let may_take = |keeper: &Self| keeper.proposed.as_ref().is_some_and(Proposed::has_place);
        while (may_take(self) || self.is_closing)
            && self.has_place()
            && let Some(proposal) = hub.next_proposal()
        {
            let (number, conn) = (proposal.number, proposal.conn);
            let place = hub.room(proposal.room);
            let is_taken = place.is_some();
            if let Some(place) = place
                && self.shelves.leave_out_room(place)
            {
                self.proposed.iter_mut().for_each(|proposed| proposed.take_unkept(&proposal));
            } else if let Some(place) = place {
                let room = self.shelves.number(&mut self.batch, proposal.room, place);
                self.clients.introduce(&mut self.batch, proposal.author);
                if let Some(proposed) = &mut self.proposed {
                    self.batch.propose(&proposed.take(&proposal), room);
                }
            }
            hub.handle(now, Input::Proposed { number });
            if !is_taken {
                // The author was alone there, and its connection broke.
                hub.handle(now, Input::Withdrawn { conn });
            }
        }
        self.journal.write(&mut self.batch);
    }

    /// Lets be said what is stored, as far as the rooms have place. Returns the clients for whom
    /// [`Keeper::holds_room`] has ended; `None` if nothing was done.
    pub(super) fn decide(
        &mut self,
        hub: &mut Taped<'_, Recording>,
        now: Instant,
        until: Clock,
    ) -> Option<Vec<ConnId>> {
        self.take_proposals(hub, now);
        let proposed = self.proposed.as_mut()?;
        proposed.decide(hub, now, until, self.has_failed).then(|| proposed.take_released())
    }

    /// Hands over what was said since the last time.
    pub(super) fn read(&mut self, hub: &mut Taped<'_, Recording>, now: Instant) {
        self.news = None;
        let drops = self.drops();
        let mut last = None;
        let mut topics = Vec::new();
        while drops || self.has_place() {
            match hub.read(self.follower) {
                Some(Followed::Record(record)) => {
                    last = Some(record.seq);
                    if self.shelves.leave_out_room(record.place) {
                        continue;
                    }
                    if drops && !self.has_place() {
                        drop_one(&mut self.dropped, record.seq, record.kind.is_message());
                        continue;
                    }
                    let (room, topic) = self.shelves.see(&mut self.batch, record.room, record.place);
                    topics.extend(topic.map(|topic| (record.room, topic)));
                    self.keep(&record, room);
                }
                Some(Followed::Lost(lost)) => {
                    last = Some(lost.last);
                    self.lose(lost);
                }
                None => break,
            }
        }
        if let Some(seq) = last {
            hub.handle(now, Input::Committed { follower: self.follower, seq });
        }
        for (room, topic) in topics {
            hub.handle(now, Input::Topic { room, topic: &topic });
        }
        self.journal.write(&mut self.batch);
        // How much it is, the keeper reads when there is place again. That may take long.
        if hub.lost(self.follower).is_some() && !std::mem::replace(&mut self.is_losing, true) {
            tracing::warn!("the journal is too slow, from now on messages are missing in it");
        }
    }

    /// Answers a question of the hub, at once or later.
    pub(super) fn want(&mut self, hub: &mut Taped<'_, Recording>, now: Instant, wanted: Wanted) {
        // What is asked for may not have been handed over yet.
        self.read(hub, now);
        let Some(place) = hub.room(wanted.room) else { return };
        if self.shelves.leave_out_room(place) {
            hub.handle(now, Input::Page { wanted, records: &[], has_gap: false });
            return;
        }
        let (id, topic) = self.shelves.see(&mut self.batch, wanted.room, place);
        if let Some(topic) = topic {
            hub.handle(now, Input::Topic { room: wanted.room, topic: &topic });
        }
        match wanted.span {
            _ if wanted.searches => {
                // If it does not wait any more, it needs no answer.
                let Some(words) = hub.words(wanted, &mut self.line).map(str::to_owned) else { return };
                self.ask_for_one(wanted, id, Some(words));
            }
            Span::From(from) => self.share(hub, now, wanted, id, from),
            Span::Last(_) => self.ask_for_one(wanted, id, None),
        }
    }

    /// Does what the journal's threads have to say. Returns the text that people must be told, and the clients whose
    /// bytes are stored by now.
    pub(super) fn listen(
        &mut self,
        hub: &mut Taped<'_, Recording>,
        now: Instant,
    ) -> (Option<&'static str>, Vec<ConnId>) {
        let mut notice = None;
        let events: Vec<_> = self.journal.events().collect();
        for event in events {
            match event {
                Event::Stored(mark) => {
                    self.stored.raise(mark);
                    if let Some((proposed, last)) = self.proposed.as_mut().zip(mark.proposal) {
                        proposed.note_stored(last);
                    }
                }
                Event::Failed(error) => notice = Some(self.fail(&error)),
                Event::Works => notice = self.work_again(),
                Event::Forgot(forgot) => {
                    if let Forgot::Done(_, rooms) = &forgot {
                        self.shelves.forget_topics(rooms);
                    }
                    self.forgotten.push(forgot);
                }
                Event::Page(page) => self.take_page(hub, now, page),
            }
        }
        self.read(hub, now);
        self.ask();
        self.was_full = !self.has_place();
        let stored = self.stored.bytes;
        let released = self.echoes.extract_if(|_, number| Some(*number) <= stored).map(|(conn, _)| conn);
        (notice, released.collect())
    }

    /// Deletes all that a client has said so far.
    pub(super) fn forget(&mut self, hub: &mut Taped<'_, Recording>, now: Instant, whom: Whom) {
        self.read(hub, now);
        self.journal.forget(whom);
    }

    /// What became of clients that are forgotten.
    pub(super) fn forgotten(&mut self) -> Vec<Forgot> {
        std::mem::take(&mut self.forgotten)
    }

    /// Writes what is left, and ends.
    pub(super) fn close(mut self, hub: &mut Taped<'_, Recording>, now: Instant) {
        self.is_closing = true;
        self.tell_pages();
        self.take_proposals(hub, now);
        self.read(hub, now);
        if let Err(error) = self.journal.close() {
            tracing::error!("the last messages are not in the journal: {error}");
        }
    }

    fn has_place(&self) -> bool {
        self.is_closing || self.batch.size() < parlour_journal::MOST_WAITING && self.journal.has_place()
    }

    fn keep(&mut self, record: &Record<'_>, room: i64) {
        self.unix_ms = record.unix_ms;
        self.clients.introduce(&mut self.batch, record.author);
        if record.kind == Kind::Topic
            && let Place::Chat(name) = record.place
        {
            self.shelves.set_topic(name, record.text);
        }
        self.batch.push(record, room);
        self.handed = Some(record.seq);
        if record.kind.is_message()
            && let Some(number) = self.proposed.as_mut().and_then(Proposed::read_back)
        {
            self.batch.settle(number);
        }
    }

    // --- What is missing ---

    fn lose(&mut self, lost: Lost) {
        self.is_losing = false;
        tracing::warn!(messages = lost.messages, "the journal was too slow, messages are missing in it");
        self.note_gap(lost);
    }

    fn note_gap(&mut self, Lost { first, last, records, messages }: Lost) {
        self.gaps.push((first, last));
        let unix_ms = self.unix_ms;
        self.batch.add_gap(Gap { first, last, records, messages, unix_ms });
    }

    fn fail(&mut self, error: &JournalError) -> &'static str {
        self.has_failed = true;
        match self.on_failure {
            OnFailure::Stop => {
                tracing::error!("the journal cannot be written: {error}; messages wait until it can");
                "the server cannot store what you say; please wait"
            }
            OnFailure::Continue => {
                tracing::error!("the journal cannot be written: {error}; going on without it");
                "the server cannot store what you say now"
            }
        }
    }

    fn work_again(&mut self) -> Option<&'static str> {
        self.has_failed = false;
        let (dropped, echo) = (self.dropped.take(), self.dropped_echo.take());
        if dropped.is_some() || echo.is_some() {
            let messages: u64 = [dropped, echo].iter().flatten().map(|lost| lost.messages).sum();
            tracing::warn!(messages, "the journal is written again; messages are missing in it");
            dropped.into_iter().for_each(|dropped| self.note_gap(dropped));
            // Echo listeners count for themselves, and nobody catches up on them.
            if let Some(Lost { first, last, records, messages }) = echo {
                let unix_ms = self.unix_ms;
                self.batch.add_gap(Gap { first, last, records, messages, unix_ms });
            }
        } else {
            tracing::info!("the journal is written again; nothing is missing");
        }
        Some("what you say is stored again")
    }
}

/// Counts something that was not handed over.
fn drop_one(dropped: &mut Option<Lost>, seq: u64, is_message: bool) {
    let dropped = dropped.get_or_insert(Lost { first: seq, last: seq, records: 0, messages: 0 });
    dropped.last = seq;
    dropped.records += 1;
    dropped.messages += u64::from(is_message);
}
