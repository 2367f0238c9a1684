//! The lines of the chat protocol: their kinds (docs/protocol.md, rule 7), their meaning, and the look
//! of the user's own lines. It knows no descriptor and no colours.

/// The kinds of line that the server sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind<'a> {
    /// `<name> text`
    Message { name: &'a str, text: &'a str },
    /// `* name text`
    Action { name: &'a str, text: &'a str },
    /// `[name] text`
    Direct { name: &'a str, text: &'a str },
    /// `[to name] text`: the user's own direct message.
    DirectTo,
    /// `-- text`, with its text.
    Server(&'a str),
    /// `-- earlier (09:30): line`, with the line. The time may be missing, and may have a date.
    Past(&'a str),
    /// A line that a chat server does not send.
    Other,
}

impl<'a> Kind<'a> {
    pub(super) fn of(line: &'a str) -> Self {
        let bracketed = |start, end| line.strip_prefix(start).and_then(|rest| rest.split_once(end));
        if let Some((name, text)) = bracketed("<", "> ") {
            Self::Message { name, text }
        } else if let Some((name, text)) = bracketed("* ", " ") {
            Self::Action { name, text }
        } else if line.starts_with("[to ") {
            Self::DirectTo
        } else if let Some((name, text)) = bracketed("[", "] ") {
            Self::Direct { name, text }
        } else if let Some(past) = past(line) {
            Self::Past(past)
        } else {
            line.strip_prefix("-- ").map_or(Self::Other, Self::Server)
        }
    }

    /// Whether the line should call the user named `nick`.
    pub(super) fn calls(self, nick: Option<&str>) -> bool {
        match self {
            Self::Direct { .. } => true,
            Self::Message { text, .. } | Self::Action { text, .. } => {
                nick.is_some_and(|nick| names(text, nick))
            }
            Self::DirectTo | Self::Server(_) | Self::Past(_) | Self::Other => false,
        }
    }
}

/// The line that the server tells again, from before (rules 9, 21 and 23).
fn past(line: &str) -> Option<&str> {
    let (time, past) = line.strip_prefix("-- earlier")?.split_once(": ")?;
    (time.is_empty() || time.starts_with(" (") && time.ends_with(')')).then_some(past)
}

/// The line to learn from. A notice of the server counts even if it comes late (rule 21). A message does
/// not.
pub(super) fn news(line: &str) -> &str {
    past(line).filter(|past| matches!(Kind::of(past), Kind::Server(_))).unwrap_or(line)
}

/// The name that the server gives to a newcomer, from its text behind `-- `.
pub(super) fn welcomed(text: &str) -> Option<&str> {
    text.strip_prefix("welcome to parlour, you are ")?.split(';').next()
}

/// How many bytes a line may have, from the server's text behind `-- ` after a longer line (rule 6).
pub(super) fn told_limit(text: &str) -> Option<usize> {
    text.strip_prefix("line too long (limit ")?.split(' ').next()?.parse().ok()
}

/// The word at the start of a typed line, which may be a command. A line that starts with a space has
/// no command.
pub(super) fn first_word(line: &str) -> &str {
    line.split(char::is_whitespace).next().unwrap_or_default()
}

/// Whether `line` asks the server to close the connection (rule 19).
pub(super) fn is_quit(line: &str) -> bool {
    first_word(line).eq_ignore_ascii_case("/quit")
}

/// How to show a sent line to its author, because the server does not send it back (rule 8). Commands
/// need no line: their answers show them.
pub(super) fn own_line(line: &str, nick: Option<&str>) -> Option<String> {
    let Some(nick) = nick else { return Some(line.to_owned()) };
    if let Some(text) = line.strip_prefix("/me ") {
        Some(format!("* {nick} {text}"))
    } else if line.starts_with("//") {
        Some(format!("<{nick}> {}", &line[1..]))
    } else {
        (!line.starts_with('/')).then(|| format!("<{nick}> {line}"))
    }
}

/// The characters of names (rule 13).
pub(super) fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '-' || c == '_'
}

