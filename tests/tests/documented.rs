//! The pages are true. The limits in docs/limits.md are those of `parlour serve --help` and of the
//! source. A client that reaches a limit is treated as the page says. Links lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use parlour_tests::chat::Talk;
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::server::{Server, binary};
use parlour_tests::{load, programs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The cells of each row of the table whose first column is `limit` and whose last is `last`.
fn table(last: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("docs/limits.md")).expect("docs/limits.md");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let mut lines = page.lines().skip_while(|line| {
        let head = cells(line);
        head.first().is_none_or(|first| first != "limit") || head.last().is_none_or(|cell| cell != last)
    });
    assert!(lines.next().is_some(), "docs/limits.md has a table that ends in {last:?}");
    lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// A number in people's spelling: `1,024`, `256 KiB`, `64k`, `5s`.
fn number(text: &str) -> u64 {
    let text = text.replace([',', ' ', '_'], "");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[digits..] {
        "" | "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "k" | "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        unit => panic!("{text:?} has the unit {unit:?}"),
    };
    text[..digits].parse::<u64>().unwrap_or_else(|error| panic!("{text:?}: {error}")) * unit
}

/// The value in the fixed limits' table of a limit that begins with these words.
fn fixed(words: &str) -> usize {
    let rows = table("constant");
    let row = rows.iter().find(|row| row[0].starts_with(words));
    number(&row.unwrap_or_else(|| panic!("docs/limits.md has no {words:?}"))[1]) as usize
}

#[test]
fn defaults_are_those_of_the_help() {
    let help = Server::run(&["serve", "--help"]).stdout.join(" ");
    let help: Vec<&str> = help.split_whitespace().collect();
    let rows = table("when it is reached");
    assert!(rows.len() >= 9, "{rows:#?}");
    for row in rows {
        let [limit, option, default, _] = &row[..] else { panic!("{row:?}") };
        let start = help.iter().position(|word| word == option);
        let start = start.unwrap_or_else(|| panic!("parlour serve has no {option} for {limit:?}"));
        let of_option = help[start + 1..].iter().take_while(|word| !word.starts_with("--"));
        let mut of_option = of_option.skip_while(|word| **word != "[default:").skip(1);
        let told = of_option.next().unwrap_or_else(|| panic!("the help tells no default of {option}"));
        let told = told.trim_end_matches([']', ';', ',']);
        assert_eq!(number(default), number(told), "{option}");
    }
}

/// The values of all constants of this name in the server and the core.
fn constants(name: &str) -> Vec<u64> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("core/src"), root().join("host/src/serve")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("its entries").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("text");
            let values = text.lines().filter_map(|line| {
                let (_, rest) = line.split_once(&format!("const {name}: "))?;
                let value = rest.split_once("= ")?.1.trim_end_matches(';');
                // A value that depends on the build is not the server's alone.
                let is_plain = value.starts_with(|c: char| c.is_ascii_digit());
                is_plain.then(|| value.split(" * ").map(number).product::<u64>())
            });
            found.extend(values);
        }
    }
    found
}

#[test]
fn fixed_limits_are_those_of_the_source() {
    let rows = table("constant");
    assert!(rows.len() >= 7, "{rows:#?}");
    for row in rows {
        let [limit, value, _, name] = &row[..] else { panic!("{row:?}") };
        let values = constants(name);
        assert!(values.contains(&number(value)), "{limit}: {value}, but {name} is {values:?}");
    }
}

#[test]
fn a_name_has_so_many_characters_and_no_more() {
    let server = Server::chatting(&[]);
    let mut client = Client::enter(server.chat());
    let most = fixed("characters in a name");
    client.say(&format!("/nick {}", "\u{e9}".repeat(most + 1)));
    client.expect_matching("a refusal", |line| line.starts_with("-- bad name"));
    let longest = "\u{e9}".repeat(most);
    client.say(&format!("/nick {longest}"));
    client.expect_line(&format!("-- guest-1 is now {longest}"));
    client.say(&format!("/join {longest}x"));
    client.expect_matching("a refusal", |line| line.starts_with("-- bad room name"));
}

