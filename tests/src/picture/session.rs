//! The session of the picture: alice sits at `parlour join`, and the others talk by plain sockets.
//!
//! Each step waits until alice's screen shows it, so that the order is always the same.

use crate::chat::Talk;
use crate::client::Client;
use crate::joined::join;
use crate::server::Server;
use crate::terminal::Terminal;

/// What alice typed in her shell. The real server has a free port instead of 5000.
pub(super) const TITLE: &str = "parlour join 5000 --nick alice";

/// Plays it all. alice's terminal and the server stay as they are then.
pub(super) fn play() -> (Terminal, Server) {
    let server = Server::chatting(&["--history", "2"]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut carol = Client::named(server.chat(), "carol");
    bob.say("the build is green again");
    carol.wait_for("<bob> the build is green again");

    let mut alice = Terminal::start(join(&["--nick", "alice", server.port()]));
    alice.wait_for("-- guest-1 is now alice");
    shows(&mut bob, &alice, "good morning, alice!", "<bob> good morning, alice!");
    types(&mut alice, "morning bob. who writes the release notes?");
    shows(&mut carol, &alice, "me, they are nearly done", "<carol> me, they are nearly done");
    shows(&mut carol, &alice, "/me puts the kettle on", "* carol puts the kettle on");
    shows(&mut bob, &alice, "/msg alice it is her birthday today", "[bob] it is her birthday today");
    types(&mut alice, "/msg bob I have the cake");

    shows(&mut bob, &alice, "/topic release at noon", "-- bob set the topic: release at noon");

    let mut dave = Client::connect(server.chat());
    shows(&mut dave, &alice, "/nick dave", "-- dave joined");
    shows(&mut dave, &alice, "hello from nc", "<dave> hello from nc");
    shows(&mut dave, &alice, "/quit back at noon", "-- dave left: back at noon");
    shows(&mut carol, &alice, "done. Alice, will you read them?", "<carol> done. Alice, will you read them?");
    // Longer than a row: the client breaks it between words.
    let long = "and please look twice at the part on options, the last notes had nothing about them";
    shows(&mut bob, &alice, long, "about them");
    alice.press("of course, wher");
    alice.wait_until("what was typed", |alice| alice.cursor_row().ends_with("of course, wher"));
    (alice, server)
}

/// One of the others says `text`; alice sees `line`.
fn shows(client: &mut Client, alice: &Terminal, text: &str, line: &str) {
    client.say(text);
    alice.wait_for(line);
}

/// Alice sends `text`, and sees it, or the message in it, on a line of its own.
fn types(alice: &mut Terminal, text: &str) {
    alice.press(text);
    alice.press("\r");
    let line = match text.strip_prefix("/msg bob ") {
        Some(message) => format!("[to bob] {message}"),
        None => format!("<alice> {text}"),
    };
    alice.wait_for(&line);
}
