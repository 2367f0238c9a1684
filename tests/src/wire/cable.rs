//! The network card and what it is connected to: frames that were sent come back.
//!
//! smoltcp's loopback asks for no checksums and takes frames of any length; a real
//! card does not. Frames can be reordered and lines of single clients can be cut here;
//! what else can go wrong does so in smoltcp's fault injector, around this.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Loopback, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, TcpPacket};

/// Bytes of the longest frame: those of Ethernet, the header included.
const LONGEST: usize = 1514;

/// The line outside the card, and its faults.
#[derive(Debug)]
pub(super) struct Line {
    /// Frames that have been sent and not received yet.
    pub(super) waiting: Cell<usize>,
    /// The TCP ports whose clients are cut off.
    pub(super) unplugged: RefCell<BTreeSet<u16>>,
    /// How many of a hundred frames are overtaken by the next one.
    pub(super) reorder_pct: Cell<u8>,
    /// The card takes no frames to send.
    pub(super) is_busy: Cell<bool>,
    /// The next frame that is sent is kept, to be sent once more.
    pub(super) keeps_next: Cell<bool>,
    pub(super) kept: RefCell<Vec<u8>>,
    rng: RefCell<fastrand::Rng>,
}

impl Line {
    fn passes(&self, frame: &[u8]) -> bool {
        let unplugged = self.unplugged.borrow();
        unplugged.is_empty()
            || !tcp_ports(frame).is_some_and(|ports| ports.iter().any(|port| unplugged.contains(port)))
    }

    fn reorders(&self) -> bool {
        self.reorder_pct.get() > 0 && self.rng.borrow_mut().u8(..100) < self.reorder_pct.get()
    }
}

fn tcp_ports(frame: &[u8]) -> Option<[u16; 2]> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    let is_tcp = frame.ethertype() == EthernetProtocol::Ipv4 && packet.next_header() == IpProtocol::Tcp;
    let segment = TcpPacket::new_checked(packet.payload()).ok().filter(|_| is_tcp)?;
    Some([segment.src_port(), segment.dst_port()])
}

/// The card.
#[derive(Debug)]
pub struct Cable {
    frames: Loopback,
    overtaken: Option<Vec<u8>>,
    line: Rc<Line>,
}

impl Cable {
    pub(super) fn new(seed: u64) -> (Self, Rc<Line>) {
        let line = Rc::new(Line {
            waiting: Cell::new(0),
            unplugged: RefCell::default(),
            reorder_pct: Cell::new(0),
            is_busy: Cell::new(false),
            keeps_next: Cell::new(false),
            kept: RefCell::default(),
            rng: RefCell::new(fastrand::Rng::with_seed(seed)),
        });
        (Self { frames: Loopback::new(Medium::Ethernet), overtaken: None, line: Rc::clone(&line) }, line)
    }

    fn next_frame(&mut self, now: Instant) -> Option<Vec<u8>> {
        let frame = match self.overtaken.take() {
            Some(frame) => frame,
            None => {
                let first = self.frames.receive(now)?.0.consume(<[u8]>::to_vec);
                let second = self.line.reorders().then(|| self.frames.receive(now)).flatten();
                match second.map(|(token, _)| token.consume(<[u8]>::to_vec)) {
                    Some(second) => {
                        self.overtaken = Some(first);
                        second
                    }
                    None => first,
                }
            }
        };
        self.line.waiting.set(self.line.waiting.get() - 1);
        Some(frame)
    }
}

impl Device for Cable {
    type RxToken<'a> = Received;
    type TxToken<'a> = ToSend<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = self.frames.capabilities();
        capabilities.max_transmission_unit = LONGEST;
        capabilities.checksum = ChecksumCapabilities::default();
        capabilities
    }

    fn receive(&mut self, now: Instant) -> Option<(Received, ToSend<'_>)> {
        // An answer must have its place.
        let frame = (!self.line.is_busy.get()).then(|| self.next_frame(now)).flatten()?;
        self.transmit(now).map(|token| (Received(frame), token))
    }

    fn transmit(&mut self, now: Instant) -> Option<ToSend<'_>> {
        let token = self.frames.transmit(now).filter(|_| !self.line.is_busy.get())?;
        Some(ToSend { token, line: &self.line })
    }
}

/// A frame that has come.
#[derive(Debug)]
pub struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// A frame that is to be sent.
#[derive(Debug)]
pub struct ToSend<'a> {
    token: <Loopback as Device>::TxToken<'a>,
    line: &'a Line,
}

impl TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        if self.line.keeps_next.take() {
            self.line.kept.borrow_mut().clone_from(&frame);
        }
        if self.line.passes(&frame) {
            self.line.waiting.set(self.line.waiting.get() + 1);
            self.token.consume(len, |sent| sent.copy_from_slice(&frame));
        }
        result
    }
}
