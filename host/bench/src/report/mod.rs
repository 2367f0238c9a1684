//! What a work has found, for people and for machines.
//!
//! ```text
//! columns    the names of all that is told, with units and meanings
//! figures    medians, digits in groups
//! findings   what one work has found
//! sample     moments of a run, two of which make a report
//! table      the reports as tables
//! ```

mod columns;
mod figures;
mod findings;
mod sample;
mod table;

pub(crate) use self::columns::explained;
pub use self::figures::{grouped, median};
pub use self::findings::{Idle, Latency, Report, Stall};
pub(crate) use self::sample::Sample;
pub use self::table::tables;
