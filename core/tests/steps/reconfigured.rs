//! A hub that gets another configuration while it runs.

#[cfg(feature = "large")]
use parlour_core::Bound;
use parlour_core::{Close, OnLag, ReconfigureError};

use crate::scene::{CHAT, ECHO, GRACE_MS, Scene, unusual, usual};

#[cfg(feature = "large")]
const RATE: u32 = 2;

fn is_closing(scene: &Scene<'_>, conn: parlour_core::ConnId) -> bool {
    scene.hub.interest(conn).read == usize::MAX
}

#[test]
fn newcomers_are_greeted_in_another_way() {
    usual(|mut scene| {
        scene.guest();
        scene.reconfigure(|config, _| config.greeting = "maintenance\nat noon").unwrap();
        let newcomer = scene.open(CHAT);
        let seen = scene.receive(newcomer);
        assert!(seen.starts_with("-- maintenance\r\n-- at noon\r\n-- welcome"), "{seen}");
    });
}

/// The greeting may be cut anywhere, and be shorter than what the client has got already.
#[test]
fn one_that_is_being_greeted_is_welcomed_all_the_same() {
    let long = "ä".repeat(50) + "\n" + &"ö".repeat(50);
    let long: &'static str = Box::leak(long.repeat(9).into_boxed_str());
    for taken in (0..600).step_by(7) {
        unusual(
            |config, _| config.greeting = long,
            |mut scene| {
                let conn = scene.open(CHAT);
                let mut seen = scene.take(conn, taken);
                scene.reconfigure(|config, _| config.greeting = "éclair").unwrap();
                seen += &scene.receive(conn);
                assert!(seen.contains("-- welcome to parlour, you are guest-1;"), "{taken}: {seen}");
            },
        );
    }
}

#[test]
fn an_idle_timeout_that_is_new_counts_from_what_was_said_last() {
    usual(|mut scene| {
        let (silent, echo) = (scene.guest(), scene.open(ECHO));
        scene.at(5_000);
        scene.say(echo, "x");
        scene.at(6_000);
        scene.reconfigure(|config, _| config.idle_ms = Some(10_000)).unwrap();
        scene.at(9_999);
        assert!(!is_closing(&scene, silent));
        scene.at(10_000);
        assert!(is_closing(&scene, silent) && !is_closing(&scene, echo));
        scene.at(15_000);
        assert!(is_closing(&scene, echo));
    });
}

#[test]
fn a_shorter_idle_timeout_ends_those_that_were_silent_for_longer_and_a_longer_one_spares_them() {
    unusual(
        |config, _| config.idle_ms = Some(60_000),
        |mut scene| {
            let silent = scene.guest();
            scene.at(20_000);
            scene.reconfigure(|config, _| config.idle_ms = Some(10_000)).unwrap();
            scene.at(20_000);
            assert!(is_closing(&scene, silent));
            let other = scene.guest();
            scene.at(29_000);
            scene.reconfigure(|config, _| config.idle_ms = Some(60_000)).unwrap();
            scene.at(79_999);
            assert!(!is_closing(&scene, other));
            scene.at(80_000);
            assert!(is_closing(&scene, other));
        },
    );
}

#[test]
fn rooms_wait_as_long_as_the_new_grace_period() {
    usual(|mut scene| {
        scene.reconfigure(|config, _| config.grace_ms = 1_000).unwrap();
        let (slow, talker) = (scene.guest(), scene.guest());
        scene.fill_room(talker);
        scene.at(999);
        assert_eq!(scene.close(slow), Close::No);
        scene.at(1_000);
        assert_eq!(scene.close(slow), Close::Abort, "and not after {GRACE_MS} ms");
    });
}

#[cfg(feature = "large")]
#[test]
fn a_client_above_its_old_rate_goes_on_as_soon_as_the_rate_is_gone() {
    for rate in [None, Some(Bound::for_all(1_000))] {
        unusual(
            |_, listeners| listeners[usize::from(CHAT)].rate = Some(Bound::for_all(RATE)),
            |mut scene| {
                let conn = scene.guest();
                // What does not come in time is in the socket.
                while scene.hub.interest(conn).read > 0 {
                    scene.offer(conn, b"hello\n");
                }
                let told = scene.receive(conn);
                scene.reconfigure(|_, listeners| listeners[usize::from(CHAT)].rate = rate).unwrap();
                scene.at(if rate.is_none() { 0 } else { 1_000 });
                assert!(scene.hub.interest(conn).read > 0, "{rate:?}: {told}");
            },
        );
    }
}

#[cfg(feature = "large")]
#[test]
fn a_rate_that_is_new_holds_for_those_that_are_there() {
    usual(|mut scene| {
        let conn = scene.guest();
        scene.say(conn, "hello\n".repeat(20));
        scene
            .reconfigure(|_, listeners| listeners[usize::from(CHAT)].rate = Some(Bound::for_all(RATE)))
            .unwrap();
        let lines = (0..20).take_while(|_| scene.offer(conn, b"hello\n") == 6).count();
        assert!((1..=RATE as usize + 1).contains(&lines), "{lines}");
    });
}

#[cfg(feature = "large")]
#[test]
fn those_above_a_new_limit_for_their_address_stay_and_no_more_come() {
    let peer = "192.0.2.1".parse().ok();
    usual(|mut scene| {
        let conns: Vec<_> = (0..3).map(|_| scene.accept_from(peer).unwrap()).collect();
        scene.reconfigure(|config, _| config.per_peer = Some(Bound::for_all(2))).unwrap();
        assert!(conns.iter().all(|conn| scene.close(*conn) == Close::No));
        assert!(scene.accept_from(peer).is_err());
        scene.reconfigure(|_, _| {}).unwrap();
        assert!(scene.accept_from(peer).is_ok());
    });
}

#[test]
fn what_cannot_change_is_refused_and_then_nothing_changes() {
    usual(|mut scene| {
        let refused = scene.reconfigure(|config, listeners| {
            config.greeting = "other";
            listeners[usize::from(CHAT)].on_lag = OnLag::Skip;
        });
        assert_eq!(refused, Err(ReconfigureError::Listeners));
        let refused =
            scene.reconfigure(|config, _| (config.greeting, config.keeps_records) = ("other", true));
        assert_eq!(refused, Err(ReconfigureError::Driver));
        let refused = scene.reconfigure(|config, _| (config.greeting, config.proposes) = ("other", true));
        assert_eq!(refused, Err(ReconfigureError::Driver));
        let conn = scene.open(CHAT);
        assert!(!scene.receive(conn).contains("other"));
    });
}

#[cfg(not(feature = "large"))]
#[test]
fn limits_that_nothing_counts_are_refused() {
    use parlour_core::{Bound, LimitsError};
    usual(|mut scene| {
        let refused = scene.reconfigure(|config, _| config.per_peer = Some(Bound::for_all(2)));
        assert_eq!(refused, Err(ReconfigureError::Limits(LimitsError::NoBounds)));
    });
}
