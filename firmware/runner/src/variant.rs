//! A variant of a board's program: the board, and what was chosen for the build. All choices
//! are checked here, before a compiler starts.

use std::error::Error;
use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use parlour_boards::Board;
use parlour_core::LimitsError;

/// What a program is built for.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// The board.
    pub board: &'static Board,
    /// Chat clients at once.
    pub max_conns: usize,
    /// Bytes of the stack.
    pub stack: usize,
    /// The board's address with its network's mask, and its gateway, if no DHCP server answers; `None`:
    /// the defaults.
    pub fixed: Option<(Ipv4Net, Ipv4Addr)>,
}

/// Why a variant cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariantError {
    /// A hub cannot have these limits.
    Limits(LimitsError),
    /// A host cannot have this address.
    Address(Ipv4Net),
    /// The gateway is not in the network, or has the board's own address.
    Gateway(Ipv4Addr, Ipv4Net),
}

impl fmt::Display for VariantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VariantError::Limits(_) => {
                write!(f, "a hub cannot have the sizes in the board's row and --max-conns; choose others")
            }
            VariantError::Address(address) => {
                write!(f, "--address {address} is not the address of a host; choose one inside its network")
            }
            VariantError::Gateway(gateway, address) => {
                write!(
                    f,
                    "--gateway {gateway} is not another host in the network of --address {address}; \
                     choose one inside it"
                )
            }
        }
    }
}

impl Error for VariantError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            VariantError::Limits(error) => Some(error),
            VariantError::Address(_) | VariantError::Gateway(..) => None,
        }
    }
}

impl Variant {
    /// The board as its row says.
    pub fn of(board: &'static Board) -> Self {
        Self { board, max_conns: board.sizes.max_conns, stack: board.stack, fixed: None }
    }

    /// Whether it can be built.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), VariantError> {
        parlour_firmware::limits(self.board, self.max_conns).check().map_err(VariantError::Limits)?;
        match self.fixed {
            Some((network, _)) if !is_host(network.addr(), network) => Err(VariantError::Address(network)),
            Some((network, gateway)) if gateway == network.addr() || !is_host(gateway, network) => {
                Err(VariantError::Gateway(gateway, network))
            }
            _ => Ok(()),
        }
    }

    /// The part of the file's name that tells this program from others.
    pub(crate) fn name(&self) -> String {
        let mut name = format!("{}-{}", self.board.name, self.max_conns);
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
    // In a network of one or two addresses, every address is a host's.
    let is_edge = network.prefix_len() < 31 && [network.network(), network.broadcast()].contains(&address);
    network.contains(&address) && !is_special && !is_edge
}

#[cfg(test)]
mod tests {
    use parlour_boards::BOARDS;

    use super::*;

    fn check(address: &str, gateway: &str) -> Result<(), VariantError> {
        let fixed = (address.parse().expect("a network"), gateway.parse().expect("an address"));
        Variant { fixed: Some(fixed), ..Variant::of(&BOARDS[0]) }.check()
    }

    #[test]
    fn an_address_is_that_of_a_host_in_its_network() {
        assert_eq!(check("192.168.7.2/24", "192.168.7.1"), Ok(()));
        assert_eq!(check("192.168.7.2/31", "192.168.7.3"), Ok(()));
        for address in ["192.168.7.0/24", "192.168.7.255/24", "0.0.0.0/0", "127.0.0.1/8", "224.0.0.1/4"] {
            assert_eq!(
                check(address, "192.168.7.1"),
                Err(VariantError::Address(address.parse().expect("parsed")))
            );
        }
    }

    #[test]
    fn a_gateway_is_another_host_of_the_same_network() {
        for gateway in ["192.168.8.1", "192.168.7.2", "192.168.7.255"] {
            let error = check("192.168.7.2/24", gateway).expect_err("not a gateway");
            assert!(matches!(error, VariantError::Gateway(..)), "{error}");
        }
    }

    #[test]
    fn every_row_of_the_table_can_be_built() {
        for board in BOARDS {
            assert_eq!(Variant::of(board).check(), Ok(()), "{}", board.name);
        }
    }
}
