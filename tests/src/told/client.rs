//! A client: what it must be told, and how far what it was told agrees with that.

use std::collections::VecDeque;

use parlour_core::{ConnId, Identity, Kind, Listener, OnLag, Protocol};

use super::looks::Look;
use super::render::View;
use super::said::{Said, Where};
use super::tally::Tally;

/// A record that a client must be told.
#[derive(Clone, Debug)]
struct Due {
    /// Its place in the list of all that was said.
    index: usize,
    /// It was said before the client came into its room.
    is_history: bool,
    /// How often it had come into a room when it had to be told this.
    stay: u32,
    /// It need not be told.
    may_lack: bool,
    is_message: bool,
    /// As it looks to this client, and as it looks if it is marked as past.
    plain: Vec<u8>,
    past: Vec<u8>,
}

/// A notice that something is left out here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    /// So many messages.
    Messages(u32),
    Some,
}

/// A line for one client alone.
#[derive(Clone, Debug)]
struct Alone {
    text: String,
    /// It was not told before so much was said, and was told before more than that was said.
    from: usize,
    until: Option<usize>,
}

/// What a client may be told besides what it must be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// The driver keeps records, and its pages are good. Nobody loses any for want of a page.
    pub(super) is_good: bool,
    /// Some are shown what was said before they came.
    pub(super) has_history: bool,
    /// There may be no place to note how far a client is behind.
    pub(super) is_short: bool,
}

pub(super) struct Client {
    pub(super) conn: ConnId,
    pub(super) listener: Listener,
    pub(super) view: View,
    terms: Terms,
    pub(super) tally: Tally,
    pub(super) name: String,
    pub(super) identity: Option<Identity>,
    /// The room that it is in; none once it is leaving.
    pub(super) place: Option<Where>,
    /// How often it has come into a room.
    pub(super) stays: u32,
    /// The others were told that it is there.
    pub(super) is_known: bool,
    due: Vec<Due>,
    /// How much of that it may have been told. There is more than one answer after a gap, if lines look the
    /// same.
    at: Vec<usize>,
    gap: Option<Gap>,
    /// There may be gaps that it was told of earlier.
    is_vague: bool,
    alone: VecDeque<Alone>,
    /// It waits for messages that it has asked for.
    pub(super) look: Option<Look>,
    /// It was told who is there. The list of names may go on.
    was_here: bool,
    /// It may have been left behind, so what it is told may be marked as past.
    pub(super) may_be_behind: bool,
    /// Bytes of something that it has only in part.
    got: Vec<u8>,
    /// Records that it was told whole just now, without a mark that they are past: their places in the list.
    pub(super) unmarked: Vec<usize>,
    /// How much it had to be told when it was last seen not to leave.
    due_while_open: usize,
    /// Input that the hub has not taken.
    pub(super) input: Vec<u8>,
    /// Input that the hub has taken, and that is no whole line.
    pub(super) line: Vec<u8>,
    /// What the others must see of it, in this order.
    pub(super) doing: VecDeque<(Kind, Vec<u8>)>,
    /// Bytes to a relay that the others must see.
    pub(super) relayed: VecDeque<u8>,
    /// The driver has said that it sends no more.
    pub(super) has_ended: bool,
    /// How many bytes it reads at once at the most.
    pub(super) appetite: usize,
}

impl Client {
    pub(super) fn new(conn: ConnId, listener: Listener, view: View, terms: Terms, place: Where) -> Self {
        Self {
            conn,
            listener,
            view,
            terms,
            tally: Tally::default(),
            name: String::new(),
            identity: None,
            place: Some(place),
            stays: 0,
            is_known: false,
            due: Vec::new(),
            at: vec![0],
            gap: None,
            is_vague: false,
            alone: VecDeque::new(),
            look: None,
            was_here: false,
            may_be_behind: false,
            got: Vec::new(),
            unmarked: Vec::new(),
            due_while_open: 0,
            input: Vec::new(),
            line: Vec::new(),
            doing: VecDeque::new(),
            relayed: VecDeque::new(),
            has_ended: false,
            appetite: usize::MAX,
        }
    }

    pub(super) fn is_chat(&self) -> bool {
        self.listener.protocol == Protocol::Chat
    }

    pub(super) fn on_lag(&self) -> OnLag {
        self.listener.on_lag
    }

    /// Whether all that it is told comes in the order in which it was made: what is told late does not, and
    /// the notice of a gap is newer than the gap.
    pub(super) fn is_in_order(&self) -> bool {
        matches!(self.on_lag(), OnLag::Disconnect | OnLag::Wait) && !self.terms.has_history
    }

    /// Whether it has a part of a record or of a line.
    pub(super) fn has_half(&self) -> bool {
        !self.got.is_empty()
    }

    // --- What it must be told ---

