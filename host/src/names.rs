//! The rules for names on a host. Names have letters with their marks in any script, and are kept in
//! one spelling (NFC, UAX #15). This module also finds out which names look alike (UTS #39, 4).

use std::hash::{DefaultHasher, Hash, Hasher};

use parlour_core::{BadName, Looks, NAME_BYTES, NAME_CHARS, NameRules, RESERVED};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_script::UnicodeScript;
use unicode_security::skeleton;

/// The rules for the names of clients and rooms.
pub const RULES: NameRules = NameRules { spell, looks };
/// What traces call them.
pub const LABEL: &str = "parlour";

/// The most marks on one letter. More would reach into the lines above and below (UTS #39, 5.4).
const MARKS: usize = 4;
/// The name of newcomers, before their number.
const GUEST: &str = "guest-";

fn spell(name: &str, spelled: &mut [u8; NAME_BYTES]) -> Result<usize, BadName> {
    // A name that is too long anyway need not be looked at.
    let name: String = name.chars().take(4 * NAME_CHARS).nfc().collect();
    let place = spelled.get_mut(..name.len()).ok_or(BadName::Characters)?;
    if !is_well_formed(&name) {
        return Err(BadName::Characters);
    }
    if is_reserved(&name) {
        return Err(BadName::Reserved);
    }
    place.copy_from_slice(name.as_bytes());
    Ok(name.len())
}

/// Whether a name has only letters and digits with their marks, `-` and `_`, and also looks like that.
fn is_well_formed(name: &str) -> bool {
    let mut base = None;
    let mut marks = 0;
    let mut is_good = |c: char| {
        if is_combining_mark(c) {
            marks += 1;
            marks <= MARKS && !is_invisible(c) && base.is_some_and(|base| is_mark_of(c, base))
        } else {
            (base, marks) = (Some(c), 0);
            (c.is_alphanumeric() || c == '-' || c == '_') && !is_invisible(c)
        }
    };
    (1..=NAME_CHARS).contains(&name.chars().count())
        && name.chars().all(&mut is_good)
        // Letters of some scripts look like the signs that mark the kind of a line.
        && !skeleton(name).any(|c| "<>[]*:()/\"".contains(c))
}

/// Whether a mark belongs to the script of the letter below it. Otherwise it might be invisible there.
fn is_mark_of(mark: char, base: char) -> bool {
    !mark.script_extension().intersection(base.script_extension()).is_empty()
}

/// The invisible letters and marks: `Default_Ignorable_Code_Point` in Unicode's
/// DerivedCoreProperties.txt.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}')
}

