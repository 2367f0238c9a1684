//! SIGHUP lets a server read its configuration file again. All that may change is in force at once, for clients that are
//! connected too. A file that is wrong changes nothing.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::server::{Poller, Server};
use parlour_tests::{sys, with_each_poller};
use tempfile::TempDir;

with_each_poller! {
    what_the_file_says_now_is_in_force,
    clients_that_are_connected_have_the_new_limits_too,
    a_file_that_is_wrong_changes_nothing,
    what_needs_a_restart_is_named_and_all_else_is_in_force,
    a_flood_misses_nothing_while_the_server_reloads,
}

const RELOADED: &str = "the options are reloaded";
const REFUSED: &str = "nothing is reloaded: ";

/// A server with a configuration file.
struct Configured {
    server: Server,
    path: PathBuf,
    _folder: TempDir,
}

impl Configured {
    fn start(poller: Poller, args: &[&str], text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("parlour.toml");
        fs::write(&path, text).expect("a file");
        let file = path.to_str().expect("UTF-8").to_owned();
        let all = [&["--chat", "127.0.0.1:0", "--config", &file], args].concat();
        Self { server: poller.start(&all), path, _folder: folder }
    }

    /// Reloads a file with this text. Returns the last line that the log has about it.
    fn reload(&mut self, text: &str) -> String {
        fs::write(&self.path, text).expect("a file");
        self.hang_up()
    }

    fn hang_up(&mut self) -> String {
        self.server.signal(sys::SIGHUP);
        let is_told = |line: &str| line.contains(RELOADED) || line.contains(REFUSED);
        self.server.stderr.wait_for("a reload", is_told)
    }

    fn greeting(&self) -> String {
        let mut client = Client::connect(self.server.chat());
        line_of(&mut client, "-- ")
    }
}

/// The next line that begins so.
fn line_of(client: &mut Client, start: &str) -> String {
    std::iter::repeat_with(|| client.line()).find(|line| line.starts_with(start)).expect("a line")
}

fn what_the_file_says_now_is_in_force(poller: Poller) {
    let mut configured = Configured::start(poller, &[], "greeting = 'one'\n");
    assert_eq!(configured.greeting(), "-- one");
    assert!(configured.reload("greeting = 'two'\n").contains(RELOADED));
    assert_eq!(configured.greeting(), "-- two");
    let told = configured.reload("greeting = 'three'\ndeny = '127.0.0.0/8'\n");
    assert!(told.contains(RELOADED), "{told}");
    assert_eq!(Client::connect(configured.server.chat()).read_to_close(), b"", "its address is denied");
    assert!(configured.reload("").contains(RELOADED));
    assert!(configured.greeting().starts_with("-- welcome"), "the default is in force again");
}

fn clients_that_are_connected_have_the_new_limits_too(poller: Poller) {
    let mut configured = Configured::start(poller, &[], "");
    let mut silent = Client::enter(configured.server.chat());
    assert!(configured.reload("idle-timeout = '1s'\ndeny = '127.0.0.0/8'\n").contains(RELOADED));
    // It was denied after it had come.
    silent.wait_for("-- you were idle for too long");
}

fn a_file_that_is_wrong_changes_nothing(poller: Poller) {
    let mut configured = Configured::start(poller, &[], "greeting = 'one'\n");
    let mut client = Client::connect(configured.server.chat());
    client.wait_for("-- one");
    let name = configured.path.display().to_string();
    let wrong = [
        ("greeting = 'two'\nhistory = 'many'\n", ":2:11: history: "),
        ("greeting = 'two'\nhistroy = 3\n", ":2:1: there is no option `histroy`"),
        ("greeting = 'two\n", ":1:"),
        ("greeting = 'two'\ndurable = true\n", ": "),
        ("greeting = 'two'\njournal-sync = 'normal'\n", ": "),
    ];
    for (text, fault) in wrong {
        let told = configured.reload(text);
        assert!(told.contains(&format!("{REFUSED}{name}{fault}")), "{text}: {told}");
        assert_eq!(configured.greeting(), "-- one", "{text}");
    }
    fs::remove_file(&configured.path).expect("the file");
    let told = configured.hang_up();
    assert!(told.contains(&format!("{name}: cannot be read: ")), "{told}");
    assert_eq!(configured.greeting(), "-- one");
    // It can be mended.
    assert!(configured.reload("greeting = 'two'\n").contains(RELOADED));
    assert_eq!(configured.greeting(), "-- two");
    client.say("still here");
}

