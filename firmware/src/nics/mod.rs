//! Network interfaces, one file each, as devices of smoltcp. They know their registers and frames, and
//! no boards.

#[cfg(feature = "nucleo-f429zi")]
pub(crate) mod embassy;
#[cfg(feature = "lm3s6965evb")]
pub(crate) mod stellaris;
#[cfg(feature = "riscv32-virt")]
pub(crate) mod virtio;

use smoltcp::phy::{DeviceCapabilities, Medium};

/// The capabilities of an Ethernet card: the bytes of the longest frame, and how many frames it takes at
/// once.
fn ethernet(frame: usize, burst: Option<usize>) -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = frame;
    capabilities.max_burst_size = burst;
    capabilities
}
