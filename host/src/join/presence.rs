//! The user's presence on the server: the wanted name and room, the commands that get them on a new
//! connection, and the server's answers. It knows neither connection nor terminal.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::protocol::{Kind, first_word, news, welcomed};

/// The room in which everyone starts (docs/protocol.md, rule 9).
const LOBBY: &str = "lobby";

/// The first and the longest pause between requests for a taken name. Each pause doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Presence {
    /// The user's name on this connection, as the server said.
    nick: Option<String>,
    /// The name to ask for.
    wanted: Option<String>,
    /// The requests for a name that have no answer yet, with their origin.
    asked: VecDeque<Asker>,
    /// When to ask for the name again, and how long to pause after that.
    again: Option<(Instant, Duration)>,
    /// The wanted room, if it is not the lobby.
    room: Option<String>,
    place: Place,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asker {
    User,
    /// The client itself. The pause before the request, if it was not the first.
    Client(Option<Duration>),
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Place {
    /// The server has never welcomed the user. It may be another kind of server.
    #[default]
    Unknown,
    /// The server has welcomed the user on an earlier connection, and will again.
    Coming,
    /// Welcomed, but not yet back in the wanted room.
    Returning,
    /// The server refused the wanted room.
    Astray,
    There,
}

/// What a line of the server changes.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Heard {
    /// The line tells the user nothing new.
    pub(super) is_hidden: bool,
    /// The server has welcomed the user.
    pub(super) is_welcome: bool,
    /// The client's comment on it.
    pub(super) notice: Option<String>,
    /// Whether the client got the name that it asked for.
    pub(super) has_name: Option<bool>,
}

/// The server's answer to `/nick`.
enum NickAnswer<'a> {
    Had(&'a str),
    Taken,
    Bad,
}

impl Presence {
    pub(super) fn new(wanted: Option<String>) -> Self {
        Self { wanted, ..Self::default() }
    }

    pub(super) fn nick(&self) -> Option<&str> {
        self.nick.as_deref()
    }

    /// Whether this kind of server welcomes its clients.
    pub(super) fn is_known(&self) -> bool {
        self.place != Place::Unknown
    }

    /// The first commands on a new connection.
    pub(super) fn connected(&mut self) -> String {
        self.nick = None;
        self.asked.clear();
        self.again = None;
        if self.is_known() {
            self.place = Place::Coming;
        }
        let mut commands = String::new();
        if let Some(wanted) = &self.wanted {
            commands += &format!("/nick {wanted}\n");
            self.asked.push_back(Asker::Client(None));
        }
        if let Some(room) = &self.room {
            commands += &format!("/join {room}\n");
        }
        commands
    }

    /// Why `line` must not be sent now. A message for one room must not reach another.
    pub(super) fn obstacle(&self, line: &str) -> Option<String> {
        let room = self.room.as_deref().unwrap_or(LOBBY);
        match self.place {
            Place::Unknown | Place::There => None,
            Place::Coming => Some("the server has not welcomed you yet".to_owned()),
            Place::Returning => Some(format!("you are not back in {room} yet")),
            Place::Astray if is_said(line) => Some(format!(
                "you are in {LOBBY}, not in {room}; /join {room} tries again, /join {LOBBY} stays here"
            )),
            Place::Astray => None,
        }
    }

    /// The user sent `line`.
    pub(super) fn sent(&mut self, line: &str) {
        if first_word(line).eq_ignore_ascii_case("/nick") {
            self.asked.push_back(Asker::User);
        }
    }

