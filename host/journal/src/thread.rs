//! The threads of a journal, and how the loop talks to them.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::aside;
use crate::batch::{Batch, Mark};
use crate::chores::Chores;
use crate::error::JournalError;
use crate::file::{Known, Sync, Writable, open_to_read};
use crate::find::Searcher;
use crate::forget::{Forgot, Whom};
use crate::page::{Page, Question, read_page};
use crate::records::Records;
use crate::removed::{Removals, Removed};
use crate::retention::Keep;
use crate::writer::Writer;

/// The most bytes that wait for the disk, besides one batch.
pub const MOST_WAITING: usize = 8 << 20;
/// Commits begin at least so far apart, if little waits and nobody waits for it. A commit costs the disk the same
/// for one record and for thousands.
const BETWEEN: Duration = Duration::from_millis(10);
/// If so many bytes wait, the next commit begins at once.
const MUCH: usize = 256 << 10;
/// How long to wait after a failure.
const AGAIN: Duration = Duration::from_secs(1);

/// How a journal is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// What a commit waits for.
    pub sync: Sync,
    /// How long messages are kept. `None`: for ever.
    pub keep: Option<Keep>,
}

/// What a journal tells the loop.
#[derive(Debug)]
pub enum Event<T> {
    /// Something was written. Everything up to these numbers is in the file.
    Stored(Mark),
    /// The file cannot be written. The journal keeps what it has, and tries again. Told once.
    Failed(JournalError),
    /// It can be written again, and everything that waited is in it.
    Works,
    /// The answer to a question. If the file could not be read, it is empty and has a gap.
    Page(Page<T>),
    /// What became of a wish to forget.
    Forgot(Forgot),
}

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal<T> {
    shared: Arc<Shared>,
    events: Receiver<Event<T>>,
    /// `None` once it is closed.
    questions: Option<Sender<Question<T>>>,
    woken: UnixStream,
    writer: Option<JoinHandle<()>>,
    reader: Option<JoinHandle<()>>,
    searcher: Searcher<T>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    removed: Removed,
    /// How many pages the reader's thread has read.
    pages_read: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    batch: Batch,
    wishes: Vec<Whom>,
    is_closing: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A thread that panicked left a batch that is whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a thread puts events. The loop wakes up for each.
#[derive(Debug)]
struct Mouth<T> {
    events: Sender<Event<T>>,
    waker: UnixStream,
}

impl<T> Mouth<T> {
    fn say(&mut self, event: Event<T>) {
        // If nobody listens, or the loop is awake anyway, nothing is lost.
        let _ = self.events.send(event);
        let _ = self.waker.write(&[0]);
    }
}

impl<T: Send + 'static> Journal<T> {
    /// Opens a journal, or makes one, and starts its threads. Returns what it knows from before.
    ///
    /// # Errors
    /// The file cannot be used. Then it is as it was.
    pub fn open(path: &Path, options: Options) -> Result<(Self, Known), JournalError> {
        let (mut file, mut known) = Writable::open(path, options.sync)?;
        known.next_seq += file.adopt()?;
        let db = open_to_read(path)?;
        let (woken, waker) = UnixStream::pair().map_err(JournalError::File)?;
        woken.set_nonblocking(true).map_err(JournalError::File)?;
        waker.set_nonblocking(true).map_err(JournalError::File)?;
        let (events, received) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let again = waker.try_clone().map_err(JournalError::File)?;
        let mut of_searcher =
            Mouth { events: events.clone(), waker: again.try_clone().map_err(JournalError::File)? };
        let searcher = Searcher::start(open_to_read(path)?, move |page| of_searcher.say(Event::Page(page)))
            .map_err(JournalError::File)?;
        let mut mouth = Mouth { events: events.clone(), waker };
        let (questions, asked) = mpsc::channel::<Question<T>>();
        let of_reader = shared.clone();
        let reader = aside::start("journal reader", move || {
            for Question { token, room, span, until, words } in asked {
                let removals = of_reader.removed.now();
                let page = read_page(&db, Question { token: (), room, span, until, words });
                of_reader.pages_read.fetch_add(1, Ordering::Relaxed);
                mouth.say(Event::Page(match page {
                    Ok(Page { token: (), records, has_gap, is_whole, .. }) => {
                        Page { token, records, has_gap, is_whole, removals }
                    }
                    Err(_) => {
                        Page { token, records: Records::default(), has_gap: true, is_whole: false, removals }
                    }
                }));
            }
        });
        let mouth = Mouth { events, waker: again };
        let (path, to_share) = (path.to_owned(), shared.clone());
        let rooms: Vec<_> = known.rooms.iter().map(|room| (room.id, room.name.clone())).collect();
        let writer = aside::start("journal writer", move || {
            let writer = Writer::new(rooms);
            let chores = Chores::new(options.keep);
            Work { path, options, shared: to_share, mouth, writer, chores }.run(Some(file));
        });
        let journal = Self {
            shared,
            events: received,
            questions: Some(questions),
            woken,
            writer: Some(writer.map_err(JournalError::File)?),
            reader: Some(reader.map_err(JournalError::File)?),
            searcher,
        };
        Ok((journal, known))
    }

    /// Can be read when there are events.
    pub fn wake_fd(&self) -> RawFd {
        self.woken.as_raw_fd()
    }

    /// Whether the loop may hand over more.
    pub fn has_place(&self) -> bool {
        self.shared.lock().batch.size() < MOST_WAITING
    }

    /// Hands over a batch, and leaves it empty.
    pub fn write(&self, batch: &mut Batch) {
        if !batch.is_empty() {
            self.shared.lock().batch.take(batch);
            self.shared.changed.notify_one();
        }
    }

    /// Asks for a page. [`Event::Page`] has the answer.
    pub fn ask(&self, question: Question<T>) {
        if question.words.is_some() {
            return self.searcher.ask(question);
        }
        if let Some(questions) = &self.questions {
            // The reader ends after this does.
            let _ = questions.send(question);
        }
    }

    /// What was taken out of the file so far. A page with [`Page::removals`] that differ may have more than the file
    /// has now.
    pub fn removals(&self) -> Removals {
        self.shared.removed.now()
    }

    /// How many pages were read from the file, without those that searches found.
    pub fn pages_read(&self) -> u64 {
        self.shared.pages_read.load(Ordering::Relaxed)
    }

    /// Deletes all that a client has said, when what was handed over is written. [`Event::Forgot`] says how far
    /// that is.
    pub fn forget(&self, whom: Whom) {
        self.shared.lock().wishes.push(whom);
        self.shared.changed.notify_one();
    }

    /// What has happened.
    pub fn events(&self) -> impl Iterator<Item = Event<T>> {
        let mut bytes = [0; 256];
        while matches!((&self.woken).read(&mut bytes), Ok(count) if count == bytes.len()) {}
        self.events.try_iter()
    }

    /// Writes what waits, and ends. Returns why the rest could not be written.
    ///
    /// # Errors
    /// Something that was handed over is not in the file.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.end();
        let failed = self.events.try_iter().filter_map(|event| match event {
            Event::Failed(error) => Some(Err(error)),
            Event::Works => Some(Ok(())),
            Event::Stored(_) | Event::Page(_) | Event::Forgot(_) => None,
        });
        failed.last().unwrap_or(Ok(()))
    }
}

