//! The source of randomness of virtual machines (VIRTIO 1.2, section 5.4) behind a memory-mapped transport. It
//! gives what the host's kernel gives.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::{DeviceType, Transport};

use crate::nics::virtio::Dma;

/// The source.
pub(crate) struct Virtio(VirtIORng<Dma, MmioTransport<'static>>);

impl Virtio {
    /// Starts the source behind the registers at `base`, if there is one.
    ///
    /// # Safety
    /// There are `len` bytes of a memory-mapped transport's registers, and nobody else uses them.
    pub(crate) unsafe fn start(base: usize, len: usize) -> Option<Self> {
        let header = NonNull::new(core::ptr::with_exposed_provenance_mut::<VirtIOHeader>(base))?;
        // SAFETY: as the caller says.
        let transport = unsafe { MmioTransport::new(header, len) }.ok()?;
        if transport.device_type() != DeviceType::EntropySource {
            return None;
        }
        VirtIORng::new(transport).ok().map(Self)
    }

    /// Fills bytes. Returns false if the source has not given all of them.
    pub(crate) fn fill(&mut self, bytes: &mut [u8; 16]) -> bool {
        self.0.request_entropy(bytes) == Ok(bytes.len())
    }
}
