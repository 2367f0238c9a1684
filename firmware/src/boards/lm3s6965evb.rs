//! Stellaris LM3S6965 evaluation board: Cortex-M3 at 50 MHz, 256 KB of flash, 64 KB of
//! RAM, Ethernet on the chip. QEMU emulates it as `lm3s6965evb`.
#![allow(unsafe_code)]

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use cortex_m_rt::{entry, exception};
use parlour_smoltcp::Clock;
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use super::emulated;
use super::systick::Systick;
use crate::Machine;
use crate::nics::stellaris::Stellaris;
use crate::registers::Registers;
use crate::stack;

pub(crate) const NAME: &str = "lm3s6965evb";

/// A locally administered address. The evaluation kit has its own in flash that the emulator does not
/// have.
const MAC: EthernetAddress = EthernetAddress([0x02, 0x70, 0x61, 0x72, 0x6C, 0x01]);

const CLOCK_HZ: u32 = 50_000_000;

/// System control: raw interrupts, run-mode clock configuration, and which clocks run.
const RIS: usize = 0x050;
const RCC: usize = 0x060;
const RCGC2: usize = 0x108;
const RIS_PLL_LOCKED: u32 = 1 << 6;
const RCC_BYPASS: u32 = 1 << 11;
const RCC_PLL_OFF: u32 = 1 << 13;
const RCC_USE_DIVIDER: u32 = 1 << 22;
const RCC_DIVIDER: u32 = 0xF << 23;
/// The PLL's 200 MHz divided by four.
const RCC_DIVIDE_BY_4: u32 = 3 << 23;
const RCC_CRYSTAL: u32 = 0xF << 6;
const RCC_CRYSTAL_8_MHZ: u32 = 0xE << 6;
/// Zero is the main oscillator.
const RCC_SOURCE: u32 = 3 << 4;
const RCC_OSCILLATOR_OFF: u32 = 1 << 0;
const RCGC2_ETHERNET: u32 = 1 << 28 | 1 << 30;

/// The Ethernet controller's interrupt.
#[derive(Clone, Copy)]
struct Ethernet;

// SAFETY: the chip has this interrupt (data sheet, table of interrupts).
unsafe impl InterruptNumber for Ethernet {
    fn number(self) -> u16 {
        42
    }
}

#[entry]
fn main() -> ! {
    stack::paint();
    let settings = emulated::settings();
    let Some(core) = cortex_m::Peripherals::take() else { defmt::panic!("started twice") };
    // SAFETY: the system control block, which only this function uses.
    let system = unsafe { Registers::new(0x400F_E000, 0x1000) };
    start_clock(system);

    // SAFETY: the Ethernet controller's block, which is given to its driver.
    let ethernet = unsafe { Registers::new(0x4004_8000, 0x1000) };
    let mut device = Stellaris::start(ethernet, MAC);
    let board = Lm3s6965 { clock: Systick::start(core.SYST, CLOCK_HZ) };
    crate::run(&board, &mut device, &settings)
}

/// The PLL at 50 MHz, and the Ethernet controller's clock.
fn start_clock(system: Registers) {
    let change =
        |register, clear: u32, set: u32| system.write(register, system.read(register) & !clear | set);
    change(RCC, RCC_USE_DIVIDER, RCC_BYPASS);
    change(RCC, RCC_CRYSTAL | RCC_SOURCE | RCC_OSCILLATOR_OFF | RCC_PLL_OFF, RCC_CRYSTAL_8_MHZ);
    change(RCC, RCC_DIVIDER, RCC_DIVIDE_BY_4 | RCC_USE_DIVIDER);
    while system.read(RIS) & RIS_PLL_LOCKED == 0 {}
    change(RCC, RCC_BYPASS, 0);
    change(RCGC2, 0, RCGC2_ETHERNET);
}

/// Handles every interrupt without a function of its own: the Ethernet controller's. It stays on while a
/// frame waits, and the loop reads the frame. So it is masked until the next sleep.
#[exception]
unsafe fn DefaultHandler(_: i16) {
    NVIC::mask(Ethernet);
}

// A fault is logged, and ends the program. The handler starts with a fresh stack, because a full stack
// is the likeliest cause.
core::arch::global_asm!(
    ".global HardFault",
    ".thumb_func",
    "HardFault:",
    "ldr r0, =_stack_start",
    "mov sp, r0",
    "b {fault}",
    fault = sym fault,
);

extern "C" fn fault() -> ! {
    defmt::error!(
        "hard fault: the stack of {} bytes was too small, or there is a bug; try a larger --stack",
        stack::len()
    );
    emulated::end()
}

struct Lm3s6965 {
    clock: Systick,
}

impl Clock for Lm3s6965 {
    fn now(&self) -> Instant {
        self.clock.now()
    }
}

impl Machine for Lm3s6965 {
    type Device = Stellaris;

    fn sleep(&self, device: &mut Stellaris, due: Option<Instant>) {
        self.clock.sleep(due, || {
            // SAFETY: its handler only masks it.
            unsafe { NVIC::unmask(Ethernet) };
            device.has_received()
        });
    }

    fn mac(&self) -> EthernetAddress {
        MAC
    }

    fn seed(&self) -> u64 {
        // The chip has no source of random numbers.
        emulated::seed()
    }
}
