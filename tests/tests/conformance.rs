//! The rules of README.md, held against the real program over TCP.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use parlour_tests::client::Options;
use parlour_tests::conformance::{ClientId, Declared, Driver, OnLag, Report, Settings, play, scripts};
use parlour_tests::lines::{Next, PATIENCE};
use parlour_tests::server::{self, Server};
use parlour_tests::swarm::Swarm;
use parlour_tests::{sys, with_each_driver};

with_each_driver! {
    the_binary_keeps_all_rules,
}

/// Small, so that a client that stops reading is soon noticed.
const RECEIVE_BUFFER: usize = 8 << 10;

/// The binary, with clients over TCP.
struct OverTcp {
    driver: server::Driver,
    server: Option<Server>,
    swarm: Swarm,
}

impl OverTcp {
    fn new(driver: server::Driver) -> Self {
        Self { driver, server: None, swarm: Swarm::default() }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("the driver was started")
    }
}

impl Driver for OverTcp {
    fn name(&self) -> &str {
        match self.driver {
            server::Driver::Select => "parlour serve over TCP by select",
            server::Driver::Epoll => "parlour serve over TCP by epoll",
        }
    }

    fn declared(&self) -> Declared {
        Declared { clients: 1000, rooms: 16, line_limit: 1024, cannot: Vec::new() }
    }

    fn start(&mut self, settings: &Settings) {
        let mut args: Vec<String> = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                args.extend([name.to_string(), value]);
            }
        };
        add("--greeting", settings.greeting.map(str::to_string));
        add("--max-conns", settings.max_clients.map(|count| count.to_string()));
        add("--line-limit", settings.line_limit.map(|bytes| bytes.to_string()));
        add("--log-size", settings.log_size.map(|bytes| bytes.to_string()));
        add("--grace", settings.grace_ms.map(|ms| format!("{ms}ms")));
        add("--idle-timeout", settings.idle_timeout_ms.map(|ms| format!("{ms}ms")));
        add("--on-lag", (settings.on_lag == OnLag::Skip).then(|| "skip".to_string()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.server = Some(self.driver.chatting(&args));
    }

    fn connect(&mut self) -> ClientId {
        let address = self.server().chat().to_string();
        self.swarm.connect(&address, Options { receive_buffer: Some(RECEIVE_BUFFER), source: None })
    }

    fn send(&mut self, client: ClientId, bytes: &[u8]) {
        self.swarm.send(client, bytes);
        // Lets what the script sends in pieces go out in pieces.
        self.swarm.turn(Duration::ZERO);
    }

    fn half_close(&mut self, client: ClientId) {
        self.swarm.half_close(client);
    }

    fn reset(&mut self, client: ClientId) {
        self.swarm.reset(client);
    }

    fn set_reading(&mut self, client: ClientId, reads: bool) {
        self.swarm.set_reading(client, reads);
    }

    fn next(&mut self, client: ClientId) -> Next {
        self.swarm.next_within(client, PATIENCE)
    }

    fn advance(&mut self, ms: u64) {
        self.swarm.run_for(Duration::from_millis(ms));
    }

    fn shutdown(&mut self) {
        self.server().signal(sys::SIGTERM);
    }
}

fn the_binary_keeps_all_rules(driver: server::Driver) {
    let waiting = Mutex::new(scripts().into_iter());
    let played = Mutex::new(Vec::new());
    // Some scripts wait for time to pass; the others need not wait for them.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(script) = waiting.lock().expect("no panic").next() else { return };
                    let outcome = play(&script, &mut OverTcp::new(driver));
                    played.lock().expect("no panic").push((script, outcome));
                }
            });
        }
    });
    let report = Report::new(OverTcp::new(driver).name(), played.into_inner().expect("no panic"));
    println!("{report}");
    assert_eq!(report.impossible(), 0, "the binary can do everything");
    assert_eq!(report.failed(), 0, "see the report above");
}

/// The numbers of the rules in README.md.
fn rules_of_the_readme() -> BTreeSet<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(path).expect("README.md");
    let (_, rules) = readme.split_once("\n## The rules of the chat protocol\n").expect("the rules");
    let rules = rules.split("\n## ").next().expect("a section");
    rules.lines().filter_map(|line| line.split_once(". ")?.0.parse().ok()).collect()
}

#[test]
fn each_rule_has_a_script_and_each_script_a_rule() {
    let rules = rules_of_the_readme();
    assert!(rules.iter().copied().eq(1..=rules.len() as u8), "numbered without gaps: {rules:?}");
    let scripts = scripts();
    let covered: BTreeSet<u8> = scripts.iter().flat_map(|script| script.rules).copied().collect();
    assert_eq!(rules, covered);
    assert!(scripts.iter().all(|script| !script.rules.is_empty()));
    let names: BTreeSet<&str> = scripts.iter().map(|script| script.name).collect();
    assert_eq!(names.len(), scripts.len(), "names are unique");
}
