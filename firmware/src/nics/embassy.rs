//! Any network interface that Embassy has a driver for, as a device of smoltcp.

use core::task::{Context, Waker};

use embassy_net_driver::{Driver, RxToken, TxToken};
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;

/// An Ethernet driver of Embassy. It wakes no task: the loop looks after each interrupt.
pub(crate) struct Embassy<D>(pub(crate) D);

impl<D: Driver> Embassy<D> {
    /// Whether a frame waits to be read, and an answer to it could be sent.
    pub(crate) fn has_received(&mut self) -> bool {
        self.0.receive(&mut Context::from_waker(Waker::noop())).is_some()
    }
}

impl<D: Driver> Device for Embassy<D> {
    type RxToken<'a>
        = Received<D::RxToken<'a>>
    where
        D: 'a;
    type TxToken<'a>
        = Sending<D::TxToken<'a>>
    where
        D: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (received, sending) = self.0.receive(&mut Context::from_waker(Waker::noop()))?;
        Some((Received(received), Sending(sending)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Self::TxToken<'_>> {
        self.0.transmit(&mut Context::from_waker(Waker::noop())).map(Sending)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let of_driver = self.0.capabilities();
        super::ethernet(of_driver.max_transmission_unit, of_driver.max_burst_size)
    }
}

/// A frame that was received.
pub(crate) struct Received<T>(T);

impl<T: RxToken> phy::RxToken for Received<T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        self.0.consume(|frame| f(frame))
    }
}

/// Permission to send a frame.
pub(crate) struct Sending<T>(T);

impl<T: TxToken> phy::TxToken for Sending<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.consume(len, f)
    }
}
