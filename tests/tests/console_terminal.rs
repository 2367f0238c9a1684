//! The operator's console on a terminal. The operator edits a line below the output. Only a command ends
//! the server. The terminal is left as it was.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::num::NonZeroU16;
use std::process::{Command, Stdio};

use parlour_tests::chat::Talk;
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::server::{Poller, Server, binary, wait_for_exit};
use parlour_tests::terminal::Terminal;
use parlour_tests::{sys, with_each_poller};

with_each_poller! {
    a_terminal_commands_without_the_option,
    what_is_being_typed_survives_what_is_told,
    what_is_being_typed_survives_the_log,
    lines_fit_a_terminal_that_has_become_narrower,
    control_d_asks_before_it_ends_the_server,
    every_way_out_leaves_the_terminal_as_it_was,
    a_second_interrupt_ends_it_at_once_and_leaves_the_terminal_as_it_was,
    while_it_is_stopped_the_terminal_is_as_it_was,
    in_the_background_it_leaves_the_terminal_alone,
    its_end_in_the_background_leaves_the_modes_to_the_shell,
    typed_commands_are_found_again,
    every_command_is_completed,
    names_are_completed,
    pasted_commands_are_asked_about_first,
    a_dumb_terminal_gets_plain_lines,
    a_terminal_that_takes_nothing_holds_up_nobody,
}

/// The address of the server, from its line in the terminal.
fn address(terminal: &Terminal) -> String {
    let listening = "listening chat ";
    terminal.wait_for(listening);
    // The port is known once the line is complete.
    terminal.wait_until("a whole line", |terminal| !terminal.cursor_row().contains(listening));
    let text = terminal.text();
    let (_, rest) = text.split_once(listening).expect("an address");
    rest.split_whitespace().next().expect("an address").to_owned()
}

/// A server in a terminal that edits a line there, and its address.
fn edited(poller: Poller, args: &[&str]) -> (Terminal, String) {
    let terminal = Terminal::start(poller.command(&[&["--chat", "0"], args].concat()));
    let address = address(&terminal);
    terminal.wait_until("the prompt", |terminal| terminal.cursor_row() == ">");
    (terminal, address)
}

fn a_terminal_commands_without_the_option(poller: Poller) {
    let (mut terminal, address) = edited(poller, &[]);
    let mut alice = Client::named(&address, "alice");
    terminal.press("/sya from the keyboadr\x7f\x7frd\x01\x1b[C\x1b[C\x04\x1b[Cy\r");
    alice.expect_line("-- from the keyboard");
    terminal.press("/who\r");
    terminal.wait_for("lobby: alice");
    assert!(terminal.text().contains("> /who"), "commands stay on the screen:\n{}", terminal.text());
}

fn what_is_being_typed_survives_what_is_told(poller: Poller) {
    let (mut terminal, address) = edited(poller, &["--watch"]);
    let mut alice = Client::named(&address, "alice");
    terminal.press("/say half a");
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row() == "> /say half a");
    for number in 0..50 {
        alice.say(&format!("interruption {number} {}", "long ".repeat(number)));
    }
    terminal.wait_for("interruption 49");
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row() == "> /say half a");
    let text = terminal.text();
    assert_eq!(text.matches("/say half a").count(), 1, "no remains of earlier drawing:\n{text}");
    terminal.press(" line\r");
    alice.expect_line("-- half a line");
}

fn what_is_being_typed_survives_the_log(poller: Poller) {
    let mut command = poller.command(&["--chat", "0"]);
    command.env("RUST_LOG", "debug");
    let mut terminal = Terminal::start(command);
    let address = address(&terminal);
    terminal.press("/say half a");
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row() == "> /say half a");
    let connected = |terminal: &Terminal| terminal.text().matches("connected peer").count();
    let before = connected(&terminal);
    let mut clients: Vec<Client> = (0..5).map(|_| Client::enter(&address)).collect();
    terminal.wait_until("lines of the log", |terminal| connected(terminal) >= before + clients.len());
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row() == "> /say half a");
    let text = terminal.text();
    assert_eq!(text.matches("/say half a").count(), 1, "no remains of earlier drawing:\n{text}");
    for row in text.lines().filter(|row| row.contains("connected peer")) {
        assert!(row.starts_with("20"), "each line of the log begins a row:\n{text}");
    }
    terminal.press(" line\r");
    clients[0].wait_for("-- half a line");
    // The last lines of the log are not lost with the console.
    terminal.signal(sys::SIGTERM);
    assert_eq!(terminal.wait_for_exit().code(), Some(0));
    terminal.wait_for("INFO shutting down");
}

