//! Lines: how they are written, judged when they come back, and counted, and when the next one may go
//! out. These modules know no connections.
//!
//! ```text
//! line      writes a line, and judges it when it comes
//! ledger    which client has received which lines of which sender; faults
//! stream    checks many lines at once
//! pace      when a client may send
//! book      takes the bytes that come, with the help of the others
//! stock     judges what the server has stored
//! ```

mod book;
mod ledger;
mod line;
mod pace;
mod stock;
mod stream;

pub(crate) use self::book::Book;
pub(crate) use self::ledger::Audience;
pub use self::ledger::Faults;
pub(crate) use self::line::{Id, Lines, Verdict};
pub use self::line::{LONGEST_LINE, SHORTEST_LINE};
pub(crate) use self::pace::{Pace, Rounds, Schedule};
pub(crate) use self::stock::Stock;
pub(crate) use self::stream::Stream;
