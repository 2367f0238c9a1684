//! The rooms of the journal's file: which number each has, and which rooms are not there at all.

use std::collections::HashMap;

use parlour_core::{ListenerId, Place, RoomRef};
use parlour_journal::{Batch, Room};

/// A room of the file.
#[derive(Debug)]
struct Shelf {
    id: i64,
    topic: String,
}

#[derive(Debug)]
pub(super) struct Shelves {
    /// What the rooms of relays and echo listeners are called, by listener. `None`: they are left out.
    labels: Vec<Option<String>>,
    /// All rooms of the file, by name.
    shelves: HashMap<String, Shelf>,
    /// The rooms of the hub, as far as they were seen.
    seen: HashMap<RoomRef, i64>,
    next: i64,
}

impl Shelves {
    /// The rooms that the file has.
    pub(super) fn new(labels: Vec<Option<String>>, rooms: Vec<Room>) -> Self {
        let next = rooms.iter().map(|room| room.id).max().unwrap_or(0) + 1;
        let shelves = rooms.into_iter().map(|room| (room.name, Shelf { id: room.id, topic: room.topic }));
        Self { labels, shelves: shelves.collect(), seen: HashMap::new(), next }
    }

    /// What the room of a listener is called. `None`: it is left out, or has no room of its own.
    pub(super) fn label(&self, listener: ListenerId) -> Option<&str> {
        self.labels.get(usize::from(listener.0))?.as_deref()
    }

    /// Whether the file has nothing of what is said at a listener.
    pub(super) fn leave_out(&self, listener: ListenerId) -> bool {
        self.labels.get(usize::from(listener.0)) == Some(&None)
    }

    /// Whether the file has nothing of what is said in a room.
    pub(super) fn leave_out_room(&self, place: Place<'_>) -> bool {
        matches!(place, Place::Relay(listener) if self.leave_out(listener))
    }

    /// The number of a room, and its topic from before if the room was not seen yet. A new one is added to the
    /// batch.
    pub(super) fn see(
        &mut self,
        batch: &mut Batch,
        room: RoomRef,
        place: Place<'_>,
    ) -> (i64, Option<String>) {
        if let Some(id) = self.seen.get(&room) {
            return (*id, None);
        }
        let name = self.name_of(place);
        let (id, topic) = self.named(batch, name);
        let topic = Some(topic.to_owned()).filter(|topic| !topic.is_empty());
        self.seen.insert(room, id);
        (id, topic)
    }

    /// The number of a room. Its topic is told later.
    pub(super) fn number(&mut self, batch: &mut Batch, room: RoomRef, place: Place<'_>) -> i64 {
        if let Some(id) = self.seen.get(&room) {
            return *id;
        }
        let name = self.name_of(place);
        self.named(batch, name).0
    }

    /// The number and the topic of the room with a name. A new one is added to the batch.
    pub(super) fn named(&mut self, batch: &mut Batch, name: String) -> (i64, &str) {
        let shelf = self.shelves.entry(name).or_insert_with_key(|name| {
            let id = self.next;
            self.next += 1;
            batch.add_room(id, name);
            Shelf { id, topic: String::new() }
        });
        (shelf.id, &shelf.topic)
    }

    /// Notes the topic of a room of the chat.
    pub(super) fn set_topic(&mut self, name: &str, topic: &[u8]) {
        if let Some(shelf) = self.shelves.get_mut(name) {
            shelf.topic = String::from_utf8_lossy(topic).into_owned();
        }
    }

    /// The rooms with these numbers have no topic any more.
    pub(super) fn forget_topics(&mut self, rooms: &[i64]) {
        let shelves = self.shelves.values_mut().filter(|shelf| rooms.contains(&shelf.id));
        shelves.for_each(|shelf| shelf.topic.clear());
    }

    fn name_of(&self, place: Place<'_>) -> String {
        match place {
            Place::Chat(name) => name.to_owned(),
            Place::Relay(listener) => self.label(listener).unwrap_or_default().to_owned(),
            Place::Private => String::new(),
        }
    }
}
