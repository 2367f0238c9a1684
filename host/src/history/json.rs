//! JSON objects (RFC 8259), one a line. Nothing is lost: what could harm a terminal is escaped, and a text that is
//! not UTF-8 is `text_base64` instead of `text`.

use std::fmt::Write;

use parlour_journal::Item;

use super::moment::utc_text;
use super::text::missing;
use crate::output::is_harmful;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Adds the line of an item.
pub(super) fn print(item: &Item, out: &mut Vec<u8>) {
    let line = match item {
        Item::Gap(gap) => format!(
            "{{\"seq\":{},\"time\":{},\"room\":null,\"client\":null,\"name\":null,\"kind\":\"gap\",\"text\":{},\
             \"last\":{},\"messages\":{}}}\n",
            gap.first,
            time(gap.unix_ms),
            string(&missing(gap)),
            gap.last,
            gap.messages
        ),
        Item::Said(room, stored) => {
            let (kind, detail) = stored.words();
            let client = if stored.client == 0 { "null".to_owned() } else { stored.client.to_string() };
            let text = match str::from_utf8(&stored.text) {
                Ok(text) => format!("\"text\":{}", string(text)),
                Err(_) => format!("\"text_base64\":\"{}\"", base64(&stored.text)),
            };
            let detail = detail.map(|detail| format!(",\"detail\":{}", string(detail))).unwrap_or_default();
            format!(
                "{{\"seq\":{},\"time\":{},\"room\":{},\"client\":{client},\"name\":{},\"kind\":\"{kind}\",{text}{detail}}}\n",
                stored.seq,
                time(stored.unix_ms),
                string(room),
                string(&stored.name)
            )
        }
    };
    out.extend_from_slice(line.as_bytes());
}

fn time(unix_ms: u64) -> String {
    if unix_ms == 0 { "null".to_owned() } else { string(&utc_text(unix_ms)) }
}

fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // All of them have four digits at most. A string takes everything.
            c if is_harmful(c) => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Base64 of RFC 4648.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_has_nothing_that_harms_a_terminal() {
        assert_eq!(string("a\"\\\n\r\té"), r#""a\"\\\n\r\té""#);
        assert_eq!(string("\x1b[2J\0\u{9b}\u{202e}\u{7f}"), r#""\u001b[2J\u0000\u009b\u202e\u007f""#);
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(b"\xff\xfb\xbf"), "//u/");
    }
}
