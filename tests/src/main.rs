//! `parlour-tests VERB SEED`: plays one random test again.

use std::process::ExitCode;

use parlour_tests::seeds::{KINDS, Kind};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, seed] = &arguments[..]
        && let Some(kind) = KINDS.iter().find(|kind| kind.verb == name)
        && let Ok(seed) = seed.parse()
    {
        (kind.play)(seed);
        println!("seed {seed} plays as it should");
        return ExitCode::SUCCESS;
    }
    eprintln!("usage:");
    for Kind { verb, what, .. } in KINDS {
        eprintln!("  parlour-tests {verb} SEED    {what}");
    }
    ExitCode::from(2)
}
