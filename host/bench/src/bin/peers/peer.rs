//! The servers that are compared: a table, and the start of each of them on a processor of its own.

use std::env;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parlour::Address;
use parlour_bench::{Dialect, LONGEST_LINE};

use crate::dialects;

/// How long a server may take to listen.
const START_TIME: Duration = Duration::from_secs(10);

/// The service of a server for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Passes it on to all others.
    Room,
    /// Returns it.
    Echo,
}

/// How a server is started.
enum Launch {
    /// This workspace's parlour, with this listener, under this poller.
    Parlour { listener: &'static str, poller: &'static str },
    /// A reference program of this one.
    Reference(&'static str),
    /// A program that may be installed.
    Installed { program: &'static str, args: fn(port: u16, folder: &Path) -> Vec<String> },
}

/// A server to compare.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) service: Service,
    launch: Launch,
    /// The form in which it takes lines of this length.
    pub(crate) dialect: fn(usize) -> Dialect,
    /// Length of the longest line that it passes on, with the LF, in bytes.
    pub(crate) longest_line: usize,
    /// The most connections that it is measured with.
    pub(crate) most_connections: u32,
}

const fn parlour(name: &'static str, service: Service, listener: &'static str, poller: &'static str) -> Peer {
    Peer {
        name,
        service,
        launch: Launch::Parlour { listener, poller },
        dialect: raw,
        longest_line: LONGEST_LINE,
        most_connections: ANY,
    }
}

const fn reference(name: &'static str, service: Service) -> Peer {
    Peer {
        name,
        service,
        launch: Launch::Reference(name),
        dialect: raw,
        longest_line: LONGEST_LINE,
        most_connections: ANY,
    }
}

fn raw(_line: usize) -> Dialect {
    Dialect::raw()
}

/// All servers. Those called `limit` do only what the kernel demands of every server.
pub(crate) const PEERS: [Peer; 14] = [
    reference("limit-fan", Service::Room),
    parlour("parlour relay, epoll", Service::Room, "--relay", "epoll"),
    parlour("parlour relay, select", Service::Room, "--relay", "select"),
    parlour("parlour chat, epoll", Service::Room, "--chat", "epoll"),
    parlour("parlour chat, select", Service::Room, "--chat", "select"),
    Peer {
        name: "ncat --broker",
        service: Service::Room,
        launch: Launch::Installed { program: "ncat", args: ncat },
        dialect: raw,
        longest_line: LONGEST_LINE,
        most_connections: ANY,
    },
    Peer {
        name: "nats-server",
        service: Service::Room,
        launch: Launch::Installed { program: "nats-server", args: nats },
        dialect: dialects::nats,
        longest_line: LONGEST_LINE,
        most_connections: ANY,
    },
    Peer {
        name: "redis-server",
        service: Service::Room,
        launch: Launch::Installed { program: "redis-server", args: redis },
        dialect: dialects::redis,
        longest_line: LONGEST_LINE,
        most_connections: ANY,
    },
    Peer {
        name: "ngircd",
        service: Service::Room,
        launch: Launch::Installed { program: "ngircd", args: ngircd },
        dialect: dialects::irc,
        longest_line: dialects::LONGEST_IRC_LINE,
        // It tells every client of every newcomer. With ten thousand that takes many minutes.
        most_connections: 1_000,
    },
    reference("tokio-chat", Service::Room),
    reference("limit-echo", Service::Echo),
    parlour("parlour echo, epoll", Service::Echo, "--echo", "epoll"),
    parlour("parlour echo, select", Service::Echo, "--echo", "select"),
    reference("tokio-echo", Service::Echo),
];

const ANY: u32 = u32::MAX;
/// How many connections every server should allow.
const CONNECTIONS: &str = "12000";

fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(ToString::to_string).collect()
}

fn ncat(port: u16, _folder: &Path) -> Vec<String> {
    strings(&["--broker", "--listen", "--max-conns", CONNECTIONS, "127.0.0.1", &port.to_string()])
}