/// Whether a name could be taken for the server, or for a guest name that the server gives.
fn is_reserved(name: &str) -> bool {
    let shape = |text: &str| skeleton(text).collect::<String>().to_lowercase();
    let (guest, digits) = (shape(GUEST), shape("0123456789"));
    let looks_like_guest = || {
        [shape(name), shape(&name.to_lowercase())].iter().any(|seen| {
            let number = seen.strip_prefix(&guest).unwrap_or_default();
            !number.is_empty() && number.chars().all(|c| digits.contains(c))
        })
    };
    let is_guest = name.split_at_checked(GUEST.len()).is_some_and(|(guest, number)| {
        guest.eq_ignore_ascii_case(GUEST) && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    RESERVED.iter().any(|reserved| is_alike(looks(reserved), looks(name))) || !is_guest && looks_like_guest()
}

fn is_alike(a: Looks, b: Looks) -> bool {
    a.iter().any(|look| b.contains(look))
}

/// Two hashes of what a name looks like, without regard to case: as it is written, and in small
/// letters. Both are needed: `Ian` looks like `lan`, and is the same name as `ian`.
fn looks(name: &str) -> Looks {
    let number = |name: &str| {
        let mut hasher = DefaultHasher::new();
        skeleton(name).for_each(|c| c.hash(&mut hasher));
        hasher.finish()
    };
    let seen: String = skeleton(name).collect();
    [number(&seen.to_lowercase()), number(&name.to_lowercase())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(name: &str) -> Result<String, BadName> {
        let mut bytes = [0; NAME_BYTES];
        let len = spell(name, &mut bytes)?;
        Ok(String::from_utf8(bytes[..len].to_vec()).expect("UTF-8"))
    }

    #[test]
    fn letters_with_their_marks_are_names_in_one_spelling() {
        // Hindi, Tamil, Thai, Arabic, Hebrew with points, Vietnamese.
        for name in [
            "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}",
            "\u{ba4}\u{bae}\u{bbf}\u{bb4}\u{bcd}",
            "\u{e19}\u{e49}\u{e33}\u{e1d}\u{e19}",
            "\u{645}\u{64f}\u{62d}\u{645}\u{62f}",
            "\u{5e9}\u{5b8}\u{5dc}",
            "Nguy\u{1ec5}n",
            "\u{65e5}\u{672c}",
            "abcdefghijklmnopqrstuvwx",
            "guest-7",
            "Guest-07",
            "-_1",
        ] {
            assert_eq!(spelled(name).as_deref(), Ok(name));
        }
        assert_eq!(spelled("Zoe\u{308}").as_deref(), Ok("Zo\u{eb}"));
        assert_eq!(spelled(&"e\u{301}".repeat(24)).as_deref(), Ok(&*"\u{e9}".repeat(24)));
    }

    #[test]
    fn what_shows_nothing_or_runs_over_other_lines_is_no_name() {
        for name in [
            "",
            " ",
            "\u{301}",
            "\u{301}a",
            "\u{200b}",
            "\u{200d}",
            "a\u{200d}b",
            "\u{3164}",
            "\u{ffa0}",
            "\u{115f}",
            "a\u{fe0f}",
            "a\u{34f}b",
            "a\u{e0100}",
            "\u{2800}",
            "\u{1f600}",
            "a b",
            "a\u{a0}b",
            "<a>",
            "a:",
        ] {
            assert_eq!(spelled(name), Err(BadName::Characters), "{name:?}");
        }
        // Marks of other scripts. Some of them are invisible behind a Latin letter.
        for mark in ["\u{2d7f}", "\u{1039}", "\u{1107f}", "\u{16fe4}", "\u{11a47}", "\u{94d}"] {
            assert_eq!(spelled(&format!("alice{mark}")), Err(BadName::Characters), "{mark:?}");
        }
        // Letters that look like the signs that mark the kind of a line.
        for name in ["\u{1438}bob\u{1433}", "here\u{2d0}"] {
            assert_eq!(spelled(name), Err(BadName::Characters), "{name:?}");
        }
        assert_eq!(spelled(&format!("a{}", "\u{30d}".repeat(5))), Err(BadName::Characters));
        assert_eq!(spelled(&"a".repeat(25)), Err(BadName::Characters));
        assert_eq!(spelled(&"a".repeat(100_000)), Err(BadName::Characters));
    }

    #[test]
    fn what_looks_like_the_server_or_a_guest_is_reserved() {
        for name in [
            "server",
            "SERVER",
            "\u{455}erver",
            "parlour",
            "Par1our",
            "\u{440}arlour",
            "\u{ff53}erver",
            "nobody",
            "guest-l",
            "ParIour",
            "\u{39d}obody",
            "\u{a4f3}thers",
            "y0u",
            "guest-O",
            "\u{261}uest-1",
            "gue\u{455}t-12",
            "GUEST-I",
        ] {
            assert_eq!(spelled(name), Err(BadName::Reserved), "{name:?}");
        }
        for name in ["servers", "server1", "guest", "guest-", "guest-x", "guestl"] {
            assert!(spelled(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn names_look_alike_that_readers_confuse() {
        let pairs = [
            ("alice", "\u{430}lice"),
            ("alice", "\u{ff41}\u{ff4c}\u{ff49}\u{ff43}\u{ff45}"),
            ("alice", "ALICE"),
            ("alice", "aIice"),
            ("lan", "Ian"),
            ("paul", "pau1"),
            ("bob", "b\u{43e}b"),
            ("mary", "rnary"),
            ("alice", "AIice"),
            ("ALICE", "AIice"),
            ("tom", "\u{422}om"),
            ("nina", "\u{39d}ina"),
            ("eve", "\u{a4f0}ve"),
            ("oscar", "0scar"),
            ("lobby", "Lo\u{42c}by"),
            ("Zo\u{eb}", "zo\u{eb}"),
            ("\u{dc}nal", "\u{fc}nal"),
        ];
        for (a, b) in pairs {
            assert!(is_alike(looks(a), looks(b)), "{a} {b}");
        }
        for (a, b) in
            [("alice", "alicia"), ("ian", "lan"), ("bob", "rob"), ("guest-1", "guest-2"), ("a", "\u{e4}")]
        {
            assert!(!is_alike(looks(a), looks(b)), "{a} {b}");
        }
    }
}