    /// A record was said in its room, and is not its own. `index`: its place in the list.
    pub(super) fn must_be_told(&mut self, index: usize, said: &Said, is_history: bool, may_lack: bool) {
        let [plain, past] = [false, true].map(|is_past| self.view.of(said, is_past));
        if !plain.is_empty() {
            let is_message = said.kind.is_message();
            let stay = self.stays;
            self.due.push(Due { index, is_history, stay, may_lack, is_message, plain, past });
        }
    }

    /// It must be told a text alone: after `from` records were said, and before more than `until` were.
    pub(super) fn must_be_told_alone(&mut self, text: String, from: usize, until: Option<usize>) {
        self.alone.push_back(Alone { text, from, until });
    }

    /// What it is told alone was made before more than this was said.
    pub(super) fn was_answered(&mut self, until: usize) {
        self.alone.iter_mut().for_each(|alone| _ = alone.until.get_or_insert(until));
    }

    /// It does not leave.
    pub(super) fn is_open(&mut self) {
        self.due_while_open = self.due.len();
    }

    /// It has left during the last input. So it may or may not be told what was said meanwhile, and what was
    /// said before it came.
    pub(super) fn has_left(&mut self) {
        self.place = None;
        self.due[self.due_while_open..].iter_mut().for_each(|due| due.may_lack = true);
        self.due.iter_mut().for_each(|due| due.may_lack |= due.is_history);
    }

    // --- What it is told ---

