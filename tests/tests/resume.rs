//! Resuming, with the real server and the real client, and a connection between them that is cut at every byte.
//! What each side reads is what it reads when nothing is cut.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parlour_tests::resumed::{Cut, converse, flood};
use parlour_tests::server::Server;

#[test]
fn a_conversation_that_is_cut_at_any_byte_is_the_same() {
    cut_each(1, |cut| converse(Server::chatting(&[]).chat(), cut));
}

/// What is said waits until it is on the disk, also what a client said that is away by then.
#[test]
fn it_is_the_same_where_nothing_is_shown_before_it_is_stored() {
    cut_each(5, |cut| {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = folder.path().join("journal.db");
        let args = ["--journal", journal.to_str().expect("a path of UTF-8"), "--durable"];
        converse(Server::chatting(&args).chat(), cut)
    });
}

/// Holds a conversation, and then cuts it after each so many bytes.
fn cut_each(step: usize, converse: impl Fn(Option<(usize, Cut)>) -> ([Vec<String>; 2], usize) + Sync) {
    let (whole, bytes) = converse(None);
    // When the server has got the last of these, nothing more is to be said.
    let last = bytes + "/quit\n".len();
    assert!(last > 300, "{last} bytes");
    let next = AtomicUsize::new(1);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(step, Ordering::Relaxed);
                    if at > last {
                        break;
                    }
                    let cut = [Cut::Reset, Cut::End, Cut::HalfOpen][at % 3];
                    let (cut_short, _) = converse(Some((at, cut)));
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