fn nats(port: u16, _folder: &Path) -> Vec<String> {
    strings(&["--addr", "127.0.0.1", "--port", &port.to_string()])
}

fn redis(port: u16, folder: &Path) -> Vec<String> {
    let (port, folder) = (port.to_string(), folder.display().to_string());
    let network = ["--bind", "127.0.0.1", "--port", &port, "--maxclients", CONNECTIONS];
    let memory_only = ["--save", "", "--appendonly", "no", "--dir", &folder];
    strings(&[&network[..], &memory_only[..]].concat())
}

fn ngircd(port: u16, folder: &Path) -> Vec<String> {
    let file = folder.join("ngircd.conf");
    let text = format!(
        "[Global]\nName = bench.example.net\nInfo = bench\nListen = 127.0.0.1\nPorts = {port}\n\
         [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxPenaltyTime = 0\nPingTimeout = 3600\n\
         [Options]\nDNS = no\nIdent = no\nPAM = no\n"
    );
    fs::write(&file, text).expect("a folder of our own");
    strings(&["--nodaemon", "--config", &file.display().to_string()])
}

/// A running server. Dropping it ends the server.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: Address,
    /// The folder with its files, as long as it runs.
    _folder: tempfile::TempDir,
}

impl Running {
    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
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
    /// Why it cannot be started here, if it cannot.
    pub(crate) fn missing(&self) -> Option<String> {
        match self.launch {
            Launch::Reference(_) => None,
            Launch::Parlour { poller, .. } => match binary() {
                Err(error) => Some(error),
                Ok(binary) if poller == "select" || knows_pollers(binary) => None,
                Ok(_) => Some(format!("this parlour has no --poller {poller}")),
            },
            Launch::Installed { program, .. } => {
                find(program).is_none().then(|| format!("{program} is not installed"))
            }
        }
    }

    /// The version, as the server itself says.
    pub(crate) fn version(&self) -> String {
        let program = match self.launch {
            Launch::Reference(_) => return "of this workspace".into(),
            Launch::Parlour { .. } => binary().ok().map(Path::to_owned),
            Launch::Installed { program, .. } => find(program),
        };
        let output = program.and_then(|program| Command::new(program).arg("--version").output().ok());
        let output = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        let text = String::from_utf8_lossy(&output);
        text.lines().find(|line| !line.is_empty()).unwrap_or("unknown").to_owned()
    }

    /// Starts it on the processor `cpu` and waits until it listens.
    pub(crate) fn start(&self, cpu: usize) -> Result<Running, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        // Another program may take the free port before the server does. Then the start fails.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| error.to_string())?.port();
        let (program, args) = self.command(port, folder.path())?;
        let mut command = Command::new(this_program()?);
        command.args(["on", &cpu.to_string()]).arg(program).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir(folder.path());
        let child = command.spawn().map_err(|error| format!("{} cannot be started: {error}", self.name))?;
        let address = format!("127.0.0.1:{port}");
        let mut running = Running { child, address: Address::Tcp(address.clone()), _folder: folder };
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
            Launch::Parlour { listener, poller } => {
                let binary = binary()?;
                let mut args = strings(&["serve", listener, &text, "--max-conns", CONNECTIONS]);
                if knows_pollers(binary) {
                    args.extend(strings(&["--poller", poller]));
                }
                Ok((binary.to_owned(), args))
            }
            Launch::Reference(name) => Ok((this_program()?, strings(&["reference", name, &text]))),
            Launch::Installed { program, args } => {
                Ok((find(program).unwrap_or_else(|| program.into()), args(port, folder)))
            }
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

/// Whether this parlour can be told which poller to use.
fn knows_pollers(binary: &Path) -> bool {
    static KNOWS: OnceLock<bool> = OnceLock::new();
    *KNOWS.get_or_init(|| {
        let help = Command::new(binary).args(["serve", "--help"]).output();
        help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--poller"))
    })
}

/// Where a program is. Also looks in the folders of programs for administrators.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}