impl<T> Journal<T> {
    /// Lets the threads do what is left, and waits for them.
    fn end(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.changed.notify_one();
        self.questions = None;
        for thread in [self.writer.take(), self.reader.take(), self.searcher.end()].into_iter().flatten() {
            // A panic was printed already.
            let _ = thread.join();
        }
    }
}

impl<T> Drop for Journal<T> {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the writer's thread has.
struct Work<T> {
    path: PathBuf,
    options: Options,
    shared: Arc<Shared>,
    mouth: Mouth<T>,
    writer: Writer,
    chores: Chores,
}

impl<T> Work<T> {
    fn run(mut self, mut file: Option<Writable>) {
        let mut batch = Batch::default();
        let mut has_failed = false;
        let mut is_idle = false;
        loop {
            let is_closing =
                if batch.is_empty() { self.take(&mut batch, is_idle) } else { self.shared.lock().is_closing };
            if batch.is_empty() && !is_closing {
                is_idle = !self.do_chores(&mut file);
                continue;
            }
            if batch.is_empty() {
                break;
            }
            let began = Instant::now();
            match self.store(&mut file, &batch) {
                Ok(()) => {
                    is_idle = false;
                    let mark = batch.mark();
                    batch.clear();
                    self.mouth.say(Event::Stored(mark));
                    if std::mem::take(&mut has_failed) {
                        self.mouth.say(Event::Works);
                    }
                    let is_much = self.shared.lock().batch.size() >= MUCH;
                    if self.chores.is_due(is_much) {
                        self.do_chores(&mut file);
                    }
                    self.gather(began);
                }
                Err(error) => {
                    if !std::mem::replace(&mut has_failed, true) || is_closing {
                        self.mouth.say(Event::Failed(error));
                    }
                    if is_closing {
                        return;
                    }
                    self.pause(AGAIN);
                }
            }
        }
        if let Some(Err(error)) = file.map(Writable::close) {
            self.mouth.say(Event::Failed(error));
        }
    }

