//! The machine `virt` of QEMU with a 32-bit RISC-V processor (rv32imac) and a virtio
//! network card.
//!
//! There is no tick, and no interrupt handler. The interrupts of the timer and of the card stay pending,
//! and end the processor's sleep. Then the loop looks what there is to do.
#![allow(unsafe_code)]

use core::cell::RefCell;

use parlour_smoltcp::Clock;
use riscv::register::{mie, mstatus};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use super::emulated;
use crate::Machine;
use crate::nics::virtio::Virtio;
use crate::random::virtio as random;
use crate::registers::Registers;
use crate::stack;

pub(crate) const NAME: &str = "riscv32-virt";

/// The transports of virtio devices, and the interrupt of the first.
const VIRTIO: usize = 0x1000_1000;
const VIRTIO_LEN: usize = 0x1000;
const VIRTIO_SLOTS: usize = 8;
const VIRTIO_IRQ: usize = 1;

/// Core-local interruptor: the timer.
const MTIMECMP: usize = 0x4000;
const MTIME: usize = 0xBFF8;
const TICKS_PER_US: u64 = 10;

/// Platform-level interrupt controller: the one of this hart's machine mode.
const PLIC_PRIORITY: usize = 0;
const PLIC_ENABLE: usize = 0x2000;
const PLIC_THRESHOLD: usize = 0x20_0000;
const PLIC_CLAIM: usize = 0x20_0004;

struct Virt {
    /// Without it, nobody has a key.
    random: RefCell<Option<random::Virtio>>,
    clint: Registers,
    plic: Registers,
    mac: EthernetAddress,
}

#[riscv_rt::entry]
fn main() -> ! {
    stack::paint();
    let settings = emulated::settings();
    // SAFETY: the machine's core-local interruptor, which only this file uses.
    let clint = unsafe { Registers::new(0x0200_0000, 0xC000) };
    // SAFETY: its interrupt controller, likewise.
    let plic = unsafe { Registers::new(0x0C00_0000, 0x40_0000) };
    let random = (0..VIRTIO_SLOTS).find_map(|slot| {
        // SAFETY: the machine has such registers in each slot, and nobody else uses those of this device.
        unsafe { random::Virtio::start(VIRTIO + slot * VIRTIO_LEN, VIRTIO_LEN) }
    });
    let found = (0..VIRTIO_SLOTS).find_map(|slot| {
        // SAFETY: the machine has such registers in each slot, which nobody else uses.
        let card = unsafe { Virtio::start(VIRTIO + slot * VIRTIO_LEN, VIRTIO_LEN) };
        card.map(|card| (slot, card))
    });
    let Some((slot, mut card)) = found else { defmt::panic!("there is no network card") };

    let irq = VIRTIO_IRQ + slot;
    plic.write(PLIC_PRIORITY + 4 * irq, 1);
    plic.write(PLIC_ENABLE, 1 << irq);
    plic.write(PLIC_THRESHOLD, 0);
    // SAFETY: interrupts are off as a whole, so these only end a sleep.
    unsafe { mstatus::clear_mie() };
    // SAFETY: likewise.
    unsafe { mie::set_mext() };
    // SAFETY: likewise.
    unsafe { mie::set_mtimer() };
    if random.is_none() {
        defmt::warn!("there is no source of randomness (virtio-rng-device), so no client can come back");
    }
    let board = Virt { random: RefCell::new(random), clint, plic, mac: card.mac() };
    crate::run(&board, &mut card, &settings)
}

/// A fault is logged, and ends the program.
// SAFETY: the run-time library calls it by this name, and declares it so.
#[unsafe(no_mangle)]
extern "C" fn ExceptionHandler(_: &riscv_rt::TrapFrame) -> ! {
    defmt::error!("exception {}: there is a bug in the program", riscv::register::mcause::read().code());
    emulated::end()
}

impl Virt {
    fn set_timer(&self, due: Option<Instant>) {
        let ticks = due.map_or(u64::MAX, |due| due.total_micros() as u64 * TICKS_PER_US);
        // In this order, no value on the way is earlier than both the old and the new one.
        self.clint.write(MTIMECMP + 4, u32::MAX);
        self.clint.write(MTIMECMP, ticks as u32);
        self.clint.write(MTIMECMP + 4, (ticks >> 32) as u32);
    }
}

impl Clock for Virt {
    fn now(&self) -> Instant {
        let ticks = loop {
            let high = self.clint.read(MTIME + 4);
            let low = self.clint.read(MTIME);
            if high == self.clint.read(MTIME + 4) {
                break u64::from(high) << 32 | u64::from(low);
            }
        };
        Instant::from_micros((ticks / TICKS_PER_US) as i64)
    }
}

impl Machine for Virt {
    type Device = Virtio;

    fn sleep(&self, device: &mut Virtio, due: Option<Instant>) {
        self.set_timer(due);
        // An interrupt that came before the sleep is pending, and ends it at once.
        if !device.has_received() {
            riscv::asm::wfi();
        }
        let claimed = self.plic.read(PLIC_CLAIM);
        if claimed != 0 {
            device.acknowledge();
            self.plic.write(PLIC_CLAIM, claimed);
        }
    }

    fn mac(&self) -> EthernetAddress {
        self.mac
    }

    fn seed(&self) -> u64 {
        emulated::seed()
    }

    fn draw(&self, bytes: &mut [u8; 16]) -> bool {
        self.random.borrow_mut().as_mut().is_some_and(|random| random.fill(bytes))
    }
}
