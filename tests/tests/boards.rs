//! The emulated boards: the rules of docs/protocol.md, and faults that are likelier on a board than on a
//! server. Each test starts a board of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use parlour_boards::{BOARDS, Board, Run};
use parlour_tests::board::RunningBoard;
use parlour_tests::conformance::{Declared, Need, play_all};
use parlour_tests::lines::{Next, PATIENCE};
use parlour_tests::over_tcp::{Hub, OverTcp, SMALL_BUFFER};
use parlour_tests::resumed::{Cut, converse, flood};
use parlour_tests::swarm::Swarm;

macro_rules! boards {
    ($($module:ident = $name:literal,)*) => {
        $(mod $module {
            boards!(@tests $name:
                keeps_all_rules, carries_all_that_all_say, cuts_a_client_that_never_reads,
                loses_nothing_while_it_is_held_still, serves_ten_thousand_one_after_another,
                refuses_one_too_many_in_words, survives_garbage, sleeps_when_idle,
            );
        })*

        #[test]
        fn every_emulated_board_is_tested() {
            let emulated = BOARDS.iter().filter(|board| matches!(board.run, Run::Qemu { .. }));
            assert!(emulated.map(|board| board.name).eq([$($name),*]));
        }
    };
    (@tests $name:literal: $($test:ident,)*) => {
        $(#[test]
        fn $test() {
            super::$test($name);
        })*
    };
}

boards! {
    lm3s6965evb = "lm3s6965evb",
    riscv32_virt = "riscv32-virt",
}

fn row(name: &str) -> &'static Board {
    parlour_boards::named(name).expect("a row of the table")
}

/// A board that a script starts.
struct Scripted {
    name: &'static str,
    board: Option<RunningBoard>,
}

impl Hub for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    fn declared(&self) -> Declared {
        let sizes = &row(self.name).sizes;
        // A board cannot be told to end, and has no tables of all scripts.
        let mut cannot = vec![Need::Shutdown, Need::Looks];
        // The largest log that a script asks for.
        if sizes.log < 256 << 10 {
            cannot.push(Need::LogSize);
        }
        if sizes.name < parlour_core::NAME_BYTES {
            cannot.push(Need::LongNames);
        }
        Declared { clients: sizes.max_conns, rooms: sizes.rooms, line_limit: sizes.line, cannot }
    }

    fn start(&mut self, args: &[&str]) {
        self.board = Some(RunningBoard::start(self.name, args));
    }

    fn chat(&self) -> String {
        self.board.as_ref().expect("the driver was started").chat()
    }

    fn shutdown(&mut self) {
        unreachable!("declared impossible");
    }
}

fn keeps_all_rules(name: &'static str) {
    let report = play_all(2, || OverTcp::new(Scripted { name, board: None }));
    assert_eq!(report.failed(), 0, "see the report above");
}

/// Clients that have entered a board's lobby one after another, as `c00`, `c01` and so on.
struct Crowd {
    swarm: Swarm,
    clients: Vec<usize>,
    /// By client: how many lines it has seen of each other client.
    seen: Vec<Vec<usize>>,
    said: Vec<usize>,
    /// The clients whose lines are not checked.
    silent: Vec<usize>,
}

impl Crowd {
    fn enter(board: &RunningBoard, count: usize) -> Self {
        let mut swarm = Swarm::default();
        let clients: Vec<usize> = (0..count)
            .map(|number| {
                let client = swarm.connect(&board.chat(), SMALL_BUFFER);
                swarm.send(client, format!("/nick c{number:02}\n/ping\n").as_bytes());
                swarm.wait_for(client, b"-- pong\r\n");
                client
            })
            .collect();
        let mut crowd = Self {
            swarm,
            seen: vec![vec![0; count]; count],
            said: vec![0; count],
            silent: Vec::new(),
            clients,
        };
        crowd.meet();
        crowd
    }

    /// Nothing is on its way to anyone.
    fn meet(&mut self) {
        for &client in &self.clients {
            self.swarm.send(client, b"/ping\n");
        }
        for &client in &self.clients {
            self.swarm.wait_for(client, b"-- pong\r\n");
        }
    }

