//! What a program is built for: the board and what can be chosen of it. All is
//! checked here, before a compiler starts.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use parlour_core::LimitsError;
use parlour_firmware::board::Board;

/// What a program is built for.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The board.
    pub board: &'static Board,
    /// Chat clients at once.
    pub clients: usize,
    /// Bytes of the stack.
    pub stack: usize,
    /// Where no DHCP answers, the board's address with its network's mask, and the
    /// way to other networks; `None`: the defaults.
    pub fixed: Option<(Ipv4Net, Ipv4Addr)>,
}

/// What is wrong with a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// No hub has such limits.
    Limits(LimitsError),
    /// No host has this address.
    Address(Ipv4Net),
    /// The gateway is not in the network, or has the board's own address.
    Gateway(Ipv4Addr, Ipv4Net),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::Limits(error) => write!(f, "no hub can be like that: {error:?}"),
            PlanError::Address(address) => write!(f, "--address {address} is no address of a host"),
            PlanError::Gateway(gateway, address) => {
                write!(f, "--gateway {gateway} is no other host in the network of --address {address}")
            }
        }
    }
}

impl Plan {
    /// The board as its row says, for so many chat clients or for its own number.
    pub fn new(board: &'static Board, clients: Option<usize>) -> Self {
        Self { board, clients: clients.unwrap_or(board.sizes.clients), stack: board.stack, fixed: None }
    }

    /// Whether it can be built.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), PlanError> {
        self.board.limits(self.clients).check().map_err(PlanError::Limits)?;
        match self.fixed {
            Some((network, _)) if !is_host(network.addr(), network) => Err(PlanError::Address(network)),
            Some((network, gateway)) if gateway == network.addr() || !is_host(gateway, network) => {
                Err(PlanError::Gateway(gateway, network))
            }
            _ => Ok(()),
        }
    }

    /// What tells the program from others: part of its file's name.
    pub(crate) fn name(&self) -> String {
        let mut name = format!("{}-{}", self.board.name, self.clients);
        if self.stack != self.board.stack {
            name += &format!("-stack-{}", self.stack);
        }
        if let Some((address, gateway)) = self.fixed {
            name += &format!("-{}-{}-{gateway}", address.addr(), address.prefix_len());
        }
        name
    }
}

/// Whether a host in the network can have the address.
fn is_host(address: Ipv4Addr, network: Ipv4Net) -> bool {
    let is_special =
        address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_broadcast();
    // In networks of one or two addresses all are hosts'.
    let is_edge = network.prefix_len() < 31 && [network.network(), network.broadcast()].contains(&address);
    network.contains(&address) && !is_special && !is_edge
}

#[cfg(test)]
mod tests {
    use parlour_firmware::board::BOARDS;

    use super::*;

    fn check(address: &str, gateway: &str) -> Result<(), PlanError> {
        let fixed = (address.parse().expect("a network"), gateway.parse().expect("an address"));
        Plan { fixed: Some(fixed), ..Plan::new(&BOARDS[0], None) }.check()
    }

    #[test]
    fn an_address_is_that_of_a_host_in_its_network() {
        assert_eq!(check("192.168.7.2/24", "192.168.7.1"), Ok(()));
        assert_eq!(check("192.168.7.2/31", "192.168.7.3"), Ok(()));
        for address in ["192.168.7.0/24", "192.168.7.255/24", "0.0.0.0/0", "127.0.0.1/8", "224.0.0.1/4"] {
            assert_eq!(
                check(address, "192.168.7.1"),
                Err(PlanError::Address(address.parse().expect("parsed")))
            );
        }
    }

    #[test]
    fn a_gateway_is_another_host_of_the_same_network() {
        for gateway in ["192.168.8.1", "192.168.7.2", "192.168.7.255"] {
            let error = check("192.168.7.2/24", gateway).expect_err("not a gateway");
            assert!(matches!(error, PlanError::Gateway(..)), "{error}");
        }
    }

    #[test]
    fn every_row_of_the_table_can_be_built() {
        for board in BOARDS {
            assert_eq!(Plan::new(board, None).check(), Ok(()), "{}", board.name);
        }
    }
}
