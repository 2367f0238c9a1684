//! The cases that every server is measured in: a table.

use parlour_bench::{Kind, Work};

use crate::peer::{Peer, Service};

/// The cases of servers that store lines are called so, too.
const STORED: &str = "stored";

/// A work with its circumstances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) clients: u32,
    pub(crate) depth: Option<u32>,
    /// Length of a line with its LF, in bytes.
    pub(crate) line: usize,
    /// Receivers that never read.
    pub(crate) stall: u32,
    /// These receivers connect again when they are disconnected.
    pub(crate) come_back: bool,
    /// Silent connections.
    pub(crate) idle: u32,
    /// Lines a second, for [`Kind::Latency`].
    pub(crate) rate: u32,
    /// How many of them are sent at a time.
    pub(crate) burst: u32,
    /// The case is for servers with this service.
    service: Option<Service>,
}

const fn case(kind: Kind, clients: u32) -> Case {
    let service = match kind {
        Kind::Echo => Some(Service::Echo),
        Kind::Idle => None,
        Kind::Fan | Kind::Lockstep | Kind::Ahead | Kind::Gather | Kind::Latency => Some(Service::Room),
    };
    Case {
        kind,
        clients,
        depth: None,
        line: 64,
        stall: 0,
        come_back: false,
        idle: 0,
        rate: 200,
        burst: 1,
        service,
    }
}

/// The numbers of receivers in the plot of cost by receivers.
pub(crate) const RECEIVERS: [u32; 7] = [1, 3, 10, 30, 100, 300, 900];
/// The numbers of connections in the plots of cost and memory by silent connections.
pub(crate) const IDLE: [u32; 4] = [10, 100, 1_000, 10_000];

pub(crate) const FAN_100: Case = case(Kind::Fan, 100);
pub(crate) const FAN_900: Case = case(Kind::Fan, 900);
pub(crate) const FAN_LONG: Case = Case { line: 512, ..FAN_100 };
pub(crate) const LOCKSTEP: Case = case(Kind::Lockstep, 100);
pub(crate) const AHEAD: Case = case(Kind::Ahead, 100);
pub(crate) const ECHO_50: Case = case(Kind::Echo, 50);
pub(crate) const ECHO_DEEP: Case = Case { depth: Some(32), ..case(Kind::Echo, 500) };
pub(crate) const LATENCY: Case = case(Kind::Latency, 100);
pub(crate) const LATENCY_STALLED: Case = Case { stall: 10, ..LATENCY };
pub(crate) const LATENCY_BESIEGED: Case = Case { come_back: true, ..LATENCY_STALLED };

/// One client talks, or ten do. All that they say is stored.
pub(crate) const STORE_ONE: Case = stored(fan(1));
pub(crate) const STORE_TEN: Case = stored(case(Kind::Gather, 10));
/// The time until another client has a line, if little is said and if much is.
pub(crate) const STORE_CALM: Case = stored(case(Kind::Latency, 1));
pub(crate) const STORE_BUSY: Case = Case { rate: 200_000, burst: 1_000, ..STORE_CALM };

const fn stored(case: Case) -> Case {
    Case { service: Some(Service::Store), ..case }
}

/// One sender and this many receivers.
pub(crate) const fn fan(receivers: u32) -> Case {
    case(Kind::Fan, receivers)
}

/// One connection has a line echoed, among this many silent ones.
pub(crate) const fn wake_up(idle: u32) -> Case {
    Case { idle, ..case(Kind::Echo, 1) }
}

/// This many silent connections.
pub(crate) const fn hold(connections: u32) -> Case {
    case(Kind::Idle, connections)
}

/// All cases, each once.
pub(crate) fn all() -> Vec<Case> {
    let table = [
        FAN_100,
        FAN_900,
        FAN_LONG,
        LOCKSTEP,
        AHEAD,
        ECHO_50,
        ECHO_DEEP,
        LATENCY,
        LATENCY_STALLED,
        LATENCY_BESIEGED,
        STORE_ONE,
        STORE_TEN,
        STORE_CALM,
        STORE_BUSY,
    ];
    let mut cases = Vec::new();
    let plots = RECEIVERS.map(fan).into_iter().chain(IDLE.map(wake_up)).chain(IDLE.map(hold));
    for case in table.into_iter().chain(plots) {
        if !cases.contains(&case) {
            cases.push(case);
        }
    }
    cases
}

impl Case {
    /// Whether the case is for that server.
    pub(crate) fn is_for(&self, peer: &Peer) -> bool {
        let is_service = match peer.service {
            Service::Writer => *self == STORE_ONE,
            // All that such servers do with silent clients is measured without a store.
            Service::Store => self.is_stored(),
            service => self.service.is_none_or(|wanted| wanted == service),
        };
        is_service && self.line <= peer.longest_line && self.clients + self.idle <= peer.most_connections
    }

    /// Whether this is the name of the case or of its kind.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        name == self.name() || name == self.work().name() || (self.is_stored() && name == STORED)
    }

    /// Whether it is for servers that store lines.
    pub(crate) fn is_stored(&self) -> bool {
        self.service == Some(Service::Store)
    }

    pub(crate) fn work(&self) -> Work {
        let work = Work::new(self.kind);
        Work { clients: self.clients, depth: self.depth.unwrap_or(work.depth), ..work }
    }

    /// The name of the case in the results.
    pub(crate) fn name(&self) -> String {
        let mut name = self.work().to_string();
        let stalled = if self.come_back { "stalled that come back" } else { "stalled" };
        for (count, what) in [(self.stall, stalled), (self.idle, "idle")] {
            if count > 0 {
                name += &format!(" {count} {what}");
            }
        }
        if self.line != 64 {
            name += &format!(" {} B", self.line);
        }
        if self.rate != STORE_CALM.rate {
            name += &format!(" {}/s", self.rate);
        }
        if self.is_stored() {
            name += &format!(" {STORED}");
        }
        name
    }
}
