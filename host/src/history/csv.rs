//! Comma-separated values of RFC 4180. What could harm a terminal is replaced, but for line endings in quotes.

use parlour_journal::Item;

use super::moment::utc_text;
use super::text::missing;
use crate::output::neutral;

const HEADER: &str = "seq,time,room,client,name,kind,detail,text\r\n";

/// Adds the header.
pub(super) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(HEADER.as_bytes());
}

/// Adds the record of an item.
pub(super) fn print(item: &Item, out: &mut Vec<u8>) {
    let fields = match item {
        Item::Gap(gap) => {
            let [seq, detail] = [gap.first, gap.last].map(|seq| seq.to_string());
            let (time, empty) = (time(gap.unix_ms), String::new);
            [seq, time, empty(), empty(), empty(), "gap".to_owned(), detail, missing(gap)]
        }
        Item::Said(room, stored) => {
            let (kind, detail) = stored.words();
            let client = if stored.client == 0 { String::new() } else { stored.client.to_string() };
            let (room, name) = (field(room), field(&stored.name));
            let text = field(&String::from_utf8_lossy(&stored.text));
            let detail = detail.unwrap_or_default().to_owned();
            [stored.seq.to_string(), time(stored.unix_ms), room, client, name, kind.to_owned(), detail, text]
        }
    };
    out.extend_from_slice(fields.join(",").as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn time(unix_ms: u64) -> String {
    if unix_ms == 0 { String::new() } else { utc_text(unix_ms) }
}

fn field(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let end = ["\r\n", "\n"].into_iter().find(|end| line.ends_with(end)).unwrap_or_default();
        neutral(&line[..line.len() - end.len()]).into_owned() + end
    });
    let text: String = lines.collect();
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_must_be_and_harms_no_terminal() {
        for (text, expected) in [
            ("hi", "hi"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("one\r\ntwo\n", "\"one\r\ntwo\n\""),
            ("a\rb\r", "a\u{fffd}b\u{fffd}"),
            ("a\rb\x1b[2J", "a\u{fffd}b\u{fffd}[2J"),
        ] {
            assert_eq!(field(text), expected);
        }
    }
}
