//! What is no chat: clients of other protocols, and scanners, that have come to the wrong port.
//! Their first bytes give them away. They are answered in their own words where one line is
//! enough, and closed; nothing of what they send is said.

/// A request line longer than this is known by its start.
pub(crate) const STARTS: usize = 16;

/// What a client of another protocol is answered.
const HTTP: &[u8] = b"HTTP/1.0 400 This is a chat server; connect with nc or telnet\r\n\r\n";
const IRC: &[u8] = b"ERROR :This is a chat server and speaks no IRC; connect with nc or telnet\r\n";
const SMTP: &[u8] = b"554 This is a chat server and takes no mail\r\n";
const REDIS: &[u8] = b"-ERR this is a chat server\r\n";
/// As OpenSSH says it.
const SSH: &[u8] = b"Protocol mismatch.\r\n";
/// A fatal alert, `protocol_version` (RFC 8446, 6).
const TLS: &[u8] = &[21, 3, 1, 0, 2, 2, 70];
/// For what has no words of its own, or is perhaps a person after all.
const OTHERS: &[u8] = b"-- this is a chat server and understands only text\r\n";

/// The type of the record that a TLS client sends first.
const HANDSHAKE: u8 = 22;

/// Requests of HTTP, and of RTSP and SIP, which took them over.
const METHODS: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"OPTIONS",
    b"DELETE",
    b"PATCH",
    b"CONNECT",
    b"TRACE",
    b"PROPFIND",
    b"PRI",
];

/// How the first line of a connection is answered, if it is no chat's. `line` is what is
/// there of it; `is_whole`: that is all.
pub(crate) fn answer(line: &[u8], is_whole: bool) -> Option<&'static [u8]> {
    match *line.first()? {
        HANDSHAKE => return Some(TLS),
        // No key that begins a line.
        0..=7 | 14..=20 | 22..=26 | 28..=31 => return Some(OTHERS),
        _ => {}
    }
    if line.contains(&0) {
        return Some(OTHERS);
    }
    let (word, rest) = line.split_at(line.iter().position(|&byte| byte == b' ').unwrap_or(line.len()));
    let rest = rest.trim_ascii_start();
    let one_word = is_whole && !rest.is_empty() && !rest.contains(&b' ');
    if METHODS.contains(&word) && is_target(rest, is_whole) {
        return Some(HTTP);
    }
    let (known, answer) = match word {
        b"NICK" | b"PASS" => (one_word, IRC),
        b"USER" => (is_whole && rest.split(|&byte| byte == b' ').count() > 3, IRC),
        b"CAP" => {
            (is_whole && [&b"LS"[..], b"LIST", b"REQ", b"END"].iter().any(|&sub| rest.starts_with(sub)), IRC)
        }
        b"EHLO" | b"HELO" => (one_word, SMTP),
        // PROXY protocol (HAProxy), version 1.
        b"PROXY" => (rest.starts_with(b"TCP") || rest.starts_with(b"UNKNOWN"), OTHERS),
        word => {
            let number = word.strip_prefix(b"*").unwrap_or_default();
            let is_redis = is_whole && !number.is_empty() && number.iter().all(u8::is_ascii_digit);
            if is_redis { (true, REDIS) } else { (word.starts_with(b"SSH-"), SSH) }
        }
    };
    known.then_some(answer)
}

/// Whether this is what an HTTP request asks for, and its version.
fn is_target(rest: &[u8], is_whole: bool) -> bool {
    let names_version = || {
        let last = rest.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
        [&b"HTTP/"[..], b"RTSP/", b"SIP/"].iter().any(|&protocol| last.starts_with(protocol))
    };
    matches!(rest.first(), Some(b'/' | b'*')) || rest.starts_with(b"http:") || is_whole && names_version()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(first: &[u8], answered: Option<&[u8]>) {
        let end = first.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(first.len());
        assert_eq!(answer(&first[..end], end < first.len()), answered);
    }

    #[test]
    fn clients_of_other_protocols_are_known_by_their_first_bytes() {
        for request in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"GET /nice%20ports%2C/Tri%6Eity.txt%2ebak HTTP/1.0\r\n",
            b"GET /\r\n",
            b"POST /a HTTP/1.1\r\n",
            b"PRI * HTTP/2.0\r\n",
            b"CONNECT example.org:443 HTTP/1.1\r\n",
            b"OPTIONS / RTSP/1.0\r\n",
            b"OPTIONS sip:nm SIP/2.0\r\n",
            // The first bytes of a line that is too long.
            b"GET /aaaaaaaaaaa",
            b"GET http://www.e",
        ] {
            check(request, Some(HTTP));
        }
        check(b"\x16\x03\x01\x02\x00", Some(TLS));
        check(b"\x16", Some(TLS));
        check(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Some(SSH));
        for line in [&b"NICK alice\r\n"[..], b"USER a 0 * :A B\r\n", b"CAP LS 302\r\n", b"PASS secret\r\n"] {
            check(line, Some(IRC));
        }
        check(b"EHLO example.org\r\n", Some(SMTP));
        check(b"*1\r\n$4\r\nPING\r\n", Some(REDIS));
        check(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", Some(OTHERS));
        // Probes of nmap: RDP, SMB, RPC, LDAP, Java RMI, X11, SOCKS 5.
        for probe in [
            &b"\x03\0\0\x0b"[..],
            b"\0\0\0\xa4\xffSMB",
            b"\x80\0\0\x28",
            b"0\x84\0\0\0",
            b"JRMI\0\x02K",
            b"l\0\x0b\0",
            b"\x05\x01\0",
        ] {
            check(probe, Some(OTHERS));
        }
    }

    /// Backspace and tab, the ends of lines, Ctrl-U and escape are keys of theirs.
    #[test]
    fn nobody_types_a_control_character_first_but_for_a_few() {
        for byte in 0..32 {
            let answered = match byte {
                HANDSHAKE => Some(TLS),
                8..=13 | 21 | 27 => None,
                _ => Some(OTHERS),
            };
            for is_whole in [false, true] {
                assert_eq!(answer(&[byte, b'x'], is_whole), answered, "{byte}");
            }
        }
    }

    #[test]
    fn what_people_type_is_no_other_protocol() {
        for line in [
            &b"hello\r\n"[..],
            b"GET\r\n",
            b"get / out\n",
            b"GET out of here\n",
            b"NICK and I\n",
            b"PASS the salt\n",
            b"USER error\n",
            b"USER has no idea\n",
            b"CAP LOCK\n",
            b"*waves*\n",
            b"* waves\n",
            b"/nick alice\n",
            b"\x1b[A",
            b"\tindented\n",
            b"\x08\x7fa\n",
            b"\xff",
            b"caf\xe9\n",
            b"PUT it there\n",
        ] {
            check(line, None);
        }
    }
}
