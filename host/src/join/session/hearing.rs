//! What the server does: it welcomes, says lines, falls silent, and is lost.

use std::time::{Duration, Instant};

use super::{End, Session};
use crate::join::connection::reason;
use crate::join::cut::Cut;
use crate::join::lines::{Kind, told_limit};
use crate::join::link::Change;
use crate::join::silence::Due;

/// A reset within this time after the server was not read is put down to that.
const SLOW_TIME: Duration = Duration::from_secs(10);

impl Session<'_> {
    /// Asks the server what it is time to ask for.
    pub(super) fn ask(&mut self, now: Instant) {
        if let Some(request) = self.presence.request(now) {
            self.say(&request);
        }
        match self.silence.due(now) {
            Some(Due::Ping) => self.say("/ping\n"),
            Some(Due::Tell) => self.screen.notice("the server does not answer"),
            None => {}
        }
    }

    pub(super) fn take_change(&mut self, change: Change, now: Instant) {
        match change {
            Change::None => {}
            Change::Received(bytes) => self.receive(&bytes, now),
            Change::Connected => self.connected(now),
            Change::Lost(lost, pause) => {
                let rest = self.lines.rest();
                rest.iter().for_each(|line| self.show(line, now));
                self.silence.lost();
                self.has_been_lost = true;
                let was_slow = self.slow_at.is_some_and(|at| now - at < SLOW_TIME);
                self.cut = self.cut.or(Cut::suspected(&lost, was_slow));
                if self.options.no_retry {
                    self.screen.notice(&format!("connection lost: {lost}"));
                    self.end = Some(End::Lost);
                } else if let Some(cut) = self.cut {
                    self.link.park();
                    self.screen.notice(&format!("{cut}; Enter connects again, Ctrl-C leaves"));
                } else {
                    self.screen.notice(&format!("connection lost: {lost}; {}", again(pause)));
                }
            }
            Change::Failed(error, pause) => {
                self.screen.notice(&format!("unable to connect: {}; {}", reason(&error), again(pause)));
            }
        }
    }

    /// Lines may have no more than `limit` bytes: one that had goes back to be edited.
    fn take_back(&mut self, limit: usize) {
        self.line_limit = Some(limit);
        let long = self.editor.last_that(|line| line.len() > limit).map(str::to_owned);
        if let Some(line) = long.filter(|_| self.editor.text().is_empty()) {
            self.editor.replace(&line, line.len());
        }
    }

    pub(super) fn connected(&mut self, now: Instant) {
        self.cut = None;
        self.line_limit = None;
        self.silence.connected(now);
        let commands = self.presence.connected();
        self.say(&commands);
    }

    fn receive(&mut self, bytes: &[u8], now: Instant) {
        if self.silence.broken() {
            self.screen.notice("the server answers again");
        }
        self.lines.push(bytes);
        while let Some(line) = self.lines.next() {
            self.show(&line, now);
        }
    }

    fn show(&mut self, line: &str, now: Instant) {
        if self.silence.is_answer(line) || self.roster.is_ignored(line) {
            return;
        }
        self.roster.heard(line);
        self.cut = Cut::announced(line);
        if let Kind::Server(text) = Kind::of(line)
            && let Some(limit) = told_limit(text)
        {
            self.take_back(limit);
        }
        let heard = self.presence.heard(line, now);
        if heard.is_welcome && std::mem::take(&mut self.has_been_lost) {
            self.screen.notice(&format!("connected to {} again", self.address));
        }
        let nick = self.presence.nick();
        if !heard.is_hidden {
            self.screen.line(line, nick);
        }
        if let Some(notice) = heard.notice {
            self.screen.notice(&notice);
        }
        if !self.options.no_bell && Kind::of(line).calls(nick) {
            self.screen.bell();
        }
    }
}

fn again(pause: Duration) -> String {
    format!("trying again in {} s", pause.as_secs())
}
