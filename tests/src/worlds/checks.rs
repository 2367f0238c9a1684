//! What must be true after each input in a small world: each client gets its rooms' records, in order, its
//! own excepted, and is told of gaps; and every line that was taken is said.

use parlour_core::{Close, ConnId, Hub, Interest};

use super::CLIENTS;
use super::state::{Client, GAP, Output, Room, Run, letter};

impl Run<'_> {
    /// A client has jumped ahead in some of its rooms, and is told how much it missed. Returns what is new
    /// behind that.
    pub(super) fn behind_gap(
        &self,
        index: usize,
        waited: &Output,
        after: &Output,
        missed_before: Option<u32>,
    ) -> Output {
        let client = self.clients[index].as_ref().expect("it is there");
        let missed = self.missed(&self.clients[index]).expect("a gap");
        for rooms in [&[Room::Lobby][..], &[Room::Other], &[Room::Lobby, Room::Other]] {
            let (mut left, mut count) = (Output::new(), 0);
            for (place, line) in waited.split_inclusive(|(_, byte)| *byte == b'\n').enumerate() {
                let is_skipped = rooms.contains(&line[0].0);
                if place == 0 && client.begun && is_skipped {
                    left.extend(own(line.iter().map(|(_, byte)| *byte)));
                } else if is_skipped {
                    count += u32::from(line[0].1 == b'<');
                } else if !line.iter().map(|(_, byte)| byte).take(GAP.len()).eq(GAP) {
                    left.extend(line);
                } else {
                    left.extend(own(notice(missed)));
                }
            }
            if missed_before.is_none() {
                left.extend(own(notice(missed)));
            }
            if missed - missed_before.unwrap_or(0) == count && after.starts_with(&left) {
                return after[left.len()..].to_vec();
            }
        }
        let [waited, after] = [waited, after].map(|output| shown(output.iter().map(|(_, byte)| *byte)));
        panic!("client {index} missed {missed_before:?} in {waited:?}, and then {missed} in {after:?}");
    }

    /// What is new for the clients is what their rooms were told, in order, without their own.
    pub(super) fn check_news(
        &mut self,
        was_there: &[Option<Client>; CLIENTS],
        news: &[Output],
        jumped: [bool; CLIENTS],
        records: &[u8],
    ) {
        let mut told_other: Vec<(String, Vec<u8>)> = Vec::new();
        for index in self.there() {
            let conn = self.conn(index);
            let is_open = self.hub.interest(conn).close == Close::No;
            let own: Vec<u8> = of(&news[index], Room::None);
            let now = self.clients[index].as_mut().expect("it is there");
            let was =
                was_there[index].as_ref().filter(|was| was.conn == conn).map_or(Room::None, |was| was.room);
            for (words, room) in
                [(&b"-- you are in b\r\n"[..], Room::Other), (b"-- you are in lobby\r\n", Room::Lobby)]
            {
                if own.windows(words.len()).any(|part| part == words) {
                    now.room = room;
                }
            }
            if !is_open || is_leaving(&self.hub, conn) {
                now.room = Room::None;
            }
            let name = now.name.clone();
            let of_others = without(records, &[&name]);
            let got = of(&news[index], Room::Lobby);
            let is_right = match (was == Room::Lobby, now.room == Room::Lobby) {
                // What was said and then passed over does not come.
                (true, true) => got == of_others || jumped[index] && of_others.ends_with(&got),
                (true, false) => of_others.starts_with(&got),
                (false, true) => of_others.ends_with(&got),
                (false, false) => got.is_empty(),
            };
            let [got, of_others] = [got, of_others].map(|bytes| shown(bytes.into_iter()));
            assert!(
                is_right,
                "client {index}, from {was:?} to {:?}, gets {got:?} of {of_others:?}",
                now.room
            );
            let got = of(&news[index], Room::Other);
            assert!(
                was == Room::Other || now.room == Room::Other || got.is_empty(),
                "client {index} is not there"
            );
            assert_eq!(without(&got, &[&name]), got, "client {index} gets nothing of its own");
            if was == Room::Other && now.room == Room::Other && !jumped[index] {
                told_other.push((name, got));
            }
        }
        for (name, got) in &told_other {
            for (other, got_other) in &told_other {
                assert_eq!(without(got, &[other]), without(got_other, &[name]), "two in one room");
            }
        }
    }

    /// A line that was taken is said at once, or its author is not read before it is said.
    pub(super) fn check_said(
        &mut self,
        was_there: &[Option<Client>; CLIENTS],
        line: Option<(usize, &'static str)>,
        records: &[u8],
    ) {
        let lines: Vec<&[u8]> = records.split_inclusive(|byte| *byte == b'\n').collect();
        for index in self.there() {
            let conn = self.conn(index);
            let interest = self.hub.interest(conn);
            let is_leaving = interest.close != Close::No || is_leaving(&self.hub, conn);
            let client = self.clients[index].as_mut().expect("it is there");
            let was =
                was_there[index].as_ref().filter(|was| was.conn == conn).map_or(Room::None, |was| was.room);
            let new = line.filter(|(author, _)| *author == index).map(|(_, text)| text);
            assert!(new.is_none() || client.waits.is_none(), "client {index} is not read while a line waits");
            let said: Vec<_> = lines
                .iter()
                .filter(|line| line.starts_with(format!("<{}> ", client.name).as_bytes()))
                .collect();
            let waits = new.or(client.waits);
            if was == Room::Lobby {
                let Some(text) = waits else {
                    assert!(said.is_empty(), "client {index} has said nothing");
                    continue;
                };
                let is_said = match said[..] {
                    [] => false,
                    [said] => {
                        assert_eq!(*said, format!("<{}> {text}\r\n", client.name).as_bytes());
                        true
                    }
                    _ => panic!("client {index} has said one line"),
                };
                assert!(
                    is_said || is_leaving || client.ended || interest.read == 0,
                    "client {index} lost a line"
                );
                client.waits = waits.filter(|_| !is_said && !is_leaving);
            } else {
                client.waits = waits.filter(|_| !is_leaving && interest.read == 0);
            }
        }
    }

    /// What is new for the clients of a relay is what the others sent, in order. Line endings do not say
    /// whose they are.
    pub(super) fn check_relayed(&mut self, news: &[Output], records: &[u8]) {
        for index in self.there() {
            let client = self.clients[index].as_mut().expect("it is there");
            let Interest { read, close, .. } = self.hub.interest(client.conn);
            let is_leaving = close != Close::No || is_leaving(&self.hub, client.conn);
            let mut sent: Vec<u8> = records.to_vec();
            sent.retain(|byte| *byte != b'\n' && *byte != letter(index));
            let mut got = of(&news[index], Room::Lobby);
            got.retain(|byte| *byte != b'\n');
            assert!(if is_leaving { sent.starts_with(&got) } else { sent == got }, "client {index}");
            client.waits = (read == 0 && !is_leaving && !client.ended).then_some("");
        }
    }
}

/// Whether the hub has begun to close a connection, which may still have something to send.
fn is_leaving(hub: &Hub<'_>, conn: ConnId) -> bool {
    hub.ending(conn).is_some()
}

fn notice(missed: u32) -> Vec<u8> {
    format!("-- you missed {missed} messages\r\n").into_bytes()
}

fn shown(bytes: impl Iterator<Item = u8>) -> String {
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

/// Bytes for one client alone.
fn own(bytes: impl IntoIterator<Item = u8>) -> impl Iterator<Item = (Room, u8)> {
    bytes.into_iter().map(|byte| (Room::None, byte))
}

/// The bytes of a room.
fn of(output: &Output, room: Room) -> Vec<u8> {
    output.iter().filter(|(of, _)| *of == room).map(|(_, byte)| *byte).collect()
}

/// The lines that are by none of the authors.
fn without(records: &[u8], names: &[&str]) -> Vec<u8> {
    let is_by = |line: &[u8], name: &&str| {
        [format!("<{name}> "), format!("-- {name} ")].iter().any(|start| line.starts_with(start.as_bytes()))
    };
    let lines = records.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !names.iter().any(|name| is_by(line, name))).flatten().copied().collect()
}
