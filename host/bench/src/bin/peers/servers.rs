//! All servers that are compared: a table.

use std::fs;
use std::path::Path;

use parlour_bench::{Dialect, LONGEST_LINE};

use crate::dialects;
use crate::peer::{ALL, CONNECTIONS, JOURNAL, Launch, Loss, Peer, Service, strings};

/// Those called `limit` do only what the kernel demands of every server.
pub(crate) const PEERS: [Peer; 24] = [
    reference("limit-fan", Service::Room),
    parlour("parlour relay, epoll", Service::Room, "--relay", "epoll"),
    parlour("parlour relay, select", Service::Room, "--relay", "select"),
    parlour("parlour chat, epoll", Service::Room, "--chat", "epoll"),
    parlour("parlour chat, select", Service::Room, "--chat", "select"),
    installed("ncat --broker", "ncat", ncat, raw),
    installed("nats-server", "nats-server", nats, dialects::nats),
    installed("redis-server", "redis-server", redis, dialects::redis),
    Peer {
        longest_line: dialects::LONGEST_IRC_LINE,
        // It tells every client of every newcomer. With ten thousand that takes many minutes.
        most_connections: 1_000,
        ..installed("ngircd", "ngircd", ngircd, dialects::irc)
    },
    reference("tokio-chat", Service::Room),
    reference("limit-echo", Service::Echo),
    parlour("parlour echo, epoll", Service::Echo, "--echo", "epoll"),
    parlour("parlour echo, select", Service::Echo, "--echo", "select"),
    reference("tokio-echo", Service::Echo),
    // Those that store, by what they may lose.
    keeping("parlour without a journal", &[], Loss { by_kill: ALL, by_power_cut: ALL }),
    storing(
        installed("nats JetStream", "nats-server", jetstream, dialects::jetstream),
        Loss { by_kill: NOTHING, by_power_cut: "2 min" },
    ),
    sqlite("SQLite alone, synchronous=NORMAL", "normal", Loss { by_kill: NOTHING, by_power_cut: SECONDS }),
    keeping(
        "parlour --journal --journal-sync normal",
        &["--journal", JOURNAL, "--journal-sync", "normal"],
        Loss { by_kill: MOMENT, by_power_cut: SECONDS },
    ),
    storing(
        installed(
            "redis stream, appendfsync everysec",
            "redis-server",
            redis_everysec,
            dialects::redis_stream,
        ),
        Loss { by_kill: "2 s", by_power_cut: "2 s" },
    ),
    keeping("parlour --journal", &["--journal", JOURNAL], Loss { by_kill: MOMENT, by_power_cut: MOMENT }),
    sqlite("SQLite alone, synchronous=FULL", "full", Loss { by_kill: NOTHING, by_power_cut: NOTHING }),
    keeping(
        "parlour --journal --durable",
        &["--journal", JOURNAL, "--durable"],
        Loss { by_kill: NOTHING, by_power_cut: NOTHING },
    ),
    storing(
        installed("redis stream, appendfsync always", "redis-server", redis_always, dialects::redis_stream),
        Loss { by_kill: NOTHING, by_power_cut: NOTHING },
    ),
    storing(
        Peer {
            launch: Launch::Installed {
                program: "nats-server",
                args: jetstream_always,
                trial: Some(|folder| [jetstream_always(0, folder), strings(&["-t"])].concat()),
            },
            ..installed(
                "nats JetStream, sync_interval always",
                "nats-server",
                jetstream_always,
                dialects::jetstream,
            )
        },
        Loss { by_kill: NOTHING, by_power_cut: NOTHING },
    ),
];

const NOTHING: &str = "nothing";
const MOMENT: &str = "the last moment";
const SECONDS: &str = "the last seconds";

const fn peer(name: &'static str, service: Service, launch: Launch) -> Peer {
    Peer {
        name,
        service,
        launch,
        dialect: raw,
        longest_line: LONGEST_LINE,
        most_connections: u32::MAX,
        loss: None,
    }
}

const fn parlour(name: &'static str, service: Service, listener: &'static str, poller: &'static str) -> Peer {
    peer(name, service, Launch::Parlour { listener, poller, options: &[] })
}

const fn reference(name: &'static str, service: Service) -> Peer {
    peer(name, service, Launch::Reference(name))
}

const fn installed(
    name: &'static str,
    program: &'static str,
    args: fn(u16, &Path) -> Vec<String>,
    dialect: fn(usize) -> Dialect,
) -> Peer {
    Peer { dialect, ..peer(name, Service::Room, Launch::Installed { program, args, trial: None }) }
}

/// The chat of parlour, which keeps what is said.
const fn keeping(name: &'static str, options: &'static [&'static str], loss: Loss) -> Peer {
    let launch = Launch::Parlour { listener: "--chat", poller: "select", options };
    Peer { loss: Some(loss), ..peer(name, Service::Store, launch) }
}

/// A server with a stream, which all clients read.
const fn storing(peer: Peer, loss: Loss) -> Peer {
    Peer { service: Service::Store, loss: Some(loss), ..peer }
}

const fn sqlite(name: &'static str, synchronous: &'static str, loss: Loss) -> Peer {
    Peer { loss: Some(loss), ..peer(name, Service::Writer, Launch::Sqlite(synchronous)) }
}

fn raw(_line: usize) -> Dialect {
    Dialect::raw()
}

fn ncat(port: u16, _folder: &Path) -> Vec<String> {
    strings(&["--broker", "--listen", "--max-conns", CONNECTIONS, "127.0.0.1", &port.to_string()])
}

fn nats(port: u16, _folder: &Path) -> Vec<String> {
    strings(&["--addr", "127.0.0.1", "--port", &port.to_string()])
}

fn jetstream(port: u16, folder: &Path) -> Vec<String> {
    [nats(port, folder), strings(&["--jetstream", "--store_dir", "."])].concat()
}

/// Only the configuration file has this setting.
fn jetstream_always(port: u16, folder: &Path) -> Vec<String> {
    let file = "nats.conf";
    let text = "jetstream { store_dir: \".\", sync_interval: always }\n";
    fs::write(folder.join(file), text).expect("a folder of our own");
    [nats(port, folder), strings(&["--config", file])].concat()
}

fn redis(port: u16, _folder: &Path) -> Vec<String> {
    let port = port.to_string();
    let network = ["--bind", "127.0.0.1", "--port", &port, "--maxclients", CONNECTIONS];
    strings(&[&network[..], &["--save", "", "--dir", "."]].concat())
}

fn redis_everysec(port: u16, folder: &Path) -> Vec<String> {
    [redis(port, folder), append_only("everysec")].concat()
}

fn redis_always(port: u16, folder: &Path) -> Vec<String> {
    [redis(port, folder), append_only("always")].concat()
}

/// The file is not written anew meanwhile, because that would take the processor's time.
fn append_only(fsync: &str) -> Vec<String> {
    strings(&["--appendonly", "yes", "--appendfsync", fsync, "--auto-aof-rewrite-percentage", "0"])
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
