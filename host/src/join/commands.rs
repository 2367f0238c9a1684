//! Understands a typed line: commands of the client itself, and IRC commands in this server's words.

use super::protocol::{first_word, is_quit};

/// The commands of the server (docs/protocol.md, rules 13 to 20 and 23) and of the client, for completion.
pub(super) const NAMES: [&str; 17] = [
    "/help",
    "/history",
    "/ignore",
    "/join",
    "/list",
    "/me",
    "/msg",
    "/names",
    "/nick",
    "/part",
    "/ping",
    "/quit",
    "/reply",
    "/rooms",
    "/topic",
    "/unignore",
    "/who",
];

/// What to do with a typed line.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Typed<'a> {
    Send(String),
    Quit,
    /// Hide messages from this name. Without a name, list the names that are hidden.
    Ignore(Option<&'a str>),
    Unignore(&'a str),
    /// Send a direct message to the sender of the last one.
    Reply(&'a str),
    /// The command lacks its argument. The text says so.
    Lacks(&'static str),
}

impl<'a> Typed<'a> {
    pub(super) fn of(line: &'a str) -> Self {
        if is_quit(line) {
            return Self::Quit;
        }
        let word = first_word(line);
        let rest = line.strip_prefix(word).unwrap_or_default().trim();
        let room = rest.strip_prefix('#').unwrap_or(rest);
        match word.to_lowercase().as_str() {
            "/ignore" => Self::Ignore((!rest.is_empty()).then_some(rest)),
            "/unignore" if rest.is_empty() => Self::Lacks("/unignore needs a name, as in /unignore bob"),
            "/unignore" => Self::Unignore(rest),
            "/reply" | "/r" if rest.is_empty() => Self::Lacks("/reply needs a text, as in /reply hello"),
            "/reply" | "/r" => Self::Reply(rest),
            "/join" | "/j" => Self::Send(format!("/join {room}")),
            "/who" | "/names" => Self::Send(format!("/who {room}").trim_end().to_owned()),
            "/list" => Self::Send("/rooms".to_owned()),
            "/part" => Self::Send("/join lobby".to_owned()),
            _ => Self::Send(line.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Typed;

    #[track_caller]
    fn check(line: &str, sent: &str) {
        assert_eq!(Typed::of(line), Typed::Send(sent.to_owned()));
    }

    #[test]
    fn what_users_of_irc_type_is_understood() {
        check("/join #den", "/join den");
        check("/J den", "/join den");
        check("/names", "/who");
        check("/NAMES #den", "/who den");
        check("/who den", "/who den");
        check("/list", "/rooms");
        check("/part #den", "/join lobby");
    }

    #[test]
    fn what_is_said_stays_as_it_is() {
        for line in ["hi", " /join is a command", "//join #den", "/nick bob", "/me  waves", "/joint", "#den"]
        {
            check(line, line);
        }
    }

    #[test]
    fn some_commands_are_the_clients_own() {
        assert_eq!(Typed::of("/QUIT now"), Typed::Quit);
        assert_eq!(Typed::of("/ignore bob"), Typed::Ignore(Some("bob")));
        assert_eq!(Typed::of("/ignore"), Typed::Ignore(None));
        assert_eq!(Typed::of("/unignore bob"), Typed::Unignore("bob"));
        assert_eq!(Typed::of("/reply see you"), Typed::Reply("see you"));
        assert!(matches!(Typed::of("/r"), Typed::Lacks(_)));
    }
}
