//! The rules of docs/protocol.md, held against the real program over TCP.

use std::collections::BTreeSet;
use std::path::Path;

use parlour_tests::conformance::{Declared, play_all, scripts};
use parlour_tests::over_tcp::{Hub, OverTcp};
use parlour_tests::server::{self, Server};
use parlour_tests::{sys, with_each_poller};

with_each_poller! {
    the_binary_keeps_all_rules,
}

/// The binary.
struct Binary {
    poller: server::Poller,
    server: Option<Server>,
}

impl Binary {
    fn server(&self) -> &Server {
        self.server.as_ref().expect("the driver was started")
    }
}

impl Hub for Binary {
    fn name(&self) -> &str {
        match self.poller {
            server::Poller::Select => "parlour serve over TCP by select",
            server::Poller::Epoll => "parlour serve over TCP by epoll",
        }
    }

    fn declared(&self) -> Declared {
        Declared { clients: 1000, rooms: 16, line_limit: 1024, cannot: Vec::new() }
    }

    fn start(&mut self, args: &[&str]) {
        self.server = Some(self.poller.chatting(args));
    }

    fn chat(&self) -> String {
        self.server().chat().to_string()
    }

    fn shutdown(&mut self) {
        self.server().signal(sys::SIGTERM);
    }
}

fn the_binary_keeps_all_rules(poller: server::Poller) {
    let report = play_all(4, || OverTcp::new(Binary { poller, server: None }));
    assert_eq!(report.impossible(), 0, "the binary can do everything");
    assert_eq!(report.failed(), 0, "see the report above");
}

/// The numbers of the rules in docs/protocol.md.
fn rules_that_are_written() -> BTreeSet<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let rules = std::fs::read_to_string(path).expect("docs/protocol.md");
    rules.lines().filter_map(|line| line.split_once(". ")?.0.parse().ok()).collect()
}

#[test]
fn each_rule_has_a_script_and_each_script_a_rule() {
    let rules = rules_that_are_written();
    assert!(rules.iter().copied().eq(1..=rules.len() as u8), "numbered without gaps: {rules:?}");
    let scripts = scripts();
    let covered: BTreeSet<u8> = scripts.iter().flat_map(|script| script.rules).copied().collect();
    assert_eq!(rules, covered);
    assert!(scripts.iter().all(|script| !script.rules.is_empty()));
    let names: BTreeSet<&str> = scripts.iter().map(|script| script.name).collect();
    assert_eq!(names.len(), scripts.len(), "names are unique");
}
