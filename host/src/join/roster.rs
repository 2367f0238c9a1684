//! The people and rooms that were seen. Used to complete their names, to ignore people, and to reply
//! to the sender of the last direct message.

use super::commands;
use super::protocol::{Kind, news};

/// How many people and rooms are remembered.
const MOST: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Roster {
    /// In the order in which they were last seen.
    people: Vec<String>,
    rooms: Vec<String>,
    /// In lower case, because names that differ only in case are the same to the server.
    ignored: Vec<String>,
    /// The sender of the last direct message.
    correspondent: Option<String>,
}

impl Roster {
    /// Learns from a line of the server.
    pub(super) fn heard(&mut self, line: &str) {
        match Kind::of(news(line)) {
            Kind::Message { name, .. } | Kind::Action { name, .. } => saw(&mut self.people, name),
            Kind::Direct { name, .. } => {
                saw(&mut self.people, name);
                self.correspondent = Some(name.to_owned());
            }
            Kind::Server(text) => self.told(text),
            // Its author may have left.
            Kind::DirectTo | Kind::Past(_) | Kind::Other => {}
        }
    }

    fn told(&mut self, text: &str) {
        if let Some((place, names)) = text.split_once(": ")
            && (place == "here" || place.starts_with("in "))
        {
            names.split(", ").for_each(|name| saw(&mut self.people, name));
        } else if let Some((room, rest)) = text.split_once(": ")
            && rest.split_once(" here").is_some_and(|(count, _)| count.parse::<usize>().is_ok())
        {
            saw(&mut self.rooms, room);
        } else if let Some(room) = text.strip_prefix("you are in ") {
            saw(&mut self.rooms, room.trim_end_matches(" already"));
        } else if let Some((old, new)) = text.split_once(" is now ") {
            let follow = |name: &mut String| new.clone_into(name);
            // A new name does not end the ignoring.
            if self.ignored.contains(&old.to_lowercase()) {
                self.ignore(new);
            }
            self.correspondent.iter_mut().filter(|name| *name == old).for_each(follow);
            forget(&mut self.people, old);
            saw(&mut self.people, new);
        } else if let Some(name) = text.strip_suffix(" joined") {
            saw(&mut self.people, name);
        } else if let Some((name, rest)) = text.split_once(" left")
            && (rest.is_empty() || rest.starts_with([':', ' ']))
        {
            forget(&mut self.people, name);
        }
    }

    pub(super) fn correspondent(&self) -> Option<&str> {
        self.correspondent.as_deref()
    }

    pub(super) fn ignore(&mut self, name: &str) {
        let name = name.to_lowercase();
        if !self.ignored.contains(&name) {
            self.ignored.push(name);
        }
    }

    /// Stops ignoring a name. Returns whether it was ignored.
    pub(super) fn unignore(&mut self, name: &str) -> bool {
        let (name, before) = (name.to_lowercase(), self.ignored.len());
        self.ignored.retain(|ignored| *ignored != name);
        self.ignored.len() < before
    }

    pub(super) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Whether the line comes from an ignored person.
    pub(super) fn is_ignored(&self, line: &str) -> bool {
        match Kind::of(line) {
            Kind::Past(line) => self.is_ignored(line),
            Kind::Message { name, .. } | Kind::Action { name, .. } | Kind::Direct { name, .. } => {
                self.ignored.contains(&name.to_lowercase())
            }
            Kind::DirectTo | Kind::Server(_) | Kind::Other => false,
        }
    }

    /// The completions of the last word in `before`, the text before the cursor: where the word begins,
    /// and the whole words, the most likely first.
    pub(super) fn completions(&self, before: &str) -> (usize, Vec<String>) {
        let start = before
            .rfind(char::is_whitespace)
            .map_or(0, |space| space + before[space..].chars().next().map_or(0, char::len_utf8));
        let word = before[start..].to_lowercase();
        let command = before.split_whitespace().next().unwrap_or_default().to_lowercase();
        let begins = |name: &str| name.to_lowercase().starts_with(&word);
        let is_first = before[..start].trim().is_empty();
        let found: Vec<String> = if is_first && word.starts_with('/') {
            commands::NAMES.iter().filter(|name| begins(name)).map(|name| format!("{name} ")).collect()
        } else if matches!(command.as_str(), "/join" | "/j" | "/who" | "/names") {
            let word = word.trim_start_matches('#');
            let rooms = self.rooms.iter().rev().filter(|room| room.to_lowercase().starts_with(word));
            rooms.map(|room| format!("{room} ")).collect()
        } else if word.is_empty() {
            Vec::new()
        } else {
            let end = if is_first { ": " } else { " " };
            self.people.iter().rev().filter(|name| begins(name)).map(|name| format!("{name}{end}")).collect()
        };
        (start, found)
    }
}

