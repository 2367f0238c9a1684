//! Which addresses may connect.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// A network in CIDR notation, or a single address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network(IpNet);

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        canonical(net.map_err(|_| "write a network as ADDRESS or ADDRESS/BITS, as in 192.0.2.0/24")?)
            .map(Network)
    }
}

/// Turns an IPv4 network in IPv6 form, `::ffff:10.0.0.0/104`, into an IPv4 network. It is compared
/// with addresses that were treated in the same way.
fn canonical(net: IpNet) -> Result<IpNet, String> {
    let IpNet::V6(v6) = net else { return Ok(net) };
    let Some(v4) = v6.addr().to_ipv4_mapped() else { return Ok(net) };
    let net = v6.prefix_len().checked_sub(96).and_then(|bits| Ipv4Net::new(v4, bits).ok());
    net.map(IpNet::V4)
        .ok_or_else(|| format!("{v6} is an IPv4 network in IPv6 form; it needs at least 96 bits"))
}

/// The rules for who may connect: no client from a denied network. If any networks are allowed, only
/// clients from those.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    pub(crate) allow: Vec<Network>,
    pub(crate) deny: Vec<Network>,
}

impl Access {
    /// Whether a peer may connect. A peer on a Unix socket has no address and always may: there the
    /// permissions of the socket file decide.
    pub(crate) fn permits(&self, peer: Option<IpAddr>) -> bool {
        let Some(peer) = peer else { return true };
        let is_in = |networks: &[Network]| networks.iter().any(|Network(net)| net.contains(&peer));
        !is_in(&self.deny) && (self.allow.is_empty() || is_in(&self.allow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(allow: &[&str], deny: &[&str], peer: &str, permitted: bool) {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let access = Access { allow: parse(allow), deny: parse(deny) };
        assert_eq!(access.permits(Some(peer.parse().unwrap())), permitted);
    }

    #[test]
    fn denial_goes_before_allowance() {
        check(&[], &[], "10.0.0.1", true);
        check(&["10.0.0.0/8"], &[], "10.0.0.1", true);
        check(&["10.0.0.0/8"], &[], "192.0.2.1", false);
        check(&["10.0.0.0/8"], &["10.0.0.1"], "10.0.0.1", false);
        check(&[], &["::1"], "::1", false);
    }

    #[test]
    fn a_network_of_ipv4_is_one_however_it_is_written() {
        for net in ["::ffff:127.0.0.0/104", "::ffff:7f00:0/104", "::ffff:127.0.0.1", "::ffff:0.0.0.0/96"] {
            check(&[], &[net], "127.0.0.1", false);
            check(&[net], &[], "127.0.0.1", true);
        }
        check(&[], &["::ffff:127.0.0.0/104"], "128.0.0.1", true);
        check(&[], &["::ffff:10.0.0.1/128"], "10.0.0.2", true);
        for net in ["::ffff:127.0.0.1/95", "::ffff:0:0/64"] {
            assert!(net.parse::<Network>().is_err_and(|error| error.contains("96 bits")), "{net}");
        }
        check(&[], &["::/64"], "::1", false);
    }
}
