//! What a hub was made of, as a file holds it.

use parlour_core::{
    Bound, Config, Direction, Encoding, Joining, Limits, Listener, ListenerId, NameRules, OnLag, Protocol,
    RelayRules,
};
use serde::{Deserialize, Serialize};

/// What a file cannot hold, because it is code: rules for names, and encodings. A trace has the names of those that
/// the hub had, and whoever replays it must know them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'k> {
    /// Rules for names, each with its own name.
    pub names: &'k [(&'k str, NameRules)],
    /// Encodings, each with its name.
    pub encodings: &'k [(&'k str, &'k dyn Encoding)],
}

/// What a trace begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of parlour that recorded it.
    pub version: String,
    #[serde(with = "LimitsDef")]
    pub(crate) limits: Limits,
    pub(crate) listeners: Vec<Heard>,
    pub(crate) labels: Vec<String>,
    pub(crate) names: String,
    pub(crate) encodings: Vec<String>,
    greeting: String,
    history: u32,
    first_identity: u64,
    keeps_records: bool,
    proposes: bool,
    grace_ms: u32,
    behind_ms: Option<u32>,
    idle_ms: Option<u32>,
    per_peer: Option<Most>,
    flush_ms: u32,
    origin: u64,
    /// The hub as bytes, if the trace begins in the middle of its life.
    pub(crate) saved: Option<Vec<u8>>,
}

impl Header {
    /// The header of a hub that is new. `names` says which rules for names it has, and `encodings` which encodings; see
    /// [`Known`].
    pub fn new(config: &Config<'_>, limits: &Limits, names: &str, encodings: &[&str]) -> Self {
        let &Config {
            listeners,
            labels,
            encodings: _,
            names: _,
            greeting,
            history,
            first_identity,
            keeps_records,
            proposes,
            grace_ms,
            behind_ms,
            idle_ms,
            per_peer,
            flush_ms,
            origin,
        } = config;
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            limits: *limits,
            listeners: listeners.iter().map(Heard::from).collect(),
            labels: labels.iter().copied().map(str::to_owned).collect(),
            names: names.to_owned(),
            encodings: encodings.iter().copied().map(str::to_owned).collect(),
            greeting: greeting.to_owned(),
            history,
            first_identity,
            keeps_records,
            proposes,
            grace_ms,
            behind_ms,
            idle_ms,
            per_peer: per_peer.map(Most::from),
            flush_ms,
            origin,
            saved: None,
        }
    }

    /// The same for a hub that has lived for a while; see `Hub::save`.
    #[must_use]
    pub fn in_the_middle(self, saved: Vec<u8>) -> Self {
        Self { saved: Some(saved), ..self }
    }

    /// The configuration, of parts that were made from the header.
    pub(crate) fn config<'c>(
        &'c self,
        listeners: &'c [Listener],
        labels: &'c [&'c str],
        names: NameRules,
        encodings: &'c [&'c dyn Encoding],
    ) -> Config<'c> {
        Config {
            listeners,
            labels,
            encodings,
            names,
            greeting: &self.greeting,
            history: self.history,
            first_identity: self.first_identity,
            keeps_records: self.keeps_records,
            proposes: self.proposes,
            grace_ms: self.grace_ms,
            behind_ms: self.behind_ms,
            idle_ms: self.idle_ms,
            per_peer: self.per_peer.map(Bound::from),
            flush_ms: self.flush_ms,
            origin: self.origin,
        }
    }
}

/// What [`Hub::reconfigure`](parlour_core::Hub::reconfigure) can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choices {
    listeners: Vec<Heard>,
    labels: Vec<String>,
    greeting: String,
    history: u32,
    keeps_records: bool,
    proposes: bool,
    grace_ms: u32,
    behind_ms: Option<u32>,
    idle_ms: Option<u32>,
    per_peer: Option<Most>,
    flush_ms: u32,
}

impl From<&Config<'_>> for Choices {
    fn from(config: &Config<'_>) -> Self {
        Self {
            listeners: config.listeners.iter().map(Heard::from).collect(),
            labels: config.labels.iter().copied().map(str::to_owned).collect(),
            greeting: config.greeting.to_owned(),
            history: config.history,
            keeps_records: config.keeps_records,
            proposes: config.proposes,
            grace_ms: config.grace_ms,
            behind_ms: config.behind_ms,
            idle_ms: config.idle_ms,
            per_peer: config.per_peer.map(Most::from),
            flush_ms: config.flush_ms,
        }
    }
}

impl Choices {
    /// The configuration. A hub borrows it for as long as it lives, so its memory is not freed.
    pub(crate) fn config(&self) -> Config<'static> {
        let listeners: Vec<_> = self.listeners.iter().map(Listener::from).collect();
        let labels: Vec<&'static str> = self.labels.iter().map(|label| &*label.clone().leak()).collect();
        Config {
            labels: labels.leak(),
            greeting: self.greeting.clone().leak(),
            history: self.history,
            keeps_records: self.keeps_records,
            proposes: self.proposes,
            grace_ms: self.grace_ms,
            behind_ms: self.behind_ms,
            idle_ms: self.idle_ms,
            per_peer: self.per_peer.map(Bound::from),
            flush_ms: self.flush_ms,
            ..Config::new(listeners.leak())
        }
    }
}

/// A listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heard {
    #[serde(with = "ProtocolDef")]
    protocol: Protocol,
    #[serde(with = "OnLagDef")]
    on_lag: OnLag,
    rate: Option<Most>,
    #[serde(with = "JoiningDef")]
    joining: Joining,
    encoding: Option<u8>,
    #[serde(with = "DirectionDef")]
    direction: Direction,
    unfinished_ms: Option<u32>,
    shares: Option<u8>,
}

impl From<&Listener> for Heard {
    fn from(listener: &Listener) -> Self {
        let Listener { protocol, on_lag, rate, joining, encoding, relay } = *listener;
        let RelayRules { direction, unfinished_ms, shares } = relay;
        let (rate, shares) = (rate.map(Most::from), shares.map(|ListenerId(index)| index));
        Self { protocol, on_lag, rate, joining, encoding, direction, unfinished_ms, shares }
    }
}

impl From<&Heard> for Listener {
    fn from(heard: &Heard) -> Self {
        let Heard { protocol, on_lag, rate, joining, encoding, direction, unfinished_ms, shares } = *heard;
        let relay = RelayRules { direction, unfinished_ms, shares: shares.map(ListenerId) };
        Self { protocol, on_lag, rate: rate.map(Bound::from), joining, encoding, relay }
    }
}

/// A bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Most {
    most: u32,
    spares_local: bool,
}

impl From<Bound> for Most {
    fn from(Bound { most, spares_local }: Bound) -> Self {
        Self { most, spares_local }
    }
}

impl From<Most> for Bound {
    fn from(Most { most, spares_local }: Most) -> Self {
        Self { most, spares_local }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Limits")]
struct LimitsDef {
    conns: usize,
    rooms: usize,
    rooms_per_conn: usize,
    members: usize,
    catch_ups: usize,
    name: usize,
    line: usize,
    queue: usize,
    proposals: usize,
    log: usize,
    records: usize,
    followers: usize,
    rings: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Protocol")]
enum ProtocolDef {
    Echo,
    Relay,
    Chat,
    Console,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OnLag")]
enum OnLagDef {
    Disconnect,
    Skip,
    Replay,
    Wait,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Joining")]
enum JoiningDef {
    One,
    Several,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Direction")]
enum DirectionDef {
    Both,
    In,
    Out,
}
