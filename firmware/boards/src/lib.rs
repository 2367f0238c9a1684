#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

/// A board.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// Its name. Its file and its feature have the same name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What Rust calls its processor.
    pub target: &'static str,
    /// Where the program and its constants are.
    pub flash: Region,
    /// Where the stack and the variables are.
    pub ram: Region,
    /// Bytes of `ram` that the stack gets. The stack is the lowest part of `ram`. If it is too
    /// small, it overflows into an address that does not exist, not into a variable.
    pub stack: usize,
    /// Whether a panic logs its place in the source. That takes a tenth of the code if the core
    /// library is built from its source. Without it a panic shows as a fault.
    pub tells_panics: bool,
    /// How large a hub it runs.
    pub sizes: Sizes,
    /// How it is run.
    pub run: Run,
}

/// A piece of the address space.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Its first address.
    pub origin: usize,
    /// Bytes.
    pub len: usize,
}

/// How large a hub is. The program works out everything else from these numbers.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Chat clients at once. A build can choose another number with `--max-conns`.
    pub max_conns: usize,
    /// Echo clients at once.
    pub echoes: usize,
    /// How many newcomers at once, on each port, can be told that the server is full.
    pub refusals: usize,
    /// Rooms at once.
    pub rooms: usize,
    /// Bytes of a name.
    pub name: usize,
    /// Bytes of a line.
    pub line: usize,
    /// Bytes of each room's log: a power of two.
    pub log: usize,
    /// Messages in each room's log: a power of two.
    pub records: usize,
    /// Bytes of each client's receive buffer.
    pub receive: usize,
    /// Bytes of each client's send buffer.
    pub send: usize,
    /// Chat clients that can come back after their connection has broken. 0: the board has no memory for it, or no
    /// randomness for their keys.
    pub sessions: usize,
    /// Bytes that are kept for each of them in each direction. Its receive buffer has a little more.
    pub session_window: usize,
}

/// How a board is run.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// By an emulator.
    Qemu {
        /// Its command.
        command: &'static str,
        /// Its arguments for the machine, and for all else that the board needs.
        args: &'static [&'static str],
        /// The network card. The runner appends what it is connected to.
        nic: Nic,
    },
    /// By probe-rs, on the real board.
    Probe {
        /// What probe-rs calls the chip.
        chip: &'static str,
    },
}

/// How the emulator's arguments name the network card.
#[derive(Clone, Copy, Debug)]
pub enum Nic {
    /// `-nic user,model=MODEL,...`: a card that the machine has.
    BuiltIn(&'static str),
    /// `-netdev user,id=net,... -device DEVICE,netdev=net`: a card that is plugged in.
    Device(&'static str),
}

/// The address to use if no DHCP server answers, and the bits of its network's mask. A build can choose
/// another.
pub const ADDRESS: &str = "192.168.1.50/24";
/// The gateway that belongs to [`ADDRESS`].
pub const GATEWAY: &str = "192.168.1.1";

const KB: usize = 1024;

/// All boards.
pub const BOARDS: &[Board] = &[
    Board {
        name: "lm3s6965evb",
        about: "Stellaris LM3S6965 evaluation board, Cortex-M3, in QEMU",
        target: "thumbv7m-none-eabi",
        flash: Region { origin: 0, len: 256 * KB },
        ram: Region { origin: 0x2000_0000, len: 64 * KB },
        stack: 6 * KB,
        tells_panics: false,
        sizes: Sizes {
            max_conns: 32,
            echoes: 2,
            refusals: 2,
            rooms: 2,
            name: 24,
            line: 128,
            log: 2 * KB,
            records: 32,
            receive: 128,
            send: 256,
            sessions: 0,
            session_window: 0,
        },
        run: Run::Qemu {
            command: "qemu-system-arm",
            args: &["-M", "lm3s6965evb"],
            nic: Nic::BuiltIn("stellaris"),
        },
    },
    Board {
        name: "riscv32-virt",
        about: "RISC-V rv32imac, the machine `virt` of QEMU with a virtio network card",
        target: "riscv32imac-unknown-none-elf",
        // There is one memory. The program gets a part of it.
        flash: Region { origin: 0x8000_0000, len: 1024 * KB },
        ram: Region { origin: 0x8010_0000, len: 15 * 1024 * KB },
        stack: 64 * KB,
        tells_panics: true,
        sizes: Sizes {
            max_conns: 64,
            echoes: 4,
            refusals: 4,
            rooms: 16,
            name: 96,
            line: 1024,
            log: 256 * KB,
            records: 4096,
            receive: 4 * KB,
            send: 8 * KB,
            sessions: 64,
            session_window: 3 * KB,
        },
        run: Run::Qemu {
            command: "qemu-system-riscv32",
            args: &["-M", "virt", "-m", "16M", "-bios", "none", "-device", "virtio-rng-device"],
            nic: Nic::Device("virtio-net-device"),
        },
    },
    Board {
        name: "nucleo-f429zi",
        about: "ST Nucleo-F429ZI, Cortex-M4, built but never run on the real board",
        target: "thumbv7em-none-eabihf",
        flash: Region { origin: 0x0800_0000, len: 2048 * KB },
        ram: Region { origin: 0x2000_0000, len: 192 * KB },
        stack: 16 * KB,
        tells_panics: true,
        sizes: Sizes {
            max_conns: 32,
            echoes: 4,
            refusals: 2,
            rooms: 4,
            name: 48,
            line: 512,
            log: 4 * KB,
            records: 64,
            receive: 512,
            send: 1024,
            sessions: 6,
            session_window: 256,
        },
        run: Run::Probe { chip: "STM32F429ZITx" },
    },
];

/// The board with this name.
pub const fn named(name: &str) -> Option<&'static Board> {
    let mut index = 0;
    while index < BOARDS.len() {
        if is_equal(BOARDS[index].name.as_bytes(), name.as_bytes()) {
            return Some(&BOARDS[index]);
        }
        index += 1;
    }
    None
}

const fn is_equal(a: &[u8], b: &[u8]) -> bool {
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}