    /// Does a piece of what can wait. Returns whether there is more.
    fn do_chores(&mut self, file: &mut Option<Writable>) -> bool {
        let Some(file) = file else { return false };
        let (has_more, told) = self.chores.work(&mut file.db, &mut self.writer, &self.shared.removed);
        if let Some(told) = told {
            self.mouth.say(Event::Forgot(told));
        }
        has_more
    }

    /// Waits until there is something to write, or something else to do. Returns whether the journal closes.
    fn take(&mut self, batch: &mut Batch, is_idle: bool) -> bool {
        let mut waiting = self.shared.lock();
        while waiting.batch.is_empty() && waiting.wishes.is_empty() && !waiting.is_closing && is_idle {
            let Some(at) = self.chores.next_at() else {
                waiting = self.shared.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(time) = at.checked_duration_since(Instant::now()) else { break };
            let woken = self.shared.changed.wait_timeout(waiting, time);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::swap(&mut waiting.batch, batch);
        waiting.wishes.drain(..).for_each(|whom| self.chores.forget(whom));
        waiting.is_closing
    }

    /// Waits for more, after a commit that began then. If somebody waits for the next one, it begins when the disk
    /// had as long a rest as the last one took. So many lines share a commit if commits are slow.
    fn gather(&self, began: Instant) {
        let took = began.elapsed();
        let mut waiting = self.shared.lock();
        while waiting.batch.size() < MUCH && !waiting.is_closing {
            let apart = if waiting.batch.is_awaited() { BETWEEN.min(2 * took) } else { BETWEEN };
            let left = apart.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            let woken = self.shared.changed.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for this long, or until the journal closes.
    fn pause(&self, time: Duration) {
        let waiting = self.shared.lock();
        drop(self.shared.changed.wait_timeout_while(waiting, time, |waiting| !waiting.is_closing));
    }

    fn store(&mut self, file: &mut Option<Writable>, batch: &Batch) -> Result<(), JournalError> {
        if let Some(open) = file
            && !open.is_at(&self.path).map_err(JournalError::File)?
        {
            *file = None;
            return Err(JournalError::Gone);
        }
        let open = match file {
            Some(open) => open,
            None => {
                let open = file.insert(Writable::open(&self.path, self.options.sync)?.0);
                self.writer.begin_anew(&open.db)?;
                self.chores.begin_anew();
                open
            }
        };
        self.writer.write(&mut open.db, batch)?;
        Ok(())
    }
}
