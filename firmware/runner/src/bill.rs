//! The bill of memory: what flash and RAM of a board go to in the program of a plan.
//!
//! Each large thing of a program is a variable of its own, `firmware/src/memory.rs`;
//! `ram` says which of them is billed under which name.

use std::fmt;

use parlour_firmware::Options;
use serde_json::{Value, json};

use crate::image::{Image, ImageError};
use crate::plan::Plan;

/// Where the program's variables are, and those of network cards among them.
const CRATE: &str = "parlour_firmware::";
const NICS: &str = "parlour_firmware::nics::";

/// A bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The board's name.
    pub board: &'static str,
    /// Chat clients.
    pub clients: usize,
    /// Code, constants, first values of variables.
    pub flash: Memory,
    /// Variables and the stack.
    pub ram: Memory,
}

/// What a memory goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes that the board has.
    pub len: usize,
    /// What is used.
    pub lines: Vec<Line>,
}

/// A line of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What the bytes are for.
    pub name: &'static str,
    /// How many.
    pub bytes: usize,
    /// How many of them for each client, where there is an equal share.
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
            BillError::Image(error) => error.fmt(f),
            BillError::NoVariable(name) => {
                write!(f, "the program has no variable {name}, which is to be billed")
            }
        }
    }
}

impl Memory {
    /// Bytes that are used.
    pub fn used(&self) -> usize {
        self.lines.iter().map(|line| line.bytes).sum()
    }

    /// Bytes that are used, though the board does not have them.
    pub fn excess(&self) -> usize {
        self.used().saturating_sub(self.len)
    }

    /// Bytes that a further client takes.
    pub fn each(&self) -> usize {
        self.lines.iter().filter_map(|line| line.each).sum()
    }

    fn json(&self) -> Value {
        let line = |line: &Line| json!({ "name": line.name, "bytes": line.bytes, "each": line.each });
        json!({
            "len": self.len,
            "used": self.used(),
            "free": self.len.saturating_sub(self.used()),
            "excess": self.excess(),
            "each": self.each(),
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
        })
    }
}

impl Bill {
    /// The bill of a plan's program, an ELF file.
    ///
    /// # Errors
    /// Why there is none.
    pub fn of(plan: &Plan, elf: &[u8]) -> Result<Self, BillError> {
        let image = Image::read(elf).map_err(BillError::Image)?;
        let flash = vec![
            Line { name: "text", bytes: image.text, each: None },
            Line { name: "rodata", bytes: image.rodata, each: None },
            Line { name: "data", bytes: image.initial, each: None },
        ];
        Ok(Self {
            board: plan.board.name,
            clients: plan.clients,
            flash: Memory { len: plan.board.flash.len, lines: flash },
            ram: Memory { len: plan.board.ram.len, lines: ram(plan, &image)? },
        })
    }

    /// Whether the board has all that is used.
    pub fn fits(&self) -> bool {
        self.flash.excess() == 0 && self.ram.excess() == 0
    }

    /// The bill for programs.
    pub fn json(&self) -> Value {
        json!({
            "board": self.board,
            "clients": self.clients,
            "fits": self.fits(),
            "flash": self.flash.json(),
            "ram": self.ram.json(),
        })
    }
}

