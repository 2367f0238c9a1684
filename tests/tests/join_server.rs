//! The terminal client and its server, also in pipes: how the client finds, loses and regains the
//! server, its name and its room.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::joined::{join, joined};
use parlour_tests::programs::Program;
use parlour_tests::server::Server;
use parlour_tests::terminal::Terminal;

#[test]
fn a_pipe_sends_every_line_and_leaves() {
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut client = Program::start_command(join(&[server.port()]));
    client.send("a\nb\n");
    client.send("/nick alice\n\nno ending");
    client.end_input();
    bob.expect_line("-- guest-1 joined");
    bob.expect_line("<guest-1> a");
    bob.expect_line("<guest-1> b");
    bob.expect_line("-- guest-1 is now alice");
    bob.expect_line("<alice> no ending");
    bob.expect_line("-- alice left");
    assert_eq!(client.wait().code(), Some(0), "{:#?}", client.stderr.seen());
    let welcome = "-- welcome to parlour, you are guest-1; /help lists the commands";
    assert!(client.stdout.to_end().iter().any(|line| line == welcome), "{:#?}", client.stdout.seen());
}

#[test]
fn a_pipe_waits_until_everything_was_taken() {
    const LINES: usize = 20_000;
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut client = Program::start_command(join(&[server.port(), "--nick", "alice"]));
    let text: String = (0..LINES).map(|number| format!("line {number} of a long text\n")).collect();
    client.send(&text);
    client.end_input();
    bob.expect_line("-- alice joined");
    for number in 0..LINES {
        bob.expect_line(&format!("<alice> line {number} of a long text"));
    }
    bob.expect_line("-- alice left");
    assert_eq!(client.wait().code(), Some(0));
}

#[test]
fn a_pipe_prints_what_comes_in() {
    let server = Server::chatting(&[]);
    let mut client = Program::start_command(join(&[&format!("localhost:{}", server.port())]));
    client.stdout.wait_for_line("-- here: guest-1");
    let mut bob = Client::named(server.chat(), "bob");
    bob.say("into the pipe");
    client.stdout.wait_for_line("<bob> into the pipe");
    server.stop();
    client.stdout.wait_for_line("-- server is shutting down");
}

#[test]
fn every_address_of_a_server_can_be_joined() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = format!("unix:{}", folder.path().join("chat").display());
    let server = Server::start(&["--chat", "0", "--chat", &path]);
    let mut bob = Client::named(server.chat(), "bob");
    for address in [&[path.as_str()][..], &["127.0.0.1", server.port()], &["localhost", server.port()]] {
        let mut client = Program::start_command(join(address));
        client.send("hello\n");
        client.end_input();
        bob.wait_for("<guest-1> hello");
        bob.wait_for("-- guest-1 left");
        assert_eq!(client.wait().code(), Some(0), "{:?}", client.stderr.seen());
    }
}

#[test]
fn a_first_try_that_fails_says_why() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("a port").port();
    for address in [format!("127.0.0.1:{free}"), free.to_string()] {
        let mut command = join(&[&address]);
        command.stdin(Stdio::null());
        let ended = Server::run_command(command);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let expected = format!("Unable to connect to 127.0.0.1:{free}: ");
        let reason = ended.stderr.iter().find_map(|line| line.strip_prefix(&expected));
        assert!(reason.is_some_and(|reason| reason.to_lowercase().contains("refused")), "{ended:?}");
    }
}

#[test]
fn a_broken_connection_is_tried_again() {
    let server = Server::chatting(&[]);
    let port = server.port().to_string();
    let (mut terminal, bob) = joined(&server, &["--nick", "alice"]);
    terminal.wait_for("-- guest-1 is now alice");
    terminal.press("unfinished");
    drop((bob, server));
    terminal.wait_for("connection lost");
    let server = Server::start(&["--chat", &port]);
    let mut carol = Client::named(server.chat(), "carol");
    if !carol.names_here().contains(&"alice".to_string()) {
        carol.wait_for("-- alice joined");
    }
    terminal.wait_for(&format!("-- connected to 127.0.0.1:{port} again"));
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row().ends_with("unfinished"));
    terminal.press(" business\r");
    carol.wait_for("<alice> unfinished business");
}

