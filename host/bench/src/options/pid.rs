//! Finds the server's processes: those of `--pid`, or those that listen at its address.

use std::collections::BTreeSet;
use std::str::FromStr;

use parlour::Address;
use parlour::output::complain;

use crate::process::Listeners;

/// A value of `--pid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pid {
    /// `none` or `off`
    Off,
    Number(u32),
}

impl FromStr for Pid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" | "off" => Ok(Pid::Off),
            // Linux has no larger numbers: proc(5), pid_max.
            _ => text.parse().ok().filter(|pid| (1..=1 << 22).contains(pid)).map(Pid::Number).ok_or_else(
                || format!("\"{text}\" is not a process number; write one as in --pid 4711, or none"),
            ),
        }
    }
}

/// The processes of the server at `address`. Prints a hint on standard error if this user may not see
/// them.
pub(super) fn of_server(given: &[Pid], address: &Address) -> Result<Vec<u32>, String> {
    if given.is_empty() {
        return Ok(match Listeners::find(address) {
            Listeners::Pids(pids) => pids,
            Listeners::Elsewhere => Vec::new(),
            Listeners::Hidden => {
                complain(format_args!(
                    "parlour-bench: the process that listens at {address} belongs to another user, and its \
                     descriptors may not be read; its CPU columns show \"-\". Name it with --pid PID"
                ));
                Vec::new()
            }
        });
    }
    let number = |pid: &Pid| match pid {
        Pid::Off => None,
        Pid::Number(number) => Some(*number),
    };
    let numbers: BTreeSet<_> = given.iter().filter_map(number).collect();
    if given.contains(&Pid::Off) && !numbers.is_empty() {
        return Err("--pid none measures no process; leave it out, or the other --pid".into());
    }
    Ok(numbers.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_a_number_or_none() {
        assert_eq!("4711".parse(), Ok(Pid::Number(4711)));
        assert_eq!("none".parse(), Ok(Pid::Off));
        assert_eq!("off".parse(), Ok(Pid::Off));
        for text in ["", "0", "-1", "parlour", "4194305"] {
            let message = format!("\"{text}\" is not a process number; write one as in --pid 4711, or none");
            assert_eq!(text.parse::<Pid>(), Err(message));
        }
    }

    #[test]
    fn none_does_not_stand_beside_a_number() {
        let address = "5000".parse().expect("an address");
        assert_eq!(of_server(&[Pid::Number(9), Pid::Number(7), Pid::Number(9)], &address), Ok(vec![7, 9]));
        assert_eq!(of_server(&[Pid::Off, Pid::Off], &address), Ok(vec![]));
        assert!(of_server(&[Pid::Off, Pid::Number(7)], &address).is_err());
    }
}
