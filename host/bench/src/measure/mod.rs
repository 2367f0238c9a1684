//! One work from the first connection to the report: `run` sends lines, `idle` only holds
//! connections, `audit` reads the server's journal. This file checks the plan before any of them begins.

mod audit;
mod idle;
mod run;

use std::time::SystemTime;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::error::BenchError;
use crate::lines::Lines;
use crate::plan::{Kind, Plan};
use crate::process::Process;
use crate::report::Report;

/// Descriptors beside those of connections.
const OTHER_DESCRIPTORS: u64 = 16;

const NO_PROCESSOR: BenchError = BenchError::Plan(
    "--cpu: there is no such processor, or this process may not use it; they are numbered from 0",
);

/// Runs the work of `plan` on the calling thread. Calls `progress` from time to time.
///
/// # Errors
/// The work cannot be run. Lines that the server lost or damaged are not an error: the report counts
/// them.
pub fn measure(plan: &Plan, progress: &dyn Fn(&str)) -> Result<Report, BenchError> {
    check(plan)?;
    // A server may have kept lines of an earlier run. The time tells them apart.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let lines = Lines::new(since.as_millis() as u16, plan.line);
    match plan.work.kind {
        Kind::Idle => idle::measure(plan, &lines, progress),
        _ => run::measure(plan, lines, progress),
    }
}

fn check(plan: &Plan) -> Result<(), BenchError> {
    let has_stalled = matches!(plan.work.kind, Kind::Fan | Kind::Latency);
    if plan.stall > 0 && !has_stalled {
        return Err(BenchError::Plan("--stall works only with fan and latency"));
    }
    if plan.stall > 0 && plan.stall >= plan.work.clients {
        return Err(BenchError::Plan("--stall must leave a client that reads; choose a smaller number"));
    }
    if plan.come_back && plan.stall == 0 {
        return Err(BenchError::Plan("--come-back needs --stall N"));
    }
    if plan.idle > 0 && plan.work.kind != Kind::Echo {
        return Err(BenchError::Plan("--idle works only with echo"));
    }
    if plan.journal.is_some() && plan.work.kind == Kind::Idle {
        return Err(BenchError::Plan("--journal does not work with idle, because its clients say nothing"));
    }
    if let Some(&pid) = plan.pids.iter().find(|&&pid| Process::Pid(pid).cpu().is_none()) {
        return Err(BenchError::NoProcess(pid));
    }
    let wanted = u64::from(plan.work.clients) + u64::from(plan.idle) + OTHER_DESCRIPTORS;
    let most = raise_descriptor_limit()?;
    if wanted > most { Err(BenchError::Descriptors { wanted, most }) } else { Ok(()) }
}

/// Raises the descriptor limit as far as the process may, and returns it.
///
/// # Errors
/// The errors of setrlimit(2).
pub fn raise_descriptor_limit() -> Result<u64, BenchError> {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })
        .map_err(|error| BenchError::System("setrlimit", error.into()))?;
    Ok(most.unwrap_or(u64::MAX))
}

/// Lets the calling thread, and the threads that it starts, run only on the processor `cpu`.
///
/// # Errors
/// There is no such processor for this process.
pub fn pin_to_cpu(cpu: usize) -> Result<(), BenchError> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(NO_PROCESSOR);
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|error| match error {
        Errno::INVAL => NO_PROCESSOR,
        error => BenchError::System("sched_setaffinity", error.into()),
    })
}