#[test]
fn a_topic_is_cut_off_at_so_many_bytes() {
    let server = Server::chatting(&[]);
    let mut client = Client::enter(server.chat());
    let most = fixed("bytes of a topic");
    client.say(&format!("/topic {}", "x".repeat(most + 1)));
    client.expect_line(&format!("-- guest-1 set the topic: {}", "x".repeat(most)));
}

/// A client that reads nothing goes from room to room. It gets as far as the limit; then it stays
/// where it is until it reads.
#[test]
fn a_connection_has_so_many_rooms() {
    /// More than the sockets of a client that does not read can take.
    const FLOOD: usize = 192 * 1024;
    let server = Server::chatting(&["--grace", "1h"]);
    let small = ConnectOptions { source: None, receive_buffer: Some(4096) };
    let mut traveller = Client::enter_with(server.chat(), small);
    let mut talker = Client::named(server.chat(), "talker");
    let line = "x".repeat(1000);
    for _ in 0..FLOOD / line.len() {
        talker.say(&line);
    }
    let most = fixed("rooms for each connection");
    // The lobby is the first of them.
    for number in 1..most {
        talker.say(&format!("/join room-{number}"));
        talker.wait_for(&format!("-- you are in room-{number}"));
        traveller.say(&format!("/join room-{number}"));
        talker.wait_for("-- guest-1 joined");
        talker.say("unread");
    }
    talker.say("/join beyond");
    talker.wait_for("-- you are in beyond");
    traveller.say("/join beyond");
    traveller.say("here at last");
    // The server could have read these lines before it let the witness in, and has not.
    let mut witness = Client::enter(server.chat());
    witness.say("/who beyond");
    witness.expect_line("-- in beyond: talker");
    traveller.wait_for("-- you are in beyond");
    talker.wait_for("-- guest-1 joined");
    talker.wait_for("<guest-1> here at last");
}

#[test]
fn links_lead_to_files_that_there_are() {
    let folders = ["", "docs", "benchmarks", "firmware"].map(|folder| root().join(folder));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder of the workspace"));
    let paths = entries.map(|entry| entry.expect("its entries").path());
    let pages: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    assert!(pages.len() >= 8, "{pages:?}");
    let mut count = 0;
    for page in pages {
        let text = fs::read_to_string(&page).expect("text");
        for rest in text.split("](").skip(1) {
            let link = rest.split([')', '#']).next().unwrap_or_default();
            if !link.is_empty() && !link.contains("://") {
                let target = page.parent().expect("a folder").join(link);
                assert!(target.exists(), "{} links to {link}, which is not there", page.display());
                count += 1;
            }
        }
    }
    assert!(count >= 10, "{count} links");
}

/// Options of other programs that the pages use, and the older name of `--poller`.
const OF_OTHERS: [&str; 11] = [
    "--add-port",
    "--broker",
    "--help",
    "--locked",
    "--no-install-recommends",
    "--now",
    "--open",
    "--path",
    "--release",
    "--ssl-verify",
    "--driver",
];

#[test]
fn options_in_the_pages_are_those_of_the_programs() {
    let mut known = String::new();
    let helps: [(&Path, &[&str]); 7] = [
        (binary(), &["serve", "--help"]),
        (binary(), &["replay", "--help"]),
        (binary(), &["history", "--help"]),
        (binary(), &["backup", "--help"]),
        (binary(), &["join", "--help"]),
        (load::binary(), &["--help"]),
        (programs::peers(), &["--help"]),
    ];
    for (program, args) in helps {
        let output = Command::new(program).args(args).output().expect("a program");
        known += &String::from_utf8(output.stdout).expect("text");
    }
    let known: Vec<&str> = known.split(|c: char| c != '-' && !c.is_ascii_lowercase()).collect();
    let mut pages = vec![root().join("README.md")];
    pages
        .extend(fs::read_dir(root().join("docs")).expect("docs/").map(|entry| entry.expect("a page").path()));
    let mut count = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(page).expect("text");
        let words = text.split(|c: char| c != '-' && !c.is_ascii_lowercase());
        for option in words.filter(|word| word.len() > 2 && word.starts_with("--") && !word.ends_with('-')) {
            count += 1;
            assert!(
                known.contains(&option) || OF_OTHERS.contains(&option),
                "{}: no program has {option}",
                page.display()
            );
        }
    }
    assert!(count > 50, "only {count} options were found");
}
