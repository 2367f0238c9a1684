//! The configuration file: what it says holds, what is given on the command line wins, and each fault in it is told with
//! its place.

use std::fs;
use std::path::{Path, PathBuf};

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::server::{Ended, Server};
use tempfile::TempDir;

/// A configuration file with this text.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("parlour.toml");
    fs::write(&path, text).expect("a file");
    (folder, path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn check(path: &Path) -> Ended {
    Server::run(&["check", text(path)])
}

/// What standard error says of the file, without its name.
fn faults(ended: &Ended, path: &Path) -> Vec<String> {
    assert_eq!((ended.code, ended.stdout.len()), (Some(2), 0), "{ended:?}");
    let name = format!("{}:", path.display());
    let faults =
        ended.stderr.iter().map(|line| line.strip_prefix(&name).expect("the file's name").to_owned());
    faults.collect()
}

/// The options in force that are no defaults, without the places that they come from.
fn in_force(args: &[&str]) -> Vec<String> {
    let ended = Server::run(&[&["config"], args].concat());
    assert_eq!((ended.code, ended.stderr.len()), (Some(0), 0), "{ended:?}");
    let options = ended.stdout.iter().filter(|line| !line.starts_with('#'));
    options.map(|line| line.split(" # ").next().expect("an option").to_owned()).collect()
}

#[test]
fn a_server_does_what_its_file_says() {
    let (_folder, path) =
        file("chat = '127.0.0.1:0,name=office'\ngreeting = 'hello from the file'\nhistory = 0\n");
    // It also has a chat of the command line, which tells the harness how many there are.
    let server = Server::start(&["--chat", "127.0.0.1:0", "--config", text(&path)]);
    let mut client = Client::connect(server.chat());
    client.wait_for("-- hello from the file");
}

#[test]
fn a_server_listens_where_its_file_says() {
    let (folder, path) = file("");
    let socket = folder.path().join("chat.sock");
    fs::write(&path, format!("chat = ['unix:{}']\nmax-conns = 0x10\n", socket.display())).expect("a file");
    let ended = Server::run(&["config", "--config", text(&path)]);
    let of_chat = format!("chat = [\"unix:{}\"] # {}:1", socket.display(), path.display());
    assert!(ended.stdout.contains(&of_chat), "{ended:?}");
    assert!(in_force(&["--config", text(&path)]).contains(&"max-conns = 16".to_owned()));
}

#[test]
fn what_is_given_on_the_command_line_wins() {
    let (_folder, path) = file(
        "chat = ['127.0.0.1:1', '127.0.0.1:2']\ngrace = '2s'\njournal = 'a.db'\ndurable = true\nrooms = 7\n",
    );
    let given = ["--config", text(&path), "--chat", "127.0.0.1:3", "--grace=9s", "--durable=false"];
    let options = in_force(&given);
    for option in ["chat = [\"127.0.0.1:3\"]", "grace = \"9s\"", "durable = false", "rooms = 7"] {
        assert!(options.contains(&option.to_owned()), "{option} in {options:?}");
    }
    assert!(in_force(&["--durable=false"]).contains(&"durable = false".to_owned()), "it needs no journal");
    // An option of the file may be what one of the command line needs.
    assert!(in_force(&["--config", text(&path), "--keep", "30d"]).contains(&"keep = \"30d\"".to_owned()));
}

#[test]
fn what_is_in_force_is_a_file_again() {
    let (folder, path) = file(
        "chat = ['127.0.0.1:0,name=office']\nrelay = ['4000,in,flush=off,room=nmea', '4001,out,room=nmea']\n\
         greeting = \"two\\nlines, \\\"quoted\\\" # and \\u0007\"\nrate = 'off'\nallow = '10.0.0.0/8'\n",
    );
    let shown = Server::run(&["config", "--config", text(&path)]);
    let again = folder.path().join("again.toml");
    fs::write(&again, shown.stdout.join("\n") + "\n").expect("a file");
    assert_eq!(check(&again).code, Some(0), "{shown:?}");
    assert_eq!(in_force(&["--config", text(&path)]), in_force(&["--config", text(&again)]));
}

#[test]
fn each_fault_is_told_with_its_place_and_what_was_expected() {
    let cases = [
        ("chat = 'nowhere'", "1:8: chat: an address is PORT, HOST:PORT, [::]:PORT or unix:PATH"),
        (
            "chat = ['5000', 'unix:é', 'unix']",
            "1:27: chat: an address is PORT, HOST:PORT, [::]:PORT or unix:PATH",
        ),
        ("\n\n max_conns = 5", "3:2: there is no option `max_conns`; there is `max-conns`"),
        ("colour = 'red'", "1:1: there is no option `colour`; see parlour serve --help"),
        ("max-conns = 'many'", "1:13: max-conns: write a whole number, as in 1000"),
        ("grace = '5 parsecs'", "1:9: grace: write a number and a unit, as in 200ms, 5s or 1m 30s"),
        ("on-lag = 'cry'", "1:10: on-lag: `cry` is none of: disconnect, skip, replay"),
        ("watch = 1", "1:9: watch: another value, where true or false was expected"),
        ("grace = true", "1:9: grace: `true`, where a text in quotes, or a number was expected"),
        ("rooms = 2.5", "1:9: rooms: `2.5`, where a text in quotes, or a number was expected"),
        ("rate = [1]", "1:8: rate: a list, where a text in quotes, or a number was expected"),
        ("[serve]", "1:2: `serve` is a table; options are in none"),
        ("config = 'b.toml'", "1:1: a configuration file cannot name another"),
        ("rooms = 3\nrooms = 4", "2:1: duplicate key"),
    ];
    for (text, fault) in cases {
        let (_folder, path) = file(text);
        assert_eq!(faults(&check(&path), &path), [fault], "{text}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let (_folder, path) = file("rooms = 'x'\ngrace = '1s'\nhistory = -1\nlag = 3\n");
    let told = faults(&check(&path), &path);
    let places: Vec<_> = told.iter().map(|fault| fault.split(": ").next().expect("a place")).collect();
    assert_eq!(places, ["1:9", "3:11", "4:1"], "{told:?}");
}

#[test]
fn options_that_do_not_go_together_are_a_fault_of_the_file() {
    let cases = [
        ("durable = true", "--journal"),
        ("chat = ['1,name=a', '2,name=a']", "a"),
        ("journal = 'a.db'\ndurable = true\njournal-sync = 'normal'", "--durable"),
        ("log-size = 10", "--log-size"),
    ];
    for (text, about) in cases {
        let (_folder, path) = file(text);
        let told = faults(&check(&path), &path);
        assert!(told.len() == 1 && told[0].contains(about), "{text}: {told:?}");
    }
}

#[test]
fn a_server_with_a_wrong_file_does_not_start() {
    let (folder, path) = file("rooms = 'x'\n");
    assert_eq!(faults(&Server::run(&["--config", text(&path)]), &path).len(), 1);
    assert_eq!(faults(&Server::run(&["serve", "--config", text(&path)]), &path).len(), 1);
    let nowhere = folder.path().join("nowhere.toml");
    let told = faults(&Server::run(&["--config", text(&nowhere)]), &nowhere);
    assert_eq!(told, [" cannot be read: No such file or directory"]);
    fs::write(&path, b"greeting = '\xff'").expect("a file");
    assert_eq!(faults(&check(&path), &path).len(), 1);
}