fn lines_fit_a_terminal_that_has_become_narrower(poller: Poller) {
    let (mut terminal, address) = edited(poller, &["--watch"]);
    let mut alice = Client::named(&address, "alice");
    terminal.press("/say half a");
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row() == "> /say half a");
    terminal.resize(NonZeroU16::new(40).expect("columns"));
    // Any thread of the server may be told first, so that a line can come before it is known.
    let is_broken = (0..100).any(|number| {
        alice.say(&format!("words and words and words and words and number {number}"));
        terminal.wait_for(&format!("number {number}"));
        terminal.text().lines().any(|row| row == format!("    words and words and number {number}"))
    });
    assert!(is_broken, "lines are broken between words:\n{}", terminal.text());
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row() == "> /say half a");
    terminal.press(" line\r");
    alice.expect_line("-- half a line");
}

fn control_d_asks_before_it_ends_the_server(poller: Poller) {
    let (mut terminal, address) = edited(poller, &[]);
    let mut alice = Client::named(&address, "alice");
    let question = "Shut the server down? [y/N]";
    for refusal in ["n", "\x04", "\r", "\x1b"] {
        terminal.press("\x04");
        terminal.wait_until("the question", |terminal| terminal.cursor_row() == question);
        alice.say("/ping");
        alice.expect_line("-- pong");
        terminal.press(refusal);
        terminal.wait_until("the prompt", |terminal| terminal.cursor_row() == ">");
    }
    // Within a line it deletes.
    terminal.press("/say ab\x1b[D\x04c\r");
    alice.expect_line("-- ac");
    terminal.press("\x04");
    terminal.wait_until("the question", |terminal| terminal.cursor_row() == question);
    terminal.press("y");
    alice.expect_line("-- server is shutting down");
    assert_eq!(terminal.wait_for_exit().code(), Some(0));
    terminal.expect_restored();
}

fn every_way_out_leaves_the_terminal_as_it_was(poller: Poller) {
    type End = fn(&mut Terminal);
    let ends: [(&str, End); 5] = [
        ("/shutdown", |terminal| terminal.press("/shutdown\r")),
        ("Ctrl-C", |terminal| terminal.press("half\x03")),
        ("Ctrl-\\", |terminal| terminal.press("\x1c")),
        ("SIGTERM", |terminal| terminal.signal(sys::SIGTERM)),
        ("SIGHUP", |terminal| terminal.signal(sys::SIGHUP)),
    ];
    for (what, end) in ends {
        let (mut terminal, address) = edited(poller, &[]);
        let mut alice = Client::named(&address, "alice");
        assert!(terminal.is_raw());
        end(&mut terminal);
        alice.expect_line("-- server is shutting down");
        assert_eq!(terminal.wait_for_exit().code(), Some(0), "{what}");
        terminal.expect_restored();
        assert_eq!(terminal.cursor_row(), "", "{what} leaves nothing in the shell's line");
    }
}

fn a_second_interrupt_ends_it_at_once_and_leaves_the_terminal_as_it_was(poller: Poller) {
    let (mut terminal, address) = edited(poller, &["--grace", "1h"]);
    // It would wait some seconds for a client that does not read.
    let small = ConnectOptions { receive_buffer: Some(4096), source: None };
    let _stalled = Client::enter_with(&address, small);
    let mut talker = Client::enter(&address);
    talker.send_until_stuck(format!("{}\n", "x".repeat(1000)).as_bytes());
    terminal.press("\x03");
    terminal.wait_for("shutting down");
    terminal.press("\x03");
    assert_eq!(terminal.wait_for_exit().code(), Some(0));
    terminal.expect_restored();
}

