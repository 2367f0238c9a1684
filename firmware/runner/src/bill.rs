//! The bill of memory: what the flash and RAM of a board go to, in one variant of its program.
//!
//! Each large part of a program is a variable of its own, in `firmware/src/memory.rs`. `ram` gives each
//! variable its name in the bill.

use std::error::Error;
use std::fmt;

use parlour_firmware::{limits, services, socket_options, sockets};
use parlour_smoltcp::SocketOptions;
use serde_json::{Value, json};

use crate::image::{Image, ImageError};
use crate::variant::Variant;

/// The paths of the program's variables, and of the network cards' among them.
const CRATE: &str = "parlour_firmware::";
const NICS: &str = "parlour_firmware::nics::";

/// A bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The board's name.
    pub board: &'static str,
    /// Chat clients at once.
    pub max_conns: usize,
    /// Code, constants, first values of variables.
    pub flash: Usage,
    /// Variables and the stack.
    pub ram: Usage,
}

/// What a board's flash or RAM goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that the board has.
    pub len: usize,
    /// What is used.
    pub items: Vec<Item>,
}

/// An item of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What the bytes are for.
    pub name: &'static str,
    /// How many.
    pub bytes: usize,
    /// How many of them each client takes, if all take the same.
    pub each: Option<usize>,
}

/// Why there is no bill.
#[derive(Debug)]
pub enum BillError {
    /// The program cannot be measured.
    Image(ImageError),
    /// The program has no variable of this name.
    NoVariable(&'static str),
}

impl fmt::Display for BillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BillError::Image(_) => write!(f, "the program cannot be measured"),
            BillError::NoVariable(name) => {
                write!(f, "the program cannot be measured: it has no variable {name}")
            }
        }
    }
}

impl Error for BillError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BillError::Image(error) => Some(error),
            BillError::NoVariable(_) => None,
        }
    }
}

impl Usage {
    /// Bytes that are used.
    pub fn used(&self) -> usize {
        self.items.iter().map(|item| item.bytes).sum()
    }

    /// Bytes that are used beyond those of the board.
    pub fn excess(&self) -> usize {
        self.used().saturating_sub(self.len)
    }

    /// Bytes that a further client takes.
    pub fn each(&self) -> usize {
        self.items.iter().filter_map(|item| item.each).sum()
    }

    fn json(&self) -> Value {
        let item = |item: &Item| json!({ "name": item.name, "bytes": item.bytes, "each": item.each });
        json!({
            "len": self.len,
            "used": self.used(),
            "free": self.len.saturating_sub(self.used()),
            "excess": self.excess(),
            "each": self.each(),
            "items": self.items.iter().map(item).collect::<Vec<_>>(),
        })
    }
}

impl Bill {
    /// The bill of a variant, from its ELF file.
    ///
    /// # Errors
    /// Why there is none.
    pub fn of(variant: &Variant, elf: &[u8]) -> Result<Self, BillError> {
        let image = Image::read(elf).map_err(BillError::Image)?;
        let flash = vec![
            Item { name: "text", bytes: image.text, each: None },
            Item { name: "rodata", bytes: image.rodata, each: None },
            Item { name: "data", bytes: image.initial, each: None },
        ];
        Ok(Self {
            board: variant.board.name,
            max_conns: variant.max_conns,
            flash: Usage { len: variant.board.flash.len, items: flash },
            ram: Usage { len: variant.board.ram.len, items: ram(variant, &image)? },
        })
    }

    /// Whether the board has enough memory.
    pub fn fits(&self) -> bool {
        self.flash.excess() == 0 && self.ram.excess() == 0
    }

    /// The bill as JSON, for programs.
    pub fn json(&self) -> Value {
        json!({
            "board": self.board,
            "max_conns": self.max_conns,
            "fits": self.fits(),
            "flash": self.flash.json(),
            "ram": self.ram.json(),
        })
    }
}

