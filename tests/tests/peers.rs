//! `cargo peers`, without other servers: the reference programs pass lines on as they should, and the
//! program writes all its files.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use parlour_tests::programs;
use serde_json::Value;

/// Runs it for a moment on one processor, with other arguments; what it writes goes to `folder`.
fn peers(folder: &Path, path: &str, args: &[&str]) -> Value {
    let mut command = Command::new(programs::peers());
    command.args(["--rounds", "1", "--duration", "200ms", "--warmup", "50ms", "--load-cpu", "0"]);
    let status = command.args(args).arg("--to").arg(folder).env("PATH", path).stdout(Stdio::null()).status();
    assert!(status.expect("it starts").success(), "{args:?}");
    let json = fs::read_to_string(folder.join("results.json")).expect("results");
    serde_json::from_str(&json).expect("JSON")
}

#[test]
fn the_reference_programs_pass_every_line_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = std::env::var("PATH").expect("a path");
    let cases = ["fan:3", "lockstep", "ahead", "latency:100", "echo:500x32", "echo:1 10 idle", "idle:10"];
    let args = cases.iter().flat_map(|case| ["--case", case]);
    let args: Vec<_> = ["--only", "limit", "--only", "tokio"].into_iter().chain(args).collect();
    let results = peers(folder.path(), &path, &args);
    let runs = results["runs"].as_array().expect("runs");
    for run in runs {
        let report = run["report"].as_object().unwrap_or_else(|| panic!("{run:#}"));
        let faults = report["faults"].as_object().expect("counts").values();
        assert_eq!(faults.map(|count| count.as_u64().expect("a count")).sum::<u64>(), 0, "{run:#}");
    }
    for (peer, count) in [("limit-fan", 5), ("tokio-chat", 5), ("limit-echo", 3), ("tokio-echo", 3)] {
        assert_eq!(runs.iter().filter(|run| run["peer"] == peer).count(), count, "{peer}");
    }
    for plot in ["receivers.svg", "idle.svg", "memory.svg"] {
        let svg = fs::read_to_string(folder.path().join(plot)).expect("a plot");
        assert!(svg.starts_with("<svg") && svg.contains("<polyline") && svg.contains("tokio"), "{plot}");
    }
    let page = fs::read_to_string(folder.path().join("results.md")).expect("a page");
    assert!(page.contains("\n| tokio-chat |"), "{page}");
}

#[test]
fn servers_that_are_not_installed_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let results = peers(folder.path(), "", &["--only", "ncat"]);
    assert_eq!(results["missing"]["ncat --broker"], "ncat is not installed");
    let page = fs::read_to_string(folder.path().join("results.md")).expect("a page");
    assert!(page.contains("\n- ncat --broker: ncat is not installed\n"), "{page}");
}
