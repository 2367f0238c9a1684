//! The relay as a multiplexer of feeds, with the programs that people use for that.

use std::time::Duration;

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::programs::Program;
use parlour_tests::server::Poller;
use parlour_tests::with_each_poller;

with_each_poller! {
    sentences_of_several_receivers_come_out_whole,
    a_reader_without_input_reads_on,
    a_reader_is_not_idle,
    a_file_comes_out_as_it_went_in,
}

const NC: (&str, &str) = ("nc.openbsd", "netcat-openbsd");

fn port(address: &str) -> &str {
    address.rsplit(':').next().expect("a port")
}

#[track_caller]
fn reads(client: &mut Client, text: &str) {
    assert_eq!(String::from_utf8(client.read_exactly(text.len())).expect("UTF-8"), text);
}

/// Feeds a reader until it is there, and reads what it was fed.
fn wait_until_it_reads(reader: &mut Program, feeder: &mut Client) {
    let is_fed = (0..1_000).any(|_| {
        feeder.send(b"are you there?\n");
        reader.stdout.next_within(Duration::from_millis(20)).is_some()
    });
    assert!(is_fed, "the reader never came");
    feeder.send(b"go\n");
    reader.stdout.wait_for_line("go");
}

/// The example in the README: some clients only send, others receive.
fn sentences_of_several_receivers_come_out_whole(poller: Poller) {
    let args = ["--relay", "127.0.0.1:0,flush=off,in,room=nmea", "--relay", "127.0.0.1:0,out,room=nmea"];
    let server = poller.start(&args);
    let ports: Vec<_> =
        server.listening().iter().map(|(_, address)| address.rsplit(':').next().unwrap()).collect();
    let [into, out] = ports[..] else { panic!("{ports:?}") };
    let mut reader = Program::start(NC.0, NC.1, &["-N", "127.0.0.1", out]);
    reader.end_input();
    wait_until_it_reads(&mut reader, &mut Client::connect(&format!("127.0.0.1:{into}")));
    let mut witness = Client::connect(&format!("127.0.0.1:{out}"));
    let mut slow = Program::start(NC.0, NC.1, &["127.0.0.1", into]);
    let mut dying = Program::start(NC.0, NC.1, &["127.0.0.1", into]);
    slow.send("$GPRMC,1234");
    dying.send("$GPGLL,5,N*00\r\n$GPGSA,bro");
    reads(&mut witness, "$GPGLL,5,N*00\r\n");
    dying.kill();
    // The first part of its last sentence is a line of its own.
    reads(&mut witness, "$GPGSA,bro\n");
    slow.send("56*11\r\n");
    reads(&mut witness, "$GPRMC,123456*11\r\n");
    for sentence in ["$GPGLL,5,N*00", "$GPGSA,bro", "$GPRMC,123456*11"] {
        assert_eq!(reader.stdout.wait_for("a line", |_| true).trim_end(), sentence);
    }
    server.stop();
    reader.wait();
}

fn a_reader_without_input_reads_on(poller: Poller) {
    let server = poller.start(&["--relay", "127.0.0.1:0"]);
    let mut reader = Program::start(NC.0, NC.1, &["-N", "127.0.0.1", port(server.address("relay"))]);
    reader.end_input();
    let mut writer = Client::connect(server.address("relay"));
    wait_until_it_reads(&mut reader, &mut writer);
    for number in 0..20 {
        writer.say(&format!("line {number}"));
        assert_eq!(reader.stdout.wait_for("a line", |_| true), format!("line {number}"));
    }
    server.stop();
    reader.wait();
}

fn a_reader_is_not_idle(poller: Poller) {
    let server = poller.start(&["--relay", "127.0.0.1:0", "--idle-timeout", "300ms"]);
    let mut reader = Client::connect(server.address("relay"));
    let mut writer = Client::connect(server.address("relay"));
    writer.say("first");
    reads(&mut reader, "first\n");
    // The writer falls silent, takes nothing, and is disconnected. A client that never spoke stays.
    writer.expect_close();
    let mut writer = Client::connect(server.address("relay"));
    writer.say("second");
    reads(&mut reader, "second\n");
    server.stop();
}

fn a_file_comes_out_as_it_went_in(poller: Poller) {
    let server = poller.start(&["--relay", "127.0.0.1:0"]);
    let mut reader = Client::connect(server.address("relay"));
    let file: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut writer = Client::connect(server.address("relay"));
    let sent = file.clone();
    let sender = std::thread::spawn(move || {
        writer.send(&sent);
        writer.half_close();
        writer.expect_close();
    });
    assert!(reader.read_exactly(file.len()) == file, "every byte in its place");
    sender.join().expect("the sender");
    reader.expect_silence(Duration::from_millis(300));
    server.stop();
}