    /// Lets one client say its next line.
    fn say(&mut self, number: usize) {
        let line = format!("{} {}\n", self.said[number], filling(number, self.said[number]));
        self.swarm.send(self.clients[number], line.as_bytes());
        self.said[number] += 1;
    }

    /// How far the slowest listener is behind a talker.
    fn ahead(&self, talker: usize) -> usize {
        let listeners = (0..self.clients.len()).filter(|at| *at != talker && !self.silent.contains(at));
        self.said[talker] - listeners.map(|at| self.seen[at][talker]).min().unwrap_or_default()
    }

    /// Moves all clients on, and checks the lines that they see: each once, whole, in order.
    fn turn(&mut self) {
        self.swarm.turn(Duration::from_millis(20));
        for at in 0..self.clients.len() {
            while let Some(line) = self.swarm.pop_line(self.clients[at]) {
                self.look(at, &String::from_utf8_lossy(&line));
            }
            assert!(
                !self.swarm.is_closed(self.clients[at]) || self.silent.contains(&at),
                "client {at} was closed"
            );
        }
    }

    fn look(&mut self, at: usize, line: &str) {
        if self.silent.contains(&at) || line.starts_with("-- ") {
            return;
        }
        let parts = line.strip_prefix("<c").and_then(|rest| rest.split_once("> "));
        let (talker, text) = parts.unwrap_or_else(|| panic!("client {at} saw {line:?}"));
        let talker: usize = talker.parse().unwrap_or_else(|_| panic!("client {at} saw {line:?}"));
        let number = self.seen[at][talker];
        assert_eq!(text, format!("{number} {}\r\n", filling(talker, number)), "client {at}, c{talker:02}");
        self.seen[at][talker] += 1;
    }

    /// Waits until every line has arrived.
    fn settle(&mut self) {
        let give_up = Instant::now() + PATIENCE;
        while (0..self.clients.len()).any(|talker| self.ahead(talker) > 0) {
            assert!(Instant::now() < give_up, "lines are lost: {:?} of {:?} arrived", self.seen, self.said);
            self.turn();
        }
    }
}

impl Crowd {
    /// All clients leave, and the board closes their connections.
    fn leave(mut self) {
        for &client in &self.clients {
            self.swarm.half_close(client);
        }
        for &client in &self.clients {
            while self.swarm.next_within(client, PATIENCE) != Next::Closed {}
        }
    }
}

/// Text whose length and letters depend on the talker and the number of the line.
fn filling(talker: usize, number: usize) -> String {
    let letter = char::from(b'a' + (talker + number) as u8 % 26);
    letter.to_string().repeat(8 + (talker * 7 + number * 13) % 60)
}

/// The most clients that fit talk for a minute, then as many others do. A good part of the stack must
/// stay unused.
fn carries_all_that_all_say(name: &'static str) {
    const MINUTE: Duration = Duration::from_secs(60);
    const AHEAD: usize = 4;
    const LEAST_UNUSED: usize = 2048;
    let count = row(name).sizes.max_conns;
    let mut board = RunningBoard::start(name, &[]);
    let mut crowd = Crowd::enter(&board, count);
    let start = Instant::now();
    while start.elapsed() < MINUTE {
        for talker in 0..count {
            if crowd.ahead(talker) < AHEAD {
                crowd.say(talker);
            }
        }
        crowd.turn();
    }
    crowd.settle();
    let lines: usize = crowd.said.iter().sum();
    println!("{name}: {} messages were delivered in {:?}", lines * (count - 1), start.elapsed());
    crowd.leave();

    let mut others = Crowd::enter(&board, count);
    for talker in 0..count {
        others.say(talker);
    }
    others.settle();

    let report = board.wait_for_log("most ever used: stack ");
    println!("{name}: {report}");
    let mut numbers = report.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
    let (used, all): (usize, usize) = (numbers.next().expect("used"), numbers.next().expect("all"));
    assert_eq!(all, row(name).stack, "{report}");
    assert!(used > 512 && used + LEAST_UNUSED <= all, "{report}");
}

