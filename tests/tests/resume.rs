//! Resuming, with the real server and the real client, and a connection between them that is cut at every byte.
//! What each side reads is what it reads when nothing is cut.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parlour_tests::resumed::{Cut, converse, flood};
use parlour_tests::server::Server;

#[test]
fn a_conversation_that_is_cut_at_any_byte_is_the_same() {
    let (whole, bytes) = converse(Server::chatting(&[]).chat(), None);
    // When the server has got the last of these, nothing more is to be said.
    let last = bytes + "/quit\n".len();
    assert!(last > 300, "{last} bytes");
    let next = AtomicUsize::new(1);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at > last {
                        break;
                    }
                    let cut = [Cut::Reset, Cut::End, Cut::HalfOpen][at % 3];
                    let (cut_short, _) = converse(Server::chatting(&[]).chat(), Some((at, cut)));
                    assert_eq!(cut_short, whole, "{cut:?} after {at} bytes");
                }
            });
        }
    });
}

/// The acknowledgements of neither may stand behind text that the server does not take, because the room waits for
/// just these.
#[test]
fn two_that_flood_each_other_hear_all() {
    flood(Server::chatting(&["--grace", "1s"]).chat(), 100_000);
}
