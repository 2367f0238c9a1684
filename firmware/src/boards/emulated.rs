//! What the boards in an emulator have in common: semihosting. The log goes to the
//! emulator's standard output, settings come from its command line, and a panic ends it.

use defmt_semihosting as _;
use semihosting::experimental::env;
use semihosting::sys::arm_compat::sys_time;

use crate::settings::Settings;

/// Bytes of all words of the command line.
const COMMAND_LINE: usize = 512;

/// The settings that the emulator was started with. An unknown word ends it.
#[inline(never)]
pub(super) fn settings() -> Settings {
    let mut settings = Settings::DEFAULT;
    let Ok(words) = env::args::<COMMAND_LINE>() else {
        defmt::panic!("the settings are longer than {} bytes; choose a shorter greeting", COMMAND_LINE)
    };
    // The first word is the program's name.
    for word in (&words).into_iter().skip(1) {
        let word = word.unwrap_or_default();
        if settings.set(word).is_none() {
            defmt::panic!("there is no setting {}; see settings.rs for those that there are", word);
        }
    }
    settings
}

/// The host's time. The board has no random numbers, and uses this instead.
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
    // The text of the message would take several KB of flash.
    if let Some(place) = info.location() {
        defmt::error!("panic at {}:{}", place.file(), place.line());
    }
    end()
}