fn what_needs_a_restart_is_named_and_all_else_is_in_force(poller: Poller) {
    let args = ["--rooms", "9"];
    let mut configured = Configured::start(poller, &args, "max-conns = 10\n");
    // `rooms` was given on the command line, which wins.
    let text = "greeting = 'two'\nmax-conns = 11\nline-limit = '2k'\nrooms = 3\necho = '127.0.0.1:0'\n";
    for _ in 0..2 {
        assert!(configured.reload(text).contains(RELOADED));
        assert_eq!(configured.greeting(), "-- two");
    }
    let is_about = |line: &&String| line.contains("needs a restart");
    let told: Vec<_> = configured.server.stderr.seen().iter().filter(is_about).cloned().collect();
    for (lines, option) in told.chunks(3).zip([["echo", "max-conns", "line-limit"]; 2]) {
        let names = |name: &str| lines.iter().any(|line| line.contains(&format!("option=\"{name}\"")));
        assert!(lines.len() == 3 && option.into_iter().all(names), "{lines:?}");
    }
    assert_eq!(told.len(), 6, "each time: {told:?}");
}

/// Whatever is read again meanwhile, each line comes once and in order.
fn a_flood_misses_nothing_while_the_server_reloads(poller: Poller) {
    const LINES: usize = 20_000;
    let text = |round: usize| {
        let (grace, history) = (1 + round % 5, round % 30);
        format!("rate = 'off'\ngrace = '{grace}s'\nhistory = {history}\ngreeting = 'round {round}'\n")
    };
    let mut configured = Configured::start(poller, &[], "rate = 'off'\n");
    let talker = Client::named(configured.server.chat(), "talker");
    let mut listener = Client::enter(configured.server.chat());
    let mut flood = talker.into_stream();
    let sender = std::thread::spawn(move || {
        for number in 0..LINES {
            std::io::Write::write_all(&mut flood, format!("line {number}\n").as_bytes()).expect("a server");
        }
        flood
    });
    let mut round = 0;
    for number in 0..LINES {
        if number % 1_000 == 0 {
            round += 1;
            assert!(configured.reload(&text(round)).contains(RELOADED));
        }
        assert_eq!(line_of(&mut listener, "<talker> "), format!("<talker> line {number}"));
    }
    drop(sender.join().expect("the sender"));
}

#[test]
fn a_service_manager_hears_when_the_server_reloads() {
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, path) = (folder.path().join("notify"), folder.path().join("parlour.toml"));
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    manager.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    fs::write(&path, "").expect("a file");
    let mut command = Server::command(&["--chat", "127.0.0.1:0", "--config", path.to_str().expect("UTF-8")]);
    command.env("NOTIFY_SOCKET", &socket);
    let server = Server::launch(command);
    let next = || {
        let mut bytes = [0; 512];
        let count = manager.recv(&mut bytes).expect("a message");
        String::from_utf8(bytes[..count].to_vec()).expect("UTF-8")
    };
    let mut told = Vec::new();
    while !told.iter().any(|text: &String| text.starts_with("READY=1")) {
        told.push(next());
    }
    server.signal(sys::SIGHUP);
    let reloading = std::iter::repeat_with(next).find(|text| !text.starts_with("STATUS="));
    let micros = reloading.as_deref().and_then(|text| text.strip_prefix("RELOADING=1\nMONOTONIC_USEC="));
    let is_number = |text: &str| text.trim_end().parse::<u64>().is_ok();
    assert!(micros.is_some_and(is_number), "{reloading:?}");
    let then = std::iter::repeat_with(next).find(|text| !text.starts_with("STATUS="));
    assert_eq!(then.as_deref(), Some("READY=1\n"));
    server.stop();
}

#[test]
fn a_server_without_a_file_ends_as_before() {
    let mut server = Server::start(&["--chat", "127.0.0.1:0"]);
    server.signal(sys::SIGHUP);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn what_was_reloaded_is_in_a_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let trace = trace.to_str().expect("UTF-8");
    let mut configured = Configured::start(Poller::Epoll, &["--record", trace], "greeting = 'one'\n");
    assert_eq!(configured.greeting(), "-- one");
    assert!(configured.reload("greeting = 'two'\nrate = 5\nmax-conns-per-ip = 1\n").contains(RELOADED));
    assert_eq!(configured.greeting(), "-- two");
    configured.server.stop();
    let len = fs::metadata(trace).expect("the trace").len();
    assert!(len < 8 * 1024, "{len} bytes: it turned without something to do");
    let replayed = Server::run(&["replay", trace]);
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    let shown = replayed.stdout.join("\n");
    assert!(shown.contains("-- one") && shown.contains("-- two"), "{shown}");
}
