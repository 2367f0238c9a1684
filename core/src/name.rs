//! Which names are allowed, and which look alike. A driver may give rules of its own: the rules for all
//! scripts need tables, and not every machine has room for them.

/// Characters in a name at most.
pub const NAME_CHARS: usize = 24;
/// Bytes in a name at most: four for each character.
pub const NAME_BYTES: usize = 4 * NAME_CHARS;

/// What a name looks like, as two numbers. Two names that share a number look alike. The hub refuses
/// the second one.
pub type Looks = [u64; 2];

/// The kept looks of a name. Nothing is kept if names are compared one by one.
#[cfg(feature = "large")]
pub(crate) type Kept = Looks;
#[cfg(not(feature = "large"))]
pub(crate) type Kept = ();
#[cfg(feature = "large")]
pub(crate) const NO_LOOKS: Kept = [0; 2];
#[cfg(not(feature = "large"))]
pub(crate) const NO_LOOKS: Kept = ();

/// Why a name is not allowed, even if nobody else has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BadName {
    /// It is too long, or has a character that is not allowed in names.
    Characters,
    /// It could be taken for one of the server's own words.
    Reserved,
}

/// The rules for the names of clients and rooms.
#[derive(Clone, Copy, Debug)]
pub struct NameRules {
    /// Brings a name into the one spelling that the hub keeps. Writes it into the array as UTF-8, and
    /// returns the number of bytes. Names that differ only in case are the same name. Without the feature
    /// `large`, this is true for ASCII letters only.
    ///
    /// # Errors
    /// The name is not allowed.
    pub spell: fn(&str, &mut [u8; NAME_BYTES]) -> Result<usize, BadName>,
    /// What a name in this spelling looks like. The same name must look the same. A build without the
    /// feature `large` does not call it.
    pub looks: fn(&str) -> Looks,
}

/// Words that begin lines of the server, or that the server uses for itself.
pub const RESERVED: [&str; 5] = ["server", "parlour", "others", "nobody", "you"];

impl NameRules {
    /// Letters and digits of any script, `-` and `_`, but no marks (as in Devanagari, Thai, and
    /// decomposed letters). Names look alike only if they are the same.
    pub const PLAIN: Self = Self { spell, looks };
}

fn spell(name: &str, spelled: &mut [u8; NAME_BYTES]) -> Result<usize, BadName> {
    let is_good = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let count = name.chars().count();
    let Some(place) = spelled.get_mut(..name.len()).filter(|_| (1..=NAME_CHARS).contains(&count)) else {
        return Err(BadName::Characters);
    };
    if !name.chars().all(is_good) {
        return Err(BadName::Characters);
    }
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err(BadName::Reserved);
    }
    place.copy_from_slice(name.as_bytes());
    Ok(name.len())
}

/// FNV-1a, of 64 bits.
fn looks(name: &str) -> Looks {
    let hash =
        |hash: u64, byte: u8| (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x100_0000_01b3);
    [name.bytes().fold(0xcbf2_9ce4_8422_2325, hash); 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(name: &str) -> Result<(), BadName> {
        let mut bytes = [0; NAME_BYTES];
        let len = spell(name, &mut bytes)?;
        assert_eq!(&bytes[..len], name.as_bytes());
        Ok(())
    }

    #[test]
    fn names_are_letters_and_digits_of_any_script() {
        for name in ["a", "guest-1", "Zoë_2", "日本", "abcdefghijklmnopqrstuvwx", "servers"] {
            assert_eq!(spelled(name), Ok(()), "{name}");
        }
        // As many characters as allowed, each of the longest in UTF-8.
        assert_eq!(spelled("𐐀𐐁𐐂𐐃𐐄𐐅𐐆𐐇𐐈𐐉𐐊𐐋𐐌𐐍𐐎𐐏𐐐𐐑𐐒𐐓𐐔𐐕𐐖𐐗"), Ok(()));
        for name in ["", "a b", "<a>", "a.b", "abcdefghijklmnopqrstuvwxy", "a\u{301}"] {
            assert_eq!(spelled(name), Err(BadName::Characters), "{name}");
        }
        for name in ["server", "Parlour", "YOU"] {
            assert_eq!(spelled(name), Err(BadName::Reserved), "{name}");
        }
    }

    #[test]
    fn only_the_same_names_look_alike() {
        assert_eq!(looks("Alice"), looks("aLICE"));
        assert_ne!(looks("alice"), looks("alicf"));
        assert_ne!(looks("alice"), looks("alic"));
        let letters = || (b'a'..=b'z').map(char::from);
        for (one, other) in letters().flat_map(|one| letters().map(move |other| (one, other))) {
            let look = |c: char| looks(c.encode_utf8(&mut [0; 4]));
            assert_eq!(look(one) == look(other), one == other, "{one} and {other}");
        }
    }
}
