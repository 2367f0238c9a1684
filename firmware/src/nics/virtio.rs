//! The network card of virtual machines (VIRTIO 1.2, section 5.1) behind a memory-mapped transport.
//! Frames are not copied: the card and the program share them.
#![allow(unsafe_code)]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;
use static_cell::ConstStaticCell;
use virtio_drivers::device::net::VirtIONetRaw;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// Frames that may wait in each direction.
const QUEUE: usize = 16;
/// Bytes of a frame with the card's header. The card insists on this many.
const FRAME: usize = 1536;
/// Bytes of the longest frame without that header.
const MTU: usize = 1514;
/// Pages that the two queues take, and the one of the source of randomness.
const PAGES: usize = 6;

#[repr(align(4096))]
struct Pages([u8; PAGES * PAGE_SIZE]);

static QUEUE_PAGES: ConstStaticCell<Pages> = ConstStaticCell::new(Pages([0; PAGES * PAGE_SIZE]));
static FRAMES: ConstStaticCell<[[[u8; FRAME]; QUEUE]; 2]> = ConstStaticCell::new([[[0; FRAME]; QUEUE]; 2]);

/// Where the pages for the queues begin, and how many of them are given away.
static FIRST_PAGE: AtomicUsize = AtomicUsize::new(0);
static PAGES_GIVEN: AtomicUsize = AtomicUsize::new(0);

/// How the devices see memory. They use the same addresses as the processor.
pub(crate) struct Dma;

// SAFETY: each page is given away once, is aligned and zero, and stays for ever; addresses
// are the same on both sides.
unsafe impl Hal for Dma {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        if FIRST_PAGE.load(Ordering::Relaxed) == 0 {
            let pages = &raw mut QUEUE_PAGES.take().0;
            FIRST_PAGE.store(pages.expose_provenance(), Ordering::Relaxed);
        }
        let given = PAGES_GIVEN.load(Ordering::Relaxed);
        assert!(given + pages <= PAGES, "the queues are as large as ever");
        PAGES_GIVEN.store(given + pages, Ordering::Relaxed);
        let address = FIRST_PAGE.load(Ordering::Relaxed) + given * PAGE_SIZE;
        let page = NonNull::new(core::ptr::with_exposed_provenance_mut(address));
        (address as PhysAddr, page.unwrap_or(NonNull::dangling()))
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        // The card is never given up.
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, _: usize) -> NonNull<u8> {
        let pointer = core::ptr::with_exposed_provenance_mut(address as usize);
        NonNull::new(pointer).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr().expose_provenance() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

type Card = VirtIONetRaw<Dma, MmioTransport<'static>, QUEUE>;

/// The frame of each of a queue's tokens.
type Tokens = [u8; QUEUE];

/// The card.
pub(crate) struct Virtio {
    card: Card,
    received: &'static mut [[u8; FRAME]; QUEUE],
    received_tokens: Tokens,
    /// The frame that was lent last. The card gets it back.
    lent: Option<usize>,
    sent: &'static mut [[u8; FRAME]; QUEUE],
    sent_tokens: Tokens,
    /// A bit for each frame that the card has fetched.
    free: u16,
}

impl Virtio {
    /// Starts the card behind the registers at `base`, if there is one.
    ///
    /// # Safety
    /// There are `len` bytes of a memory-mapped transport's registers, and nobody else uses them.
    pub(crate) unsafe fn start(base: usize, len: usize) -> Option<Self> {
        let header = NonNull::new(core::ptr::with_exposed_provenance_mut::<VirtIOHeader>(base))?;
        // SAFETY: as the caller says.
        let transport = unsafe { MmioTransport::new(header, len) }.ok()?;
        if transport.device_type() != DeviceType::Network {
            return None;
        }
        let card = Card::new(transport).ok()?;
        let [received, sent] = FRAMES.take();
        let (lent, free) = (None, u16::MAX);
        let (received_tokens, sent_tokens) = ([0; QUEUE], [0; QUEUE]);
        let mut device = Self { card, received, received_tokens, lent, sent, sent_tokens, free };
        for index in 0..QUEUE {
            device.offer(index);
        }
        Some(device)
    }

    pub(crate) fn mac(&self) -> EthernetAddress {
        EthernetAddress(self.card.mac_address())
    }

    /// Whether a frame waits to be read.
    pub(crate) fn has_received(&self) -> bool {
        self.card.poll_receive().is_some()
    }

    /// Acknowledges the card's interrupt.
    pub(crate) fn acknowledge(&mut self) {
        self.card.ack_interrupt();
    }

    /// Lets the card fill a frame.
    fn offer(&mut self, index: usize) {
        // SAFETY: nobody looks at the frame until the card is done with it.
        let token = unsafe { self.card.receive_begin(&mut self.received[index]) };
        match token {
            Ok(token) => self.received_tokens[usize::from(token)] = index as u8,
            Err(_) => defmt::panic!("the card takes back no frame"),
        }
    }

    /// Notes the frames that the card has fetched.
    fn reap(&mut self) {
        while let Some(token) = self.card.poll_transmit() {
            let index = usize::from(self.sent_tokens[usize::from(token)]);
            // SAFETY: it is the frame of this token.
            let done = unsafe { self.card.transmit_complete(token, &self.sent[index]) };
            if done.is_ok() {
                self.free |= 1 << index;
            }
        }
    }
}

impl Device for Virtio {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        if let Some(index) = self.lent.take() {
            self.offer(index);
        }
        self.reap();
        if self.free == 0 {
            // A received frame may need an answer.
            return None;
        }
        let token = self.card.poll_receive()?;
        let index = usize::from(self.received_tokens[usize::from(token)]);
        self.lent = Some(index);
        // SAFETY: it is the frame of this token.
        let done = unsafe { self.card.receive_complete(token, &mut self.received[index]) };
        let (header, len) = done.ok()?;
        let sending = Sending {
            card: &mut self.card,
            frames: self.sent,
            tokens: &mut self.sent_tokens,
            free: &mut self.free,
        };
        Some((Received(&self.received[index][header..header + len]), sending))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        self.reap();
        let Self { card, sent, sent_tokens, free, .. } = self;
        (*free != 0).then_some(Sending { card, frames: sent, tokens: sent_tokens, free })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        super::ethernet(MTU, Some(QUEUE))
    }
}

/// A frame that was received.
pub(crate) struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Permission to send a frame. One of the frames is free.
pub(crate) struct Sending<'a> {
    card: &'a mut Card,
    frames: &'a mut [[u8; FRAME]; QUEUE],
    tokens: &'a mut Tokens,
    free: &'a mut u16,
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let index = self.free.trailing_zeros() as usize;
        let frame = &mut self.frames[index];
        let header = self.card.fill_buffer_header(frame).unwrap_or(0);
        let result = f(&mut frame[header..header + len]);
        // SAFETY: nobody looks at the frame until the card is done with it.
        let token = unsafe { self.card.transmit_begin(&frame[..header + len]) };
        if let Ok(token) = token {
            self.tokens[usize::from(token)] = index as u8;
            *self.free &= !(1 << index);
        }
        result
    }
}
