//! A server that is compared, and its start on a processor of its own.

use std::env;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parlour::Address;
use parlour_bench::Dialect;
use tempfile::TempDir;

/// How long a server may take to listen.
const START_TIME: Duration = Duration::from_secs(10);

/// The journal of parlour, in the folder of the server.
pub(crate) const JOURNAL: &str = "journal.db";
/// How many connections every server should allow.
pub(crate) const CONNECTIONS: &str = "12000";

/// The service of a server for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Passes it on to all others.
    Room,
    /// Returns it.
    Echo,
    /// Passes it on to all others, and may store it.
    Store,
    /// Stores lines that it makes itself, and is no server.
    Writer,
}

/// Nothing is stored.
pub(crate) const ALL: &str = "all";

/// What may be missing in a store of what was shown.
pub(crate) struct Loss {
    /// After `kill -9`.
    pub(crate) by_kill: &'static str,
    /// After a power cut.
    pub(crate) by_power_cut: &'static str,
}

/// How a server is started.
pub(crate) enum Launch {
    /// This workspace's parlour, with this listener, under this poller, and with these options.
    Parlour { listener: &'static str, poller: &'static str, options: &'static [&'static str] },
    /// A reference program of this one.
    Reference(&'static str),
    /// A program that may be installed.
    Installed {
        program: &'static str,
        args: fn(port: u16, folder: &Path) -> Vec<String>,
        /// Arguments with which it only says whether it takes the others. Not every version does.
        trial: Option<fn(folder: &Path) -> Vec<String>>,
    },
    /// SQLite in this program, with this value of `synchronous`.
    Sqlite(&'static str),
}

/// A server to compare.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) service: Service,
    pub(crate) launch: Launch,
    /// The form in which it takes lines of this length.
    pub(crate) dialect: fn(usize) -> Dialect,
    /// Length of the longest line that it passes on, with the LF, in bytes.
    pub(crate) longest_line: usize,
    /// The most connections that it is measured with.
    pub(crate) most_connections: u32,
    /// Set if it stores lines.
    pub(crate) loss: Option<Loss>,
}

/// A running server. Dropping it ends the server.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: Address,
    /// The folder with its files, as long as it runs.
    folder: TempDir,
}

