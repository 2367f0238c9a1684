//! Writes the manual pages of parlour, one for each command, and its completions for bash, zsh and fish.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use parlour::cli::Cli;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("name the folder that gets the files"))?;
    let mut command = Cli::command();
    command.build();
    let pages = folder.join("man");
    fs::create_dir_all(&pages)?;
    write_page(&command, command.get_name(), &pages)?;
    for child in command.get_subcommands().filter(|child| !child.is_hide_set() && child.get_name() != "help")
    {
        write_page(child, &format!("{}-{}", command.get_name(), child.get_name()), &pages)?;
    }
    let completions = folder.join("completions");
    fs::create_dir_all(&completions)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "parlour", &completions)?;
    }
    Ok(())
}

fn write_page(command: &Command, name: &str, folder: &Path) -> io::Result<()> {
    let page =
        Man::new(command.clone().display_name(name.to_owned())).title(name.to_uppercase()).date(date());
    page.render(&mut File::create(folder.join(format!("{name}.1")))?)
}

/// The day of the pages: that of `SOURCE_DATE_EPOCH`, for builds that can be repeated, or today.
fn date() -> String {
    let epoch = env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    let time = epoch.map_or_else(SystemTime::now, |s| SystemTime::UNIX_EPOCH + Duration::from_secs(s));
    humantime::format_rfc3339(time).to_string().chars().take(10).collect()
}