#[test]
fn a_name_is_taken_as_soon_as_it_is_free() {
    let server = Server::chatting(&[]);
    let bob = Client::named(server.chat(), "bob");
    let terminal = Terminal::start(join(&["--nick", "bob", server.port()]));
    terminal.wait_for("-- you get the name bob as soon as it is free");
    drop(bob);
    terminal.wait_for("-- guest-1 is now bob");
    let text = terminal.text();
    assert_eq!(text.matches("the name bob is taken").count(), 1, "{text}");
}

#[test]
fn a_script_with_a_name_that_is_refused_says_nothing() {
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    for (name, reason) in [("bob", "the name bob is taken"), ("x/y", "bad name: ")] {
        let mut client = Program::start_command(join(&[server.port(), "--nick", name]));
        client.send("hello\n");
        client.end_input();
        assert_eq!(client.wait().code(), Some(1));
        assert!(client.stderr.to_end().iter().any(|line| line.starts_with(reason)), "{:?}", client.stderr);
    }
    assert!(!bob.catch_up().iter().any(|line| line.contains("hello")));
}

#[test]
fn what_is_typed_for_a_room_is_not_said_in_the_lobby() {
    let server = Server::chatting(&[]);
    let port = server.port().to_string();
    let (mut terminal, bob) = joined(&server, &[]);
    terminal.press("/join den\r");
    terminal.wait_for("-- you are in den");
    drop((bob, server));
    terminal.wait_for("-- connection lost");
    let listener = TcpListener::bind(("127.0.0.1", port.parse().expect("a port"))).expect("a free port");
    let (stream, _) = listener.accept().expect("the client");
    let mut server = &stream;
    // It asks for its session, which this server does not know.
    let mut commands = BufReader::new(&stream);
    commands.read_until(0xf0, &mut Vec::new()).expect("a message");
    server.write_all(b"\xff\xfa\x52unknown\xff\xf0").expect("a client");
    // It asks for another one when it is welcomed.
    let lines = commands.split(b'\n').map(|line| line.expect("a line"));
    let text =
        |line: Vec<u8>| line.rsplit(|byte| *byte == 0xf0).next().map(<[u8]>::to_vec).unwrap_or_default();
    let mut commands = lines.map(|line| String::from_utf8(text(line)));
    assert_eq!(commands.next().expect("a line").expect("text"), "/join den");
    terminal.press("secret\r");
    terminal.wait_for("-- not sent: the server has not welcomed you yet");
    assert!(!terminal.text().contains("connected to"), "{}", terminal.text());
    server
        .write_all(b"-- welcome to parlour, you are guest-9; /help lists the commands\r\n")
        .expect("a client");
    terminal.wait_for(&format!("-- connected to 127.0.0.1:{port} again"));
    terminal.press("\r");
    terminal.wait_for("-- not sent: you are not back in den yet");
    server.write_all(b"-- there are too many rooms already\r\n").expect("a client");
    terminal.wait_for("-- you are in lobby, not in den;");
    terminal.press("\r");
    terminal.wait_for("-- not sent: you are in lobby, not in den;");
    terminal.press("\x15/join den\r");
    assert_eq!(commands.next().expect("a line").expect("text"), "/join den");
    server.write_all(b"-- you are in den\r\n").expect("a client");
    terminal.wait_until("the room", |terminal| terminal.text().matches("-- you are in den").count() == 2);
    terminal.press("secret\r");
    assert_eq!(commands.next().expect("a line").expect("text"), "secret");
}

