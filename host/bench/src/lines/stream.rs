//! The bytes of one sender's lines as the server passes them on. Received bytes are compared with them
//! in memory, many lines at once. Bytes that differ are judged elsewhere, line by line.
//!
//! This is for speed: a load generator that is slower than the server would measure itself.

use super::line::{Id, Lines};

/// How many lines are kept. It is a multiple of the period of their filler.
const KEPT: u64 = 8192;

/// A ring of the last lines of one sender, as they should come.
#[derive(Debug)]
pub(crate) struct Stream {
    sender: u32,
    /// The server's bytes before and after each line, once they are known.
    frame: Option<(Vec<u8>, Vec<u8>)>,
    /// Bytes of a line with its frame.
    len: usize,
    ring: Vec<u8>,
    /// Lines from here on are not yet in the ring.
    end: u64,
}

impl Stream {
    pub(crate) fn new(sender: u32) -> Self {
        Self { sender, frame: None, len: 0, ring: Vec::new(), end: 0 }
    }

    /// Learns what this server puts around lines, from a whole line that came. `line` has its line
    /// ending.
    pub(crate) fn learn(&mut self, line: &[u8], lines: &Lines, id: Id) {
        if self.frame.is_some() || id.sender != self.sender {
            return;
        }
        let mut sent = Vec::new();
        lines.write(id, &mut sent);
        if let Some(at) = line.windows(sent.len()).position(|part| part == sent) {
            self.frame = Some((line[..at].to_vec(), line[at + sent.len()..].to_vec()));
            self.len = line.len();
            self.end = id.number;
            self.ring = vec![0; self.len * KEPT as usize];
        }
    }

    /// How many lines at the front of `bytes` are the lines from `next` on, and how many bytes they
    /// have. `sent` lines were sent so far.
    pub(crate) fn matching(&mut self, bytes: &[u8], lines: &Lines, next: u64, sent: u64) -> (u64, usize) {
        if self.frame.is_none() {
            return (0, 0);
        }
        let most = ((bytes.len() / self.len) as u64).min(sent - next);
        self.fill(lines, next + most);
        let mut count = 0;
        while count < most && next + count + KEPT >= self.end {
            let place = (next + count) % KEPT;
            let run = (most - count).min(KEPT - place);
            let expected = &self.ring[place as usize * self.len..][..run as usize * self.len];
            let came = &bytes[count as usize * self.len..][..expected.len()];
            if came != expected {
                // Which line it is, is found out line by line.
                let same = came.chunks(self.len).zip(expected.chunks(self.len)).take_while(|(a, b)| a == b);
                count += same.count() as u64;
                break;
            }
            count += run;
        }
        (count, count as usize * self.len)
    }

    /// Writes the lines below `end` into the ring, in the places of the oldest.
    fn fill(&mut self, lines: &Lines, end: u64) {
        let Some((before, after)) = &self.frame else { return };
        let mut line = Vec::with_capacity(self.len);
        while self.end < end {
            line.clear();
            line.extend_from_slice(before);
            lines.write(Id { sender: self.sender, number: self.end }, &mut line);
            line.extend_from_slice(after);
            self.ring[(self.end % KEPT) as usize * self.len..][..self.len].copy_from_slice(&line);
            self.end += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: usize = 64;

    fn passed_on(lines: &Lines, numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in numbers {
            bytes.extend_from_slice(b"<bob> ");
            lines.write(Id { sender: 0, number }, &mut bytes);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }

    fn taught(lines: &Lines) -> Stream {
        let mut stream = Stream::new(0);
        stream.learn(&passed_on(lines, [5]), lines, Id { sender: 0, number: 5 });
        stream
    }

    #[test]
    fn what_comes_in_order_matches_beyond_the_end_of_the_ring() {
        let lines = Lines::new(1, LINE);
        let mut stream = taught(&lines);
        let mut next = 6;
        while next < 3 * KEPT {
            let bytes = passed_on(&lines, next..next + 100);
            assert_eq!(stream.matching(&bytes, &lines, next, 4 * KEPT), (100, bytes.len()));
            next += 100;
        }
        // Another receiver is behind, but not too far.
        let bytes = passed_on(&lines, next - 500..next - 400);
        assert_eq!(stream.matching(&bytes, &lines, next - 500, 4 * KEPT).0, 100);
        assert_eq!(stream.matching(&passed_on(&lines, [7]), &lines, 7, 4 * KEPT).0, 0, "no longer known");
    }

    #[test]
    fn numbers_go_on_beyond_32_bits() {
        let lines = Lines::new(1, LINE);
        let mut stream = Stream::new(0);
        let first = u64::from(u32::MAX) - 50;
        stream.learn(&passed_on(&lines, [first]), &lines, Id { sender: 0, number: first });
        let bytes = passed_on(&lines, first + 1..first + 101);
        assert_eq!(stream.matching(&bytes, &lines, first + 1, first + 101), (100, bytes.len()));
        let again = passed_on(&lines, [0]);
        assert_eq!(stream.matching(&again, &lines, first + 102, first + 103).0, 0, "none comes twice");
    }

    #[test]
    fn it_matches_up_to_what_differs() {
        let lines = Lines::new(1, LINE);
        let mut stream = taught(&lines);
        assert_eq!(stream.matching(&passed_on(&lines, [6, 7, 9]), &lines, 6, 20).0, 2);
        let mut bytes = passed_on(&lines, 6..10);
        *bytes.last_mut().expect("bytes") = b'!';
        assert_eq!(stream.matching(&bytes, &lines, 6, 20).0, 3);
        assert_eq!(stream.matching(&passed_on(&lines, 6..10), &lines, 6, 8).0, 2, "two were sent");
    }
}
