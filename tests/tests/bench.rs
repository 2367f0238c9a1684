//! `parlour-bench` finds no faults in a server without faults, and names each fault of servers that have
//! it on purpose.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use parlour_tests::load::{self, reports};
use parlour_tests::server::Server;
use serde_json::Value;

/// The faults of a report that are not 0.
fn faults(report: &Value) -> Vec<(&str, u64)> {
    let counts = report["faults"].as_object().expect("counts");
    let counts = counts.iter().map(|(name, count)| (name.as_str(), count.as_u64().expect("a count")));
    counts.filter(|&(_, count)| count > 0).collect()
}

/// Expects these works, one after the other, to find lines and no faults.
#[track_caller]
fn finds_no_faults(address: &str, works: &[&str], args: &[&str]) {
    for work in works {
        let (reports, code) = reports(&[&[address, work], args].concat());
        let [report] = &reports[..] else { panic!("{work}: {reports:#?}") };
        assert_eq!(faults(report), [], "{report:#}");
        assert_eq!(report["stopped"], false, "{report:#}");
        assert!(report["connections"].is_u64() || report["deliveries"].as_u64() > Some(0), "{report:#}");
        assert_eq!(code, Some(0), "{work} {args:?}");
    }
}

#[test]
fn the_chat_has_no_faults_in_any_work() {
    let server = Server::chatting(&[]);
    let pid = server.pid().to_string();
    let works = ["fan:20", "fan:3x2", "lockstep:10", "ahead:10", "gather:10", "latency:5", "idle:50"];
    finds_no_faults(server.chat(), &works, &["--pid", &pid]);
    server.stop();
}

#[test]
fn the_relay_has_no_faults_with_long_lines_nor_at_a_socket_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = format!("unix:{}", directory.path().join("relay").display());
    let server = Server::start(&["--relay", "0", "--relay", &socket]);
    finds_no_faults(server.address("relay"), &["fan:20", "ahead:10", "gather:5x9"], &["--line", "500"]);
    finds_no_faults(&socket, &["fan:20", "lockstep:10"], &[]);
    server.stop();
}

#[test]
fn the_echo_has_no_faults_in_any_work() {
    let server = Server::start(&["--echo", "0"]);
    finds_no_faults(server.address("echo"), &["echo:20", "echo:5x32"], &["--idle", "30"]);
    finds_no_faults(server.address("echo"), &["idle:50"], &[]);
    server.stop();
}

#[test]
fn clients_who_never_read_are_no_fault() {
    let server = Server::start(&["--relay", "0", "--grace", "1s"]);
    let (reports, code) = reports(&[server.address("relay"), "latency:10", "fan:10", "--stall", "3"]);
    assert_eq!((reports.len(), code), (2, Some(0)));
    for report in &reports {
        assert_eq!((faults(report), report["deliveries"].as_u64() > Some(0)), (vec![], true), "{report:#}");
        assert_eq!(report["stalled"], 3);
        assert_eq!(report["closed"], 3, "the hub disconnects clients that lag");
    }
    server.stop();
}

#[test]
fn clients_who_never_read_and_come_back_are_no_fault() {
    let server = Server::start(&["--relay", "0", "--grace", "200ms"]);
    let args = [server.address("relay"), "latency:10", "fan:10", "--stall", "3"];
    let (reports, code) = reports(&[&args[..], &["--come-back"]].concat());
    assert_eq!((reports.len(), code), (2, Some(0)));
    for report in &reports {
        assert_eq!((faults(report), report["stopped"].as_bool()), (vec![], Some(false)), "{report:#}");
        assert_eq!(report["stalled"], 3);
        assert!(report["came_back"].as_u64() > Some(0), "{report:#}");
        assert_eq!(report["came_back"], report["closed"], "each that is cut comes back");
    }
    server.stop();
}

