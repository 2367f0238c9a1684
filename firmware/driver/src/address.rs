//! The address of the interface: from DHCP, or a fixed one if no DHCP server answers.

use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::dhcpv4;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpCidr, Ipv4Address, Ipv4Cidr};

/// How long DHCP has before the fixed address is used.
const PATIENCE: Duration = Duration::from_secs(10);

/// An address, with its network and gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address and its network's mask.
    pub cidr: Ipv4Cidr,
    /// The way to other networks.
    pub gateway: Option<Ipv4Address>,
    /// It was given by DHCP.
    pub is_leased: bool,
}

/// Keeps an interface's address.
#[derive(Debug)]
pub struct Addressing {
    dhcp: SocketHandle,
    fixed: Address,
    fixed_at: Option<Instant>,
}

impl Addressing {
    /// Adds a DHCP socket to the set. The set must have a place for it.
    pub fn new(sockets: &mut SocketSet<'_>, cidr: Ipv4Cidr, gateway: Option<Ipv4Address>) -> Self {
        let fixed = Address { cidr, gateway, is_leased: false };
        Self { dhcp: sockets.add(dhcpv4::Socket::new()), fixed, fixed_at: None }
    }

    /// Sets the interface's address if there is a new one, and returns it. Call it after each
    /// poll of the interface, and at the [`Addressing::deadline`].
    pub fn poll(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        sockets: &mut SocketSet<'_>,
    ) -> Option<Address> {
        match sockets.get_mut::<dhcpv4::Socket<'_>>(self.dhcp).poll() {
            Some(dhcpv4::Event::Configured(lease)) => {
                self.fixed_at = None;
                let leased = Address { cidr: lease.address, gateway: lease.router, is_leased: true };
                return Some(apply(leased, interface));
            }
            // At the start, and when the lease was lost.
            Some(dhcpv4::Event::Deconfigured) => self.fixed_at = Some(now + PATIENCE),
            None => {}
        }
        if self.fixed_at.is_some_and(|at| at <= now) {
            self.fixed_at = None;
            return Some(apply(self.fixed, interface));
        }
        None
    }

    /// When the fixed address will be used, unless a DHCP server answers before.
    pub fn deadline(&self) -> Option<Instant> {
        self.fixed_at
    }
}

fn apply(address: Address, interface: &mut Interface) -> Address {
    interface.update_ip_addrs(|addresses| {
        addresses.clear();
        // The list has a place: it is empty.
        let _ = addresses.push(IpCidr::Ipv4(address.cidr));
    });
    let routes = interface.routes_mut();
    routes.remove_default_ipv4_route();
    if let Some(gateway) = address.gateway {
        // The table has a place: there is no other route.
        let _ = routes.add_default_ipv4_route(gateway);
    }
    address
}