/// The items for RAM.
fn ram(variant: &Variant, image: &Image) -> Result<Vec<Item>, BillError> {
    let is = |path: &str, name: &str| path.rsplit("::").next() == Some(name);
    let of = |name: &'static str| {
        let ours = image.variables_of(CRATE).filter(|(path, _)| is(path, name));
        let sizes: Vec<_> = ours.map(|(_, bytes)| bytes).collect();
        if sizes.is_empty() { Err(BillError::NoVariable(name)) } else { Ok(sizes.iter().sum::<usize>()) }
    };
    let &Variant { board, max_conns, .. } = variant;
    let (limits, options) = (limits(board, max_conns), socket_options(board));
    let links = SocketOptions::links(&services(board, max_conns));
    // These bytes are the connections' and the rooms'.
    let bytes = of("BYTES")?;
    let queues = limits.conns * limits.conn_bytes();
    let (of_conns, of_links) = (of("CONNS")? + of("MEMBERS")?, of("LINKS")?);
    let table = of_conns + of_links + of("ROOMS")? + of("DRIVER")?;
    let slots = of("SOCKETS")?;
    // A card has other variables besides its frames. Frames may also belong to a board.
    let other_nics = image.variables_of(NICS).filter(|(path, _)| !is(path, "FRAMES"));
    let network = of("INTERFACE")? + of("FRAMES")? + other_nics.map(|(_, bytes)| bytes).sum::<usize>();

    let item = |name, bytes, each| Item { name, bytes, each };
    let mut items = vec![
        item("log", bytes - queues + of("RECORDS")?, None),
        item("table", table, Some(of_conns / limits.conns + of_links / links)),
        item("queues and lines", queues, Some(limits.conn_bytes())),
        item("socket slots", slots, Some(slots / sockets(board, max_conns))),
        item("socket buffers", of("SOCKET_BUFFERS")?, Some(options.receive + options.send)),
        item("network interface and frames", network, None),
    ];
    if board.sizes.sessions > 0 {
        items.push(item("clients that come back", of("SESSIONS")? + of("SESSION_BYTES")?, None));
    }
    let named: usize = items.iter().map(|item| item.bytes).sum();
    items.push(item("other statics", image.variables - named, None));
    items.push(item("stack", image.stack, None));
    Ok(items)
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {} chat clients\n", self.board, self.max_conns)?;
        writeln!(f, "{:<32}{:>12}", "flash", "bytes")?;
        self.flash.fmt(f)?;
        writeln!(f, "\n{:<32}{:>12}{:>14}", "RAM", "bytes", "each client")?;
        self.ram.fmt(f)?;
        writeln!(f, "\nA client takes {} bytes of RAM.", grouped(self.ram.each()))
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            let each = item.each.map(|bytes| format!("{:>14}", grouped(bytes))).unwrap_or_default();
            writeln!(f, "  {:<30}{:>12}{each}", item.name, grouped(item.bytes))?;
        }
        let (name, bytes) = match self.excess() {
            0 => ("free", self.len - self.used()),
            excess => ("too much", excess),
        };
        writeln!(f, "  {name:<30}{:>12}", grouped(bytes))?;
        writeln!(f, "  {:<30}{:>12}", "the board has", grouped(self.len))
    }
}

/// A number with its digits in groups of three.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use parlour_boards::BOARDS;

    use super::*;

    /// A program that the linker could have made of a variant.
    fn image(variant: &Variant) -> Image {
        let limits = limits(variant.board, variant.max_conns);
        let sizes = [
            ("memory::BYTES", limits.bytes()),
            ("memory::RECORDS", 1_000),
            ("memory::CONNS", 100 * limits.conns),
            ("memory::MEMBERS", 20 * limits.conns + 3),
            ("memory::ROOMS", 200),
            ("memory::DRIVER", 300),
            ("memory::LINKS", 30 * SocketOptions::links(&services(variant.board, variant.max_conns)) + 2),
            ("memory::SOCKETS", 4_000),
            ("memory::SOCKET_BUFFERS", 5_000),
            ("memory::INTERFACE", 400),
            ("nics::one::FRAMES", 1_200),
            ("nics::one::RINGS", 50),
            ("stack::OTHER", 77),
        ];
        let of_sessions = [("memory::SESSIONS", 900), ("memory::SESSION_BYTES", 4_000)];
        let has_sessions = variant.board.sizes.sessions > 0;
        let sizes = sizes.iter().chain(if has_sessions { &of_sessions[..] } else { &[] });
        let symbols: Vec<_> = sizes.map(|(name, size)| (format!("{CRATE}{name}"), *size)).collect();
        let variables = symbols.iter().map(|(_, size)| size).sum::<usize>() + 10;
        let image = Image { text: 10, rodata: 20, initial: 30, variables, stack: 7_000, symbols };
        Image { symbols: [image.symbols.clone(), vec![("other::FRAMES".into(), 60)]].concat(), ..image }
    }

    fn bytes(items: &[Item], name: &str) -> usize {
        items.iter().find(|item| item.name == name).expect("an item").bytes
    }

    #[test]
    fn every_variable_is_billed_once() {
        for board in BOARDS {
            let variant = Variant::of(board);
            let image = image(&variant);
            let items = ram(&variant, &image).expect("a bill");
            assert_eq!(items.iter().map(|item| item.bytes).sum::<usize>(), image.variables + image.stack);
            // The crate's own variables, and those that have no name in the bill.
            assert_eq!(bytes(&items, "other statics"), 87);
            assert_eq!(bytes(&items, "network interface and frames"), 1_650);
            assert_eq!(items[1].each, Some(150), "the share of a table that is not quite equal");
        }
    }

    #[test]
    fn the_bytes_of_the_hub_are_split_between_clients_and_rooms() {
        let variant = Variant { max_conns: 3, ..Variant::of(&BOARDS[0]) };
        let limits = limits(variant.board, 3);
        let items = ram(&variant, &image(&variant)).expect("a bill");
        assert_eq!(bytes(&items, "queues and lines"), limits.conns * limits.conn_bytes());
        let rooms = limits.rooms * limits.room_bytes() + limits.longest();
        assert_eq!(bytes(&items, "log"), rooms + 1_000);
    }

    #[test]
    fn a_variable_that_is_gone_is_missed() {
        let variant = Variant::of(&BOARDS[0]);
        let mut image = image(&variant);
        image.symbols.retain(|(name, _)| !name.ends_with("::SOCKETS"));
        assert!(matches!(ram(&variant, &image), Err(BillError::NoVariable("SOCKETS"))));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let memory = |len| Usage { len, items: vec![Item { name: "stack", bytes: 1_234_567, each: None }] };
        assert_eq!((memory(1_234_567).excess(), memory(1_234_000).excess()), (0, 567));
        let text = memory(1_234_000).to_string();
        assert!(text.contains("1,234,567") && text.contains("too much") && text.contains(" 567\n"), "{text}");
        assert!(memory(1_300_000).to_string().contains("65,433"), "what is free");
    }
}
