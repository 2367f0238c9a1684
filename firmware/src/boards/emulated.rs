//! What the boards in an emulator have in common: semihosting. The log goes to the
//! emulator's standard output, settings come from its command line, and a panic ends it.

use defmt_semihosting as _;
use semihosting::experimental::env;
use semihosting::sys::arm_compat::sys_time;

use crate::settings::Settings;

/// Bytes of all words of the command line.
const COMMAND_LINE: usize = 512;

/// The settings that the emulator was started with. A word that means nothing ends it.
#[inline(never)]
pub(super) fn settings() -> Settings {
    let mut settings = Settings::DEFAULT;
    let Ok(words) = env::args::<COMMAND_LINE>() else {
        defmt::panic!("the settings are longer than {} bytes", COMMAND_LINE)
    };
    // The first is the program's name.
    for word in (&words).into_iter().skip(1) {
        let word = word.unwrap_or_default();
        if settings.set(word).is_none() {
            defmt::panic!("no such setting: {}", word);
        }
    }
    settings
}

/// The host's time: what the board has instead of random numbers.
pub(super) fn seed() -> u64 {
    sys_time().map_or(0, |seconds| seconds as u64)
}

/// Ends the emulator, with an error.
pub(super) fn end() -> ! {
    semihosting::process::exit(1)
}

#[defmt::panic_handler]
fn end_after_defmt() -> ! {
    end()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    // The message's text would take several KB of flash.
    if let Some(place) = info.location() {
        defmt::error!("panic at {}:{}", place.file(), place.line());
    }
    end()
}
