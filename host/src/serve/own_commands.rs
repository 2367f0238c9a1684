//! Commands of the console that the server does itself, because the hub knows no journal. They are cut out of what
//! the operator types. All else goes to the hub.

/// A command, as the help shows it.
#[derive(Debug)]
pub(super) struct OwnCommand {
    pub(super) name: &'static str,
    arguments: &'static str,
    help: &'static str,
}

/// The commands that there are with a journal.
pub(super) const WITH_JOURNAL: &[OwnCommand] = &[OwnCommand {
    name: "forget",
    arguments: "NAME",
    help: "delete all that a client has said from the journal",
}];

/// Something that the operator has typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Bytes for the hub.
    Hub(Vec<u8>),
    /// The operator asks for help. The hub is asked too.
    Help,
    /// A command of the server's own, and what stands behind it.
    Own(&'static str, String),
}

/// The longest line of a command.
const LONGEST: usize = 1024;

/// Cuts what is typed into orders. It comes in pieces of any size.
#[derive(Debug)]
pub(super) struct Cutter {
    commands: &'static [OwnCommand],
    /// The beginning of a line, as long as it may be one of the commands.
    held: Vec<u8>,
    /// The rest of the line is the hub's.
    is_for_hub: bool,
    /// The last line ended with CR. An LF belongs to it.
    had_cr: bool,
}

impl Cutter {
    pub(super) fn new(commands: &'static [OwnCommand]) -> Self {
        Self { commands, held: Vec::new(), is_for_hub: false, had_cr: false }
    }

    /// The lines that the help has for the commands.
    pub(super) fn help(&self) -> String {
        let line = |command: &OwnCommand| {
            let OwnCommand { name, arguments, help } = command;
            format!("-- /{name} {arguments}: {help}\n")
        };
        self.commands.iter().map(line).collect()
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Order> {
        if self.commands.is_empty() {
            return vec![Order::Hub(bytes.to_vec())];
        }
        let mut orders = Vec::new();
        for &byte in bytes {
            let is_end = matches!(byte, b'\n' | b'\r');
            if byte == b'\n' && std::mem::take(&mut self.had_cr) {
                continue;
            }
            self.had_cr = false;
            if is_end && !self.is_for_hub && self.end_line(&mut orders) {
                self.had_cr = byte == b'\r';
                continue;
            }
            self.held.push(byte);
            self.is_for_hub = !is_end && (self.is_for_hub || !self.may_be_own());
            if is_end || self.is_for_hub {
                to_hub(&mut orders, &mut self.held);
            }
        }
        orders
    }

    /// The input has ended.
    pub(super) fn end(&mut self) -> Vec<Order> {
        let mut orders = Vec::new();
        if self.is_for_hub || !self.end_line(&mut orders) {
            to_hub(&mut orders, &mut self.held);
        }
        orders
    }

    /// Returns whether the line that ends was a command of the server's own.
    fn end_line(&mut self, orders: &mut Vec<Order>) -> bool {
        let line = String::from_utf8_lossy(&self.held);
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((&line, ""));
        let Some(word) = word.strip_prefix('/') else { return false };
        if word.eq_ignore_ascii_case("help") {
            orders.push(Order::Help);
        }
        let Some(own) = self.commands.iter().find(|own| own.name.eq_ignore_ascii_case(word)) else {
            return false;
        };
        orders.push(Order::Own(own.name, rest.trim().to_owned()));
        self.held.clear();
        true
    }

    /// Whether what is held may be a command that is to be cut out.
    fn may_be_own(&self) -> bool {
        let Some(text) = self.held.strip_prefix(b"/") else { return false };
        let is_begun = |name: &[u8]| {
            let len = text.len().min(name.len());
            text[..len].eq_ignore_ascii_case(&name[..len])
                && text.get(name.len()).is_none_or(|next| matches!(next, b' ' | b'\t'))
        };
        let names = self.commands.iter().map(|command| command.name).chain(["help"]);
        text.len() < LONGEST && names.map(str::as_bytes).any(is_begun)
    }
}

fn to_hub(orders: &mut Vec<Order>, held: &mut Vec<u8>) {
    match orders.last_mut() {
        Some(Order::Hub(bytes)) => bytes.append(held),
        _ if held.is_empty() => {}
        _ => orders.push(Order::Hub(std::mem::take(held))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(text: &str) -> Order {
        Order::Hub(text.as_bytes().to_vec())
    }

    fn forget(text: &str) -> Order {
        Order::Own("forget", text.to_owned())
    }

    fn check(text: &str, wanted: &[Order]) {
        for size in 1..=text.len() {
            let mut cutter = Cutter::new(WITH_JOURNAL);
            let mut orders = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                orders.extend(cutter.take(piece));
            }
            orders.extend(cutter.end());
            // Pieces for the hub may stand side by side.
            let mut joined: Vec<Order> = Vec::new();
            for order in orders {
                match (joined.last_mut(), order) {
                    (Some(Order::Hub(bytes)), Order::Hub(more)) => bytes.extend(more),
                    (_, order) => joined.push(order),
                }
            }
            assert_eq!(joined, wanted, "{text:?} in pieces of {size}");
        }
    }

    #[test]
    fn own_commands_are_cut_out_and_all_else_goes_to_the_hub() {
        check("/who\n/forget bob\n/say /forget\n", &[hub("/who\n"), forget("bob"), hub("/say /forget\n")]);
        check("/FORGET  #3 \r\n/rooms\r\n", &[forget("#3"), hub("/rooms\r\n")]);
        check("/forgetful\n/forge\n", &[hub("/forgetful\n/forge\n")]);
        check("/forget", &[forget("")]);
        check("/who\n/he", &[hub("/who\n/he")]);
        check("/help\n/who\n", &[Order::Help, hub("/help\n/who\n")]);
        check("\n\nhello\n", &[hub("\n\nhello\n")]);
    }

    #[test]
    fn without_a_journal_there_are_none() {
        let mut cutter = Cutter::new(&[]);
        assert_eq!(cutter.take(b"/forget bob\n"), [hub("/forget bob\n")]);
        assert_eq!(cutter.help(), "");
    }
}