impl Running {
    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its journal, if it has one that the load generator can read.
    pub(crate) fn journal(&self) -> Option<PathBuf> {
        Some(self.folder.path().join(JOURNAL)).filter(|path| path.exists())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    /// Whether it stores anything.
    pub(crate) fn stores(&self) -> bool {
        self.loss.as_ref().is_some_and(|loss| loss.by_kill != ALL)
    }

    /// Why it cannot be started here, if it cannot.
    pub(crate) fn missing(&self) -> Option<String> {
        match self.launch {
            Launch::Reference(_) | Launch::Sqlite(_) => None,
            Launch::Parlour { poller, options, .. } => match binary() {
                Err(error) => Some(error),
                Ok(binary) if poller != "select" && !knows(binary, "--poller") => {
                    Some(format!("this parlour has no --poller {poller}"))
                }
                Ok(binary) => {
                    let mut options = options.iter().filter(|option| option.starts_with("--"));
                    let unknown = options.find(|option| !knows(binary, option));
                    unknown.map(|option| format!("this parlour has no {option}"))
                }
            },
            Launch::Installed { program, trial, .. } => match (find(program), trial) {
                (None, _) => Some(format!("{program} is not installed")),
                (Some(path), Some(trial)) => refusal(&path, trial).err(),
                (Some(_), None) => None,
            },
        }
    }

    /// The version, as the server itself says.
    pub(crate) fn version(&self) -> String {
        let program = match self.launch {
            Launch::Reference(_) => return "of this workspace".into(),
            Launch::Sqlite(_) => return rusqlite::version().into(),
            Launch::Parlour { .. } => binary().ok().map(Path::to_owned),
            Launch::Installed { program, .. } => find(program),
        };
        let output = program.and_then(|program| Command::new(program).arg("--version").output().ok());
        let output = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        let text = String::from_utf8_lossy(&output);
        text.lines().find(|line| !line.is_empty()).unwrap_or("unknown").to_owned()
    }

    /// Starts it on the processor `cpu`, with its files on `disk`, and waits until it listens.
    pub(crate) fn start(&self, cpu: usize, disk: &Path) -> Result<Running, String> {
        let folder = folder_on(disk)?;
        // Another program may take the free port before the server does. Then the start fails.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| error.to_string())?.port();
        let (program, args) = self.command(port, folder.path())?;
        let mut command = Command::new(this_program()?);
        command.args(["on", &cpu.to_string()]).arg(program).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir(folder.path());
        let child = command.spawn().map_err(|error| format!("{} cannot be started: {error}", self.name))?;
        let address = format!("127.0.0.1:{port}");
        let mut running = Running { child, address: Address::Tcp(address.clone()), folder };
        let give_up = Instant::now() + START_TIME;
        while TcpStream::connect(&address).is_err() {
            if let Ok(Some(status)) = running.child.try_wait() {
                return Err(format!("{} ended before it listened: {status}", self.name));
            }
            if Instant::now() >= give_up {
                let seconds = START_TIME.as_secs();
                return Err(format!("{} does not listen after {seconds} s", self.name));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(running)
    }

    /// The program with its arguments.
    fn command(&self, port: u16, folder: &Path) -> Result<(PathBuf, Vec<String>), String> {
        let text = port.to_string();
        match self.launch {
            Launch::Parlour { listener, poller, options } => {
                let binary = binary()?;
                let mut args = strings(&["serve", listener, &text, "--max-conns", CONNECTIONS]);
                if knows(binary, "--poller") {
                    args.extend(strings(&["--poller", poller]));
                }
                args.extend(strings(options));
                Ok((binary.to_owned(), args))
            }
            Launch::Reference(name) => Ok((this_program()?, strings(&["reference", name, &text]))),
            Launch::Installed { program, args, .. } => {
                Ok((find(program).unwrap_or_else(|| program.into()), args(port, folder)))
            }
            Launch::Sqlite(_) => Err(format!("{} is no server", self.name)),
        }
    }
}

fn this_program() -> Result<PathBuf, String> {
    env::current_exe().map_err(|error| format!("this program's own file cannot be found: {error}"))
}

/// The program `parlour`. `PARLOUR_BIN` may name it. Otherwise it is built here, as users build it,
/// beside this program.
fn binary() -> Result<&'static Path, String> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let binary = BINARY.get_or_init(|| match env::var_os("PARLOUR_BIN") {
        Some(path) => Ok(path.into()),
        None => build(),
    });
    binary.as_deref().map_err(Clone::clone)
}

fn build() -> Result<PathBuf, String> {
    let this = this_program()?;
    let target = this.ancestors().nth(2).unwrap_or(Path::new("target"));
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--release", "-p", "parlour", "--target-dir"]).arg(target);
    match command.current_dir(env!("CARGO_MANIFEST_DIR")).status() {
        Ok(status) if status.success() => Ok(target.join("release/parlour")),
        _ => Err("parlour could not be built; see the errors of cargo".into()),
    }
}

/// Whether this parlour has an option.
fn knows(binary: &Path, option: &str) -> bool {
    static HELP: OnceLock<String> = OnceLock::new();
    let help = HELP.get_or_init(|| {
        let help = Command::new(binary).args(["serve", "--help"]).output();
        help.map(|help| String::from_utf8_lossy(&help.stdout).into_owned()).unwrap_or_default()
    });
    help.split_whitespace().any(|word| word == option)
}

/// Why an installed program does not take its arguments.
fn refusal(program: &Path, trial: fn(&Path) -> Vec<String>) -> Result<(), String> {
    let folder = folder_on(&env::temp_dir())?;
    let output = Command::new(program).args(trial(folder.path())).current_dir(folder.path()).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let told = told.lines().find(|line| !line.is_empty()).unwrap_or("it does not take its arguments");
    if output.status.success() { Ok(()) } else { Err(told.to_owned()) }
}

/// A new folder, which is deleted in the end.
pub(crate) fn folder_on(disk: &Path) -> Result<TempDir, String> {
    tempfile::tempdir_in(disk).map_err(|error| format!("{}: {error}", disk.display()))
}

/// Where a program is. Also looks in the folders of programs for administrators.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

pub(crate) fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(ToString::to_string).collect()
}
