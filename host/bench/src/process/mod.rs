//! What a process has used so far, as /proc tells (proc(5)). It knows only numbers of processes.

use std::fs;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

/// A process to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// This one.
    Own,
    /// The one with this number.
    Pid(u32),
}

impl Process {
    fn file(self, name: &str) -> String {
        match self {
            Process::Own => format!("/proc/self/{name}"),
            Process::Pid(pid) => format!("/proc/{pid}/{name}"),
        }
    }

    /// The processor time of its threads, as exact as the system counts it; `None` when there is no such process.
    pub fn cpu(self) -> Option<Duration> {
        self.schedstat().or_else(|| self.cpu_of_all())
    }

    /// In nanoseconds, but without the threads that have ended; not every kernel counts it.
    fn schedstat(self) -> Option<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(self.file("task")).ok()? {
            // A thread may end meanwhile.
            let Ok(text) = fs::read_to_string(task.ok()?.path().join("schedstat")) else { continue };
            nanoseconds += text.split(' ').next()?.parse::<u64>().ok()?;
        }
        (nanoseconds > 0).then_some(Duration::from_nanos(nanoseconds))
    }

    /// The processor time of all threads, also of those that have ended, as exact as a clock tick;
    /// `None` when there is no such process.
    pub fn cpu_of_all(self) -> Option<Duration> {
        let stat = fs::read_to_string(self.file("stat")).ok()?;
        // The program's name, in parentheses, may hold spaces.
        let fields = stat.rsplit_once(')')?.1.split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(Duration::from_millis(ticks * 1000 / clock_ticks_per_second()))
    }

    /// Its resident memory in bytes, which is without what the kernel holds for
    /// its sockets; `None` when there is no such process.
    pub fn resident(self) -> Option<u64> {
        let status = fs::read_to_string(self.file("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
    }
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
    }
}
