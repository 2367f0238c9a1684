//! The Ethernet controller of Stellaris chips (data sheet of the LM3S6965, chapter
//! "Ethernet Controller"): a FIFO of 2 KB for received frames and one for the
//! frame that is being sent, read and written word by word.

use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;
use static_cell::ConstStaticCell;

use crate::registers::Registers;

/// Raw interrupt status. To write a bit acknowledges it.
const RIS: usize = 0x00;
/// Interrupt mask.
const IM: usize = 0x04;
/// Receive control.
const RCTL: usize = 0x08;
/// Transmit control.
const TCTL: usize = 0x0C;
/// The FIFOs.
const DATA: usize = 0x10;
/// The station's address, its first four bytes and its last two.
const IA0: usize = 0x14;
const IA1: usize = 0x18;
/// Frames that were received and not read.
const NP: usize = 0x34;
/// Transmission request. It is set while a frame is being sent.
const TR: usize = 0x38;

const RCTL_RESET_FIFO: u32 = 1 << 4;
const RCTL_MULTICAST: u32 = 1 << 1;
const RCTL_ENABLE: u32 = 1 << 0;
const TCTL_DUPLEX: u32 = 1 << 4;
const TCTL_CRC: u32 = 1 << 2;
const TCTL_PAD: u32 = 1 << 1;
const TCTL_ENABLE: u32 = 1 << 0;
const INTERRUPT_RECEIVED: u32 = 1 << 0;
const TR_NEW: u32 = 1 << 0;

const HEADER: usize = 14;
/// Bytes of the length before a received frame, and of the checksum after it.
const LENGTH_FIELD: usize = 2;
const CHECKSUM: usize = 4;

/// Bytes of the longest frame that is received or sent. The hub's windows are small, so no peer has a
/// reason to send more at once. Longer frames are dropped.
const FRAME: usize = 600;

static FRAMES: ConstStaticCell<[[u8; FRAME]; 2]> = ConstStaticCell::new([[0; FRAME]; 2]);

/// The controller.
pub(crate) struct Stellaris {
    registers: Registers,
    received: &'static mut [u8; FRAME],
    sent: &'static mut [u8; FRAME],
}

impl Stellaris {
    /// Starts the controller. Its clock must be running. Call it once.
    pub(crate) fn start(registers: Registers, mac: EthernetAddress) -> Self {
        registers.write(IM, 0);
        registers.write(RCTL, RCTL_RESET_FIFO);
        let [a, b, c, d, e, f] = mac.0;
        registers.write(IA0, u32::from_le_bytes([a, b, c, d]));
        registers.write(IA1, u32::from_le_bytes([e, f, 0, 0]));
        registers.write(TCTL, TCTL_DUPLEX | TCTL_CRC | TCTL_PAD | TCTL_ENABLE);
        registers.write(RCTL, RCTL_MULTICAST | RCTL_ENABLE);
        registers.write(RIS, u32::MAX);
        registers.write(IM, INTERRUPT_RECEIVED);
        let [received, sent] = FRAMES.take();
        Self { registers, received, sent }
    }

    /// Whether a frame waits to be read.
    pub(crate) fn has_received(&self) -> bool {
        self.registers.read(NP) != 0
    }

    /// Reads a frame and returns its length: 0 if it was too long.
    fn read_frame(&mut self) -> usize {
        let first = self.registers.read(DATA).to_le_bytes();
        // The length counts itself and the checksum.
        let total = usize::from(u16::from_le_bytes([first[0], first[1]]));
        let len = total.saturating_sub(LENGTH_FIELD + CHECKSUM);
        let (head, body) = self.received.split_at_mut(4 - LENGTH_FIELD);
        head.copy_from_slice(&first[LENGTH_FIELD..]);
        let mut places = body.chunks_mut(4);
        for _ in 1..total.div_ceil(4) {
            // A frame that is too long must be read all the same.
            let word = self.registers.read(DATA).to_le_bytes();
            if let Some(place) = places.next() {
                place.copy_from_slice(&word[..place.len()]);
            }
        }
        self.registers.write(RIS, INTERRUPT_RECEIVED);
        if len <= FRAME { len } else { 0 }
    }
}

/// Writes a frame and sends it.
fn write_frame(registers: Registers, frame: &[u8]) {
    while registers.read(TR) & TR_NEW != 0 {}
    let payload = frame.len() - HEADER;
    let length = (payload as u16).to_le_bytes();
    let (first, rest) = frame.split_at(4 - LENGTH_FIELD);
    registers.write(DATA, u32::from_le_bytes([length[0], length[1], first[0], first[1]]));
    for word in rest.chunks(4) {
        let mut bytes = [0; 4];
        bytes[..word.len()].copy_from_slice(word);
        registers.write(DATA, u32::from_le_bytes(bytes));
    }
    registers.write(TR, TR_NEW);
}

impl Device for Stellaris {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        while self.has_received() {
            let len = self.read_frame();
            if len > 0 {
                let sending = Sending { registers: self.registers, frame: &mut self.sent[..] };
                return Some((Received(&self.received[..len]), sending));
            }
        }
        None
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        Some(Sending { registers: self.registers, frame: &mut self.sent[..] })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        super::ethernet(FRAME, Some(1))
    }
}

/// A frame that was received.
pub(crate) struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// A frame that is to be sent.
pub(crate) struct Sending<'a> {
    registers: Registers,
    frame: &'a mut [u8],
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let frame = &mut self.frame[..len];
        let result = f(frame);
        write_frame(self.registers, frame);
        result
    }
}
