//! The value of `--chat` and `--echo`: an address, and the options behind it. They say where a
//! listener listens and what it is called.

use std::str::FromStr;

use parlour_core::LABEL_BYTES;

use crate::address::{Address, NoAddress};

/// The place of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) address: Address,
    /// Its name in the log and on the console.
    pub(super) name: Option<String>,
    /// The mode of its socket file.
    pub(super) mode: Option<u32>,
    /// Whether a journal has what is said there.
    pub(super) is_kept: bool,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, "", |_, _| Ok(false))
    }
}

impl Place {
    /// The place with this address, without any option.
    pub(super) fn at(address: Address) -> Self {
        Self { address, name: None, mode: None, is_kept: true }
    }

    /// Reads `ADDRESS[,OPTION]...`. `more` gets each option that not all listeners have, and its value
    /// or `""`. It returns whether it knows the option. `names` lists these options for the user.
    pub(super) fn parse(
        text: &str,
        names: &str,
        mut more: impl FnMut(&str, &str) -> Result<bool, String>,
    ) -> Result<Self, String> {
        let mut parts = text.split(',');
        let address =
            parts.next().unwrap_or_default().parse().map_err(|error: NoAddress| error.to_string())?;
        let mut place = Self::at(address);
        for option in parts {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                "name" if place.name.is_some() => return Err("name: one listener has one name".into()),
                "name" => place.name = Some(listener_name(value)?),
                "mode" if place.mode.is_some() => return Err("mode: one socket file has one mode".into()),
                "mode" => place.mode = Some(place.mode(value)?),
                _ if more(name, value)? => {}
                _ => {
                    return Err(format!(
                        "the option `{option}` is unknown; use {names}name=NAME or mode=MODE"
                    ));
                }
            }
        }
        Ok(place)
    }

    fn mode(&self, text: &str) -> Result<u32, String> {
        if !matches!(self.address, Address::Unix(_)) {
            return Err("mode: only a socket file has a mode, as in unix:PATH,mode=660".into());
        }
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777 && !text.starts_with('+'));
        mode.ok_or_else(|| format!("mode: `{text}` is not a mode; write it as chmod does, as in mode=660"))
    }
}

fn listener_name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=LABEL_BYTES).contains(&text.len()) && text.chars().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err(format!("name: `{text}` is not a name; use 1 to {LABEL_BYTES} letters, digits, `-`, `_` or `.`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_and_perhaps_a_name_and_a_mode() {
        let tcp =
            Place { address: Address::Tcp("127.0.0.1:5000".into()), name: None, mode: None, is_kept: true };
        let unix = Place { address: Address::Unix("/a".into()), ..tcp.clone() };
        assert_eq!("5000,name=lan".parse(), Ok(Place { name: Some("lan".into()), ..tcp.clone() }));
        assert_eq!("unix:/a,mode=0660".parse(), Ok(Place { mode: Some(0o660), ..unix }));
        assert_eq!("5000".parse(), Ok(tcp));
    }

    #[test]
    fn a_bad_option_is_told_with_what_would_be_right() {
        for (text, why) in [
            ("5000,fast", "the option `fast` is unknown; use name=NAME or mode=MODE"),
            ("5000,journal=off", "the option `journal=off` is unknown; use name=NAME or mode=MODE"),
            ("5000,mode=660", "mode: only a socket file has a mode, as in unix:PATH,mode=660"),
            ("unix:/a,mode=888", "mode: `888` is not a mode; write it as chmod does, as in mode=660"),
            ("unix:/a,mode=1777", "mode: `1777` is not a mode; write it as chmod does, as in mode=660"),
            ("unix:/a,mode=+7", "mode: `+7` is not a mode; write it as chmod does, as in mode=660"),
            ("5000,name=a,name=b", "name: one listener has one name"),
            ("unix:/a,mode=600,mode=660", "mode: one socket file has one mode"),
            ("5000,name=", "name: `` is not a name; use 1 to 20 letters, digits, `-`, `_` or `.`"),
            ("5000,name=a b", "name: `a b` is not a name; use 1 to 20 letters, digits, `-`, `_` or `.`"),
            ("x", "an address is PORT, HOST:PORT, [::]:PORT or unix:PATH"),
        ] {
            assert_eq!(text.parse::<Place>(), Err(why.to_owned()), "{text}");
        }
    }
}