fn cuts_a_client_that_never_reads(name: &'static str) {
    let board = RunningBoard::start(name, &["--grace", "500ms"]);
    let mut crowd = Crowd::enter(&board, 4);
    crowd.swarm.set_reading(crowd.clients[3], false);
    crowd.silent.push(3);
    let give_up = Instant::now() + 6 * PATIENCE;
    let mut is_cut = false;
    while !is_cut {
        assert!(Instant::now() < give_up, "the client that never reads was not cut");
        if crowd.ahead(0) < 32 {
            crowd.say(0);
        }
        crowd.swarm.turn(Duration::from_millis(20));
        for at in 0..3 {
            while let Some(line) = crowd.swarm.pop_line(crowd.clients[at]) {
                let line = String::from_utf8_lossy(&line);
                is_cut |= line == "-- c03 left (too slow)\r\n";
                crowd.look(at, &line);
            }
        }
    }
    crowd.settle();
}

fn loses_nothing_while_it_is_held_still(name: &'static str) {
    const STILL: Duration = Duration::from_secs(5);
    let board = RunningBoard::start(name, &[]);
    let mut crowd = Crowd::enter(&board, row(name).sizes.max_conns.min(16));
    for round in 0..4 {
        for talker in 0..crowd.clients.len() {
            crowd.say(talker);
        }
        crowd.turn();
        if round == 1 {
            board.hold();
            let held = Instant::now();
            while held.elapsed() < STILL {
                for talker in 0..crowd.clients.len() {
                    if crowd.ahead(talker) < 8 {
                        crowd.say(talker);
                    }
                }
                crowd.turn();
            }
            board.go_on();
        }
    }
    crowd.settle();
}

fn serves_ten_thousand_one_after_another(name: &'static str) {
    const NEWCOMERS: usize = 10_000;
    let mut board = RunningBoard::start(name, &[]);
    for number in 0..NEWCOMERS {
        let mut swarm = Swarm::default();
        let client = swarm.connect(&board.chat(), SMALL_BUFFER);
        match number % 3 {
            0 => {
                swarm.send(client, b"/ping\n");
                swarm.wait_for(client, b"-- pong\r\n");
            }
            1 => {
                swarm.send(client, b"/quit\n");
                while swarm.next_within(client, PATIENCE) != Next::Closed {}
            }
            _ => {
                // Some leave with a reset, before they were heard or after.
                assert!(matches!(swarm.next_within(client, PATIENCE), Next::Line(_)));
                swarm.reset(client);
            }
        }
    }
    // All places are free again.
    let mut crowd = Crowd::enter(&board, row(name).sizes.max_conns);
    crowd.say(0);
    crowd.settle();
    assert_no_fault(&mut board);
}

fn refuses_one_too_many_in_words(name: &'static str) {
    let sizes = &row(name).sizes;
    let board = RunningBoard::start(name, &[]);
    let mut crowd = Crowd::enter(&board, sizes.max_conns);
    for _ in 0..2 * sizes.refusals + 1 {
        let client = crowd.swarm.connect(&board.chat(), SMALL_BUFFER);
        let next = crowd.swarm.next_within(client, PATIENCE);
        assert_eq!(next, Next::Line(b"-- server is full\r\n".to_vec()));
        assert_eq!(crowd.swarm.next_within(client, PATIENCE), Next::Closed);
    }
    for talker in 0..sizes.max_conns {
        crowd.say(talker);
    }
    crowd.settle();
    // A client that leaves makes room.
    crowd.swarm.half_close(crowd.clients[0]);
    while crowd.swarm.next_within(crowd.clients[0], PATIENCE) != Next::Closed {}
    let client = crowd.swarm.connect(&board.chat(), SMALL_BUFFER);
    crowd.swarm.send(client, b"/ping\n");
    crowd.swarm.wait_for(client, b"-- pong\r\n");
}

