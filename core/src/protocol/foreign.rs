//! Clients of other protocols, and scanners, that have come to the wrong port. Their first bytes give
//! them away. They get one line, in their own protocol if that has one, and are disconnected. Nothing
//! that they send is passed on.

/// A request line longer than this is known by its start.
pub(crate) const STARTS: usize = 16;

/// The answers to clients of other protocols.
const HTTP: &[u8] = b"HTTP/1.0 400 This is a chat server; connect with nc or telnet\r\n\r\n";
const IRC: &[u8] = b"ERROR :This is a chat server and speaks no IRC; connect with nc or telnet\r\n";
const SMTP: &[u8] = b"554 This is a chat server and takes no mail\r\n";
const REDIS: &[u8] = b"-ERR this is a chat server\r\n";
/// The words of OpenSSH.
const SSH: &[u8] = b"Protocol mismatch.\r\n";
/// A fatal alert, `protocol_version` (RFC 8446, 6).
const TLS: &[u8] = &[21, 3, 1, 0, 2, 2, 70];
/// For protocols that have no words of their own, and for clients that may be persons after all.
const OTHERS: &[u8] = b"-- this is a chat server and understands only text\r\n";

/// The first bytes of a TLS client: a handshake, of a version that begins with 3.
const HANDSHAKE: &[u8] = &[22, 3];

/// Requests of HTTP.
const METHODS: &[&[u8]] =
    &[b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"DELETE", b"PATCH", b"CONNECT", b"TRACE"];

/// The first bytes of protocols without an answer of their own: VNC, rsync, XMPP, NATS.
const PREFIXES: &[&[u8]] = &[b"RFB 00", b"@RSYNCD:", b"<?xml ", b"<stream:", b"CONNECT {"];

/// The answer to the first line of a connection, if it is no chat client's. `line` is the part of the
/// line that is there; `is_whole`: it is the whole line.
// It is not inlined, because a line leads to deep calls, and a small machine has no stack for both.
#[inline(never)]
pub(crate) fn answer(line: &[u8], is_whole: bool) -> Option<&'static [u8]> {
    if line.starts_with(HANDSHAKE) {
        return Some(TLS);
    }
    // One control key may be a slip. Two of them, or a NUL, are not text.
    let is_control = |byte: &&u8| matches!(byte, 0..=7 | 14..=20 | 22..=26 | 28..=31);
    if line.contains(&0) || line.iter().take(4).filter(is_control).count() > 1 {
        return Some(OTHERS);
    }
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii_start();
    if PREFIXES.iter().any(|prefix| line.starts_with(prefix)) {
        return Some(OTHERS);
    }
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (first, second, third) = (words.next()?, words.next().unwrap_or_default(), words.next());
    let more = words.clone().count();
    if is_request((first, second, third), is_whole && more == 0, line.len() >= STARTS) {
        return Some(HTTP);
    }
    if first.starts_with(b"SSH-1.") || first.starts_with(b"SSH-2.0-") {
        return Some(SSH);
    }
    if !is_whole {
        return None;
    }
    let has_two = !second.is_empty() && third.is_none();
    match first {
        b"NICK" => (has_two && is_nick(second)).then_some(IRC),
        b"PASS" => has_two.then_some(IRC),
        b"USER" => words.nth(1).is_some_and(|name| more == 2 || name.starts_with(b":")).then_some(IRC),
        b"CAP" => [&b"LS"[..], b"LIST", b"REQ", b"END"].contains(&second).then_some(IRC),
        b"EHLO" | b"HELO" => has_two.then_some(SMTP),
        // HAProxy's, version 1.
        b"PROXY" => (more == 3 && second.starts_with(b"TCP") || second == b"UNKNOWN" && third.is_none())
            .then_some(OTHERS),
        _ => {
            let number = first.strip_prefix(b"*").unwrap_or_default();
            let is_redis = !number.is_empty() && number.iter().all(u8::is_ascii_digit) && second.is_empty();
            is_redis.then_some(REDIS)
        }
    }
}

/// Whether these are the words of a request of HTTP, RTSP or SIP. A request has three words, and the
/// last one names the version. A request that is not yet whole is known by its method and its target.
fn is_request(
    (method, target, version): (&[u8], &[u8], Option<&[u8]>),
    is_whole: bool,
    is_long: bool,
) -> bool {
    let is_method = METHODS.contains(&method);
    let is_path = target.starts_with(b"/");
    let has_scheme = target.windows(3).any(|part| part == b"://");
    match version {
        None => is_method && (is_whole && is_path || !is_whole && is_long && (is_path || has_scheme)),
        Some(version) => {
            let is_target = is_path || target == b"*" || target.contains(&b':');
            let names_version = [&b"HTTP/"[..], b"RTSP/", b"SIP/"].iter().any(|name| {
                version
                    .strip_prefix(*name)
                    .is_some_and(|number| number.first().is_some_and(u8::is_ascii_digit))
            });
            is_whole && is_target && names_version
        }
    }
}

/// Whether IRC would take this as a nickname (RFC 2812, 2.3.1), perhaps behind a colon.
fn is_nick(word: &[u8]) -> bool {
    let word = word.strip_prefix(b":").unwrap_or(word);
    !word.is_empty() && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-[]\\`_^{|}".contains(byte))
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
            b"REGISTER sip:example.org SIP/2.0\r\n",
            b"M-SEARCH * HTTP/1.1\r\n",
            b"\xef\xbb\xbfGET / HTTP/1.1\r\n",
            b" GET / HTTP/1.1\r\n",
            // The start of a line that is too long.
            b"GET /aaaaaaaaaaa",
            b"GET http://www.e",
            b"GET https://www.",
        ] {
            check(request, Some(HTTP));
        }
        check(b"\x16\x03\x01\x02\x00", Some(TLS));
        check(b"\x16", None);
        check(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Some(SSH));
        for line in [&b"NICK alice\r\n"[..], b"USER a 0 * :A B\r\n", b"CAP LS 302\r\n", b"PASS secret\r\n"] {
            check(line, Some(IRC));
        }
        check(b"RFB 003.008\n", Some(OTHERS));
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
    fn of_control_characters_nobody_types_two_at_once_but_for_a_few() {
        for byte in 1..32 {
            let answered = if matches!(byte, 8..=13 | 21 | 27) { None } else { Some(OTHERS) };
            for is_whole in [false, true] {
                assert_eq!(answer(&[byte, b'x'], is_whole), None, "{byte}");
                assert_eq!(answer(&[b'x', byte, b'x', byte], is_whole), answered, "{byte}");
                assert_eq!(answer(&[b'x', byte, b'x', b'x', byte], is_whole), None, "{byte}");
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
            b"GET /dev/null is full\n",
            b"HEAD *ache*\n",
            b"DELETE *all* of it\n",
            b"GET it over HTTP/2\n",
            b"what about HTTP/2\n",
            b"NICK name?\n",
            b"USER count is at 300 now\n",
            b"CAP LSD\n",
            b"SSH-keys?\n",
            b"PROXY TCP is bad\n",
            b"*1 for that\n",
            b"\x01hello\n",
            b"\x02bold\x02\n",
            b"\x16hello\n",
        ] {
            check(line, None);
        }
    }
}
