//! `parlour-tests VERB SEED`: plays one random test again.

use std::process::ExitCode;

/// A kind of random test.
struct Verb {
    name: &'static str,
    what: &'static str,
    /// Plays the test of a seed; panics as the test does.
    play: fn(u64),
}

const VERBS: &[Verb] = &[
    Verb {
        name: "properties",
        what: "random events against a hub and its naive model",
        play: parlour_tests::model::run,
    },
    Verb {
        name: "simulation",
        what: "one life of a hub on the simulated network",
        play: |seed| println!("{:?}", parlour_tests::sim::run(seed)),
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, seed] = &arguments[..]
        && let Some(verb) = VERBS.iter().find(|verb| verb.name == name)
        && let Ok(seed) = seed.parse()
    {
        (verb.play)(seed);
        println!("seed {seed} plays as it should");
        return ExitCode::SUCCESS;
    }
    eprintln!("usage:");
    for Verb { name, what, .. } in VERBS {
        eprintln!("  parlour-tests {name} SEED    {what}");
    }
    ExitCode::from(2)
}