/// Random bytes, and valid pieces in any order, at both ports.
fn survives_garbage(name: &'static str) {
    const ROUNDS: usize = 60;
    const PIECES: [&[u8]; 14] = [
        b"/nick ",
        b"/join ",
        b"/msg ",
        b"/who",
        b"/help",
        b"/topic ",
        b"/quit",
        b"\n",
        b"\r\n",
        b"\xFF\xFB\x01",
        b"\xFF\xFA\x18",
        b"\xC3",
        "\u{1F600}".as_bytes(),
        b"guest-1",
    ];
    let mut rng = fastrand::Rng::with_seed(parlour_tests::seeds::one(name));
    let mut board = RunningBoard::start(name, &[]);
    for round in 0..ROUNDS {
        let address = if round % 4 == 0 { board.echo() } else { board.chat() };
        let mut stream = TcpStream::connect(address).expect("a forwarded port");
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a socket");
        for _ in 0..rng.usize(..30) {
            let bytes: Vec<u8> = if rng.bool() {
                (0..rng.usize(..700)).map(|_| rng.u8(..)).collect()
            } else {
                (0..rng.usize(..60)).flat_map(|_| PIECES[rng.usize(..PIECES.len())].to_vec()).collect()
            };
            // The board may have closed: a piece can be `/quit`.
            if stream.write_all(&bytes).is_err() {
                break;
            }
            let _ = stream.read(&mut [0; 4096]);
        }
    }
    let mut crowd = Crowd::enter(&board, row(name).sizes.max_conns);
    crowd.say(0);
    crowd.settle();
    assert_no_fault(&mut board);
}

fn assert_no_fault(board: &mut RunningBoard) {
    let fault = board.log().iter().find(|line| line.contains("panic") || line.contains("fault"));
    assert_eq!(fault, None);
}

/// With the most clients that fit, all silent, the emulator takes less than 3 % of one of the host's
/// processors.
fn sleeps_when_idle(name: &'static str) {
    const WHILE: Duration = Duration::from_secs(5);
    let board = RunningBoard::start(name, &[]);
    let mut crowd = Crowd::enter(&board, row(name).sizes.max_conns);
    let before = board.processor_time();
    crowd.swarm.run_for(WHILE);
    let used = board.processor_time() - before;
    println!("{name}: {used:?} of {WHILE:?}");
    assert!(used * 100 < WHILE * 3, "{used:?} of {WHILE:?}");
}

/// With `parlour join`, and a connection between it and the board that is cut.
#[test]
fn clients_come_back_to_boards_with_memory_for_it() {
    let emulated = BOARDS.iter().filter(|board| matches!(board.run, Run::Qemu { .. }));
    let with_sessions: Vec<_> = emulated.filter(|board| board.sizes.sessions > 0).collect();
    assert!(!with_sessions.is_empty());
    for Board { name, .. } in with_sessions {
        let cut_at = |cut| converse(&RunningBoard::start(name, &[]).chat(), cut);
        let (whole, bytes) = cut_at(None);
        for (number, at) in (1..bytes).step_by(bytes / 12).enumerate() {
            let cut = [Cut::Reset, Cut::End, Cut::HalfOpen][number % 3];
            let (cut_short, _) = cut_at(Some((at, cut)));
            assert_eq!(cut_short, whole, "{name}: {cut:?} after {at} bytes");
        }
        flood(&RunningBoard::start(name, &["--grace", "1s", "--log-size", "8k"]).chat(), 5_000);
    }
}

/// Without memory for it, `parlour join` is a client like others.
#[test]
fn a_board_without_memory_for_it_keeps_no_client_that_is_gone() {
    let board = RunningBoard::start("lm3s6965evb", &[]);
    assert_eq!(row("lm3s6965evb").sizes.sessions, 0);
    let mut swarm = Swarm::default();
    let [bob, alice] = ["bob", "alice"].map(|name| {
        let client = swarm.connect(&board.chat(), SMALL_BUFFER);
        swarm.send(client, format!("/nick {name}\n/ping\n").as_bytes());
        swarm.wait_for(client, b"-- pong\r\n");
        client
    });
    swarm.send(alice, b"\xff\xfa\x52new\xff\xf0/ping\n");
    assert_eq!(swarm.next_within(alice, PATIENCE), Next::Line(b"-- pong\r\n".to_vec()), "and no key");
    swarm.reset(alice);
    swarm.wait_for(bob, b"-- alice left (connection lost)\r\n");
}
