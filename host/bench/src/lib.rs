//! A load generator for servers that pass lines on. It checks every line that comes back.
//!
//! From the ground up; each module imports only from those before it:
//!
//! ```text
//! error     why a work cannot be run
//! plan      what to do: the work, the server, how long; how a server takes lines
//! lines     lines as they are written, judged and counted
//! crowd     connections, and the wait for all of them
//! process   what processes use, and which of them listen
//! journal   the file in which a server keeps what is said
//! report    the findings of a work
//! measure   one work from the first connection to the report
//! options   the command line
//! ```
//!
//! [`measure`] runs a work for other programs. [`BenchOptions::run`] is the program `parlour-bench`. From
//! the library `parlour` this uses addresses, units and the output. It knows no server.

mod crowd;
mod error;
mod journal;
mod lines;
mod measure;
mod options;
mod plan;
mod process;
mod report;

pub use self::error::BenchError;
pub use self::lines::{Faults, LONGEST_LINE, SHORTEST_LINE};
pub use self::measure::{measure, pin_to_cpu, raise_descriptor_limit};
pub use self::options::BenchOptions;
pub use self::plan::{Answers, Dialect, Kind, Plan, Work};
pub use self::process::{Listeners, Process};
pub use self::report::{Idle, Latency, Report, Stall, Stored, grouped, median, tables};
