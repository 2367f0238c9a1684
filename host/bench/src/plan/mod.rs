//! The plan of a measurement: the work, the server, and how long to measure. It does nothing itself.

mod dialect;
mod work;

use std::path::PathBuf;
use std::time::Duration;

use parlour::Address;

pub(crate) use self::dialect::Replies;
pub use self::dialect::{Answers, Dialect};
pub use self::work::{Kind, Work};

/// A work, the server that does it, and how long to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the server listens.
    pub address: Address,
    /// The form in which it takes lines.
    pub dialect: Dialect,
    /// The work.
    pub work: Work,
    /// Length of a line with its LF, in bytes.
    pub line: usize,
    /// Lines a second, for [`Kind::Latency`].
    pub rate: u32,
    /// How many of them are sent at a time.
    pub burst: u32,
    /// How many of the receivers never read.
    pub stall: u32,
    /// These receivers connect again as soon as the server disconnects them. In [`Kind::Latency`] a
    /// second client then fills their buffers again, beside the lines that are timed.
    pub come_back: bool,
    /// Silent connections beside those of [`Kind::Echo`].
    pub idle: u32,
    /// How long to measure.
    pub duration: Duration,
    /// How long to run before the measurement begins.
    pub warmup: Duration,
    /// A line counts as lost if nothing came for this long.
    pub patience: Duration,
    /// The server's processes. Their use is added up. If there are none, it is not reported.
    pub pids: Vec<u32>,
    /// The server's journal. The report says what it got, and the run checks that it has every line.
    pub journal: Option<PathBuf>,
}

impl Plan {
    /// `work` at `address`, with the defaults of the options.
    pub fn new(address: Address, work: Work) -> Self {
        Self {
            address,
            dialect: Dialect::raw(),
            work,
            line: 64,
            rate: 200,
            burst: 1,
            stall: 0,
            come_back: false,
            idle: 0,
            duration: Duration::from_secs(5),
            warmup: Duration::from_secs(1),
            patience: Duration::from_secs(10),
            pids: Vec::new(),
            journal: None,
        }
    }
}
