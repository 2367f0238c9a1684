//! The journal of parlour: what was said, in a SQLite file.
//!
//! ```text
//!  the server's loop          the writer's thread           the reader's thread
//!  Batch ── write ──────────► one transaction for each      Question ──► a page of
//!  (bounded)                  batch, then `Stored`          records, then `Page`
//!        ◄── events ──────────┴─────────────────────────────┘
//! ```
//!
//! The loop never waits for the disk. It hands over what it has read as a [`Batch`], and goes on. If the disk
//! is slower, what waits stays below [`MOST_WAITING`] bytes, and [`Journal::has_place`] tells the loop to read no
//! more. If the file cannot be written, the writer keeps what it has, says so once, and tries again each second.
//!
//! Messages with some words are looked for by a thread of its own, so a search delays no page.
//!
//! A driver that shows only what is stored hands it over as a proposal ([`Batch::propose`]), waits for
//! [`Event::Stored`], and shows it. Then it hands over the record that the proposal has become
//! ([`Batch::settle`]). One transaction writes the record and deletes the proposal. It is the first commit
//! of the two that somebody waits for, and one commit does both for many lines, so the disk syncs no more often.
//!
//! The file is for people too: [`schema`] has its tables, and [`History`] reads it from beginning to end.

mod aside;
mod backup;
mod batch;
mod chores;
mod error;
mod file;
mod find;
mod forget;
mod history;
mod kinds;
mod page;
mod records;
mod removal;
mod removed;
mod retention;
pub mod schema;
mod search;
mod spans;
mod state;
mod stored;
mod thread;
mod writer;

pub use backup::{Backup, BackupError};
pub use batch::{Batch, Gap, KeyHash, Mark};
pub use error::JournalError;
pub use file::{Known, Room, Sync, open_to_read};
pub use forget::{Candidate, Forgot, Whom};
pub use history::{Author, Client, Filter, History, Item};
pub use page::{Page, Question, read_page};
pub use records::Records;
pub use removed::Removals;
pub use retention::Keep;
pub use stored::Stored;
pub use thread::{Event, Journal, MOST_WAITING, Options};
