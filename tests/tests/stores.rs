//! `cargo peers` with servers that store what they pass on: parlour with its journal, and what there is beside it.
//! Every line comes out of the store, or is found in it.

use std::fs;
use std::process::{Command, Stdio};

use parlour_tests::programs::{self, found};
use serde_json::Value;

/// The rows that are measured in any case.
const STORES: [&str; 8] = [
    "SQLite alone, synchronous=NORMAL",
    "SQLite alone, synchronous=FULL",
    "parlour without a journal",
    "parlour --journal --journal-sync normal",
    "parlour --journal",
    "redis stream, appendfsync everysec",
    "redis stream, appendfsync always",
    "nats JetStream",
];
/// The rows that not every version of a program can have.
const IF_KNOWN: [(&str, &str); 2] = [
    ("parlour --journal --durable", "this parlour has no --durable"),
    ("nats JetStream, sync_interval always", "unknown field \"sync_interval\""),
];
/// The cases of a server, and of SQLite alone.
const CASES: [&str; 4] =
    ["fan:1 stored", "gather:10 stored", "latency:1 stored", "latency:1 200000/s stored"];

/// The sum of some counts of faults.
fn sum(faults: &Value) -> u64 {
    let faults = faults.as_object().unwrap_or_else(|| panic!("{faults:#}")).values();
    faults.map(|count| count.as_u64().expect("a count")).sum()
}

#[test]
fn servers_that_store_lines_lose_none() {
    for program in ["redis-server", "nats-server"] {
        // Its package has the same name.
        let _ = found(program, program);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let disk = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(programs::peers());
    command.args(["--case", "stored", "--rounds", "1", "--duration", "100ms", "--warmup", "50ms"]);
    command.args(["--load-cpu", "0", "--to"]).arg(folder.path()).arg("--disk").arg(disk.path());
    let ended = command.stdout(Stdio::null()).output().expect("it starts");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(fs::read_dir(disk.path()).expect("a folder").count(), 0, "it cleans up");
    let json = fs::read_to_string(folder.path().join("stored.json")).expect("results");
    let page = fs::read_to_string(folder.path().join("stored.md")).expect("a page");
    let results: Value = serde_json::from_str(&json).expect("JSON");
    let mut peers = STORES.to_vec();
    for (peer, why) in IF_KNOWN {
        match results["missing"][peer].as_str() {
            None => peers.push(peer),
            Some(told) => assert!(told.contains(why) && page.contains(&format!("\n- {peer}: {told}\n"))),
        }
    }
    for peer in peers {
        let runs = results["runs"].as_array().expect("runs").iter().filter(|run| run["peer"] == peer);
        let runs: Vec<_> = runs.collect();
        let cases: Vec<_> = runs.iter().map(|run| run["case"].as_str().expect("a name")).collect();
        assert_eq!(cases, if peer.starts_with("SQLite") { &CASES[..1] } else { &CASES }, "{peer}");
        // A disk that is slow may store nothing in the time of one case.
        let counts = runs.iter().map(|run| run["report"]["deliveries"].as_u64().expect("a count"));
        assert!(counts.sum::<u64>() > 0, "{peer}");
        for run in runs {
            let report = &run["report"];
            assert_eq!((sum(&report["faults"]), &report["stopped"]), (0, &Value::Bool(false)), "{run:#}");
            assert_eq!(report["stored"].is_number(), peer.starts_with("parlour --journal"), "{run:#}");
            if report["stored"].is_number() {
                assert_eq!(sum(&report["journal_faults"]), 0, "{run:#}");
            }
        }
        let rows = page.lines().filter(|line| line.starts_with(&format!("| {peer} | "))).count();
        assert_eq!(rows, if peer.starts_with("SQLite") { 1 } else { 2 }, "{peer}: {page}");
    }
}
