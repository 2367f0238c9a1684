//! Stellaris LM3S6965 evaluation board: Cortex-M3 at 50 MHz, 256 KB of flash, 64 KB of
//! RAM, Ethernet on the chip. QEMU emulates it as `lm3s6965evb`.
//!
//! Time is SysTick's: an interrupt each 10 ms counts, and between two of them the
//! timer itself tells. Sleep ends with that interrupt or with a frame.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use parlour_firmware::Clock;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;

use super::emulated;
use crate::Machine;
use crate::nics::stellaris::Stellaris;
use crate::registers::Registers;
use crate::stack;

pub(crate) const NAME: &str = "lm3s6965evb";

/// A locally administered address; the evaluation kit's own is in flash that
/// the emulator does not have.
const MAC: EthernetAddress = EthernetAddress([0x02, 0x70, 0x61, 0x72, 0x6C, 0x01]);

const CLOCK_HZ: u32 = 50_000_000;
const TICK_MS: u32 = 10;
const RELOAD: u32 = CLOCK_HZ / 1000 * TICK_MS - 1;

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

/// Ticks since the start, modulo 2^32.
static TICKS: AtomicU32 = AtomicU32::new(0);

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

    let mut timer = core.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(RELOAD);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();

    // SAFETY: the Ethernet controller's block, which is given to its driver.
    let ethernet = unsafe { Registers::new(0x4004_8000, 0x1000) };
    let mut device = Stellaris::start(ethernet, MAC);
    let board = Lm3s6965 { last: Cell::new(0), laps: Cell::new(0) };
    crate::run(&board, &mut device, &settings)
}

/// The PLL at 50 MHz, and the Ethernet controller's clock.
fn start_clock(system: Registers) {
    system.modify(RCC, |rcc| (rcc | RCC_BYPASS) & !RCC_USE_DIVIDER);
    system.modify(RCC, |rcc| {
        rcc & !(RCC_CRYSTAL | RCC_SOURCE | RCC_OSCILLATOR_OFF | RCC_PLL_OFF) | RCC_CRYSTAL_8_MHZ
    });
    system.modify(RCC, |rcc| rcc & !RCC_DIVIDER | RCC_DIVIDE_BY_4 | RCC_USE_DIVIDER);
    while system.read(RIS) & RIS_PLL_LOCKED == 0 {}
    system.modify(RCC, |rcc| rcc & !RCC_BYPASS);
    system.modify(RCGC2, |clocks| clocks | RCGC2_ETHERNET);
}

#[exception]
fn SysTick() {
    // There is no other writer.
    TICKS.store(TICKS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Interrupts that no other function is for: the Ethernet controller's. It stays on as
/// long as a frame waits, which the loop reads; until the next sleep it is of no use.
#[exception]
unsafe fn DefaultHandler(_: i16) {
    NVIC::mask(Ethernet);
}

// A fault says so, and ends the program. Its handler starts with a fresh stack: that
// there is none left is its likeliest cause.
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
    defmt::error!("hard fault: the stack of {} bytes was too small, or a bug", stack::len());
    emulated::end()
}

struct Lm3s6965 {
    /// What `TICKS` was when it was last looked at, and how often it had begun anew.
    last: Cell<u32>,
    laps: Cell<u32>,
}

impl Clock for Lm3s6965 {
    fn now(&self) -> Instant {
        let (ticks, count) = loop {
            let before = TICKS.load(Ordering::Relaxed);
            let count = cortex_m::peripheral::SYST::get_current();
            if before == TICKS.load(Ordering::Relaxed) {
                break (before, count);
            }
        };
        if ticks < self.last.replace(ticks) {
            self.laps.set(self.laps.get().wrapping_add(1));
        }
        let ticks = u64::from(self.laps.get()) << 32 | u64::from(ticks);
        let within = (RELOAD - count) / (CLOCK_HZ / 1_000_000);
        Instant::from_micros((ticks * u64::from(TICK_MS) * 1000 + u64::from(within)) as i64)
    }
}

impl Machine for Lm3s6965 {
    type Device = Stellaris;

    fn sleep(&self, device: &mut Stellaris, due: Option<Instant>) {
        let due = due.map(|due| due - Duration::from_millis(u64::from(TICK_MS)) / 2);
        while due.is_none_or(|due| self.now() < due) {
            // A frame that comes between the look and the sleep ends the sleep: its interrupt
            // is pending then, although nothing is interrupted.
            cortex_m::interrupt::disable();
            // SAFETY: its handler does nothing but switch it off.
            unsafe { NVIC::unmask(Ethernet) };
            let has_received = device.has_received();
            if !has_received {
                cortex_m::asm::wfi();
            }
            // SAFETY: they were on before.
            unsafe { cortex_m::interrupt::enable() };
            if has_received || device.has_received() {
                return;
            }
        }
    }

    fn mac(&self) -> EthernetAddress {
        MAC
    }

    /// The chip has no source of random numbers: how long it took to get here.
    fn seed(&self) -> u64 {
        u64::from(cortex_m::peripheral::SYST::get_current())
    }
}