    /// It was sent more bytes.
    pub(super) fn gets(&mut self, bytes: &[u8]) {
        // What was begun may have been given up by the log since.
        let mut is_rest = self.has_half();
        self.got.extend(bytes);
        self.unmarked.clear();
        if self.is_chat() {
            while let Some(end) = self.got.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.got.drain(..=end).collect();
                self.gets_line(&line);
                if std::mem::take(&mut is_rest) {
                    self.unmarked.clear();
                }
            }
        } else {
            self.gets_bytes();
        }
    }

    /// The bytes of a relay: nothing stands between records, nothing is for one client alone, and there are
    /// no gaps.
    fn gets_bytes(&mut self) {
        while !self.got.is_empty() {
            let Some(due) = self.due.get(self.at[0]) else { self.fail("more than was said", &self.got) };
            let looks = [Some(&due.plain), Some(&due.past).filter(|_| self.may_be_behind)];
            if let Some(bytes) = looks.iter().flatten().find(|bytes| self.got.starts_with(bytes)) {
                self.got.drain(..bytes.len());
                self.at[0] += 1;
            } else if looks.iter().flatten().any(|bytes| bytes.starts_with(&self.got)) {
                return;
            } else {
                self.fail("other bytes", &self.got);
            }
        }
    }

    fn gets_line(&mut self, line: &[u8]) {
        if self.gets_look(line) {
            return;
        }
        if let Some(text) = self.view.alone(line) {
            let missed = text.strip_prefix("you missed ").and_then(|rest| rest.strip_suffix(" messages"));
            if let Some(missed) = missed {
                return self.gets_gap(missed);
            }
            let is_list = text.starts_with("here: ");
            let first = self.alone.front();
            if let Some(alone) = first.filter(|alone| alone.text == text || is_list && alone.text == "here: ")
            {
                let from = alone.from;
                self.alone.pop_front();
                self.was_here |= is_list;
                if self.is_in_order() && self.gap.is_none() {
                    let (due, before) = (&self.due, self.at.clone());
                    self.at.retain(|at| due[*at..].iter().all(|due| due.may_lack || due.index >= from));
                    assert!(!self.at.is_empty(), "{text:?} comes too early: {before:?}, {}", self.shown());
                }
                return;
            }
            if is_list && self.was_here {
                return;
            }
        }
        self.gets_record(line);
    }

    fn gets_gap(&mut self, missed: &str) {
        let gap = match missed.parse() {
            Ok(count) => {
                let may_skip = match self.on_lag() {
                    OnLag::Skip => true,
                    // One that has left only reads on to where it left.
                    OnLag::Replay => self.terms.is_short || self.place.is_none(),
                    OnLag::Disconnect | OnLag::Wait => false,
                };
                assert!(may_skip, "a gap: {}", self.shown());
                // One that is left behind after a gap, and jumps ahead again before it was told of the gap, is
                // told of both where the first one is.
                self.tally.note("counted gap");
                self.is_vague |= self.on_lag() == OnLag::Replay && self.terms.is_short;
                Gap::Messages(count)
            }
            Err(_) => {
                assert_eq!(missed, "some");
                assert!(!self.terms.is_good, "all pages are there: {}", self.shown());
                assert!(self.on_lag() == OnLag::Replay || self.terms.has_history, "{}", self.shown());
                self.tally.note("gap of any length");
                Gap::Some
            }
        };
        self.gap = Some(match (self.gap, gap) {
            (Some(Gap::Messages(before)), Gap::Messages(count)) => Gap::Messages(before + count),
            (Some(_), _) => Gap::Some,
            (None, gap) => gap,
        });
    }

    fn gets_record(&mut self, line: &[u8]) {
        let is_it = |place: &usize| match self.due.get(*place) {
            Some(due) if due.is_history => due.past == line,
            Some(due) => due.plain == line || self.may_be_behind && due.past == line,
            None => false,
        };
        let mut next: Vec<usize> =
            self.at.iter().flat_map(|at| self.may_follow(*at)).filter(is_it).map(|place| place + 1).collect();
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            self.fail("another line", line);
        }
        if let Some(alone) = self.alone.front().filter(|_| self.is_in_order() && self.gap.is_none()) {
            let is_early = |place: &usize| alone.until.is_none_or(|until| self.due[place - 1].index < until);
            assert!(next.iter().any(is_early), "{alone:?} comes first: {}", self.shown());
        }
        if let [place] = next[..] {
            let due = &self.due[place - 1];
            if due.plain == line && due.past != line {
                self.unmarked.push(due.index);
            }
            match due.is_history {
                true => self.tally.note("history"),
                false if due.plain != line => self.tally.note("late"),
                false => {}
            }
        }
        (self.at, self.gap) = (next, None);
    }

    /// Which record may come next, if it was told so many.
    fn may_follow(&self, at: usize) -> Vec<usize> {
        let rest = &self.due[at..];
        if self.is_vague {
            return (at..=self.due.len()).collect();
        }
        match self.gap {
            Some(Gap::Some) => (at..=self.due.len()).collect(),
            Some(Gap::Messages(missed)) => {
                let is_missed = |due: &&Due| due.is_message && !due.is_history;
                let messages = |count: usize| rest[..count].iter().filter(is_missed).count();
                (0..=rest.len())
                    .filter(|count| messages(*count) == missed as usize)
                    .map(|count| at + count)
                    .collect()
            }
            // What is left of the history is told whole.
            None if self.terms.is_good && self.place.is_some() && self.is_within_history(at) => vec![at],
            None => {
                let lacking = rest.iter().take_while(|due| due.may_lack).count();
                (at..=at + lacking).collect()
            }
        }
    }

    /// Whether it was told some of the history, and not the last of it.
    fn is_within_history(&self, at: usize) -> bool {
        let told = at.checked_sub(1).map(|last| &self.due[last]).filter(|due| due.is_history);
        let next = self.due.get(at).filter(|due| due.is_history);
        told.zip(next).is_some_and(|(told, next)| told.stay == next.stay)
    }

    /// Whether it was told everything.
    pub(super) fn knows_all(&self) -> bool {
        // After a gap too, it need not be told what was said while it left.
        let is_end = |place: usize| self.due[place..].iter().all(|due| due.may_lack);
        // What it had to wait for does not happen any more when it leaves.
        let is_told = |alone: &Alone| self.place.is_none() && alone.until.is_none();
        self.got.is_empty()
            && (self.look.is_none() || self.place.is_none())
            && self.alone.iter().all(is_told)
            && self.at.iter().any(|at| self.may_follow(*at).into_iter().any(is_end))
    }

    /// Whether it was told all that is for it alone.
    pub(super) fn is_answered(&self) -> bool {
        self.alone.is_empty()
    }

    /// Whether it was told everything, and nothing may come late.
    pub(super) fn knows_all_for_sure(&self) -> bool {
        self.knows_all() && self.gap != Some(Gap::Some) && !self.is_vague
    }

    /// It was told everything, so nothing before this is told any more. After a gap of any length more may
    /// still come.
    pub(super) fn is_up_to_date(&mut self) {
        if self.knows_all_for_sure() {
            (self.at, self.gap) = (vec![self.due.len()], None);
            // From a bad store it may still wait for a page of nothing but its own.
            self.may_be_behind &= !self.terms.is_good;
        }
    }

    #[track_caller]
    fn fail(&self, what: &str, bytes: &[u8]) -> ! {
        panic!("{what}: {:?}; {}", String::from_utf8_lossy(bytes), self.shown());
    }

    pub(super) fn shown(&self) -> String {
        let at = self.at.first().copied().unwrap_or_default();
        let due: Vec<_> = self.due[at..]
            .iter()
            .take(6)
            .map(|due| (due.index, due.is_history, due.may_lack, String::from_utf8_lossy(&due.plain)))
            .collect();
        format!(
            "{:?} {} of {:?} {:?} in {:?}, told {:?} of {}, {:?}, alone {:?}, asked {:?}, next {due:?}; \
             does {:?}, relays {:?}, and has not sent {:?}",
            self.conn,
            self.name,
            self.listener.protocol,
            (self.view, self.on_lag()),
            self.place,
            self.at,
            self.due.len(),
            self.gap,
            self.alone,
            self.look,
            self.doing,
            self.relayed,
            String::from_utf8_lossy(&self.input),
        )
    }
}
