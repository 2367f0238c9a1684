//! A checksum of all that has gone out. CRC-32 is fast where the processor helps, and surely finds one difference of
//! up to four bytes; others with a chance of one in four billion not to.

use parlour_core::{Close, Followed, Hub, Output};
use serde::Serialize;

use crate::encoding::encode;
use crate::record::{Asked, Said};

#[derive(Clone, Debug, Default)]
pub(crate) struct Sum {
    crc: crc32fast::Hasher,
    /// Memory that is used again.
    scratch: Vec<u8>,
}

/// What is summed besides bytes.
#[derive(Serialize)]
enum Out<'o> {
    Nothing,
    Changed {
        conn: u64,
        reads: bool,
        writes: bool,
        close: u8,
    },
    Wanted(Asked),
    Proposals,
    News {
        follower: u64,
    },
    /// What the hub does not have yet.
    Other,
    Record(Said<'o>),
    Lost {
        first: u64,
        last: u64,
        records: u64,
        messages: u64,
    },
}

impl Sum {
    pub(crate) fn value(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// Bytes that went to a connection. The step says to which.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
    }

    /// What the hub asks of its driver, and what it wants of the connection that it names.
    pub(crate) fn output(&mut self, hub: &Hub<'_>, output: Option<Output>) {
        self.add(&match output {
            None => Out::Nothing,
            Some(Output::Changed { conn }) => {
                let interest = hub.interest(conn);
                Out::Changed {
                    conn: conn.as_u64(),
                    reads: interest.read > 0,
                    writes: interest.write,
                    close: code(interest.close),
                }
            }
            Some(Output::Wanted(wanted)) => Out::Wanted(wanted.into()),
            Some(Output::Proposals) => Out::Proposals,
            Some(Output::News { follower }) => Out::News { follower: follower.as_u64() },
            Some(_) => Out::Other,
        });
    }

    /// What a follower reads.
    pub(crate) fn followed(&mut self, followed: Option<&Followed<'_>>) {
        self.add(&match followed {
            None => Out::Nothing,
            Some(Followed::Record(record)) => Out::Record(Said::from(*record)),
            Some(Followed::Lost(lost)) => Out::Lost {
                first: lost.first,
                last: lost.last,
                records: lost.records,
                messages: lost.messages,
            },
        });
    }

    /// How the hub wanted a connection to be closed.
    pub(crate) fn close(&mut self, close: Close) {
        self.bytes(&[code(close)]);
    }

    fn add(&mut self, out: &Out<'_>) {
        self.scratch.clear();
        encode(out, &mut self.scratch);
        self.crc.update(&self.scratch);
    }
}

fn code(close: Close) -> u8 {
    match close {
        Close::No => 0,
        Close::Write => 1,
        Close::Full => 2,
        Close::Abort => 3,
    }
}
