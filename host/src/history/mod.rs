//! `parlour history`: shows what was said, from the journal of a server. It only reads the file, so the server
//! may write it meanwhile.

mod csv;
mod error;
mod json;
mod moment;
mod options;
mod output;
mod text;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use parlour_journal::{Author, Filter, History, Item};

use self::error::HistoryError;
pub use self::options::HistoryOptions;
use self::options::{Format, Moments};
use self::output::{Output, Progress};
use crate::output::complain;

/// How often to look whether something was written.
const EVERY: Duration = Duration::from_millis(200);
/// The most names in a complaint about a name that is not there.
const MOST_NAMES: u32 = 10;

/// Shows the journal. Returns the process's exit code.
pub fn run(options: &HistoryOptions) -> ExitCode {
    match show(options) {
        // The reader of a pipe has enough, as head(1) may.
        Ok(()) | Err(HistoryError::NobodyReads) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("parlour: {error}"));
            error.exit_code()
        }
    }
}

fn show(options: &HistoryOptions) -> Result<(), HistoryError> {
    let error = |error| HistoryError::Journal(options.file.clone(), error);
    let mut history = History::open(&options.file).map_err(error)?;
    let filter = filter(options, &history)?;
    // With --follow, more rooms may come.
    let has_rooms = filter.room.is_none() && (options.follow || history.rooms(0).map_err(error)?.1 > 1);
    if !history.select(filter).map_err(error)? {
        return Err(no_client(options, &history)?);
    }
    let output = Output::open()?;
    let mut progress = Progress::new(options.follow, &output);
    let (mut items, mut bytes) = (Vec::new(), Vec::new());
    if options.format == Format::Csv {
        csv::begin(&mut bytes);
    }
    loop {
        let has_more = history.read(&mut items).map_err(error)?;
        items.drain(..).for_each(|item| print(&item, options.format, has_rooms, &mut bytes));
        output.write(&bytes)?;
        bytes.clear();
        if has_more {
            progress.tell(history.position());
            continue;
        }
        if !options.follow {
            return Ok(());
        }
        while !history.has_changed().map_err(error)? {
            output.wait(EVERY)?;
        }
    }
}

fn print(item: &Item, format: Format, has_rooms: bool, out: &mut Vec<u8>) {
    match format {
        Format::Text => text::print(item, has_rooms, out),
        Format::Jsonl => json::print(item, out),
        Format::Csv => csv::print(item, out),
    }
}

fn filter(options: &HistoryOptions, history: &History) -> Result<Filter, HistoryError> {
    let error = |error| HistoryError::Journal(options.file.clone(), error);
    let room = match &options.room {
        None => None,
        Some(name) => match history.room(name).map_err(error)? {
            None => {
                let (there, count) = history.rooms(MOST_NAMES).map_err(error)?;
                return Err(HistoryError::NoRoom { name: name.clone(), there, count });
            }
            room => room,
        },
    };
    let client = match &options.client {
        None => None,
        Some(text) => match text.parse() {
            Ok(id) if history.client(id).map_err(error)?.is_some() => Some(Author::Number(id)),
            _ => Some(Author::Name(text.clone())),
        },
    };
    let Moments { since, until } = options.moments(SystemTime::now());
    Ok(Filter { room, client, since, until, words: options.search.clone(), has_events: options.all })
}

fn no_client(options: &HistoryOptions, history: &History) -> Result<HistoryError, HistoryError> {
    let clients = history.clients(MOST_NAMES);
    let (there, count) = clients.map_err(|error| HistoryError::Journal(options.file.clone(), error))?;
    // Clients of a relay have no names.
    let there = there.into_iter().map(|client| match client.name.as_str() {
        "" => client.id.to_string(),
        name => format!("{name} ({})", client.id),
    });
    let there = there.collect();
    Ok(HistoryError::NoClient { name: options.client.clone().unwrap_or_default(), there, count })
}
