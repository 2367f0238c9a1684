//! The terminal client in a pseudo-terminal: its screen and its keys.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::joined::{join, joined};
use parlour_tests::server::{Server, binary, wait_for_exit};
use parlour_tests::sys;
use parlour_tests::terminal::Terminal;

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
        // A terminal's answers to questions for its colours and its name.
        ("\x1b]11;rgb:0000/0000/0000\x07a\x1bP>|XTerm(379)\x1b\\b\r", "ab"),
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
    terminal.signal(sys::SIGTERM);
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
fn in_the_background_it_leaves_the_terminal_alone() {
    let server = Server::chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut command = Command::new("sh");
    let script = r#""$0" join "$1" & read line; echo "read $line"; fg"#;
    command.args(["-m", "-c", script]).arg(binary()).arg(server.port());
    let mut terminal = Terminal::start(command);
    bob.expect_line("-- guest-1 joined");
    bob.say("hello");
    terminal.wait_for("<bob> hello");
    assert!(!terminal.is_changed());
    terminal.press("for the shell\r");
    terminal.wait_for("read for the shell");
    terminal.wait_until("the prompt", |terminal| terminal.cursor_row() == ">");
    terminal.press("from the foreground\r");
    bob.expect_line("<guest-1> from the foreground");
    terminal.press("\x03");
    assert_eq!(terminal.wait_for_exit().code(), Some(0));
    terminal.expect_restored();
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
    assert!(!terminal.is_raw());
    terminal.press("\r");
    terminal.wait_until("the prompt", |terminal| terminal.cursor_row() == ">");
    terminal.wait_until("raw mode", Terminal::is_raw);
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
fn a_paste_of_lines_is_asked_about_first() {
    let server = Server::chatting(&[]);
    let (mut terminal, mut bob) = joined(&server, &[]);
    terminal.wait_until("bracketed paste", |terminal| terminal.look(vt100::Screen::bracketed_paste));
    let paste = |lines: usize| {
        let text: String = (1..=lines).map(|number| format!("pasted {number}\r")).collect();
        format!("\x1b[200~{text}\x1b[201~")
    };
    terminal.press("\x1b[200~one line\x1b[201~\r");
    bob.expect_line("<guest-1> one line");
    terminal.press(&paste(2));
    terminal.wait_for("send 2 lines?");
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
fn words_are_completed() {
    let server = Server::chatting(&[]);
    let (mut terminal, mut bob) = joined(&server, &[]);
    bob.say("hello");
    terminal.wait_for("<bob> hello");
    terminal.press("b\thi\r");
    bob.expect_line("<guest-1> bob: hi");
    terminal.press("/ms\tbo\tpsst\r");
    bob.expect_line("[guest-1] psst");
    let _carol = Client::named(server.chat(), "bart");
    bob.wait_for("-- guest-2 is now bart");
    terminal.wait_for("-- guest-2 is now bart");
    terminal.press("b\t\t!\r");
    bob.expect_line("<guest-1> bob: !");
}

#[test]
fn the_ignored_are_not_shown_and_replies_find_their_way() {
    let server = Server::chatting(&[]);
    let (mut terminal, mut bob) = joined(&server, &[]);
    let mut eve = Client::named(server.chat(), "eve");
    bob.wait_for("-- guest-2 is now eve");
    terminal.press("/reply x\r");
    terminal.wait_for("nobody has sent you a direct message");
    terminal.press("\x15/ignore Eve\r");
    terminal.wait_for("-- you ignore Eve");
    bob.say("/msg guest-1 hi");
    bob.expect_line("[to guest-1] hi");
    eve.say("/msg guest-1 unheard");
    eve.say("unheard");
    bob.expect_line("<eve> unheard");
    bob.say("the end");
    terminal.wait_for("<bob> the end");
    assert!(!terminal.text().contains("unheard"), "{}", terminal.text());
    terminal.press("/reply hello\r");
    bob.expect_line("[guest-1] hello");
    terminal.press("/unignore eve\r");
    terminal.wait_for("-- you ignore eve no longer");
    eve.say("heard");
    terminal.wait_for("<eve> heard");
}

#[test]
fn the_time_stands_at_the_left_if_asked_for() {
    let server = Server::chatting(&[]);
    let (terminal, mut bob) = joined(&server, &["--times"]);
    bob.say("hi");
    terminal.wait_for(" <bob> hi");
    let row = terminal.text().lines().find(|row| row.ends_with("<bob> hi")).expect("a row").to_owned();
    let (time, line) = row.split_at(6);
    assert_eq!(line, "<bob> hi");
    assert!(time.bytes().zip(*b"00:00 ").all(|(a, b)| a == b || a.is_ascii_digit() && b == b'0'), "{row}");
}

/// The client's own clock says when a line came, not when it was said.
#[test]
fn what_was_said_before_is_shown_as_past() {
    let server = Server::chatting(&["--history", "20"]);
    let mut bob = Client::named(server.chat(), "bob");
    bob.say("is alice here, or [bob] or <bob>?");
    bob.say("/me looks for alice");
    bob.catch_up();
    let terminal = Terminal::start(join(&["--nick", "alice", "--times", server.port()]));
    terminal.wait_for("-- guest-1 is now alice");
    assert_eq!(terminal.bells(), 0);
    let text = terminal.text();
    for said in ["<bob> is alice here, or [bob] or <bob>?", "* bob looks for alice"] {
        let row = text.lines().find(|row| row.ends_with(said)).expect("what bob said");
        assert!(row.starts_with("-- earlier ("), "no time but the server's: {row}");
    }
    let here = text.lines().find(|row| row.contains("-- here: ")).expect("who is here");
    assert_eq!(here.find("-- here"), Some(6), "the time before it: {here}");
    terminal.look(|screen| {
        let row = (0..24).find(|row| screen.contents_between(*row, 0, *row, 80).contains("* bob looks"));
        let cell = screen.cell(row.expect("a row"), 40).expect("a cell");
        assert!(cell.dim() && !cell.bold() && !cell.inverse());
    });
}

#[test]
fn a_line_that_is_too_long_is_kept() {
    let server = Server::chatting(&["--line-limit", "200"]);
    let (mut terminal, mut bob) = joined(&server, &[]);
    terminal.press(&format!("{}end\r", "0123456789".repeat(20)));
    terminal.wait_for("-- line too long (limit 200 bytes), not sent");
    terminal.wait_until("the line again", |terminal| terminal.cursor_row().ends_with("789end"));
    assert!(terminal.cursor_row().starts_with("> <"), "{}", terminal.cursor_row());
    terminal.press("\r");
    terminal.wait_for("-- not sent: the line is too long by 3 bytes");
    terminal.press("\x7f\x7f\x7f\r");
    bob.expect_line(&format!("<guest-1> {}", "0123456789".repeat(20)));
}

#[test]
fn a_terminal_that_is_not_utf_8_is_told_so() {
    let server = Server::chatting(&[]);
    let mut command = join(&[server.port()]);
    command.env("LC_ALL", "de_DE.ISO-8859-1");
    let mut terminal = Terminal::start(command);
    terminal.wait_for("-- the locale de_DE.ISO-8859-1 is not UTF-8");
    terminal.press_bytes(b"\xfc\x20");
    terminal.wait_for("-- not typed: the terminal does not send UTF-8");
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
        command.stdin(stdio()).stdout(stdio()).stderr(stdio()).env("TERM", "xterm");
        sys::lead_session(&mut command);
        let mut client = command.spawn().expect("it starts");
        let (mut server, _) = listener.accept().expect("the client");
        // It has taken the terminal over, and signals with it, when it draws.
        let mut keyboard = File::from(screen.try_clone().expect("a descriptor"));
        keyboard.read_exact(&mut [0]).expect("a typed line");
        // Until neither client nor kernel takes more.
        server.set_write_timeout(Some(Duration::from_millis(500))).expect("a socket");
        while server.write_all(&[b"<bob> ", &[b'x'; 1_000][..], b"\r\n"].concat()).is_ok() {}
        let start = Instant::now();
        end(&mut keyboard, client.id());
        let status = wait_for_exit(&mut client).expect("it ends");
        assert_eq!(status.code(), Some(code), "{status}");
        assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
        assert_eq!(sys::terminal_modes(&line).expect("a terminal"), modes);
    }
}