/// Whether `nick` is a word of `text`, in any case of letters.
fn names(text: &str, nick: &str) -> bool {
    let (text, nick) = (text.to_lowercase(), nick.to_lowercase());
    !nick.is_empty()
        && text.match_indices(&nick).any(|(start, found)| {
            !text[..start].ends_with(in_name) && !text[start + found.len()..].starts_with(in_name)
        })
}

#[cfg(test)]
mod tests {
    use super::{Kind, is_quit, news, own_line, told_limit, welcomed};

    #[test]
    fn kinds_are_told_by_how_lines_start() {
        assert_eq!(Kind::of("<bob> a> b"), Kind::Message { name: "bob", text: "a> b" });
        assert_eq!(Kind::of("* bob waves"), Kind::Action { name: "bob", text: "waves" });
        assert_eq!(Kind::of("[bob] hi"), Kind::Direct { name: "bob", text: "hi" });
        assert_eq!(Kind::of("[to bob] hi"), Kind::DirectTo);
        assert_eq!(Kind::of("-- pong"), Kind::Server("pong"));
        assert_eq!(Kind::of("-- earlier: <bob> a: b"), Kind::Past("<bob> a: b"));
        assert_eq!(Kind::of("-- earlier (09:30): * bob waves"), Kind::Past("* bob waves"));
        assert_eq!(Kind::of("-- earlier (2026-11-27 23:59): -- bob left"), Kind::Past("-- bob left"));
        assert_eq!(Kind::of("-- earlier is now bob"), Kind::Server("earlier is now bob"));
        assert_eq!(Kind::of("hello"), Kind::Other);
    }

    #[test]
    fn being_named_or_addressed_calls() {
        let calls = |line| Kind::of(line).calls(Some("alice"));
        assert!(calls("<bob> hello, Alice!"));
        assert!(calls("* bob pokes ALICE"));
        assert!(calls("[bob] hi"));
        assert!(!calls("<bob> malice, alice-2, alice_"));
        assert!(!calls("<alice> hi"));
        assert!(!calls("[to bob] alice"));
        assert!(!calls("-- alice joined"));
        assert!(!calls("-- earlier (09:30): <bob> hello, Alice!"));
    }

    #[test]
    fn a_notice_that_comes_late_is_news_and_a_message_is_not() {
        for (line, expected) in [
            ("-- earlier (09:30): -- bob left", "-- bob left"),
            ("-- earlier: <bob> I am now away", "-- earlier: <bob> I am now away"),
            ("-- bob joined", "-- bob joined"),
        ] {
            assert_eq!(news(line), expected);
        }
    }

    #[test]
    fn the_own_name_is_learnt_from_the_server() {
        let welcome = "welcome to parlour, you are guest-1; /help lists the commands";
        assert_eq!(welcomed(welcome), Some("guest-1"));
        assert_eq!(welcomed("you are in den"), None);
    }

    #[test]
    fn the_limit_of_lines_is_learnt_from_the_server() {
        assert_eq!(told_limit("line too long (limit 1024 bytes), not sent"), Some(1024));
        assert_eq!(told_limit("line too long"), None);
    }

    #[test]
    fn own_lines_look_as_others_see_them() {
        let own = |line| own_line(line, Some("alice"));
        assert_eq!(own("hi").as_deref(), Some("<alice> hi"));
        assert_eq!(own("//hi").as_deref(), Some("<alice> /hi"));
        assert_eq!(own("/me waves").as_deref(), Some("* alice waves"));
        assert_eq!(own("/msg bob hi"), None);
        assert_eq!(own_line("hi", None).as_deref(), Some("hi"));
    }

    #[test]
    fn quitting_is_the_whole_word() {
        assert!(is_quit("/quit") && is_quit("/QUIT good night"));
        assert!(!is_quit("/quite") && !is_quit("quit") && !is_quit(" /quit"));
    }
}
