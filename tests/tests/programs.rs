//! Usual programs against the real server: the three kinds of `nc`, and `telnet`.

use std::process::Command;

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::programs::{Program, found};
use parlour_tests::server::Server;
use parlour_tests::terminal::Terminal;

const NC_OPENBSD: (&str, &str) = ("nc.openbsd", "netcat-openbsd");
const NC_TRADITIONAL: (&str, &str) = ("nc.traditional", "netcat-traditional");
const NCAT: (&str, &str) = ("ncat", "ncat");

/// A user of one of the `nc`s talks with a user of the test's client.
fn talks((name, package): (&str, &str)) {
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut nc = Program::start(name, package, &["127.0.0.1", server.port()]);
    nc.stdout.wait_for_line("-- welcome to parlour, you are guest-1; /help lists the commands");
    bob.expect_line("-- guest-1 joined");
    nc.send("/nick alice\nhello\n");
    bob.expect_line("-- guest-1 is now alice");
    bob.expect_line("<alice> hello");
    bob.say("hello yourself");
    nc.stdout.wait_for_line("<bob> hello yourself");
    nc.send("/quit bye\n");
    bob.expect_line("-- alice left: bye");
    nc.end_input();
    nc.wait();
    bob.expect_nothing();
}

#[test]
fn openbsd_nc_talks() {
    talks(NC_OPENBSD);
}

#[test]
fn traditional_nc_talks() {
    talks(NC_TRADITIONAL);
}

#[test]
fn ncat_talks() {
    talks(NCAT);
}

#[test]
fn what_is_piped_into_nc_arrives_whole() {
    const LINES: usize = 2_000;
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    for (name, package, args) in [
        (NC_OPENBSD.0, NC_OPENBSD.1, &["-N"][..]),
        (NC_TRADITIONAL.0, NC_TRADITIONAL.1, &["-q1"]),
        (NCAT.0, NCAT.1, &[]),
    ] {
        let mut nc = Program::start(name, package, &[args, &["127.0.0.1", server.port()]].concat());
        let text: String = (0..LINES).map(|number| format!("{name} line {number}\n")).collect();
        nc.send(&text);
        nc.send("no ending");
        nc.end_input();
        bob.expect_line("-- guest-1 joined");
        for number in 0..LINES {
            bob.expect_line(&format!("<guest-1> {name} line {number}"));
        }
        bob.expect_line("<guest-1> no ending");
        bob.expect_line("-- guest-1 left");
        nc.wait();
    }
}

#[test]
fn a_killed_nc_harms_nobody() {
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut carol = Client::named(server.chat(), "carol");
    bob.catch_up();
    for _ in 0..5 {
        let mut nc = Program::start(NC_OPENBSD.0, NC_OPENBSD.1, &["127.0.0.1", server.port()]);
        nc.send("whole\nin the midd");
        bob.expect_line("-- guest-1 joined");
        bob.expect_line("<guest-1> whole");
        for number in 0..100 {
            carol.say(&format!("carol {number}"));
        }
        nc.kill();
        let seen = bob.wait_for("<carol> carol 99");
        let carols = seen.iter().filter(|line| line.starts_with("<carol> "));
        assert!(
            carols.eq((0..99).map(|number| format!("<carol> carol {number}")).collect::<Vec<_>>().iter())
        );
        let gone = |line: &String| line.starts_with("-- guest-1 left");
        if !seen.iter().any(gone) {
            let mut line = bob.line();
            if line == "<guest-1> in the midd" {
                line = bob.line();
            }
            assert!(gone(&line), "{line:?}");
        }
    }
    server.stop();
}

/// `telnet` in a terminal, connected.
fn telnet(server: &Server) -> Terminal {
    let mut command = Command::new(found("telnet", "inetutils-telnet"));
    command.args(["127.0.0.1", server.port()]);
    let telnet = Terminal::start(command);
    telnet.wait_for("-- welcome to parlour, you are guest-1; /help lists the commands");
    telnet
}

#[test]
fn telnet_talks() {
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut telnet = telnet(&server);
    bob.expect_line("-- guest-1 joined");
    telnet.press("na\u{ef}ve\r");
    bob.expect_line("<guest-1> na\u{ef}ve");
    bob.say("\u{65e5}\u{672c}");
    telnet.wait_for("<bob> \u{65e5}\u{672c}");
    telnet.press("/quit\r");
    bob.expect_line("-- guest-1 left");
    telnet.wait_for_exit();
    telnet.wait_for("Connection closed by foreign host");
}

#[test]
fn what_telnet_negotiates_is_seen_by_nobody() {
    const ESCAPE: &str = "\u{1d}";
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut telnet = telnet(&server);
    bob.expect_line("-- guest-1 joined");
    for command in ["send ayt", "send nop", "send do echo", "send will 31", "send dont 3", "send ga"] {
        telnet.press(ESCAPE);
        telnet.wait_until("the prompt", |telnet| telnet.cursor_row() == "telnet>");
        telnet.press(&format!("{command}\r"));
        telnet.wait_until("the connection", |telnet| telnet.cursor_row().is_empty());
        telnet.press(&format!("after {command}\r"));
        bob.expect_line(&format!("<guest-1> after {command}"));
    }
    bob.expect_nothing();
}
