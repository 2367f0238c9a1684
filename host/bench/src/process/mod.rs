//! The processor time and memory of processes, and which of them listen, from /proc (proc(5)).

mod listener;

use std::fs;
use std::iter::Sum;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

pub use self::listener::Listeners;

/// A process to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// This process.
    Own,
    /// The process with this number.
    Pid(u32),
}

impl Process {
    fn file(self, name: &str) -> String {
        match self {
            Process::Own => format!("/proc/self/{name}"),
            Process::Pid(pid) => format!("/proc/{pid}/{name}"),
        }
    }

    /// The processor time of its threads, as exact as the system counts it. `None` if there is no such
    /// process.
    pub fn cpu(self) -> Option<Duration> {
        self.schedstat().or_else(|| self.cpu_of_all())
    }

    /// In nanoseconds, but without the threads that have ended. Not every kernel counts it.
    fn schedstat(self) -> Option<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(self.file("task")).ok()? {
            // A thread may end meanwhile.
            let Ok(text) = fs::read_to_string(task.ok()?.path().join("schedstat")) else { continue };
            nanoseconds += text.split(' ').next()?.parse::<u64>().ok()?;
        }
        (nanoseconds > 0).then_some(Duration::from_nanos(nanoseconds))
    }

    /// The processor time of all threads, with those that have ended, as exact as a clock tick. `None`
    /// if there is no such process.
    pub fn cpu_of_all(self) -> Option<Duration> {
        let stat = fs::read_to_string(self.file("stat")).ok()?;
        // The program's name, in parentheses, may hold spaces.
        let fields = stat.rsplit_once(')')?.1.split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(Duration::from_millis(ticks * 1000 / clock_ticks_per_second()))
    }

    /// Its resident memory in bytes, without the kernel's memory for its sockets. `None` if there is no
    /// such process.
    pub fn resident(self) -> Option<u64> {
        let status = fs::read_to_string(self.file("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
    }
}

/// The processor time of these processes together. `None` if there are none, or one is gone.
pub(crate) fn cpu_of(pids: &[u32]) -> Option<Duration> {
    sum(pids, Process::cpu)
}

/// The resident memory of these processes together. `None` if there are none, or one is gone. Shared
/// memory counts for each process.
pub(crate) fn resident_of(pids: &[u32]) -> Option<u64> {
    sum(pids, Process::resident)
}

/// Without one of the processes there is no sum: it would be too small, and nobody would notice.
fn sum<T: Sum>(pids: &[u32], read: fn(Process) -> Option<T>) -> Option<T> {
    if pids.is_empty() { None } else { pids.iter().map(|&pid| read(Process::Pid(pid))).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_uses_grows() {
        let before = Process::Own.cpu().expect("a time");
        let mut work = 0_u64;
        while Process::Own.cpu().expect("a time") == before {
            work = work.wrapping_mul(31).wrapping_add(1);
        }
        assert!(Process::Own.resident().expect("memory") > 4096, "{work}");
        let ticks = Process::Own.cpu_of_all().expect("a time");
        assert!(ticks.abs_diff(before) < Duration::from_secs(600));
    }

    #[test]
    fn a_process_that_is_not_there_has_used_nothing() {
        let nobody = Process::Pid(u32::MAX);
        assert_eq!((nobody.cpu(), nobody.resident()), (None, None));
        let own = std::process::id();
        assert_eq!((cpu_of(&[own, u32::MAX]), resident_of(&[own, u32::MAX])), (None, None));
        assert_eq!((cpu_of(&[]), resident_of(&[])), (None, None));
    }

    #[test]
    fn what_several_processes_use_is_added_up() {
        let own = std::process::id();
        let once = resident_of(&[own]).expect("memory");
        assert!(resident_of(&[own, own]).expect("memory") > once / 2 * 3);
    }
}