    /// The time of the next `request`.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.again.map(|(at, _)| at)
    }

    /// The request for the wanted name, if one is due.
    pub(super) fn request(&mut self, now: Instant) -> Option<String> {
        let (_, pause) = self.again.take_if(|(at, _)| now >= *at)?;
        self.asked.push_back(Asker::Client(Some(pause)));
        self.wanted.as_ref().map(|wanted| format!("/nick {wanted}\n"))
    }

    /// Learns from a line of the server.
    pub(super) fn heard(&mut self, line: &str, now: Instant) -> Heard {
        let Kind::Server(text) = Kind::of(news(line)) else { return Heard::default() };
        if let Some(nick) = welcomed(text) {
            self.nick = Some(nick.to_owned());
            self.place = if self.room.is_some() { Place::Returning } else { Place::There };
            return Heard { is_welcome: true, ..Heard::default() };
        }
        if let Some(answer) = self.nick_answer(text) {
            return self.named(&answer, now);
        }
        if let Some(room) = room_told(text) {
            self.room = (room != LOBBY).then(|| room.to_owned());
            self.place = Place::There;
        } else if self.place == Place::Returning && is_shut(text) {
            self.place = Place::Astray;
            return Heard { notice: self.obstacle(""), ..Heard::default() };
        } else if self.is_free_now(text)
            && let Some((at, _)) = &mut self.again
        {
            *at = now;
        }
        Heard::default()
    }

    fn nick_answer<'a>(&self, text: &'a str) -> Option<NickAnswer<'a>> {
        let nick = self.nick.as_deref()?;
        if let Some((old, new)) = text.split_once(" is now ") {
            return (old == nick).then_some(NickAnswer::Had(new));
        }
        if let Some(name) = text.strip_prefix("you are ").and_then(|rest| rest.strip_suffix(" already"))
            && name == nick
        {
            return Some(NickAnswer::Had(name));
        }
        let is_taken = text.starts_with("the name ")
            && (text.ends_with(" is taken") || text.ends_with(", which is taken"));
        if is_taken {
            return Some(NickAnswer::Taken);
        }
        text.starts_with("bad name: ").then_some(NickAnswer::Bad)
    }

    fn named(&mut self, answer: &NickAnswer<'_>, now: Instant) -> Heard {
        let asker = self.asked.pop_front();
        let is_own = matches!(asker, Some(Asker::Client(_)));
        let mut heard = Heard { has_name: is_own.then_some(false), ..Heard::default() };
        match (answer, asker) {
            (NickAnswer::Had(name), _) => {
                self.nick = Some((*name).to_owned());
                self.wanted = self.nick.clone();
                self.again = None;
                heard.has_name = is_own.then_some(true);
            }
            (NickAnswer::Taken, Some(Asker::Client(paused))) => {
                let pause = paused.map_or(FIRST_PAUSE, |paused| (2 * paused).min(LONGEST_PAUSE));
                self.again = Some((now + pause, pause));
                heard.is_hidden = paused.is_some();
                let wanted = self.wanted.as_deref().unwrap_or_default();
                heard.notice =
                    paused.is_none().then(|| format!("you get the name {wanted} as soon as it is free"));
            }
            (NickAnswer::Bad, Some(Asker::Client(_))) => self.wanted = None,
            (NickAnswer::Taken | NickAnswer::Bad, _) => {}
        }
        heard
    }

    /// Whether a line says that somebody gave up the wanted name.
    fn is_free_now(&self, text: &str) -> bool {
        let wanted = self.wanted.as_deref().unwrap_or_default().to_lowercase();
        let text = text.to_lowercase();
        let rest = text.strip_prefix(&wanted);
        rest.is_some_and(|rest| rest.starts_with(" left") || rest.starts_with(" is now "))
    }
}

/// Whether others in the room would hear or see `line`.
fn is_said(line: &str) -> bool {
    let word = first_word(line).to_lowercase();
    !word.starts_with('/') || word.starts_with("//") || word == "/me" || word == "/topic"
}

/// The room that the user is in, as the server says (rule 17).
fn room_told(text: &str) -> Option<&str> {
    let room = text.strip_prefix("you are in ")?;
    Some(room.strip_suffix(" already").unwrap_or(room))
}

