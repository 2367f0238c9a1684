//! How many clients may come from one address.

use std::net::IpAddr;

use parlour_core::{Bound, Cause, Refusal};

use crate::scene::{Scene, unusual};

fn with_bound(bound: Bound, test: impl FnOnce(Scene<'_>)) {
    unusual(|config, _| config.per_peer = Some(bound), test);
}

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn so_many_as_are_allowed_come_from_one_address_whoever_else_is_there() {
    // Addresses below and above the others, and the lowest and the highest of all.
    for crowded in ["192.0.2.7", "0.0.0.0", "255.255.255.255", "ffff:ffff:ffff:ffff::", "::1"] {
        for most in 1..4 {
            with_bound(Bound::for_all(most), |mut scene| {
                let peer = address(crowded);
                let others = ["192.0.2.6", "192.0.2.8"].map(address);
                scene.accept_from(others[0]).unwrap();
                let mut here: Vec<_> = (0..most).map(|_| scene.accept_from(peer).unwrap()).collect();
                scene.accept_from(others[1]).unwrap();
                for _ in 0..3 {
                    assert_eq!(scene.accept_from(peer), Err(Refusal::PerPeer), "{crowded}, {most}");
                    // Each of them that leaves makes place for one more.
                    let gone = here.remove(0);
                    scene.breaks(gone, Cause::Reset);
                    scene.is_closed(gone);
                    here.push(scene.accept_from(peer).unwrap());
                }
                scene.accept_from(None).unwrap();
            });
        }
    }
}

#[test]
fn those_without_an_address_are_not_counted() {
    with_bound(Bound::for_all(1), |mut scene| {
        for _ in 0..8 {
            scene.accept_from(None).unwrap();
        }
    });
}

#[test]
fn those_from_this_machine_are_spared_where_the_bound_says_so() {
    for (spares_local, second) in [(true, true), (false, false)] {
        with_bound(Bound { most: 1, spares_local }, |mut scene| {
            for peer in ["127.0.0.1", "::1"].map(address) {
                scene.accept_from(peer).unwrap();
                assert_eq!(scene.accept_from(peer).is_ok(), second);
            }
            for peer in ["192.0.2.1", "2001:db8::1"].map(address) {
                scene.accept_from(peer).unwrap();
                assert_eq!(scene.accept_from(peer), Err(Refusal::PerPeer));
            }
        });
    }
}

/// One user of IPv6 has as many addresses as it likes.
#[test]
fn those_of_one_network_of_ipv6_are_counted_together() {
    with_bound(Bound::for_all(1), |mut scene| {
        scene.accept_from(address("2001:db8::1")).unwrap();
        assert_eq!(scene.accept_from(address("2001:db8::ffff:2")), Err(Refusal::PerPeer));
        scene.accept_from(address("2001:db8:0:1::1")).unwrap();
    });
}
