//! Which addresses may connect.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// A network in CIDR notation, or a single address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network(IpNet);

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map(Network).map_err(|_| "a network is ADDRESS or ADDRESS/BITS".into())
    }
}

/// Who may connect: nobody from a denied network; where networks are allowed,
/// only who is in one of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    pub(crate) allow: Vec<Network>,
    pub(crate) deny: Vec<Network>,
}

impl Access {
    /// Whether a peer may connect. One without an address, on a Unix socket, may:
    /// the permissions of the socket file say who can.
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
}
