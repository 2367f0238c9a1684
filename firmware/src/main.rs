//! The program of every board: a chat and an echo, served by the driver.
//!
//! A board's file sets the chip up and calls [`run`]. All boards share the rest: the memory, the
//! address, the loop, and the report once a minute.
#![no_std]
#![no_main]

mod boards;
/// What was chosen for this build.
mod choices {
    include!(concat!(env!("OUT_DIR"), "/choices.rs"));
}
mod memory;
mod nics;
#[cfg(feature = "riscv32-virt")]
mod random;
#[cfg(feature = "emulated")]
mod registers;
mod report;
mod settings;
mod stack;

use defmt::info;
use parlour_core::{Config, Hub, Limits, Listener};
#[cfg(feature = "sessions")]
use parlour_smoltcp::Session;
use parlour_smoltcp::{Addressing, Clock, Driver};
use smoltcp::iface::{self, Interface, SocketSet};
use smoltcp::phy::Device;
#[cfg(feature = "sessions")]
use smoltcp::time::Duration;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Ipv4Cidr};

use crate::memory::{BOARD, DriverStatics, Statics};
use crate::report::Report;
use crate::settings::Settings;

/// What a board's file offers.
pub(crate) trait Machine: Clock {
    /// Its network interface.
    type Device: Device;

    /// Sleeps until the device has received something, or until `due` at the
    /// latest. It may return earlier.
    fn sleep(&self, device: &mut Self::Device, due: Option<Instant>);

    /// The address of its network interface.
    fn mac(&self) -> EthernetAddress;

    /// A number that others cannot foresee, if the board has one.
    fn seed(&self) -> u64;

    /// Fills bytes in such a way that nobody can foresee them. Returns false if it cannot.
    #[cfg(feature = "sessions")]
    fn draw(&self, bytes: &mut [u8; 16]) -> bool;
}

/// Serves for ever.
pub(crate) fn run<M: Machine>(machine: &M, device: &mut M::Device, settings: &Settings) -> ! {
    let Statics { sockets, interface, driver } = memory::take();
    let mut sockets = SocketSet::new(sockets);
    let fixed = Ipv4Cidr::new(choices::ADDRESS.into(), choices::PREFIX);
    let mut addressing = Addressing::new(&mut sockets, fixed, Some(choices::GATEWAY.into()));
    let driver = make_driver(driver, settings, &mut sockets);
    let interface = make_interface(interface, machine, device);
    info!("parlour on {}: {} chat clients, {} of echo", BOARD.name, settings.max_conns, BOARD.sizes.echoes);

    let mut report = Report::new(machine.now());
    loop {
        #[cfg(feature = "sessions")]
        driver.draw_keys(|bytes| machine.draw(bytes));
        let due = driver.poll(interface, device, machine, &mut sockets, &mut report::note);
        let now = machine.now();
        if let Some(address) = addressing.poll(now, interface, &mut sockets) {
            report::address(&address);
            continue;
        }
        report.poll(now, driver.hub());
        let due = [due, addressing.deadline(), Some(report.deadline())].into_iter().flatten().min();
        if due.is_none_or(|due| due > now) {
            machine.sleep(device, due);
        }
    }
}

/// Makes the hub and the driver in their place. It is a function of its own: the stack that it needs is
/// free again when it returns.
#[inline(never)]
fn make_driver(
    statics: DriverStatics,
    settings: &Settings,
    sockets: &mut SocketSet<'static>,
) -> &'static mut Driver<'static> {
    let listeners = statics.listeners.insert(parlour_firmware::listeners(settings.on_lag));
    let greeting = statics.greeting.insert(settings.greeting.clone());
    let config = config(settings, listeners, greeting);
    let hub = match Hub::new(config, limits(settings), statics.storage) {
        Ok(hub) => hub,
        Err(error) => defmt::panic!("the settings do not fit the board's memory: {}", error),
    };
    let services = parlour_firmware::services(BOARD, settings.max_conns);
    let options = parlour_firmware::socket_options(BOARD);
    match Driver::new(hub, &services, options, sockets, statics.links, statics.buffers) {
        Ok(driver) => {
            let driver = statics.driver.insert(driver);
            #[cfg(feature = "sessions")]
            offer_sessions(driver, settings, statics.sessions);
            driver
        }
        Err(shortage) => defmt::panic!("the driver's memory is too small: {}", shortage),
    }
}

/// Lets clients come back. If they have no time for it, they cannot.
#[cfg(feature = "sessions")]
fn offer_sessions(
    driver: &mut Driver<'static>,
    settings: &Settings,
    (sessions, bytes): (&'static mut [Session<'static>], &'static mut [u8]),
) {
    let mut options = parlour_firmware::session_options(BOARD);
    if let Some(ms) = settings.away_ms {
        options.away = Duration::from_millis(ms.into());
    }
    if options.away == Duration::ZERO {
        return;
    }
    if let Err(shortage) = driver.offer_sessions(options, sessions, bytes) {
        defmt::panic!("the memory for clients that come back is too small: {}", shortage);
    }
}

fn config<'a>(settings: &Settings, listeners: &'a [Listener], greeting: &'a str) -> Config<'a> {
    let defaults = Config::new(listeners);
    Config {
        greeting,
        history: settings.history,
        grace_ms: settings.grace_ms.unwrap_or(defaults.grace_ms),
        idle_ms: settings.idle_ms,
        ..defaults
    }
}

/// Makes the interface in its place. It is a function of its own for the same reason.
#[inline(never)]
fn make_interface<M: Machine>(
    place: &'static mut Option<Interface>,
    machine: &M,
    device: &mut M::Device,
) -> &'static mut Interface {
    let mut config = iface::Config::new(machine.mac().into());
    config.random_seed = machine.seed();
    place.insert(Interface::new(config, device, machine.now()))
}

/// The limits that the memory was made for, changed as the settings ask.
fn limits(settings: &Settings) -> Limits {
    let limits = parlour_firmware::limits(BOARD, settings.max_conns);
    Limits { line: settings.line.unwrap_or(limits.line), log: settings.log.unwrap_or(limits.log), ..limits }
}
