//! The links of a server. Input that the hub does not take yet is kept, and its socket is not read
//! until the hub has taken it. The hub decides when to read, write and close.

use std::time::{Duration, Instant as Clock};

use parlour_core::{Cause, Close, ConnId, Input};
use socket2::Socket;

use super::absents::Absents;
use super::base::{Base, Target};
use super::leftover::Leftover;
use super::link::{Link, Sent};
use crate::poll::Poller;
use crate::serve::peer::Peer;

/// The most bytes in one read, and the most while much input is left over.
const READ_SIZE: usize = 128 * 1024;
const SMALL_READ_SIZE: usize = 4 * 1024;
/// From this many bytes of leftovers on, reads are small.
const MANY_LEFTOVERS: usize = 4 * 1024 * 1024;
/// How often to check whether the peers of unread sockets are still there. A peer that was gone at
/// the last check is dropped.
const SWEEP_PAUSE: Duration = Duration::from_millis(400);
/// How many connections one turn checks in this way.
const SWEPT: usize = 1024;

pub(super) struct Links {
    /// The links, by slot.
    pub(super) links: Vec<Option<Link>>,
    /// The memory of all leftovers, in bytes.
    pub(super) left_over: usize,
    /// How many sockets are not read now, when to check them, and the slot to begin with.
    unread: usize,
    sweep_at: Option<Clock>,
    sweep_from: usize,
    /// A descriptor was closed, so a newcomer may have one.
    has_closed: bool,
    pub(super) buffer: Vec<u8>,
    /// Clients that may come back.
    pub(super) absents: Absents,
}

impl Links {
    /// `window`: how long a client may be away; `None`: nobody may come back.
    pub(super) fn new(window: Option<Duration>) -> Self {
        Self {
            links: Vec::new(),
            left_over: 0,
            unread: 0,
            sweep_at: None,
            sweep_from: 0,
            has_closed: false,
            buffer: vec![0; READ_SIZE],
            absents: Absents::new(window),
        }
    }