#[test]
fn a_report_says_what_was_measured() {
    let server = Server::start(&["--relay", "0", "--chat", "0"]);
    let address = server.address("relay");
    let pid = server.pid().to_string();
    let (reports, _) = reports(&[address, "fan:5", "latency:5", "idle:20", "--line", "100", "--pid", &pid]);
    let [fan, latency, idle] = &reports[..] else { panic!("{reports:#?}") };
    assert_eq!((&fan["work"], &fan["line"]), (&"fan:5".into(), &100.into()));
    assert!(fan["cpu_each"].as_f64() > Some(0.0), "{fan:#}");
    assert!(fan["memory"].as_u64() > Some(100_000), "{fan:#}");
    let at = |name: &str| latency[name].as_f64().expect("a time");
    assert!(
        0.0 < at("p50") && at("p50") <= at("p99") && at("p99") <= at("p999") && at("p999") <= at("max"),
        "{latency:#}"
    );
    assert_eq!(idle["connections"], 20);
    assert!(idle["heard_full"].as_f64() > Some(0.0), "{idle:#}");
    // A relay says nothing to a newcomer, a chat does.
    assert!(idle["greeted_full"].is_null(), "{idle:#}");
    let (greeting, _) = load::reports(&[server.chat(), "idle:20"]);
    let idle = &greeting[0];
    assert!(
        idle["greeted_full"].as_f64() > Some(0.0)
            && idle["greeted_full"].as_f64() <= idle["heard_full"].as_f64(),
        "{idle:#}"
    );
}

#[test]
fn what_cannot_be_measured_is_said_in_one_line() {
    let server = Server::start(&["--relay", "0", "--echo", "0", "--max-conns", "10"]);
    let (relay, echo) = (server.address("relay"), server.address("echo"));
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let closed = closed.expect("a port").to_string();
    let patience = ["--patience", "1s"];
    for (args, words) in [
        (vec![&closed[..], "fan:3"], "cannot connect to"),
        (vec![echo, "fan:3"], "is this an echo server?"),
        (vec![relay, "echo:3"], "is this an echo server?"),
        (vec![relay, "fan:50"], "the server closed a connection"),
        (vec![relay, "fan:65000"], "descriptors"),
        (vec![relay, "fan:3", "--stall", "3"], "--stall"),
        (vec![relay, "fan:3", "--come-back"], "--stall"),
        (vec![relay, "fan:3", "--pid", "4194304"], "there is no process 4194304; --pid"),
    ] {
        let ended = load::run(&[&args[..], &patience].concat());
        let last = ended.stderr.last().map(String::as_str).unwrap_or_default();
        assert!(
            last.starts_with("parlour-bench: fan") || last.starts_with("parlour-bench: echo"),
            "{args:?}: {ended:#?}"
        );
        assert!(last.contains(words), "{args:?}: {ended:#?}");
        assert_eq!(ended.code, Some(2), "{args:?}");
    }
}

#[test]
fn the_server_says_where_the_load_generator_is() {
    for args in [&["bench"][..], &["bench", "5000", "fan:3", "--json"], &["bench", "--help"]] {
        let ended = Server::run(args);
        let [line] = &ended.stderr[..] else { panic!("{args:?}: {ended:#?}") };
        assert!(line.contains("cargo install --path host/bench"), "{line}");
        assert!(line.contains("cargo run --release -p parlour-bench -- ADDR"), "{line}");
        assert_eq!((ended.stdout, ended.code), (vec![], Some(2)), "{args:?}");
    }
    let help = Server::run(&["--help"]).stdout.join("\n");
    assert!(!help.contains("bench"), "{help}");
}

/// A server's treatment of lines for one client: the bytes that the client gets for each line number.
trait Treatment: FnMut(usize, &[u8], &mut Vec<u8>) + Clone + Send + 'static {}

impl<T: FnMut(usize, &[u8], &mut Vec<u8>) + Clone + Send + 'static> Treatment for T {}

/// The line that is treated badly. It comes well after the lines by which the load generator finds out
/// who gets them.
const VICTIM: usize = 60;

/// A server that passes lines on to everybody else. Lines to its last client get a treatment.
struct Faulty<T> {
    clients: Vec<TcpStream>,
    treatment: T,
    /// Lines for the last client so far.
    count: usize,
    /// Whether senders get their own lines too.
    to_all: bool,
}

impl<T: Treatment> Faulty<T> {
    /// Starts one, which runs as long as the test program, and returns its address.
    fn start(count: usize, to_all: bool, treatment: T) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let faulty = Arc::new(Mutex::new(Self { clients: Vec::new(), treatment, count: 0, to_all }));
        thread::spawn(move || {
            for own in 0..count {
                let (stream, _) = listener.accept().expect("a client");
                stream.set_nodelay(true).expect("a socket");
                let reader = stream.try_clone().expect("a descriptor");
                faulty.lock().expect("no panic").clients.push(stream);
                let faulty = Arc::clone(&faulty);
                thread::spawn(move || {
                    for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                        faulty.lock().expect("no panic").pass_on(own, &[&line[..], b"\n"].concat());
                    }
                });
            }
        });
        address
    }

    fn pass_on(&mut self, from: usize, line: &[u8]) {
        let last = self.clients.len() - 1;
        for to in (0..self.clients.len()).filter(|&to| to != from || self.to_all) {
            let mut out = Vec::new();
            if to == last {
                (self.treatment)(self.count, line, &mut out);
                self.count += 1;
            } else {
                out.extend_from_slice(line);
            }
            // A client that has left does not want it.
            let _ = self.clients[to].write_all(&out);
        }
    }
}

