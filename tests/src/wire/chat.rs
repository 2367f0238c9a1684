//! The network as a chat, and a plan for one.

use parlour_smoltcp::core::{Config, Limits, Listener, OnLag, Protocol};
use parlour_smoltcp::{Service, SocketOptions};
use smoltcp::phy::Device;
use smoltcp::time::Duration;

use super::{Layout, Wire};
use crate::chat::{Chat, ClientId};
use crate::hub::Setup;
use crate::lines::Next;

/// The port of the chat.
pub const CHAT: u16 = 5000;
/// The port of the echo.
pub const ECHO: u16 = 7;
/// How long a client waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(3_600);

impl Layout {
    /// Chat for so many clients, echo for two, and two refusals for each; as large as
    /// on a middling board.
    #[must_use]
    pub fn chat_and_echo(clients: usize) -> Self {
        let limits = Limits {
            conns: clients + 2,
            rooms: 4,
            rooms_per_conn: 2,
            members: 2 * (clients + 2),
            catch_ups: 2 * (clients + 2),
            name: 32,
            line: 256,
            queue: 512,
            proposals: 0,
            log: 4 << 10,
            records: 64,
            followers: 0,
            rings: 0,
        };
        let on_lag = OnLag::Disconnect;
        let listeners =
            [Protocol::Chat, Protocol::Echo].map(|protocol| Listener { on_lag, ..Listener::new(protocol) });
        Self {
            setup: Setup { limits, listeners: listeners.to_vec(), config: Config::new(&[]) },
            services: vec![
                Service { port: CHAT, clients, refusals: 2 },
                Service { port: ECHO, clients: 2, refusals: 2 },
            ],
            options: SocketOptions::new(256, 512),
            sessions: None,
            client: [1024; 2],
            seed: 1,
        }
    }
}

impl<D: Device> Chat for Wire<'_, D> {
    fn newcomer(&mut self) -> ClientId {
        self.connect(CHAT)
    }

    fn sends(&mut self, client: ClientId, bytes: &[u8]) {
        self.clients[client].outbox.extend(bytes);
    }

    /// Waits as long as it takes. The clock jumps to the next thing that is due.
    fn next(&mut self, client: ClientId) -> Next {
        let give_up = self.now + PATIENCE;
        loop {
            self.run();
            match self.clients[client].next() {
                Next::Nothing => {}
                next => return next,
            }
            match self.due.filter(|due| *due <= give_up) {
                Some(due) => self.now = due,
                None => return Next::Nothing,
            }
        }
    }

    fn when(&self) -> String {
        format!(", at {}", self.now())
    }
}
