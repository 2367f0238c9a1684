//! The value of `--echo`: an address, and the options behind it.

use std::str::FromStr;

use super::place::Place;

/// Where an echo listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EchoPlace(pub(super) Place);

impl FromStr for EchoPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut is_kept = true;
        let place = Place::parse(text, "journal=off, ", |name, value| {
            let is_known = (name, value) == ("journal", "off");
            is_kept &= !is_known;
            Ok(is_known)
        })?;
        Ok(Self(Place { is_kept, ..place }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_may_be_left_out_of_the_journal() {
        let kept = |text: &str| text.parse::<EchoPlace>().map(|echo| echo.0.is_kept);
        assert_eq!(kept("7777"), Ok(true));
        assert_eq!(kept("7777,name=mirror,journal=off"), Ok(false));
        let why = "the option `journal=on` is unknown; use journal=off, name=NAME or mode=MODE";
        assert_eq!(kept("7777,journal=on"), Err(why.to_owned()));
    }
}
