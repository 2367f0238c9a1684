//! The kinds of records, as words in the file.

use parlour_core::{Cause, Kind};

/// The words for the columns `kind` and `detail`.
pub(crate) fn words(kind: Kind, is_torn: bool) -> (&'static str, Option<&'static str>) {
    match kind {
        Kind::Say => ("say", None),
        Kind::Action => ("action", None),
        Kind::Raw => ("raw", is_torn.then_some("torn")),
        Kind::Join => ("join", None),
        Kind::Part => ("part", None),
        Kind::Nick => ("nick", None),
        Kind::Topic => ("topic", None),
        Kind::Server => ("server", None),
        Kind::Direct => ("direct", None),
        Kind::Sent => ("sent", None),
        Kind::Quit(cause) => ("quit", Some(word(cause))),
    }
}

fn word(cause: Cause) -> &'static str {
    match cause {
        Cause::Left => "left",
        Cause::Reset => "connection lost",
        Cause::TimedOut => "timed out",
        Cause::Lagged => "too slow",
        Cause::Kicked => "kicked",
        Cause::Shutdown => "shutdown",
    }
}

/// What the words mean. A word that nobody knows is something that the server said.
pub(crate) fn meaning(kind: &str, detail: Option<&str>) -> (Kind, bool) {
    let all = [
        Kind::Say,
        Kind::Action,
        Kind::Raw,
        Kind::Join,
        Kind::Part,
        Kind::Nick,
        Kind::Topic,
        Kind::Server,
        Kind::Direct,
        Kind::Sent,
        Kind::Quit(Cause::Left),
    ];
    let causes = [Cause::Left, Cause::Reset, Cause::TimedOut, Cause::Lagged, Cause::Kicked, Cause::Shutdown];
    match all.into_iter().find(|known| words(*known, false).0 == kind).unwrap_or(Kind::Server) {
        Kind::Quit(_) => {
            let cause = causes.into_iter().find(|cause| Some(word(*cause)) == detail);
            (Kind::Quit(cause.unwrap_or(Cause::Left)), false)
        }
        kind => (kind, detail == Some("torn")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let causes =
            [Cause::Left, Cause::Reset, Cause::TimedOut, Cause::Lagged, Cause::Kicked, Cause::Shutdown];
        let kinds = [Kind::Say, Kind::Action, Kind::Raw, Kind::Join, Kind::Part, Kind::Nick, Kind::Topic];
        for kind in kinds.into_iter().chain(causes.map(Kind::Quit)).chain([Kind::Server]) {
            for is_torn in [false, kind == Kind::Raw] {
                let (word, detail) = words(kind, is_torn);
                assert_eq!(meaning(word, detail), (kind, is_torn), "{word} {detail:?}");
            }
        }
        assert_eq!(meaning("a later invention", None), (Kind::Server, false));
    }
}
