//! Starts threads that leave the processor to the loop. What they do takes long and can wait a little. What the loop
//! does takes microseconds, and every client waits for it.

use std::io;
use std::thread::{Builder, JoinHandle};

/// How much nicer than the loop a thread is: `nice` of sched(7), which on Linux is of a thread. Of a processor that
/// both could use, the loop then gets nine tenths, which is more than it needs.
const NICE: i32 = 10;

/// Starts a thread.
///
/// # Errors
/// Those of [`Builder::spawn`].
pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        // Where it is not allowed, the thread works all the same.
        let _ = rustix::process::nice(NICE);
        work();
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn a_thread_is_nicer_than_the_one_that_started_it() {
        let here = || getpriority_process(None).expect("a thread may know how nice it is");
        let before = here();
        let (tell, told) = mpsc::channel();
        let thread = start("nice", move || tell.send(here()).expect("somebody listens")).expect("a thread");
        thread.join().expect("it does not panic");
        assert_eq!(told.recv(), Ok((before + NICE).min(19)));
        assert_eq!(here(), before);
    }
}
