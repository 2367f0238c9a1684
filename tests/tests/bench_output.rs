//! What `parlour-bench` tells besides faults: which processes are the server, and what they use.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use parlour_tests::load::{self, reports};
use parlour_tests::server::Server;
use parlour_tests::sys;
use serde_json::Value;

/// The only report of a run with these arguments.
#[track_caller]
fn report(args: &[&str]) -> Value {
    let (reports, code) = reports(args);
    let [report] = &reports[..] else { panic!("{args:?}: {reports:#?}") };
    assert_eq!(code, Some(0), "{report:#}");
    report.clone()
}

/// The server's memory in a report, if there is any.
fn memory(report: &Value) -> Option<u64> {
    report["server"]["resident"].as_u64()
}

#[test]
fn the_servers_process_is_found_by_its_address() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = format!("unix:{}", directory.path().join("a hub").display());
    let server = Server::start(&["--relay", "0", "--relay", "[::]:0", "--relay", &socket]);
    let pid = server.pid().to_string();
    for (_, address) in server.listening() {
        let found = report(&[address, "fan:3"]);
        let named = report(&[address, "fan:3", "--pid", &pid]);
        assert!(memory(&found) > Some(100_000), "{found:#}");
        // It is the same process: another one would not have just as much memory, give or take little.
        assert!(memory(&found).expect("memory").abs_diff(memory(&named).expect("memory")) < 1 << 20);
        assert!(found["server"]["nanoseconds_per_delivery"].as_f64() > Some(0.0), "{found:#}");
        for off in ["none", "off"] {
            let off = report(&[address, "fan:3", "--pid", off]);
            assert!(off["server"].is_null(), "{off:#}");
        }
    }
    server.stop();
}

#[test]
fn several_processes_are_added_up() {
    let (server, other) = (Server::start(&["--relay", "0"]), Server::start(&["--relay", "0"]));
    let (one, two) = (server.pid().to_string(), other.pid().to_string());
    let address = server.address("relay");
    let alone = memory(&report(&[address, "fan:3", "--pid", &one])).expect("memory");
    for args in [&["--pid", &format!("{one},{two}")][..], &["--pid", &one, "--pid", &two]] {
        let both = memory(&report(&[&[address, "fan:3"], args].concat())).expect("memory");
        assert!(both > alone / 2 * 3, "{args:?}: {both} bytes, one has {alone}");
    }
    let twice = memory(&report(&[address, "fan:3", "--pid", &one, "--pid", &one])).expect("memory");
    assert!(twice < alone / 2 * 3, "a process counts once: {twice} bytes, it has {alone}");
    server.stop();
    other.stop();
}

#[test]
fn a_process_that_may_not_be_seen_is_told_of() {
    const NOBODY: u32 = 65534;
    // Root sees all, so it runs a copy as another user.
    let is_root = fs::metadata("/proc/self").expect("this process").uid() == 0;
    sys::hide_descriptors().expect("a request of Linux");
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("a folder of our own");
    let program = folder.path().join("parlour-bench");
    fs::copy(load::binary(), &program).expect("a copy");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    for (args, is_told) in [(&[][..], true), (&["--pid", "none"], false)] {
        let mut command = Command::new(&program);
        command.args([&address, "fan:1", "--patience", "100ms"]).args(args).stdin(Stdio::null());
        if is_root {
            command.uid(NOBODY);
        }
        let ended = Server::run_command(command);
        let note = format!("the process that listens at {address} belongs to another user");
        let told = ended.stderr.iter().any(|line| line.contains(&note) && line.contains("--pid PID"));
        assert_eq!(told, is_told, "{ended:#?}");
    }
}

#[test]
fn a_wrong_pid_is_told_with_what_would_be_right() {
    for (args, words) in [
        (&["--pid", "parlour"][..], "write one as in --pid 4711, or none"),
        (&["--pid", "1,x"], "\"x\" is no process number"),
        (
            &["--pid", "none", "--pid", "1"],
            "--pid none measures no process; leave it out, or the other --pid",
        ),
    ] {
        let ended = load::run(&[&["5000", "fan:3"], args].concat());
        let [line] = &ended.stderr[..] else { panic!("{args:?}: {ended:#?}") };
        assert!(line.contains(words), "{line}");
        assert_eq!(ended.code, Some(2), "{args:?}");
    }
}