/// Expects the load generator to find these faults, and no others, in a server with this treatment.
#[track_caller]
fn finds(expected: &[(&str, u64)], treatment: impl Treatment) {
    // In the first one lines are compared many at once, in the others one by one.
    for (work, clients) in [("fan:3x8", 4), ("ahead:3", 3), ("gather:3x8", 4), ("latency:3", 4)] {
        let address = Faulty::start(clients, false, treatment.clone());
        let (reports, code) = reports(&[&address, work, "--rate", "1000"]);
        assert_eq!(faults(&reports[0]), expected, "{work}");
        assert_eq!(code, Some(1), "{work}");
    }
}

#[test]
fn a_lost_line_is_found() {
    finds(&[("lost", 1)], |number, line, out| {
        if number != VICTIM {
            out.extend_from_slice(line);
        }
    });
}

#[test]
fn a_doubled_line_is_found() {
    finds(&[("doubled", 1)], |number, line, out| {
        out.extend_from_slice(&line.repeat(if number == VICTIM { 2 } else { 1 }));
    });
}

#[test]
fn a_cut_line_is_found() {
    finds(&[("cut", 1)], |number, line, out| {
        if number == VICTIM {
            out.extend_from_slice(&line[..40]);
            out.extend_from_slice(&line[50..]);
        } else {
            out.extend_from_slice(line);
        }
    });
}

#[test]
fn a_lost_line_end_is_found() {
    finds(&[("cut", 1)], |number, line, out| {
        out.extend_from_slice(if number == VICTIM { &line[..line.len() - 1] } else { line });
    });
}

#[test]
fn a_corrupt_line_is_found() {
    finds(&[("corrupt", 1)], |number, line, out| {
        out.extend_from_slice(line);
        if number == VICTIM {
            out[40] ^= 1;
        }
    });
}

#[test]
fn a_line_that_is_not_to_be_recognised_is_lost() {
    finds(&[("lost", 1)], |number, line, out| {
        out.extend_from_slice(line);
        if number == VICTIM {
            out[3] ^= 1;
        }
    });
}

#[test]
fn a_line_that_comes_after_a_later_one_of_its_sender_is_found() {
    const SENDER: std::ops::Range<usize> = 11..15;
    let mut held = Vec::new();
    finds(&[("reordered", 1)], move |number, line, out| {
        if number == VICTIM {
            held = line.to_vec();
            return;
        }
        out.extend_from_slice(line);
        if held.get(SENDER) == Some(&line[SENDER]) {
            out.append(&mut held);
        }
    });
}

#[test]
fn a_server_that_stops_is_found() {
    let address = Faulty::start(4, false, |number, line, out| {
        if number < VICTIM {
            out.extend_from_slice(line);
        }
    });
    let (reports, code) = reports(&[&address, "fan:3x8", "--duration", "10s", "--patience", "1s"]);
    assert_eq!(reports[0]["stopped"], true, "{:#}", reports[0]);
    assert_eq!(faults(&reports[0]), [("lost", 8)]);
    assert_eq!(code, Some(1));
}

#[test]
fn senders_may_get_their_own_lines_and_lines_a_frame() {
    let frame = |number: usize, line: &[u8], out: &mut Vec<u8>| {
        if number.is_multiple_of(7) {
            out.extend_from_slice(b"-- somebody said\r\n");
        }
        out.extend_from_slice(b"\x1b[1m<somebody with a name> \x1b[0m");
        out.extend_from_slice(&line[..line.len() - 1]);
        out.extend_from_slice(b" (12:30)\r\n");
    };
    for (work, clients) in
        [("fan:3x8", 4), ("ahead:3", 3), ("gather:3", 4), ("lockstep:3", 3), ("latency:3", 4)]
    {
        finds_no_faults(&Faulty::start(clients, true, frame), &[work], &[]);
    }
}

#[test]
fn a_line_for_another_is_found() {
    let address = Faulty::start(2, true, |_, line, out| out.extend_from_slice(line));
    let (reports, code) = reports(&[&address, "echo:2x4"]);
    let [(name, _)] = faults(&reports[0])[..] else { panic!("{:#}", reports[0]) };
    assert_eq!((name, code), ("stray", Some(1)));
}
