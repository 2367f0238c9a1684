//! What a protocol keeps for each of its connections. Plain state; only the protocol knows what it
//! means. When a connection is handed on to another protocol, it gets a new session.

use crate::config::Protocol;
use crate::record::RoomRef;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, ensure};

/// A connection as its protocol sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Session {
    Echo,
    Relay(Feed),
    Chat(Guest),
    Console(Talk),
}

impl Session {
    /// A new session of a protocol.
    pub(crate) const fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Echo => Session::Echo,
            Protocol::Relay => Session::Relay(Feed::NEW),
            Protocol::Chat => Session::Chat(Guest::NEW),
            Protocol::Console => Session::Console(Talk::NEW),
        }
    }

    /// What is known of a client that types lines. Others have said nothing.
    pub(crate) const fn talk(&self) -> &Talk {
        match self {
            Session::Chat(Guest { talk, .. }) | Session::Console(talk) => talk,
            Session::Echo | Session::Relay(_) => &Talk::NEW,
        }
    }

    /// The same, to change it.
    pub(crate) const fn talk_mut(&mut self) -> Option<&mut Talk> {
        match self {
            Session::Chat(Guest { talk, .. }) | Session::Console(talk) => Some(talk),
            Session::Echo | Session::Relay(_) => None,
        }
    }

    /// The protocol that the session is of.
    pub(crate) const fn protocol(&self) -> Protocol {
        match self {
            Session::Echo => Protocol::Echo,
            Session::Relay(_) => Protocol::Relay,
            Session::Chat(_) => Protocol::Chat,
            Session::Console(_) => Protocol::Console,
        }
    }
}

/// A client of a relay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feed {
    /// It has sent something.
    pub(crate) spoke: bool,
    /// What is kept of its input is complete, and waits for its turn.
    pub(crate) postponed: bool,
}

impl Feed {
    pub(crate) const NEW: Self = Self { spoke: false, postponed: false };
}

/// A client that types lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    /// It has said something. Until then its first line may show that it speaks another protocol.
    pub(crate) spoke: bool,
    /// The line that is kept is whole, and nobody has acted on it yet.
    pub(crate) postponed: bool,
    /// A long answer that is being given.
    pub(crate) listing: Listing,
}

impl Talk {
    pub(crate) const NEW: Self = Self { spoke: false, postponed: false, listing: Listing::None };
}

/// A client of the chat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest {
    pub(crate) talk: Talk,
    pub(crate) arrival: Arrival,
}

impl Guest {
    pub(crate) const NEW: Self = Self { talk: Talk::NEW, arrival: Arrival::New };
}

/// Whether the others in its room know that a client is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    New,
    /// They will know after its first line. The line has begun, and may show that it is no client of a
    /// chat.
    Late,
    /// They were told, or it was counted in a sum.
    Told,
}

/// A long answer goes out line by line, as the queue has room. This says what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    None,
    /// The greeting from this byte on, then the welcome and who is in the room.
    Greeting(usize),
    /// What was said in its room, from this record on and before the other one.
    Past {
        next: u32,
        end: u32,
    },
    /// For a newcomer: who is in its room, from this slot on, and the most names that it gets.
    Here {
        from: u32,
        left: u32,
    },
    /// Who is in the room, from this slot on. Nobody, if the room's place has another room by now.
    Who {
        room: RoomRef,
        from: u32,
    },
    /// The rooms from this one on.
    Rooms(u32),
    /// The commands from this one on.
    Help(usize),
    /// What was said in its room before, which the exchange tells it. If its line is kept, it has the words that
    /// are looked for.
    #[cfg(feature = "large")]
    Looking,
}

#[cfg(feature = "save")]
impl Visit for Session {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let all = [Protocol::Echo, Protocol::Relay, Protocol::Chat, Protocol::Console].map(Self::new);
        visitor.variant(self, &all)?;
        ensure(self.protocol().is_built_in())?;
        match self {
            Self::Echo => Ok(()),
            Self::Relay(Feed { spoke, postponed }) => {
                spoke.visit(visitor)?;
                postponed.visit(visitor)
            }
            Self::Chat(Guest { talk, arrival }) => {
                talk.visit(visitor)?;
                visitor.variant(arrival, &[Arrival::New, Arrival::Late, Arrival::Told])
            }
            Self::Console(talk) => talk.visit(visitor),
        }
    }
}

#[cfg(feature = "save")]
impl Visit for Talk {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { spoke, postponed, listing } = self;
        spoke.visit(visitor)?;
        postponed.visit(visitor)?;
        listing.visit(visitor)
    }
}

#[cfg(feature = "save")]
impl Visit for Listing {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        const ANY_ROOM: RoomRef = RoomRef { room: 0, generation: 0 };
        let all = [
            Self::None,
            Self::Greeting(0),
            Self::Past { next: 0, end: 0 },
            Self::Here { from: 0, left: 0 },
            Self::Who { room: ANY_ROOM, from: 0 },
            Self::Rooms(0),
            Self::Help(0),
            Self::Looking,
        ];
        visitor.variant(self, &all)?;
        match self {
            Self::None | Self::Looking => Ok(()),
            Self::Greeting(from) | Self::Help(from) => from.visit(visitor),
            Self::Rooms(from) => from.visit(visitor),
            Self::Past { next: from, end: more } | Self::Here { from, left: more } => {
                from.visit(visitor)?;
                more.visit(visitor)
            }
            Self::Who { room, from } => {
                room.visit(visitor)?;
                from.visit(visitor)
            }
        }
    }
}
