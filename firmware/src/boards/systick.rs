//! Time and sleep of boards with a Cortex-M, by SysTick. An interrupt every 10 ms counts ticks. Between
//! two interrupts, the timer itself tells the time. Sleep ends with any interrupt.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use smoltcp::time::{Duration, Instant};

const TICK_US: u32 = 10_000;

/// Ticks since the start, modulo 2^32.
static TICKS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    // There is no other writer.
    TICKS.store(TICKS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

pub(super) struct Systick {
    /// Of the processor's clock.
    per_us: u32,
    /// The value of `TICKS` at the last look, and how often it had wrapped around.
    last: Cell<u32>,
    laps: Cell<u32>,
}

impl Systick {
    /// Starts the clock. `hz` is the processor's frequency: whole MHz, below 1,600 MHz.
    pub(super) fn start(mut timer: SYST, hz: u32) -> Self {
        let per_us = hz / 1_000_000;
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(per_us * TICK_US - 1);
        timer.clear_current();
        timer.enable_counter();
        timer.enable_interrupt();
        Self { per_us, last: Cell::new(0), laps: Cell::new(0) }
    }

    pub(super) fn now(&self) -> Instant {
        let (ticks, count) = loop {
            let before = TICKS.load(Ordering::Relaxed);
            let count = SYST::get_current();
            if before == TICKS.load(Ordering::Relaxed) {
                break (before, count);
            }
        };
        if ticks < self.last.replace(ticks) {
            self.laps.set(self.laps.get().wrapping_add(1));
        }
        let ticks = u64::from(self.laps.get()) << 32 | u64::from(ticks);
        // The timer counts down.
        let within = TICK_US - 1 - count / self.per_us;
        Instant::from_micros((ticks * u64::from(TICK_US) + u64::from(within)) as i64)
    }

    /// Sleeps until `is_ready`, or until `due`, give or take half a tick.
    pub(super) fn sleep(&self, due: Option<Instant>, mut is_ready: impl FnMut() -> bool) {
        let due = due.map(|due| due - Duration::from_micros(u64::from(TICK_US) / 2));
        while due.is_none_or(|due| self.now() < due) {
            // An event between the look and the sleep ends the sleep. Its interrupt is pending, although
            // no handler runs.
            cortex_m::interrupt::disable();
            let is_ready = is_ready();
            if !is_ready {
                cortex_m::asm::wfi();
            }
            // SAFETY: they were on before.
            unsafe { cortex_m::interrupt::enable() };
            if is_ready {
                return;
            }
        }
    }
}