/// Whether the server says that the user cannot go to a room.
fn is_shut(text: &str) -> bool {
    ["bad room name: ", "the room name ", "there are too many rooms"]
        .iter()
        .any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{FIRST_PAUSE, Heard, LONGEST_PAUSE, Presence};

    const WELCOME: &str = "-- welcome to parlour, you are guest-2; /help lists the commands";
    const TAKEN: &str = "-- the name bob is taken";

    /// A user who wants to be bob and was welcomed.
    fn welcomed(now: Instant) -> Presence {
        let mut presence = Presence::new(Some("bob".to_owned()));
        assert_eq!(presence.connected(), "/nick bob\n");
        assert!(presence.heard(WELCOME, now).is_welcome);
        presence
    }

    #[test]
    fn a_taken_name_is_asked_for_until_it_is_had() {
        let mut now = Instant::now();
        let mut presence = welcomed(now);
        let heard = presence.heard(TAKEN, now);
        assert!(!heard.is_hidden && heard.notice.is_some());
        let mut pause = FIRST_PAUSE;
        for _ in 0..10 {
            assert_eq!(presence.deadline(), Some(now + pause));
            assert_eq!(presence.request(now), None);
            now += pause;
            assert_eq!(presence.request(now).as_deref(), Some("/nick bob\n"));
            assert_eq!(
                presence.heard(TAKEN, now),
                Heard { is_hidden: true, has_name: Some(false), ..Heard::default() }
            );
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
        now += pause;
        presence.request(now);
        assert_eq!(presence.heard("-- guest-2 is now bob", now).has_name, Some(true));
        assert_eq!((presence.nick(), presence.deadline()), (Some("bob"), None));
    }

    #[test]
    fn a_name_is_asked_for_at_once_when_its_owner_is_seen_to_leave() {
        let now = Instant::now();
        for line in ["-- Bob left (connection lost)", "-- bob left", "-- bob is now eve"] {
            let mut presence = welcomed(now);
            presence.heard(TAKEN, now);
            presence.heard("-- bobby left", now);
            assert_eq!(presence.request(now), None);
            presence.heard(line, now);
            assert_eq!(presence.request(now).as_deref(), Some("/nick bob\n"));
        }
    }

    #[test]
    fn a_name_that_the_user_takes_is_the_one_that_is_wanted() {
        let now = Instant::now();
        let mut presence = welcomed(now);
        presence.heard(TAKEN, now);
        presence.sent("/NICK eve");
        presence.heard("-- guest-2 is now eve", now);
        assert_eq!(presence.deadline(), None);
        assert_eq!(presence.connected(), "/nick eve\n");
    }

    #[test]
    fn what_is_refused_to_the_user_is_not_asked_for_again() {
        let now = Instant::now();
        let mut presence = welcomed(now);
        presence.heard("-- guest-2 is now bob", now);
        presence.sent("/nick carol");
        assert_eq!(presence.heard("-- the name carol is taken", now), Heard::default());
        assert_eq!(presence.deadline(), None);
        assert_eq!(presence.connected(), "/nick bob\n");
    }

    #[test]
    fn a_bad_name_is_not_asked_for_again() {
        let now = Instant::now();
        let mut presence = welcomed(now);
        assert_eq!(presence.heard("-- bad name: 1 to 24 letters, digits, - or _", now).has_name, Some(false));
        assert_eq!((presence.deadline(), presence.connected()), (None, String::new()));
    }

    #[test]
    fn nothing_is_said_before_one_is_back_in_ones_room() {
        let now = Instant::now();
        let mut presence = Presence::new(None);
        presence.connected();
        assert_eq!(presence.obstacle("hi"), None);
        presence.heard(WELCOME, now);
        presence.heard("-- you are in den", now);
        assert_eq!(presence.obstacle("hi"), None);
        assert_eq!(presence.connected(), "/join den\n");
        assert!(presence.obstacle("hi").is_some());
        presence.heard(WELCOME, now);
        assert!(presence.obstacle("hi").is_some());
        presence.heard("-- you are in den", now);
        assert_eq!(presence.obstacle("hi"), None);
        presence.heard("-- you are in lobby", now);
        assert_eq!(presence.connected(), "");
        assert!(presence.obstacle("hi").is_some());
        presence.heard(WELCOME, now);
        assert_eq!(presence.obstacle("hi"), None);
    }

    #[test]
    fn an_own_name_that_is_told_late_is_had() {
        let now = Instant::now();
        let mut presence = welcomed(now);
        let heard = presence.heard("-- earlier (09:30): -- guest-2 is now bob", now);
        assert_eq!((heard.has_name, presence.nick()), (Some(true), Some("bob")));
    }

    #[test]
    fn a_room_that_lets_nobody_in_is_not_swapped_for_the_lobby() {
        let now = Instant::now() + Duration::from_secs(1);
        let mut presence = Presence::new(None);
        presence.heard(WELCOME, now);
        presence.heard("-- you are in den", now);
        presence.connected();
        presence.heard(WELCOME, now);
        assert!(presence.heard("-- there are too many rooms already", now).notice.is_some());
        for line in ["hi", "//hi", "/me waves", "/topic x"] {
            assert!(presence.obstacle(line).is_some());
        }
        assert_eq!(presence.obstacle("/join den"), None);
        presence.heard("-- you are in lobby already", now);
        assert_eq!(presence.obstacle("hi"), None);
    }
}
