//! `/forget` of the console: who is meant, and what the operator is told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parlour_journal::{Candidate, Client, Forgot, Whom};

/// What stands behind `/forget`. `None`: nothing that makes sense.
pub(super) fn whom(text: &str) -> Option<Whom> {
    match text.strip_prefix('#') {
        Some(number) => number.parse().ok().map(Whom::Number),
        None => (!text.is_empty()).then(|| Whom::Name(text.to_owned())),
    }
}

/// What to write instead.
pub(super) const USAGE: &str = "/forget needs a name or a number, as in /forget bob or /forget #3";

/// What the operator is told, a line each.
pub(super) fn lines(forgot: &Forgot) -> Vec<String> {
    match forgot {
        Forgot::Nobody(Whom::Name(name)) => {
            vec![format!("no client in the journal was last called {name}")]
        }
        Forgot::Nobody(Whom::Number(id)) => vec![format!("the journal has no client #{id}")],
        Forgot::Several(name, clients, count) => {
            let first = clients.first().map_or(0, |first| first.client.id);
            let head = format!("{count} clients were last called {name}; choose one, as in /forget #{first}");
            let others = *count - clients.len() as u64;
            let rest = (others > 0).then(|| format!("and {others} more, which came earlier"));
            [head].into_iter().chain(clients.iter().map(candidate)).chain(rest).collect()
        }
        Forgot::Begun(client) => vec![format!("forgetting {}", called(client))],
        Forgot::Failed(error) => vec![format!("nothing can be forgotten now: {error}; it is tried again")],
        Forgot::Done(clients, _) => {
            let names: Vec<_> = clients.iter().map(called).collect();
            vec![
                format!("forgotten: {}; nothing is left in the journal", names.join(", ")),
                "people who come in may still see messages that the server has in its memory, until newer \
                 ones take their place or the server starts again"
                    .to_owned(),
            ]
        }
    }
}

fn called(client: &Client) -> String {
    match client.name.as_str() {
        "" => format!("#{}", client.id),
        name => format!("{name} (#{})", client.id),
    }
}

fn candidate(Candidate { client, address, last_seen }: &Candidate) -> String {
    let seen = UNIX_EPOCH + Duration::from_millis(*last_seen as u64);
    let ago = SystemTime::now().duration_since(seen).unwrap_or_default();
    // Minutes are enough for a person.
    let ago = humantime::format_duration(Duration::from_secs(ago.as_secs() / 60 * 60));
    let from = if address.is_empty() { String::new() } else { format!(", from {address}") };
    format!("#{} {}{from}, last seen {ago} ago", client.id, client.name)
}
