//! The terminal client, in a pseudo-terminal and in pipes.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use parlour_tests::client::Client;
use parlour_tests::programs::Program;
use parlour_tests::server::{Server, binary, wait_for_exit};
use parlour_tests::sys;
use parlour_tests::terminal::Terminal;

fn join(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg("join").args(args).env_remove("NO_COLOR");
    command
}

/// The client in a terminal, welcomed as guest-1, and bob, who saw it.
fn joined(server: &Server, args: &[&str]) -> (Terminal, Client) {
    let mut bob = Client::named(server.chat(), "bob");
    let terminal = Terminal::start(join(&[args, &[server.port()]].concat()));
    terminal.wait_for("-- welcome to parlour, you are guest-1; /help lists the commands");
    let name = args.iter().position(|arg| *arg == "--nick").map_or("guest-1", |at| args[at + 1]);
    bob.expect_line(&format!("-- {name} joined"));
    (terminal, bob)
}

#[test]
fn lines_go_out_and_come_in() {
    let server = Server::chatting(&[]);
    let (mut terminal, mut bob) = joined(&server, &[]);
    terminal.press("hello\r");
    bob.expect_line("<guest-1> hello");
    bob.say("hi \u{65e5}\u{672c}");
    terminal.wait_for("<bob> hi \u{65e5}\u{672c}");
    bob.say("/me waves");
    terminal.wait_for("* bob waves");
    bob.expect_nothing();
}

#[test]
fn what_is_being_typed_survives_incoming_text() {
    let server = Server::chatting(&[]);
    let (mut terminal, mut bob) = joined(&server, &[]);
    terminal.press("half a sen");
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row().ends_with("half a sen"));
    for number in 0..50 {
        bob.say(&format!("interruption {number} {}", "long ".repeat(number)));
    }
    terminal.wait_for("interruption 49");
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row().ends_with("half a sen"));
    let text = terminal.text();
    assert_eq!(text.matches("half a sen").count(), 1, "no remains of earlier drawing:\n{text}");
    terminal.press("tence\r");
    bob.expect_line("<guest-1> half a sentence");
}

#[test]
fn the_line_is_edited_with_the_usual_keys() {
    let server = Server::chatting(&[]);
    let (mut terminal, mut bob) = joined(&server, &[]);
    for (keys, sent) in [
        ("abd\x1b[Dc\r", "abcd"),
        // F1 on the console of Linux.
        ("\x1b[[Ahelp\r", "help"),
        ("world\x01hello \x05!\r", "hello world!"),
        ("all of this\x15gone\r", "gone"),
        ("one two\x17three\r", "one three"),
        ("\u{65e5}\u{672c}x\x7f\x7f\u{8a9e}\r", "\u{65e5}\u{8a9e}"),
        // The line before the last one.
        ("\x1b[A\x1b[A\r", "one three"),
    ] {
        terminal.press(keys);
        bob.expect_line(&format!("<guest-1> {sent}"));
    }
}

#[test]
fn wide_characters_keep_the_cursor_in_place() {
    let server = Server::chatting(&[]);
    let (mut terminal, _bob) = joined(&server, &[]);
    terminal.press("x");
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row().ends_with('x'));
    let column = |terminal: &Terminal| terminal.look(|screen| screen.cursor_position().1);
    let before = column(&terminal);
    terminal.press("\u{65e5}\u{672c}e\u{301}");
    terminal.wait_until("two wide characters and a narrow one", |terminal| column(terminal) == before + 5);
}

#[test]
fn control_c_and_control_d_leave_the_terminal_as_it_was() {
    for key in ["\x03", "\x04"] {
        let server = Server::chatting(&[]);
        let (mut terminal, mut bob) = joined(&server, &[]);
        terminal.wait_until("raw mode", Terminal::is_changed);
        terminal.press(key);
        terminal.wait_for_exit();
        bob.expect_line("-- guest-1 left");
        terminal.expect_restored();
    }
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let server = Server::chatting(&[]);
    let (mut terminal, _bob) = joined(&server, &[]);
    terminal.wait_until("raw mode", Terminal::is_changed);
    terminal.signal(parlour_tests::sys::SIGTERM);
    terminal.wait_for_exit();
    terminal.expect_restored();
}

