//! The findings of a work, for people and for machines.
//!
//! ```text
//! columns    the names of all figures, with units and meanings
//! figures    medians, digits in groups
//! findings   the findings of one work
//! sample     moments of a run; two of them make a report
//! table      the reports as tables
//! ```

mod columns;
mod figures;
mod findings;
mod sample;
mod table;

pub(crate) use self::columns::explained;
pub use self::figures::{grouped, median};
pub use self::findings::{Idle, Latency, Report, Stall, Stored};
pub(crate) use self::sample::Sample;
pub use self::table::tables;
