//! The value of `--relay`: an address, and the options behind it.

use std::str::FromStr;
use std::time::Duration;

use parlour_core::{Direction, ListenerId, RelayRules};

use super::place::Place;
use crate::units::duration;

/// Where a relay listens, and how its clients take part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RelayPlace {
    pub(super) place: Place,
    way: Way,
}

/// How the clients of a relay take part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    /// It waits forever for clients that do not read.
    waits: bool,
    /// The journal does not have what it passes on.
    is_left_out: bool,
    /// How long it waits for the end of a line. `None` means forever.
    flush: Option<Duration>,
    direction: Direction,
    /// The name of the room that it shares with other relays.
    room: Option<String>,
}

const OPTIONS: &str = "in, out, flush=DURATION, flush=off, grace=off, journal=off, room=NAME, ";

impl FromStr for RelayPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut way = Way::usual();
        let place = Place::parse(text, OPTIONS, |name, value| way.takes(name, value))?;
        Ok(Self { place, way })
    }
}

impl Way {
    /// That of a relay without options.
    fn usual() -> Self {
        let unfinished_ms = RelayRules::DEFAULT.unfinished_ms.unwrap_or_default();
        Self {
            waits: false,
            is_left_out: false,
            flush: Some(Duration::from_millis(u64::from(unfinished_ms))),
            direction: Direction::Both,
            room: None,
        }
    }

    /// Applies an option. Returns whether it is an option of relays.
    fn takes(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match (name, value) {
            ("in" | "out", "") if self.direction != Direction::Both => {
                return Err("a relay has `in` or `out`, not both".into());
            }
            ("in", "") => self.direction = Direction::In,
            ("out", "") => self.direction = Direction::Out,
            ("grace", "off") => self.waits = true,
            ("journal", "off") => self.is_left_out = true,
            ("flush", "off") => self.flush = None,
            ("flush", time) if !time.is_empty() => {
                self.flush = Some(duration(time).map_err(|error| format!("flush: {error}"))?);
            }
            ("room", name) if !name.is_empty() => self.room = Some(name.to_owned()),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl RelayPlace {
    /// A relay without options.
    pub(super) fn at(place: Place) -> Self {
        Self { place, way: Way::usual() }
    }

    /// Whether the room of this relay waits forever for clients that do not read. One of the `relays`
    /// that share the room is enough to decide this.
    pub(super) fn waits_in(&self, relays: &[Self]) -> bool {
        self.way.waits || relays.iter().any(|other| other.way.waits && self.shares_with(other))
    }

    /// Whether the journal has what is said in the room of this relay. One of the `relays` that share the
    /// room is enough to leave it out.
    pub(super) fn is_kept_in(&self, relays: &[Self]) -> bool {
        let others = || relays.iter().any(|other| other.way.is_left_out && self.shares_with(other));
        !self.way.is_left_out && !others()
    }

    /// The rules of each of these relays. The first relay is the hub's listener number `first`.
    pub(super) fn all_rules(relays: &[Self], first: usize) -> Vec<RelayRules> {
        let rules = |(index, relay): (usize, &Self)| {
            let owner =
                relays.iter().position(|other| relay.shares_with(other)).filter(|owner| *owner != index);
            RelayRules {
                direction: relay.way.direction,
                unfinished_ms: relay.way.flush.map(|flush| flush.as_millis() as u32),
                shares: owner.map(|owner| ListenerId((first + owner) as u8)),
            }
        };
        relays.iter().enumerate().map(rules).collect()
    }

    fn shares_with(&self, other: &Self) -> bool {
        self.way.room.is_some() && self.way.room == other.way.room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    fn rules(relays: &[&str]) -> Vec<RelayRules> {
        let relays: Vec<RelayPlace> = relays.iter().map(|text| text.parse().expect("a relay")).collect();
        RelayPlace::all_rules(&relays, 3)
    }

    #[test]
    fn options_stand_behind_the_address() {
        let lines = RelayRules { unfinished_ms: None, ..RelayRules::DEFAULT };
        assert_eq!(rules(&["4000"]), [RelayRules::DEFAULT]);
        assert_eq!(rules(&["4000,flush=off,in"]), [RelayRules { direction: Direction::In, ..lines }]);
        assert_eq!(
            rules(&["[::1]:4000,out,flush=1500ms"]),
            [RelayRules { direction: Direction::Out, unfinished_ms: Some(1500), shares: None }]
        );
        let waits: RelayPlace = "unix:/a/b,grace=off".parse().expect("a relay");
        assert!(waits.waits_in(&[]) && waits.place.address == Address::Unix("/a/b".into()));
    }

    #[test]
    fn relays_of_one_name_share_the_room_of_the_first() {
        let rules = rules(&["0,room=gps,in", "2,room=ais", "3", "4,room=gps,out", "2,room=ais", "3"]);
        let shares: Vec<_> = rules.iter().map(|rules| rules.shares).collect();
        assert_eq!(shares, [None, None, None, Some(ListenerId(3)), Some(ListenerId(4)), None]);
        let relays: Vec<RelayPlace> = ["1,room=a", "2,room=a,grace=off", "3"]
            .iter()
            .map(|text| text.parse().expect("a relay"))
            .collect();
        assert_eq!(
            relays.iter().map(|relay| relay.waits_in(&relays)).collect::<Vec<_>>(),
            [true, true, false]
        );
    }

    #[test]
    fn one_relay_is_enough_to_leave_a_room_out_of_the_journal() {
        let relays: Vec<RelayPlace> = ["1,room=a", "2,room=a,journal=off", "3", "4,journal=off"]
            .iter()
            .map(|text| text.parse().expect("a relay"))
            .collect();
        let kept: Vec<_> = relays.iter().map(|relay| relay.is_kept_in(&relays)).collect();
        assert_eq!(kept, [false, false, true, false]);
    }

    #[test]
    fn an_option_that_there_is_not_is_refused_by_name() {
        for (text, why) in [
            (
                "4000,fast",
                "the option `fast` is unknown; use in, out, flush=DURATION, flush=off, grace=off, journal=off, room=NAME, name=NAME or mode=MODE",
            ),
            (
                "4000,in=yes",
                "the option `in=yes` is unknown; use in, out, flush=DURATION, flush=off, grace=off, journal=off, room=NAME, name=NAME or mode=MODE",
            ),
            (
                "4000,room=",
                "the option `room=` is unknown; use in, out, flush=DURATION, flush=off, grace=off, journal=off, room=NAME, name=NAME or mode=MODE",
            ),
            ("4000,in,out", "a relay has `in` or `out`, not both"),
            ("4000,flush=soon", "flush: write a number and a unit, as in 200ms, 5s or 1m 30s"),
            ("x,in", "an address is PORT, HOST:PORT, [::]:PORT or unix:PATH"),
        ] {
            assert_eq!(text.parse::<RelayPlace>(), Err(why.to_owned()), "{text}");
        }
    }
}