#[test]
fn while_it_is_stopped_the_terminal_is_as_it_was() {
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    // A shell with jobs, which leaves the modes of its terminal alone.
    let mut command = Command::new("sh");
    let script = r#""$0" join "$1"; echo stopped; read line; echo "read $line"; fg"#;
    command.args(["-m", "-c", script]).arg(binary()).arg(server.port());
    let mut terminal = Terminal::start(command);
    bob.expect_line("-- guest-1 joined");
    terminal.wait_until("raw mode", Terminal::is_changed);
    terminal.press("half a\x1a");
    terminal.wait_for("stopped");
    terminal.expect_restored();
    terminal.press("for the shell\r");
    terminal.wait_for("read for the shell");
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row().ends_with("> half a"));
    terminal.press(" line\r");
    bob.expect_line("<guest-1> half a line");
}

#[test]
fn it_takes_the_terminal_over_again_when_it_goes_on() {
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut command = Command::new("sh");
    let script = r#""$0" join "$1"; stty sane; echo stopped; read line; fg"#;
    command.args(["-m", "-c", script]).arg(binary()).arg(server.port());
    let mut terminal = Terminal::start(command);
    bob.expect_line("-- guest-1 joined");
    terminal.wait_until("raw mode", Terminal::is_changed);
    // Nothing tells the client before it is stopped.
    let shell = terminal.id();
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).expect("a shell");
    sys::signal(children.trim().parse().expect("one child"), sys::SIGSTOP).expect("it runs");
    terminal.wait_for("stopped");
    terminal.press("\r");
    terminal.wait_until("the prompt", |terminal| terminal.cursor_row() == ">");
    terminal.wait_until("raw mode", Terminal::is_changed);
    terminal.press("ab\x1b[Dc\r");
    bob.expect_line("<guest-1> acb");
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut terminal = Terminal::start_as("dumb", join(&[server.port()]));
    terminal.wait_for("-- here: ");
    terminal.press("hello\n");
    bob.wait_for("<guest-1> hello");
    bob.say("hi");
    terminal.wait_for("<bob> hi");
    assert_eq!(terminal.escapes(), 0);
}

#[test]
fn no_wrapped_line_can_pose_as_another() {
    let server = Server::chatting(&[]);
    let (terminal, mut bob) = joined(&server, &[]);
    bob.say(&format!("{:71}<eve> I resign", "hello"));
    bob.say(&format!("{}-- eve left", "\u{65e5}".repeat(37)));
    bob.say("the end");
    terminal.wait_for("<bob> the end");
    let rows: Vec<_> = terminal.text().lines().map(str::to_owned).collect();
    assert!(rows.contains(&"    <eve> I resign".to_owned()), "{rows:#?}");
    assert!(!rows.iter().any(|row| row.starts_with("<eve>") || row.starts_with("-- eve")), "{rows:#?}");
}

#[test]
fn a_long_paste_is_asked_about_first() {
    let server = Server::chatting(&[]);
    let (mut terminal, mut bob) = joined(&server, &[]);
    terminal.wait_until("bracketed paste", |terminal| terminal.look(vt100::Screen::bracketed_paste));
    let paste = |lines: usize| {
        let text: String = (1..=lines).map(|number| format!("pasted {number}\r")).collect();
        format!("\x1b[200~{text}\x1b[201~")
    };
    terminal.press(&paste(5));
    for number in 1..=5 {
        bob.expect_line(&format!("<guest-1> pasted {number}"));
    }
    terminal.press(&paste(6));
    terminal.wait_for("send 6 lines?");
    terminal.press("n");
    terminal.press("between\r");
    bob.expect_line("<guest-1> between");
    terminal.press(&paste(7));
    terminal.wait_for("send 7 lines?");
    bob.expect_nothing();
    terminal.press("y");
    for number in 1..=7 {
        bob.expect_line(&format!("<guest-1> pasted {number}"));
    }
    terminal.press("after\r");
    bob.expect_line("<guest-1> after");
}