    pub(super) fn open<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId, socket: Socket, peer: Peer) {
        let (index, name) = (id.slot(), base.hub.name(id));
        base.report.connected(peer, name);
        let link = Link::new(id, socket, peer, name);
        base.note_address(id, peer);
        base.watch(link.fd(), Target::Conn(id), true, false);
        if index >= self.links.len() {
            self.links.resize_with(index + 1, || None);
        }
        self.links[index] = Some(link);
    }

    pub(super) fn link(&mut self, id: ConnId) -> Option<&mut Link> {
        self.links.get_mut(id.slot())?.as_mut().filter(|link| link.id == id)
    }

    /// The names of the clients that have one, in order.
    pub(super) fn names<P: Poller>(&self, base: &Base<'_, P>) -> Vec<String> {
        let links = self.links.iter().flatten().chain(self.absents.links());
        let names = links.map(|link| base.hub.name(link.id).to_owned());
        let mut names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        names
    }

    /// Notes that a socket takes bytes again.
    pub(super) fn note_writable(&mut self, id: ConnId) {
        if let Some(link) = self.link(id) {
            link.is_full = false;
        }
    }

    /// Whether a descriptor was closed since [`Links::forget_closed`].
    pub(super) fn has_closed(&self) -> bool {
        self.has_closed
    }

    pub(super) fn forget_closed(&mut self) {
        self.has_closed = false;
    }

    /// Reads once, if the hub wants that. Returns whether the hub left some of the input.
    pub(super) fn read<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) -> bool {
        if self.link(id).is_some_and(|link| link.session.is_some()) {
            return self.read_session(base, id);
        }
        let most = if self.left_over > MANY_LEFTOVERS { SMALL_READ_SIZE } else { READ_SIZE };
        let appetite = base.hub.interest(id).read.min(most);
        let link = self.links.get(id.slot()).and_then(Option::as_ref);
        let may_read =
            |link: &&Link| link.id == id && appetite > 0 && link.leftover.is_empty() && !base.must_wait(id);
        let Some(link) = link.filter(may_read) else {
            self.service(base, id);
            return false;
        };
        match link.read(&mut self.buffer[..appetite]) {
            Ok(None) => false,
            Ok(Some(0)) => {
                match link.broken {
                    Some(cause) => self.fail(base, id, cause),
                    None => drop(base.handle(Input::PeerClosed { conn: id })),
                }
                false
            }
            Ok(Some(count)) if base.hold(id, &self.buffer[..count]) => {
                let leftover = Leftover::new(&self.buffer[..count]);
                self.keep(id, leftover);
                self.service(base, id);
                false
            }
            Ok(Some(count)) => {
                if base.is_chat(id) && !link.sieve.is_text(&self.buffer[..count]) {
                    return self.sift(base, id, count);
                }
                let taken = base.receive(id, &self.buffer[..count]);
                if taken < count {
                    let leftover = Leftover::new(&self.buffer[taken..count]);
                    self.keep(id, leftover);
                }
                taken < count
            }
            Err(cause) => {
                self.fail(base, id, cause);
                false
            }
        }
    }

    /// Does what the hub wants with a connection: offers the input that is left, writes, closes, and
    /// watches for the rest.
    pub(super) fn service<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        let must_wait = base.must_wait(id);
        if !must_wait {
            self.offer_leftover(base, id);
        }
        self.tell_end(base, id);
        self.write(base, id);
        self.say_bye(base, id);
        let interest = base.hub.interest(id);
        let Some(link) = self.link(id) else { return self.service_absent(base, id) };
        let has_unsent = link.session.as_ref().is_some_and(|session| session.stream.has_unsent());
        match interest.close {
            Close::No => {}
            Close::Write if link.is_shut || has_unsent => {}
            Close::Write => {
                link.shut();
                report_end(base, link, Cause::Left);
            }
            Close::Full => return self.close(base, id),
            Close::Abort => {
                link.reset_when_closed();
                return self.close(base, id);
            }
        }
        let read = match link.session {
            None => interest.read > 0 && link.leftover.is_empty() && !must_wait,
            Some(_) => link.session_appetite() > 0,
        };
        let write = (interest.write || has_unsent) && link.is_full;
        let fd = link.fd();
        if std::mem::replace(&mut link.is_read, read) != read {
            self.count_unread(read);
        }
        base.watch(fd, Target::Conn(id), read, write);
    }

    /// As [`Links::service`], for each connection.
    pub(super) fn service_all<P: Poller>(&mut self, base: &mut Base<'_, P>) {
        for slot in 0..self.links.len() {
            if let Some(id) = self.links[slot].as_ref().map(|link| link.id) {
                self.service(base, id);
            }
        }
    }

    /// Reports the name of a connection, if it has changed.
    pub(super) fn report_name<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        let name = base.hub.name(id);
        if let Some(link) = self.link(id)
            && link.is_renamed(name)
        {
            base.report.renamed(link.peer, name);
        }
    }

    /// Reports that a connection has skipped messages, if it has since the last call.
    pub(super) fn report_skip<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        if let Some(link) = self.link(id)
            && let Some(missed) = base.hub.missed(id)
            && link.has_skipped(missed)
        {
            base.report.skipped(link.peer, base.hub.name(id), missed.0);
        }
    }

    /// Counts one more socket that is read, or one more that is not.
    fn count_unread(&mut self, is_read: bool) {
        if is_read {
            self.unread -= 1;
        } else {
            self.unread += 1;
            self.sweep_at.get_or_insert_with(|| Clock::now() + SWEEP_PAUSE);
        }
    }

    /// The time of the next [`Links::sweep`], or of the next [`Links::expire`].
    pub(super) fn sweep_at(&self) -> Option<Clock> {
        self.sweep_at.into_iter().chain(self.absents.next_at()).min()
    }

    /// Checks which peers of unread sockets have gone, and drops those that were gone at the last check
    /// too. Until then, their earlier messages can still be passed on.
    pub(super) fn sweep<P: Poller>(&mut self, base: &mut Base<'_, P>, now: Clock) {
        if self.sweep_at.is_none_or(|at| at > now) {
            return;
        }
        let mut looks = 0;
        while looks < SWEPT && self.sweep_from < self.links.len() {
            let link = self.links[self.sweep_from].as_mut();
            self.sweep_from += 1;
            let Some(link) = link.filter(|link| !link.is_read) else { continue };
            looks += 1;
            let id = link.id;
            if let Some(cause) = link.broken {
                self.lose(base, id, cause);
            } else if let Some(cause) = link.take_error() {
                link.broken = Some(cause);
                self.service(base, id);
            }
        }
        if self.sweep_from < self.links.len() {
            self.sweep_at = Some(now);
        } else {
            self.sweep_from = 0;
            self.sweep_at = (self.unread > 0).then_some(now + SWEEP_PAUSE);
        }
    }

    fn offer_leftover<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        let Some(link) = self.link(id).filter(|link| !link.leftover.is_empty()) else { return };
        let mut leftover = std::mem::take(&mut link.leftover);
        self.left_over -= leftover.size();
        leftover.offer(base, id);
        self.keep(id, leftover);
    }

    pub(super) fn keep(&mut self, id: ConnId, leftover: Leftover) {
        let size = leftover.size();
        if let Some(link) = self.link(id) {
            link.leftover = leftover;
            self.left_over += size;
        }
    }

    /// Writes once, if there is output.
    fn write<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        if self.link(id).is_some_and(|link| link.session.is_some()) {
            return self.write_session(base, id);
        }
        let Some(link) = self.link(id).filter(|link| !link.is_full) else { return };
        let mut sent = Sent::Some(0);
        base.send(id, |transmit| sent.note(link.write(transmit)));
        if let Sent::Broken(cause) = sent {
            // The output can never be sent.
            link.broken = Some(cause);
            base.send(id, |transmit| sent.note(link.write(transmit)));
        }
        link.is_full = matches!(sent, Sent::Some(_));
    }

    pub(super) fn fail<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId, cause: Cause) {
        self.let_go(base, id, cause);
        base.handle(Input::Failed { conn: id, cause });
    }

    fn close<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        self.let_go(base, id, Cause::Left);
        base.handle(Input::Closed { conn: id });
    }

    /// Closes the socket. `cause` is the reason if the hub did not end the connection itself.
    fn let_go<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId, cause: Cause) {
        let Some(link) = self.take_link(base, id) else { return };
        if !link.is_shut {
            report_end(base, &link, cause);
        }
        base.forget_client(id);
        self.absents.forget(&link);
    }

    /// Takes a link out. Its socket is watched no more.
    pub(super) fn take_link<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) -> Option<Link> {
        let link = self.links.get_mut(id.slot()).and_then(|link| link.take_if(|link| link.id == id))?;
        self.left_over -= link.leftover.size();
        self.unread -= usize::from(!link.is_read);
        self.has_closed = true;
        base.unwatch(link.fd());
        Some(link)
    }
}

/// Reports that a connection has ended. The hub says why; otherwise it is this cause.
pub(super) fn report_end<P: Poller>(base: &mut Base<'_, P>, link: &Link, cause: Cause) {
    let (cause, given) = base.hub.ending(link.id).unwrap_or((cause, ""));
    base.report.disconnected(link.peer, base.hub.name(link.id), cause, given);
}
