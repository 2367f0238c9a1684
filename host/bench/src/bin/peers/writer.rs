//! SQLite without a server: it writes lines into a table with nothing else in it, and shows what the disk and
//! SQLite leave for a journal.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use parlour_bench::{Process, Report, Work, pin_to_cpu};
use rusqlite::Connection;

/// The text of one transaction, in bytes. parlour's journal takes so much at once, if there is so much.
const BATCH: usize = 256 << 10;

/// A moment: the time, this process's processor time, and how many lines are stored.
type Moment = (Instant, Duration, u64);

/// Writes lines of `line` bytes for `warmup` and then for `duration`, on the processor `cpu`.
pub(crate) fn measure(
    work: Work,
    (line, synchronous): (usize, &str),
    (warmup, duration): (Duration, Duration),
    (cpu, folder): (usize, &Path),
) -> Result<Report, String> {
    let write = || {
        pin_to_cpu(cpu).map_err(|error| error.in_full())?;
        write(&folder.join("alone.db"), (line, synchronous), (warmup, duration))
            .map_err(|error| error.to_string())
    };
    let moments = thread::scope(|scope| scope.spawn(write).join().expect("it does not panic"));
    let [from, to] = moments?;
    let (seconds, lines, used) = ((to.0 - from.0).as_secs_f64(), to.2 - from.2, to.1.saturating_sub(from.1));
    Ok(Report {
        work: work.to_string(),
        line,
        seconds,
        deliveries: lines,
        throughput: lines as f64 / seconds,
        cpu_each: (lines > 0).then(|| used.as_nanos() as f64 / lines as f64),
        cpu_server: Some(used.as_secs_f64() / seconds * 100.0),
        ..Report::default()
    })
}

/// The moments when the warm-up was over, and when the rest was.
fn write(
    file: &Path,
    (line, synchronous): (usize, &str),
    (warmup, duration): (Duration, Duration),
) -> rusqlite::Result<[Moment; 2]> {
    let mut db = Connection::open(file)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", synchronous)?;
    db.execute_batch("CREATE TABLE messages (id INTEGER PRIMARY KEY, text BLOB NOT NULL) STRICT")?;
    let mut text = vec![b'x'; line - 1];
    let mut stored = 0_u64;
    let mut store_for = |time: Duration| {
        let start = Instant::now();
        while start.elapsed() < time {
            let transaction = db.transaction()?;
            let mut insert = transaction.prepare_cached("INSERT INTO messages (text) VALUES (?1)")?;
            for _ in 0..BATCH / line {
                stored += 1;
                text[..8].copy_from_slice(&stored.to_be_bytes());
                insert.execute([&text])?;
            }
            drop(insert);
            transaction.commit()?;
        }
        Ok::<Moment, rusqlite::Error>((Instant::now(), Process::Own.cpu().unwrap_or_default(), stored))
    };
    Ok([store_for(warmup)?, store_for(duration)?])
}