#[test]
fn a_bell_rings_for_ones_own_name() {
    for (args, rings) in [(&["--nick", "alice"][..], true), (&["--nick", "alice", "--no-bell"], false)] {
        let server = Server::chatting(&[]);
        let (terminal, mut bob) = joined(&server, args);
        let before = terminal.bells();
        bob.say("nobody in particular");
        terminal.wait_for("nobody in particular");
        assert_eq!(terminal.bells(), before);
        bob.say("ask Alice about it");
        terminal.wait_for("about it");
        bob.say("/msg alice psst");
        terminal.wait_for("psst");
        assert_eq!(terminal.bells() > before, rings);
    }
}

#[test]
fn names_have_colours_unless_they_are_not_wanted() {
    for coloured in [true, false] {
        let server = Server::chatting(&[]);
        let mut bob = Client::named(server.chat(), "bob");
        let mut command = join(&[server.port()]);
        if !coloured {
            command.env("NO_COLOR", "1");
        }
        let terminal = Terminal::start(command);
        bob.expect_line("-- guest-1 joined");
        bob.say("what colour am I");
        terminal.wait_for("what colour am I");
        let colours = terminal.look(|screen| {
            let (rows, columns) = screen.size();
            let cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
            cells.filter_map(|(row, column)| screen.cell(row, column)).any(|cell| {
                cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
            })
        });
        assert_eq!(colours, coloured);
    }
}

#[test]
fn what_a_server_sends_cannot_control_the_terminal() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a port").port().to_string();
    let terminal = Terminal::start(join(&[&port]));
    let (mut stream, _) = listener.accept().expect("the client");
    stream
        .write_all(b"first line\r\n\x1b[2J\x1b[H\x1b]0;evil\x07\x1b[?1049h\xc2\x9b2Jlast line\r\n")
        .expect("a client");
    terminal.wait_for("last line");
    assert!(terminal.text().contains("first line"), "{}", terminal.text());
    assert!(!terminal.look(vt100::Screen::alternate_screen));
    drop(terminal);
}

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
    terminal.wait_until("what was typed", |terminal| terminal.cursor_row().ends_with("unfinished"));
    terminal.press(" business\r");
    carol.wait_for("<alice> unfinished business");
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
fn a_terminal_that_takes_nothing_does_not_keep_it_from_ending() {
    type End = fn(&mut File, u32);
    let ends: [(End, i32); 2] = [
        (|_, client| sys::signal(client, sys::SIGTERM).expect("it runs"), 128 + sys::SIGTERM),
        (|keyboard, _| keyboard.write_all(b"\x03").expect("a terminal"), 0),
    ];
    for (end, code) in ends {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (screen, line) = sys::open_pty(24, 80).expect("a pseudo-terminal");
        let modes = sys::terminal_modes(&line).expect("a terminal");
        let stdio = || Stdio::from(line.try_clone().expect("a descriptor"));
        let mut command = join(&[&listener.local_addr().expect("an address").to_string()]);
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        sys::lead_session(&mut command);
        let mut client = command.spawn().expect("it starts");
        let (mut server, _) = listener.accept().expect("the client");
        // Until neither client nor kernel takes more.
        server.set_write_timeout(Some(Duration::from_millis(500))).expect("a socket");
        while server.write_all(&[b"<bob> ", &[b'x'; 1_000][..], b"\r\n"].concat()).is_ok() {}
        let start = Instant::now();
        end(&mut File::from(screen.try_clone().expect("a descriptor")), client.id());
        let status = wait_for_exit(&mut client).expect("it ends");
        assert_eq!(status.code(), Some(code));
        assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
        assert_eq!(sys::terminal_modes(&line).expect("a terminal"), modes);
    }
}

#[test]
fn quitting_in_pieces_is_quitting() {
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut client = Program::start_command(join(&[server.port()]));
    // What it has sent it has read, and the piece that came with it.
    client.send("hello\n/qu");
    bob.wait_for("<guest-1> hello");
    client.send("it good night\n");
    bob.wait_for("-- guest-1 left: good night");
    assert_eq!(client.wait().code(), Some(0), "{:?}", client.stderr.seen());
}
