//! `parlour-tests VERB ARGUMENT...`: plays one random test again.

use std::process::ExitCode;

/// What can be played, a line each.
const VERBS: &[(&str, &str, fn(&[String]) -> Option<()>)] = &[
    ("properties", "SEED: random events against a hub and its naive model", properties),
    ("simulation", "SEED: one life of a hub on the simulated network", simulation),
];

fn properties(arguments: &[String]) -> Option<()> {
    let [seed] = arguments else { return None };
    parlour_tests::model::run(seed.parse().ok()?);
    println!("hub and model agree");
    Some(())
}

fn simulation(arguments: &[String]) -> Option<()> {
    let [seed] = arguments else { return None };
    println!("{:?}", parlour_tests::sim::run(seed.parse().ok()?));
    Some(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let played = arguments.split_first().and_then(|(verb, rest)| {
        let (.., run) = VERBS.iter().find(|(name, ..)| name == verb)?;
        run(rest)
    });
    if played.is_some() {
        return ExitCode::SUCCESS;
    }
    eprintln!("usage:");
    for (name, help, _) in VERBS {
        eprintln!("  parlour-tests {name} {help}");
    }
    ExitCode::from(2)
}