/// Starts `script` in a shell with jobs, which leaves the modes of its terminal alone; `"$@"` is a
/// server with a chat listener.
fn in_shell(poller: Poller, script: &str) -> Terminal {
    let mut command = Command::new("sh");
    command.args(["-m", "-c", script, "sh"]).arg(binary()).args(poller.command(&["--chat", "0"]).get_args());
    Terminal::start(command)
}

fn while_it_is_stopped_the_terminal_is_as_it_was(poller: Poller) {
    let mut terminal = in_shell(poller, r#""$@"; echo stopped; read line; echo "read $line"; fg"#);
    let address = address(&terminal);
    terminal.wait_until("the prompt", |terminal| terminal.cursor_row() == ">");
    let mut alice = Client::named(&address, "alice");
    terminal.press("/say half a\x1a");
    terminal.wait_for("stopped");
    terminal.expect_restored();
    terminal.press("for the shell\r");
    terminal.wait_for("read for the shell");
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row() == "> /say half a");
    terminal.press(" line\r");
    alice.expect_line("-- half a line");
    terminal.press("/shutdown\r");
    assert_eq!(terminal.wait_for_exit().code(), Some(0));
    terminal.expect_restored();
}

fn in_the_background_it_leaves_the_terminal_alone(poller: Poller) {
    let mut terminal = in_shell(poller, r#""$@" & read line; echo "read $line"; fg"#);
    let address = address(&terminal);
    let mut alice = Client::named(&address, "alice");
    assert!(!terminal.is_changed());
    terminal.press("for the shell\r");
    terminal.wait_for("read for the shell");
    terminal.wait_until("the prompt", |terminal| terminal.cursor_row() == ">");
    terminal.press("/say from the foreground\r");
    alice.expect_line("-- from the foreground");
    terminal.press("/shutdown\r");
    assert_eq!(terminal.wait_for_exit().code(), Some(0));
    terminal.expect_restored();
}

fn its_end_in_the_background_leaves_the_modes_to_the_shell(poller: Poller) {
    let script = r#""$@" & echo "pid $!."; fg; stty sane -echo; bg; echo stopped; read line; kill %1; wait; echo ended; read line"#;
    let mut terminal = in_shell(poller, script);
    terminal.wait_until("the prompt", |terminal| terminal.cursor_row() == ">");
    let text = terminal.text();
    let pid = text.split_once("pid ").and_then(|(_, rest)| rest.split('.').next()?.parse().ok());
    // Unlike Ctrl-Z, this leaves it no time to put the terminal back.
    sys::signal(pid.expect("a number"), sys::SIGSTOP).expect("it runs");
    terminal.wait_for("stopped");
    terminal.press("\r");
    terminal.wait_for("ended");
    assert!(terminal.is_changed() && !terminal.is_raw(), "the shell's modes stay");
}

fn typed_commands_are_found_again(poller: Poller) {
    let (mut terminal, address) = edited(poller, &[]);
    let mut alice = Client::named(&address, "alice");
    terminal.press("/say one\r/say two\r");
    alice.expect_line("-- one");
    alice.expect_line("-- two");
    terminal.press("\x1b[A\x1b[A\r");
    alice.expect_line("-- one");
    terminal.press("\x12tw\r");
    alice.expect_line("-- two");
    // The word before the cursor.
    terminal.press("/say one two\x17three\r");
    alice.expect_line("-- one three");
}

fn every_command_is_completed(poller: Poller) {
    let mut command = poller.command(&["--chat", "0", "--console"]);
    command.stdin(Stdio::piped());
    let mut server = Server::launch(command);
    server.type_line("/help\n/nonsense");
    server.stdout.wait_for("an answer", |line| line.contains("nonsense"));
    let lines = server.stdout.seen().iter().filter_map(|line| line.strip_prefix("-- /"));
    let wanted: BTreeSet<String> =
        lines.filter_map(|line| Some(format!("/{}", line.split([' ', ':']).next()?))).collect();
    assert!(wanted.iter().any(|name| name == "/shutdown"), "{wanted:?}");
    let (mut terminal, _) = edited(poller, &[]);
    terminal.press("/");
    terminal.wait_until("the slash", |terminal| terminal.cursor_row().ends_with('/'));
    let mut found = BTreeSet::new();
    for _ in 0..wanted.len() {
        let before = terminal.cursor_row();
        terminal.press("\t");
        terminal.wait_until("another command", |terminal| terminal.cursor_row() != before);
        found.insert(terminal.cursor_row().trim_start_matches("> ").to_owned());
    }
    assert_eq!(found, wanted);
    terminal.press("\x15/ro\t\r");
    terminal.wait_for("-- lobby: 0 here");
}

fn names_are_completed(poller: Poller) {
    let (mut terminal, address) = edited(poller, &["--echo", "0"]);
    let mut clients = ["bob", "Ann", "anton"].map(|name| Client::named(&address, name));
    terminal.press("/say A\tand b\tgo\r");
    clients[0].wait_for("-- Ann and bob go");
    // The key behind the Tab finds the name complete.
    terminal.press("/kick an\t\t\r");
    clients[0].wait_for("-- anton left (kicked)");
    terminal.press("/who\r");
    terminal.wait_for("Ann (");
}

fn pasted_commands_are_asked_about_first(poller: Poller) {
    let (mut terminal, address) = edited(poller, &[]);
    let mut alice = Client::named(&address, "alice");
    terminal.press("\x1b[200~/say one\r/say two\r\x1b[201~");
    terminal.wait_until("the question", |terminal| terminal.cursor_row() == "send 2 lines? [y/N]");
    terminal.press("n");
    terminal.press("/say three\r");
    alice.expect_line("-- three");
    let many: String = (0..500).map(|number| format!("/say line {number}\r")).collect();
    terminal.press(&format!("\x1b[200~{many}\x1b[201~"));
    terminal.wait_until("the question", |terminal| terminal.cursor_row() == "send 500 lines? [y/N]");
    terminal.press("y");
    for number in 0..500 {
        alice.expect_line(&format!("-- line {number}"));
    }
}

fn a_dumb_terminal_gets_plain_lines(poller: Poller) {
    let mut command = poller.command(&["--chat", "0"]);
    command.env("NO_COLOR", "1");
    let mut terminal = Terminal::start_as("dumb", command);
    let address = address(&terminal);
    let mut alice = Client::named(&address, "alice");
    terminal.press("/say from the keyboard\n");
    alice.expect_line("-- from the keyboard");
    // The end of the input is not the end of the server.
    terminal.press("\x04");
    alice.say("/ping");
    alice.expect_line("-- pong");
    terminal.press("\x03");
    alice.expect_line("-- server is shutting down");
    assert_eq!(terminal.wait_for_exit().code(), Some(0));
    assert_eq!(terminal.escapes(), 0);
    terminal.expect_restored();
}

fn a_terminal_that_takes_nothing_holds_up_nobody(poller: Poller) {
    let (screen, line) = sys::open_pty(24, 80).expect("a pseudo-terminal");
    let modes = sys::terminal_modes(&line).expect("a terminal");
    let directory = tempfile::tempdir().expect("a directory");
    let address = format!("unix:{}", directory.path().join("chat").display());
    let stdio = || Stdio::from(line.try_clone().expect("a descriptor"));
    let mut command = poller.command(&["--chat", &address, "--watch", "--grace", "1h"]);
    command.stdin(stdio()).stdout(stdio()).stderr(stdio()).env("TERM", "xterm").env("RUST_LOG", "debug");
    sys::lead_session(&mut command);
    let mut server = command.spawn().expect("the program");
    let mut screen = File::from(screen);
    // No more is read once the line is edited.
    let mut seen = Vec::new();
    while !seen.ends_with(b"> ") {
        let mut byte = [0];
        screen.read_exact(&mut byte).expect("more");
        seen.push(byte[0]);
    }
    let mut alice = Client::enter(&address);
    for _ in 0..2_000 {
        alice.say(&"x".repeat(900));
        drop(Client::connect(&address));
    }
    alice.catch_up();
    sys::signal(server.id(), sys::SIGTERM).expect("it runs");
    alice.wait_for("-- server is shutting down");
    sys::signal(server.id(), sys::SIGTERM).expect("it runs");
    assert_eq!(wait_for_exit(&mut server).expect("it ends").code(), Some(0));
    assert_eq!(sys::terminal_modes(&line).expect("a terminal"), modes);
}
