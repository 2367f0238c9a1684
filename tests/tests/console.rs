//! The operator's console and the watch, over pipes.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::lines::PATIENCE;
use parlour_tests::programs::Program;
use parlour_tests::server::{Poller, Server, binary};
use parlour_tests::with_each_poller;

with_each_poller! {
    the_operator_speaks_to_all,
    the_operator_kicks,
    the_operator_asks_who_is_where,
    the_operator_ends_the_server,
    a_last_command_without_an_ending_counts,
    without_the_option_a_pipe_commands_nothing,
    the_watch_shows_what_is_said,
    the_watch_shows_every_line_in_order,
    commands_come_from_a_file_as_well,
    the_watch_goes_into_a_file_as_well,
}

/// A server with a console on a pipe.
fn with_console(poller: Poller) -> Server {
    let mut command = poller.command(&["--chat", "0", "--console"]);
    command.stdin(Stdio::piped());
    Server::launch(command)
}

fn the_operator_speaks_to_all(poller: Poller) {
    let mut server = with_console(poller);
    let mut alice = Client::named(server.chat(), "alice");
    let mut bob = Client::named(server.chat(), "bob");
    bob.say("/join den");
    bob.catch_up();
    alice.catch_up();
    server.type_line("/say maintenance at noon");
    alice.expect_line("-- maintenance at noon");
    bob.expect_line("-- maintenance at noon");
    server.stop();
}

fn the_operator_kicks(poller: Poller) {
    let mut server = with_console(poller);
    let mut alice = Client::named(server.chat(), "alice");
    let mut bob = Client::named(server.chat(), "bob");
    alice.catch_up();
    server.type_line("/kick bob spamming");
    alice.expect_line("-- bob left (kicked: spamming)");
    let last = String::from_utf8(bob.read_to_close()).expect("UTF-8");
    assert!(last.lines().all(|line| line.starts_with("-- ")), "{last:?}");
    let mut carol = Client::named(server.chat(), "carol");
    alice.catch_up();
    server.type_line("/kick carol");
    alice.expect_line("-- carol left (kicked)");
    carol.read_to_close();
    server.type_line("/kick nobody");
    server.stdout.wait_for("an answer", |line| line.contains("nobody"));
    alice.expect_nothing();
    server.stop();
}

fn the_operator_asks_who_is_where(poller: Poller) {
    let mut server = with_console(poller);
    let _alice = Client::named(server.chat(), "alice");
    let mut bob = Client::named(server.chat(), "bob");
    bob.say("/join den");
    bob.catch_up();
    server.type_line("/who");
    server.stdout.wait_for("the lobby", |line| line.contains("lobby") && line.contains("alice"));
    server.type_line("/who den");
    server.stdout.wait_for("the den", |line| line.contains("den") && line.contains("bob"));
    server.type_line("/rooms");
    server.stdout.wait_for("the rooms", |line| line.contains("den: 1 here"));
    server.type_line("/stats");
    server.stdout.wait_for("numbers", |line| line.contains("2 connections"));
    server.type_line("/nonsense");
    server.stdout.wait_for("an answer", |line| line.contains("nonsense"));
    server.stop();
}

fn the_operator_ends_the_server(poller: Poller) {
    let mut server = with_console(poller);
    let mut alice = Client::enter(server.chat());
    server.type_line("/shutdown");
    alice.expect_line("-- server is shutting down");
    alice.expect_close();
    assert_eq!(server.wait().code(), Some(0));
}

fn a_last_command_without_an_ending_counts(poller: Poller) {
    let mut server = with_console(poller);
    let mut alice = Client::enter(server.chat());
    server.type_bytes(b"/say hello\n/say good");
    alice.expect_line("-- hello");
    server.type_bytes(b"bye");
    server.end_input();
    alice.expect_line("-- goodbye");
    server.stop();
}

fn without_the_option_a_pipe_commands_nothing(poller: Poller) {
    let mut command = poller.command(&["--chat", "0"]);
    command.stdin(Stdio::piped());
    let mut server = Server::launch(command);
    let mut alice = Client::enter(server.chat());
    server.type_line("/shutdown");
    alice.expect_nothing();
    server.stop();
}

fn the_watch_shows_what_is_said(poller: Poller) {
    let mut server = poller.chatting(&["--watch"]);
    let mut alice = Client::named(server.chat(), "alice");
    alice.say("watch this");
    alice.say("/me dances");
    alice.say("/msg alice a secret");
    alice.catch_up();
    server.stdout.wait_for("a message", |line| line.contains("<alice> watch this"));
    server.stdout.wait_for("an action", |line| line.contains("* alice dances"));
    drop(alice);
    server.stdout.wait_for("a leave", |line| line.contains("-- alice left"));
    let secret = server.stdout.seen().iter().any(|line| line.contains("secret"));
    assert!(!secret, "direct messages are between two");
}

fn the_watch_shows_every_line_in_order(poller: Poller) {
    const LINES: usize = 20_000;
    let mut server = poller.chatting(&["--watch"]);
    let mut alice = Client::named(server.chat(), "alice");
    for number in 0..LINES {
        alice.say(&format!("line {number}"));
    }
    alice.catch_up();
    for number in 0..LINES {
        let line = server.stdout.wait_for("a message", |line| line.contains("<alice> line "));
        assert!(line.ends_with(&format!(" line {number}")), "{line:?} is not number {number}");
    }
}

fn commands_come_from_a_file_as_well(poller: Poller) {
    const TIMES: usize = 2_000;
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&b"/nonsense\n".repeat(TIMES)).expect("room");
    file.write_all(b"/rooms").expect("room");
    file.rewind().expect("a file");
    let nothing = File::open("/dev/null").expect("the null device");
    for (input, answers) in [(file, TIMES), (nothing, 0)] {
        let mut command = poller.command(&["--chat", "0", "--console"]);
        command.stdin(input);
        let mut server = Server::launch(command);
        for _ in 0..answers {
            server.stdout.wait_for("an answer", |line| line.contains("nonsense"));
        }
        if answers > 0 {
            server.stdout.wait_for("the last answer", |line| line.contains("lobby: 0 here"));
        }
        // The file has ended; the server has not, and does not look again and again.
        let start = server.processor_time();
        std::thread::sleep(Duration::from_millis(600));
        let busy = server.processor_time() - start;
        assert!(busy < Duration::from_millis(150), "{busy:?} of processor time after the end");
        drop(Client::enter(server.chat()));
        server.stop();
    }
}

fn the_watch_goes_into_a_file_as_well(poller: Poller) {
    let directory = tempfile::tempdir().expect("a directory");
    let (socket, log) = (directory.path().join("chat.sock"), directory.path().join("log"));
    let address = format!("unix:{}", socket.display());
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" > \"$0\""]).arg(&log).arg(binary());
    command.args(poller.command(&["--chat", &address, "--watch", "--console"]).get_args());
    let mut server = Program::start_command(command);
    let text = || fs::read_to_string(&log).unwrap_or_default();
    let wait_for = |wanted: &str| {
        let give_up = Instant::now() + PATIENCE;
        while !text().contains(wanted) {
            assert!(Instant::now() < give_up, "no {wanted:?} in {:?}", text());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for(&format!("listening chat {address}\n"));
    let mut alice = Client::named(&address, "alice");
    for number in 0..100 {
        alice.say(&format!("line {number}"));
    }
    wait_for("<alice> line 99\n");
    assert_eq!(text().lines().filter(|line| line.contains("<alice> line ")).count(), 100);
    server.send("/shutdown\n");
    assert_eq!(server.wait().code(), Some(0));
}
