//! Clients come into rooms.

use parlour_core::{Input, Kind, OnLag};

use super::case::{Case, LOBBY};
use super::said::Where;

impl Case<'_> {
    /// A client has come into a room of the chat. It is told what was said there last, and who is there.
    pub(super) fn comes_in(&mut self, index: usize, place: Where) {
        let here = self.said.len();
        let Self { said, clients, .. } = self;
        let client = &mut clients[index];
        // A room may have the name of another one that is gone.
        let room = said.iter().rfind(|said| said.place == place).map(|said| said.room);
        let of_room: Vec<_> = (0..here).filter(|index| Some(said[*index].room) == room).collect();
        let is_message = |index: &usize| said[*index].kind.is_message();
        let history = self.setup.config.history as usize;
        let messages: Vec<_> = of_room.iter().copied().filter(is_message).collect();
        let first = messages.len().saturating_sub(history);
        client.stays += 1;
        // What the log has not, the driver has, if the room is the same for sure.
        let is_lobby = place == Where::Chat(LOBBY.to_owned());
        let is_sure = self.terms.is_good && !self.terms.is_short && is_lobby;
        for &index in &messages[first..] {
            client.must_be_told(index, &said[index], true, !is_sure);
        }
        // One that has just connected has place for it at once, unless the driver is asked for the history.
        let asks = self.setup.config.keeps_records && history > 0;
        let until = (client.stays == 1 && !asks).then_some(here);
        client.must_be_told_alone("here: ".to_owned(), here, until);
        client.place = Some(place);
        client.is_open();
    }

    /// A client goes to the other room, at a moment when nobody else's line waits. So what was said before is
    /// all that was said.
    pub(super) fn go_elsewhere(&mut self, index: usize) {
        let conn = self.clients[index].conn;
        self.let_things_happen();
        let Some(index) = self.clients.iter().position(|client| client.conn == conn) else { return };
        let client = &self.clients[index];
        // One that is disconnected if it lags may have something to read, but no earlier answer.
        let may_be_late =
            client.on_lag() == OnLag::Disconnect && client.is_in_order() && client.is_answered();
        let has_read = client.knows_all_for_sure();
        let someone_waits = self.clients.iter().any(|client| client.is_chat() && !client.doing.is_empty());
        // It waits for a page first, of nothing but its own, and a bad store may never answer.
        let may_wait = client.may_be_behind && !self.terms.is_good;
        let is_silent = client.input.is_empty() && client.line.is_empty() && !client.has_ended;
        if !client.is_chat()
            || !has_read && !may_be_late
            || someone_waits
            || may_wait
            || !is_silent
            || self.hub.interest(conn).read == 0
        {
            return;
        }
        let Some(Where::Chat(from)) = client.place.clone() else { return };
        let to = if from == LOBBY { "den" } else { LOBBY };
        let here = self.said.len();
        let answer = format!("you are in {to}");
        self.clients[index].must_be_told_alone(answer.clone(), here, None);
        self.clients[index].is_known = false;
        let command = format!("/join {to}\n");
        self.tally.note(if has_read { "move" } else { "move with something unread" });
        let taken = self.hub.handle(self.now, Input::Received { conn, bytes: command.as_bytes() }).taken();
        assert_eq!(taken, command.len());
        let mut lent: Vec<u8> = self.hub.transmit(conn).flatten().copied().collect();
        self.observe();
        // It may have to read first, and its line may have to wait for others to read, or for place among
        // the proposals.
        for _ in 0..100 {
            let find = |case: &Self| case.clients.iter().position(|client| client.conn == conn);
            let Some(index) = find(self) else { return };
            if String::from_utf8_lossy(&lent).contains(&answer) {
                let until = self.said.len();
                self.clients[index].was_answered(until);
                let topic = self.said.iter().rfind(|said| said.kind == Kind::Topic).filter(|_| to == LOBBY);
                if let Some(topic) = topic {
                    let text = format!("topic: {}", String::from_utf8_lossy(&topic.text));
                    self.clients[index].must_be_told_alone(text, until, Some(until));
                }
                return self.comes_in(index, Where::Chat(to.to_owned()));
            }
            self.all_read();
            while self.take_proposal() {}
            self.hear();
            self.answer_a_page();
            self.hub.handle(self.now, Input::Tick);
            lent = self.hub.transmit(conn).flatten().copied().collect();
            self.observe();
        }
        panic!("{conn:?} does not come into {to}");
    }
}
