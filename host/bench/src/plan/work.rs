//! The works: a table of them, and their form on the command line.

use std::fmt;
use std::str::FromStr;

/// The kind of a work: how its clients take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One sends as fast as it can, the others receive.
    Fan,
    /// All send a line, and the next one when everybody has received all lines of that round.
    Lockstep,
    /// The same, but each may be some lines ahead.
    Ahead,
    /// All but one send as fast as they can, and that one receives.
    Gather,
    /// Each gets its own lines back.
    Echo,
    /// One sends on a schedule, the others receive.
    Latency,
    /// All are silent.
    Idle,
}

/// A kind of work: its name, and its defaults.
struct Row {
    kind: Kind,
    name: &'static str,
    clients: u32,
    depth: u32,
}

const TABLE: [Row; 7] = [
    Row { kind: Kind::Fan, name: "fan", clients: 100, depth: 4096 },
    Row { kind: Kind::Lockstep, name: "lockstep", clients: 100, depth: 1 },
    Row { kind: Kind::Ahead, name: "ahead", clients: 100, depth: 16 },
    Row { kind: Kind::Gather, name: "gather", clients: 10, depth: 400 },
    Row { kind: Kind::Echo, name: "echo", clients: 50, depth: 1 },
    Row { kind: Kind::Latency, name: "latency", clients: 100, depth: 0 },
    Row { kind: Kind::Idle, name: "idle", clients: 1000, depth: 0 },
];

/// One work: `NAME`, `NAME:CLIENTS` or `NAME:CLIENTSxDEPTH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// What the clients do.
    pub kind: Kind,
    /// How many receive. For [`Kind::Gather`], how many send. If all send, how many there are.
    pub clients: u32,
    /// How many lines a client may be ahead of those that have come.
    pub depth: u32,
}

impl Work {
    /// A work of that kind with the defaults.
    pub fn new(kind: Kind) -> Self {
        let row = row(kind);
        Self { kind, clients: row.clients, depth: row.depth }
    }

    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        row(self.kind).name
    }
}

fn row(kind: Kind) -> &'static Row {
    TABLE.iter().find(|row| row.kind == kind).expect("each kind has its row")
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name(), self.clients)?;
        if self.depth == row(self.kind).depth { Ok(()) } else { write!(f, "x{}", self.depth) }
    }
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, sizes) = text.split_once(':').map_or((text, None), |(name, sizes)| (name, Some(sizes)));
        let names: Vec<_> = TABLE.iter().map(|row| row.name).collect();
        let row = TABLE.iter().find(|row| row.name == name);
        let row = row.ok_or_else(|| format!("unknown work; use one of {}", names.join(", ")))?;
        let mut work = Self::new(row.kind);
        if let Some(sizes) = sizes {
            let (clients, depth) =
                sizes.split_once('x').map_or((sizes, None), |(clients, depth)| (clients, Some(depth)));
            work.clients = positive(clients)?;
            if depth.is_some() && matches!(row.kind, Kind::Lockstep | Kind::Latency | Kind::Idle) {
                return Err(format!(
                    "{name} has no depth; write it without x, as in {name}:{}",
                    work.clients
                ));
            }
            work.depth = depth.map_or(Ok(work.depth), positive)?;
        }
        if matches!(row.kind, Kind::Lockstep | Kind::Ahead) && work.clients < 2 {
            return Err(format!("{name} needs two clients or more, as in {name}:2"));
        }
        Ok(work)
    }
}

fn positive(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count @ 1..=65_000) => Ok(count),
        _ => Err(format!(
            "\"{text}\" is not a number from 1 to 65000; write the work as in fan:100 or ahead:100x16"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_is_read_as_it_is_written() {
        for text in [
            "fan:100",
            "fan:900x16",
            "lockstep:10",
            "ahead:100x32",
            "gather:20x50",
            "echo:500x32",
            "idle:10000",
        ] {
            assert_eq!(text.parse::<Work>().map(|work| work.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("echo".parse(), Ok(Work { kind: Kind::Echo, clients: 50, depth: 1 }));
        assert_eq!("ahead".parse(), Ok(Work { kind: Kind::Ahead, clients: 100, depth: 16 }));
    }

    #[test]
    fn what_is_no_work_is_refused() {
        for text in [
            "",
            "fun",
            "fan:",
            "fan:0",
            "fan:x",
            "fan:3x",
            "lockstep:10x2",
            "lockstep:1",
            "idle:5x5",
            "echo:70000",
        ] {
            assert!(text.parse::<Work>().is_err(), "{text}");
        }
    }
}