#[test]
fn a_kicked_client_does_not_come_back_by_itself() {
    let mut command = Server::command(&["--chat", "0", "--console"]);
    command.stdin(Stdio::piped());
    let mut server = Server::launch(command);
    let (mut terminal, mut bob) = joined(&server, &["--nick", "alice"]);
    server.type_line("/kick alice spam");
    bob.expect_line("-- alice left (kicked: spam)");
    terminal.wait_for("-- you were kicked; Enter connects again, Ctrl-C leaves");
    // Longer than the pause after which a lost connection is tried again.
    bob.expect_silence(Duration::from_millis(1500));
    terminal.press("\r");
    bob.expect_line("-- alice joined");
    server.type_line("/kick alice");
    bob.expect_line("-- alice left (kicked)");
    let kicked = "-- you were kicked; Enter";
    terminal.wait_until("the second kick", |terminal| terminal.text().matches(kicked).count() == 2);
    terminal.press("/quit\r");
    assert_eq!(terminal.wait_for_exit().code(), Some(3));
    bob.expect_nothing();
}

#[test]
fn a_client_that_was_idle_for_too_long_says_so() {
    let server = Server::chatting(&["--idle-timeout", "200ms"]);
    let mut terminal = Terminal::start(join(&[server.port()]));
    terminal.wait_for("-- you were idle for too long; Enter connects again, Ctrl-C leaves");
    terminal.press("\x03");
    assert_eq!(terminal.wait_for_exit().code(), Some(4));
    let mut client = Program::start_command(join(&[server.port()]));
    assert_eq!(client.wait().code(), Some(4), "{:?}", client.stderr.seen());
}

#[test]
fn quitting_needs_no_connection() {
    let server = Server::chatting(&[]);
    let (mut terminal, bob) = joined(&server, &[]);
    drop((bob, server));
    terminal.wait_for("-- connection lost");
    terminal.press("/quit good night\r");
    assert_eq!(terminal.wait_for_exit().code(), Some(0));
}

#[test]
fn a_server_that_does_not_answer_is_told_of() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let terminal = Terminal::start(join(&[&listener.local_addr().expect("an address").to_string()]));
    terminal.wait_for("-- the server does not answer");
    let (mut stream, _) = listener.accept().expect("the client");
    stream
        .write_all(b"-- welcome to parlour, you are guest-1; /help lists the commands\r\n")
        .expect("a client");
    terminal.wait_for("-- the server answers again");
}

#[test]
fn a_broken_connection_ends_the_client_that_shall_not_retry() {
    let server = Server::chatting(&[]);
    let (mut terminal, bob) = joined(&server, &["--no-retry"]);
    drop((bob, server));
    assert!(!terminal.wait_for_exit().success());
    terminal.wait_for("connection lost");
    terminal.expect_restored();
}

#[test]
fn a_server_that_is_no_parlour_is_shown_as_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a port").port().to_string();
    let mut client = Program::start_command(join(&[&port, "--no-retry"]));
    let (mut stream, _) = listener.accept().expect("the client");
    client.send("hello\n");
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).expect("a line");
    assert_eq!(line, "hello\n");
    stream.write_all(b"whatever\nunfinished").expect("a client");
    drop(stream);
    client.stdout.wait_for_line("whatever");
    client.stdout.wait_for_line("unfinished");
    client.wait();
}

#[test]
fn quitting_in_pieces_is_quitting() {
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut client = Program::start_command(join(&[server.port()]));
    // It has read the input that it has sent, and the piece that came with it.
    client.send("hello\n/qu");
    bob.wait_for("<guest-1> hello");
    client.send("it good night\n");
    bob.wait_for("-- guest-1 left: good night");
    assert_eq!(client.wait().code(), Some(0), "{:?}", client.stderr.seen());
}

#[test]
fn a_script_that_leaves_in_any_way_has_not_lost_its_connection() {
    let server = Server::chatting(&[]);
    for farewell in ["/quit\r", "\u{feff}/quit\n", "\x04"] {
        let mut client = Program::start_command(join(&[server.port()]));
        client.stdout.wait_for_line("-- here: guest-1");
        client.send(farewell);
        // Its input has not ended.
        assert_eq!(client.wait().code(), Some(0), "{farewell:?}: {:?}", client.stderr.seen());
    }
}
