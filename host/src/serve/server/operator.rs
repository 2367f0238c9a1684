//! The operator: a connection of the hub whose ends are standard input and output
//! instead of a socket. When to read, write and close the hub decides, as ever.

use parlour_core::{Close, ConnId, Event, ListenerId};

use super::link::Leftover;
use super::{Server, Target};
use crate::poll::Poller;
use crate::serve::console::Console;

/// The console, and the connection that it is to the hub.
#[derive(Debug)]
pub(super) struct Operator {
    console: Console,
    /// `None` once the hub has closed it; what waits for standard output may still go there.
    id: Option<ConnId>,
    leftover: Leftover,
}

impl Operator {
    pub(super) fn is(&self, id: ConnId) -> bool {
        self.id == Some(id)
    }

    /// Whether something waits for standard output.
    pub(super) fn is_pending(&self) -> bool {
        self.console.is_pending()
    }

    /// Waits a moment for standard output to take what it was handed.
    pub(super) fn finish(&self) {
        self.console.finish();
    }
}

impl<P: Poller> Server<'_, P> {
    pub(super) fn open_console(&mut self, console: Console, listener: ListenerId, watch: bool) {
        let Ok(id) = self.handle(Event::Accepted(listener, None)).opened() else { return };
        if watch {
            self.hub.watch(id);
        }
        self.operator = Some(Operator { console, id: Some(id), leftover: Leftover::default() });
        self.service_console(id);
    }

    pub(super) fn read_console(&mut self) {
        let Some(Operator { console, id: Some(id), .. }) = &mut self.operator else { return };
        let id = *id;
        let mut buffer = [0; 4096];
        match console.read(&mut buffer) {
            Ok(count) if count > 0 => {
                let taken = self.handle(Event::Received(id, &buffer[..count])).taken();
                self.keep_commands(Leftover::new(&buffer[taken..count]));
            }
            result => {
                if let Err(error) = result {
                    tracing::info!("standard input: {error}");
                }
                self.close_console_input();
                self.handle(Event::PeerClosed(id));
            }
        }
    }

    fn keep_commands(&mut self, leftover: Leftover) {
        if let Some(operator) = &mut self.operator {
            operator.leftover = leftover;
        }
    }

    fn close_console_input(&mut self) {
        let input = self.operator.as_ref().and_then(|operator| operator.console.input_fd());
        if let Some(fd) = input {
            self.unwatch(fd);
        }
        if let Some(operator) = &mut self.operator {
            operator.console.close_input();
        }
    }

    pub(super) fn service_console(&mut self, id: ConnId) {
        let Some(operator) = &mut self.operator else { return };
        let leftover = std::mem::take(&mut operator.leftover);
        let leftover = self.offer(id, leftover);
        self.keep_commands(leftover);
        self.transmit_to_console(id);
        self.flush_console();
        let interest = self.hub.interest(id);
        let is_closed = interest.close != Close::No;
        if is_closed {
            self.handle(Event::Closed(id));
        }
        let Some(operator) = &mut self.operator else { return };
        if is_closed {
            operator.id = None;
        }
        let read = operator.id.is_some() && interest.read > 0 && operator.leftover.rest().is_empty();
        if let Some(fd) = operator.console.input_fd() {
            self.watch(fd, Target::ConsoleInput, read, false);
        }
    }

    fn transmit_to_console(&mut self, id: ConnId) {
        let Some(Operator { console, .. }) = &mut self.operator else { return };
        if self.hub.interest(id).write && console.has_place() {
            let mut len = 0;
            for bytes in self.hub.transmit(id) {
                console.push(bytes);
                len += bytes.len();
            }
            self.handle(Event::Sent(id, len));
        }
    }

    pub(super) fn flush_console(&mut self) {
        let Some(Operator { console, id, .. }) = &mut self.operator else { return };
        let (id, had_place) = (*id, console.has_place());
        console.flush();
        let (fd, pending, has_place) = (console.output_fd(), console.is_pending(), console.has_place());
        self.watch(fd, Target::ConsoleOutput, false, pending);
        if let Some(id) = id.filter(|_| has_place && !had_place) {
            self.service_console(id);
        }
    }
}
