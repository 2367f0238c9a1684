//! ST Nucleo-F429ZI: Cortex-M4 at 168 MHz, 2 MB of flash, 192 KB of RAM, Ethernet with a LAN8742A on the
//! board (user manual UM1974). The program builds, but was never run on the real board.

use core::cell::RefCell;

use defmt_rtt as _;
use embassy_stm32::eth::{self, Ethernet, GenericPhy, PacketQueue, Sma};
use embassy_stm32::peripherals::{ETH, ETH_SMA, RNG};
use embassy_stm32::rcc::{
    AHBPrescaler, APBPrescaler, Hse, HseMode, Pll, PllMul, PllPDiv, PllPreDiv, PllQDiv, PllSource, Sysclk,
};
use embassy_stm32::rng::{self, Rng};
use embassy_stm32::time::Hertz;
use embassy_stm32::{Config, bind_interrupts, uid};
use panic_probe as _;
use parlour_smoltcp::Clock;
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;
use static_cell::ConstStaticCell;

use super::systick::Systick;
use crate::Machine;
use crate::nics::embassy::Embassy;
use crate::settings::Settings;
use crate::stack;

pub(crate) const NAME: &str = "nucleo-f429zi";

const CLOCK_HZ: u32 = 168_000_000;

bind_interrupts!(struct Interrupts {
    ETH => eth::InterruptHandler;
    HASH_RNG => rng::InterruptHandler<RNG>;
});

/// Frames that may wait in each direction.
const QUEUE: usize = 4;

static FRAMES: ConstStaticCell<PacketQueue<QUEUE, QUEUE>> = ConstStaticCell::new(PacketQueue::new());

type Nic = Embassy<Ethernet<'static, ETH, GenericPhy<Sma<'static, ETH_SMA>>>>;

struct Nucleo {
    clock: Systick,
    mac: EthernetAddress,
    random: RefCell<Rng<'static, RNG>>,
}

#[cortex_m_rt::entry]
fn main() -> ! {
    stack::paint();
    let chip = embassy_stm32::init(config());
    let Some(core) = cortex_m::Peripherals::take() else { defmt::panic!("started twice") };

    // Locally administered, and different on each chip.
    let [.., a, b, c] = uid::uid();
    let mac = [0x02, 0x70, 0x61, a, b, c];
    let ethernet = Ethernet::new(
        FRAMES.take(),
        chip.ETH,
        Interrupts,
        chip.PA1,
        chip.PA7,
        chip.PC4,
        chip.PC5,
        chip.PG13,
        chip.PB13,
        chip.PG11,
        mac,
        chip.ETH_SMA,
        chip.PA2,
        chip.PC1,
    );
    let board = Nucleo {
        clock: Systick::start(core.SYST, CLOCK_HZ),
        mac: EthernetAddress(mac),
        random: RefCell::new(Rng::new(chip.RNG, Interrupts)),
    };
    crate::run(&board, &mut Embassy(ethernet), &Settings::DEFAULT)
}

/// 168 MHz from the 8 MHz of the debugger's clock, and 48 MHz for random numbers.
fn config() -> Config {
    let mut config = Config::default();
    config.rcc.hse = Some(Hse { freq: Hertz(8_000_000), mode: HseMode::Bypass });
    config.rcc.pll_src = PllSource::HSE;
    config.rcc.pll = Some(Pll {
        prediv: PllPreDiv::DIV4,
        mul: PllMul::MUL168,
        divp: Some(PllPDiv::DIV2),
        divq: Some(PllQDiv::DIV7),
        divr: None,
    });
    config.rcc.ahb_pre = AHBPrescaler::DIV1;
    config.rcc.apb1_pre = APBPrescaler::DIV4;
    config.rcc.apb2_pre = APBPrescaler::DIV2;
    config.rcc.sys = Sysclk::PLL1_P;
    config
}

impl Clock for Nucleo {
    fn now(&self) -> Instant {
        self.clock.now()
    }
}

impl Machine for Nucleo {
    type Device = Nic;

    fn sleep(&self, device: &mut Nic, due: Option<Instant>) {
        self.clock.sleep(due, || device.has_received());
    }

    fn mac(&self) -> EthernetAddress {
        self.mac
    }

    fn seed(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }

    fn draw(&self, bytes: &mut [u8; 16]) -> bool {
        // The generator of the chip (RM0090, section 24). If its own tests fail, the driver starts it again.
        self.random.borrow_mut().fill_bytes(bytes);
        true
    }
}