/// The lines for RAM.
fn ram(plan: &Plan, image: &Image) -> Result<Vec<Line>, BillError> {
    let is = |path: &str, name: &str| path.rsplit("::").next() == Some(name);
    let of = |name: &'static str| {
        let ours = image.variables_of(CRATE).filter(|(path, _)| is(path, name));
        let sizes: Vec<_> = ours.map(|(_, bytes)| bytes).collect();
        if sizes.is_empty() { Err(BillError::NoVariable(name)) } else { Ok(sizes.iter().sum::<usize>()) }
    };
    let Plan { board, clients, .. } = plan;
    let (limits, options) = (board.limits(*clients), board.options());
    let links = Options::links(&board.services(*clients));
    // These bytes are the connections' and the rooms'.
    let bytes = of("BYTES")?;
    let queues = limits.conns * limits.conn_bytes();
    let (of_conns, of_links) = (of("CONNS")? + of("MEMBERS")?, of("LINKS")?);
    let table = of_conns + of_links + of("ROOMS")? + of("DRIVER")?;
    let slots = of("SOCKETS")?;
    // A card has more than its frames; a frame may be a board's.
    let other_nics = image.variables_of(NICS).filter(|(path, _)| !is(path, "FRAMES"));
    let network = of("INTERFACE")? + of("FRAMES")? + other_nics.map(|(_, bytes)| bytes).sum::<usize>();

    let line = |name, bytes, each| Line { name, bytes, each };
    let mut lines = vec![
        line("log", bytes - queues + of("RECORDS")?, None),
        line("table", table, Some(of_conns / limits.conns + of_links / links)),
        line("queues and lines", queues, Some(limits.conn_bytes())),
        line("socket slots", slots, Some(slots / board.sockets(*clients))),
        line("socket buffers", of("SOCKET_BUFFERS")?, Some(options.receive + options.send)),
        line("network interface and frames", network, None),
    ];
    let named: usize = lines.iter().map(|line| line.bytes).sum();
    lines.push(line("other statics", image.variables - named, None));
    lines.push(line("stack", image.stack, None));
    Ok(lines)
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {} chat clients\n", self.board, self.clients)?;
        writeln!(f, "{:<32}{:>12}", "flash", "bytes")?;
        self.flash.fmt(f)?;
        writeln!(f, "\n{:<32}{:>12}{:>14}", "RAM", "bytes", "each client")?;
        self.ram.fmt(f)?;
        writeln!(f, "\nA client takes {} bytes of RAM.", grouped(self.ram.each()))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            let each = line.each.map(|bytes| format!("{:>14}", grouped(bytes))).unwrap_or_default();
            writeln!(f, "  {:<30}{:>12}{each}", line.name, grouped(line.bytes))?;
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
    use parlour_firmware::board::BOARDS;

    use super::*;

    /// What the linker could have made of a plan.
    fn image(plan: &Plan) -> Image {
        let limits = plan.board.limits(plan.clients);
        let sizes = [
            ("memory::BYTES", limits.bytes()),
            ("memory::RECORDS", 1_000),
            ("memory::CONNS", 100 * limits.conns),
            ("memory::MEMBERS", 20 * limits.conns + 3),
            ("memory::ROOMS", 200),
            ("memory::DRIVER", 300),
            ("memory::LINKS", 30 * Options::links(&plan.board.services(plan.clients)) + 2),
            ("memory::SOCKETS", 4_000),
            ("memory::SOCKET_BUFFERS", 5_000),
            ("memory::INTERFACE", 400),
            ("nics::one::FRAMES", 1_200),
            ("nics::one::RINGS", 50),
            ("stack::OTHER", 77),
        ];
        let symbols: Vec<_> = sizes.iter().map(|(name, size)| (format!("{CRATE}{name}"), *size)).collect();
        let variables = symbols.iter().map(|(_, size)| size).sum::<usize>() + 10;
        let image = Image { text: 10, rodata: 20, initial: 30, variables, stack: 7_000, symbols };
        Image { symbols: [image.symbols.clone(), vec![("other::FRAMES".into(), 60)]].concat(), ..image }
    }

    fn bytes(lines: &[Line], name: &str) -> usize {
        lines.iter().find(|line| line.name == name).expect("a line").bytes
    }

    #[test]
    fn every_variable_is_billed_once() {
        for board in BOARDS {
            let plan = Plan::new(board, None);
            let image = image(&plan);
            let lines = ram(&plan, &image).expect("a bill");
            assert_eq!(lines.iter().map(|line| line.bytes).sum::<usize>(), image.variables + image.stack);
            // The crate's own, and what nobody named.
            assert_eq!(bytes(&lines, "other statics"), 87);
            assert_eq!(bytes(&lines, "network interface and frames"), 1_650);
            assert_eq!(lines[1].each, Some(150), "the share of a table that is not quite equal");
        }
    }

    #[test]
    fn the_bytes_of_the_hub_are_split_between_clients_and_rooms() {
        let plan = Plan::new(&BOARDS[0], Some(3));
        let limits = plan.board.limits(3);
        let lines = ram(&plan, &image(&plan)).expect("a bill");
        assert_eq!(bytes(&lines, "queues and lines"), limits.conns * limits.conn_bytes());
        let rooms = limits.rooms * limits.room_bytes() + limits.longest();
        assert_eq!(bytes(&lines, "log"), rooms + 1_000);
    }

    #[test]
    fn a_variable_that_is_gone_is_missed() {
        let plan = Plan::new(&BOARDS[0], None);
        let mut image = image(&plan);
        image.symbols.retain(|(name, _)| !name.ends_with("::SOCKETS"));
        assert!(matches!(ram(&plan, &image), Err(BillError::NoVariable("SOCKETS"))));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let memory = |len| Memory { len, lines: vec![Line { name: "stack", bytes: 1_234_567, each: None }] };
        assert_eq!((memory(1_234_567).excess(), memory(1_234_000).excess()), (0, 567));
        let text = memory(1_234_000).to_string();
        assert!(text.contains("1,234,567") && text.contains("too much") && text.contains(" 567\n"), "{text}");
        assert!(memory(1_300_000).to_string().contains("65,433"), "what is free");
    }
}
