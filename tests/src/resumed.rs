//! A conversation with the real client, and a connection between client and server that is cut. Knows no server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::chat::Talk;
use crate::client::Client;
use crate::joined::join;
use crate::programs::Program;

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Both sides see a reset.
    Reset,
    /// Both sides see an end.
    End,
    /// The client sees a reset, and the server sees nothing.
    HalfOpen,
}

/// Passes bytes on between a client and a server. Once it is armed, it counts those of the first connection, and cuts
/// that after so many.
struct Proxy {
    port: u16,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// The client has got its key.
    has_key: AtomicBool,
    is_armed: AtomicBool,
    /// Bytes that were passed on since then.
    passed: AtomicUsize,
    was_cut: AtomicBool,
}

impl Proxy {
    fn start(server: String, cut: Option<(usize, Cut)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        thread::spawn(move || {
            let mut cut = cut;
            for near in listener.incoming() {
                let (Ok(near), Ok(far)) = (near, TcpStream::connect(&server)) else { return };
                let budget = Arc::new(Mutex::new(cut.take()));
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let ends = [near.try_clone().expect("a socket"), far.try_clone().expect("a socket")];
                    let (budget, counts) = (Arc::clone(&budget), Arc::clone(&counted));
                    thread::spawn(move || pass_on(from, to, &ends, &budget, &counts));
                }
            }
        });
        Self { port, counts }
    }
}

fn pass_on(
    mut from: TcpStream,
    mut to: TcpStream,
    [near, far]: &[TcpStream; 2],
    budget: &Mutex<Option<(usize, Cut)>>,
    Counts { has_key, is_armed, passed, was_cut }: &Counts,
) {
    let mut buffer = [0; 4096];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) | Err(_) if was_cut.load(Ordering::Relaxed) => break,
            Ok(0) | Err(_) => break drop(to.shutdown(Shutdown::Write)),
            Ok(count) => count,
        };
        let mut budget = budget.lock().expect("a lock");
        let counts = is_armed.load(Ordering::Relaxed);
        let allowed = budget.filter(|_| counts).map_or(count, |(left, _)| left.min(count));
        if counts {
            passed.fetch_add(allowed, Ordering::Relaxed);
        }
        if to.write_all(&buffer[..allowed]).is_err() {
            break;
        }
        if buffer[..count].windows(4).any(|bytes| bytes == b"Rkey") {
            has_key.store(true, Ordering::Relaxed);
        }
        if !counts {
            continue;
        }
        let Some((left, cut)) = &mut *budget else { continue };
        *left -= allowed;
        if *left == 0 && !was_cut.swap(true, Ordering::Relaxed) {
            let reset = |stream: &TcpStream| {
                crate::sys::reset_on_close(stream).expect("a socket");
                let _ = stream.shutdown(Shutdown::Both);
            };
            match cut {
                Cut::Reset => [near, far].into_iter().for_each(reset),
                Cut::End => [near, far].into_iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both))),
                // Kept until the test is over.
                Cut::HalfOpen => {
                    std::mem::forget(far.try_clone());
                    reset(near);
                }
            }
            break;
        }
    }
}

/// A conversation of bob, who is connected to the server, with alice, who runs the client behind the proxy. Returns what
/// each of them has read, and how many bytes the proxy has counted before alice says that she leaves.
///
/// # Panics
/// If it does not go as it must.
#[must_use]
pub fn converse(address: &str, cut: Option<(usize, Cut)>) -> ([Vec<String>; 2], usize) {
    let mut bob = Client::named(address, "bob");
    let proxy = Proxy::start(address.to_owned(), cut);
    let mut alice = Program::start_command(join(&[&proxy.port.to_string(), "--nick", "alice"]));
    let mut read = Vec::new();
    let mut until = |bob: &mut Client, text: &str| {
        read.extend(bob.wait_for(text));
        read.push(text.to_owned());
    };
    until(&mut bob, "-- alice joined");
    alice.stdout.wait_for_line("-- guest-1 is now alice");
    while !proxy.counts.has_key.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(1));
    }
    proxy.counts.is_armed.store(true, Ordering::Relaxed);
    for number in 0..4 {
        bob.say(&format!("one {number}"));
        bob.say(&format!("/msg alice psst {number}"));
        until(&mut bob, &format!("[to alice] psst {number}"));
        alice.send(&format!("answer {number}\n/who\n/me nods {number}\n"));
        until(&mut bob, &format!("* alice nods {number}"));
    }
    bob.say("/topic the end");
    until(&mut bob, "-- bob set the topic: the end");
    // One that leaves does not come back for what it has not heard.
    alice.stdout.wait_for_line("-- bob set the topic: the end");
    let before = proxy.counts.passed.load(Ordering::Relaxed);
    alice.send("/quit\n");
    alice.end_input();
    until(&mut bob, "-- alice left");
    assert_eq!(alice.wait().code(), Some(0), "{:?}", alice.stderr.to_end());
    let heard = alice.stdout.to_end().to_vec();
    assert_eq!(proxy.counts.was_cut.load(Ordering::Relaxed), cut.is_some(), "{cut:?}");
    ([read, heard], before)
}

/// Two that run the client say so many lines at once, and each hears all that the other one says.
///
/// # Panics
/// If one does not.
pub fn flood(address: &str, lines: usize) {
    let fill = "x".repeat(40);
    let start = |name: &str| Program::start_command(join(&[address, "--nick", name]));
    let mut ann = start("ann");
    ann.stdout.wait_for_line("-- guest-1 is now ann");
    let mut bob = start("bob");
    ann.stdout.wait_for_line("-- bob joined");
    let said: String = (0..lines).map(|number| format!("{number} {fill}\n")).collect();
    thread::scope(|scope| {
        for (program, other) in [(&mut ann, "bob"), (&mut bob, "ann")] {
            let (said, fill) = (&said, &fill);
            scope.spawn(move || {
                program.send(said);
                for number in 0..lines {
                    let line = format!("<{other}> {number} {fill}");
                    program.stdout.wait_for(&line, |heard| {
                        let is_other = heard.starts_with(&format!("<{other}> "));
                        assert!(!is_other || heard == line, "{heard:?} instead of {line:?}");
                        assert!(!heard.ends_with(" left (too slow)"), "{heard:?}");
                        heard == line
                    });
                }
            });
        }
    });
    for mut program in [ann, bob] {
        program.end_input();
        assert_eq!(program.wait().code(), Some(0), "{:?}", program.stderr.to_end());
    }
}