fn saw(names: &mut Vec<String>, name: &str) {
    forget(names, name);
    names.push(name.to_owned());
    if names.len() > MOST {
        names.remove(0);
    }
}

fn forget(names: &mut Vec<String>, name: &str) {
    names.retain(|other| other != name);
}

#[cfg(test)]
mod tests {
    use super::Roster;

    fn roster() -> Roster {
        let mut roster = Roster::default();
        for line in [
            "-- here: alice, bob, Anna",
            "-- in den: carl",
            "-- eve joined",
            "-- den: 2 here",
            "-- lobby: 3 here, topic: all: of it",
            "<alan> here: nobody",
            "-- topic: x: 5 here",
        ] {
            roster.heard(line);
        }
        roster
    }

    #[track_caller]
    fn check(before: &str, start: usize, expected: &[&str]) {
        assert_eq!(
            roster().completions(before),
            (start, expected.iter().map(|&word| word.to_owned()).collect())
        );
    }

    #[test]
    fn names_are_completed_the_last_one_who_spoke_first() {
        check("a", 0, &["alan: ", "Anna: ", "alice: "]);
        check("hi AL", 3, &["alan ", "alice "]);
        check("/msg b", 5, &["bob "]);
        check("x", 0, &[]);
        check("hi ", 3, &[]);
    }

    #[test]
    fn commands_and_rooms_are_completed() {
        check("/jo", 0, &["/join "]);
        check("/join d", 6, &["den "]);
        check("/who #l", 5, &["lobby "]);
        check("/join ", 6, &["lobby ", "den "]);
        check("see /jo", 4, &[]);
    }

    #[test]
    fn people_that_left_are_not_completed_and_renamed_ones_are() {
        let mut roster = roster();
        for line in ["-- alan left (timed out)", "-- Anna left", "-- alice is now alina"] {
            roster.heard(line);
        }
        assert_eq!(roster.completions("a").1, ["alina: "]);
    }

    #[test]
    fn what_was_said_before_is_not_taken_for_news() {
        let mut roster = Roster::default();
        for line in ["<bob> anna joined", "<bob> it is now archived", "* bob here: 5 here"] {
            roster.heard(&format!("-- earlier (09:30): {line}"));
        }
        assert!(roster.completions("a").1.is_empty() && roster.completions("/join b").1.is_empty());
        roster.heard("-- earlier (09:30): -- anna joined");
        assert_eq!(roster.completions("a").1, ["anna: "]);
    }

    #[test]
    fn the_ignored_are_told_by_name() {
        let mut roster = Roster::default();
        roster.ignore("Bob");
        for line in [
            "<bob> hi",
            "* BOB waves",
            "[bob] psst",
            "-- earlier: <bob> hi",
            "-- earlier (09:30): * bob waves",
        ] {
            assert!(roster.is_ignored(line));
        }
        assert!(!roster.is_ignored("<bobby> hi") && !roster.is_ignored("-- bob left"));
        roster.heard("-- bob is now rob");
        assert!(roster.is_ignored("<rob> hi"));
        assert!(roster.unignore("bOB") && !roster.unignore("bob"));
        assert!(!roster.is_ignored("<bob> hi"));
    }

    #[test]
    fn a_reply_follows_its_receiver_to_a_new_name() {
        let mut roster = Roster::default();
        for line in ["[bob] hi", "<eve> hi", "[to carl] hi", "-- bob is now rob"] {
            roster.heard(line);
        }
        assert_eq!(roster.correspondent(), Some("rob"));
    }
}
