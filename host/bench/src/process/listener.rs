//! Finds the processes that listen at an address of this machine, from /proc (proc(5)). The socket
//! tables name a socket by its inode, and each process lists its open sockets.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use parlour::Address;
use socket2::SockAddr;

/// The state of a TCP socket that listens.
const LISTEN: &str = "0A";
/// The flag of a Unix socket that listens.
const ACCEPTS: u32 = 1 << 16;
/// The process that starts all others. It may hold a server's socket only to hand it over.
const INIT: u32 = 1;

/// The processes that listen at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listeners {
    /// These, smallest number first.
    Pids(Vec<u32>),
    /// Some processes listen there, but this process may not see which.
    Hidden,
    /// Nothing listens there on this machine.
    Elsewhere,
}

impl Listeners {
    /// Finds the processes that listen at `address`.
    pub fn find(address: &Address) -> Self {
        Self::find_in(Path::new("/proc"), address)
    }

    fn find_in(proc: &Path, address: &Address) -> Self {
        let sockets = match address {
            Address::Tcp(_) => tcp_sockets(proc, address),
            Address::Unix(path) => unix_sockets(proc, path),
        };
        if sockets.is_empty() {
            return Listeners::Elsewhere;
        }
        let (mut pids, hides) = holders(proc, &sockets);
        if pids.len() > 1 {
            pids.retain(|&pid| pid != INIT);
        }
        match pids.is_empty() {
            false => Listeners::Pids(pids),
            true if hides => Listeners::Hidden,
            true => Listeners::Elsewhere,
        }
    }
}

/// The inodes of the sockets that listen at a TCP address.
fn tcp_sockets(proc: &Path, address: &Address) -> BTreeSet<u64> {
    let tables = ["net/tcp", "net/tcp6"].map(|name| fs::read_to_string(proc.join(name)).unwrap_or_default());
    let listening: Vec<_> = tables.iter().flat_map(|table| table.lines().filter_map(tcp_socket)).collect();
    // A name may stand for several addresses. The clients connect to the first that answers.
    let targets = address.resolve().unwrap_or_default();
    let targets = targets.iter().filter_map(SockAddr::as_socket).filter(|target| is_local(target.ip()));
    let mut found = targets.map(|target| at(&listening, target));
    found.find(|found| !found.is_empty()).unwrap_or_default()
}

/// The sockets that get a connection to `target`. A socket for all addresses counts only if no socket
/// has exactly this address.
fn at(listening: &[(SocketAddr, u64)], target: SocketAddr) -> BTreeSet<u64> {
    let ip = target.ip().to_canonical();
    let of = |takes: &dyn Fn(IpAddr) -> bool| {
        let listening = listening.iter().filter(|(local, _)| local.port() == target.port());
        listening.filter(|(local, _)| takes(local.ip())).map(|&(_, inode)| inode).collect::<BTreeSet<_>>()
    };
    let own = of(&|local| local.to_canonical() == ip);
    if own.is_empty() {
        of(&|local| local.is_unspecified() && (local.is_ipv6() || ip.is_ipv4()))
    } else {
        own
    }
}

/// Whether an address is one of this machine.
fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

/// The address and the inode in a row of /proc/net/tcp or tcp6, if that socket listens.
fn tcp_socket(row: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<_> = row.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let (ip, port) = local.split_once(':')?;
    let address = SocketAddr::new(ip_address(ip)?, u16::from_str_radix(port, 16).ok()?);
    (*state == LISTEN).then_some((address, inode.parse().ok()?))
}

/// Reads an address that is written as hexadecimal words, each in the machine's byte order.
fn ip_address(text: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for at in (0..text.len()).step_by(8) {
        let word = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let four = <[u8; 4]>::try_from(&bytes[..]).map(|bytes| Ipv4Addr::from(bytes).into());
    four.or_else(|_| <[u8; 16]>::try_from(&bytes[..]).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

/// The inodes of the Unix sockets that listen at `path`.
fn unix_sockets(proc: &Path, path: &Path) -> BTreeSet<u64> {
    let table = fs::read_to_string(proc.join("net/unix")).unwrap_or_default();
    let whole = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let target = whole(path);
    let listening = table.lines().filter_map(unix_socket);
    listening.filter(|(at, _)| whole(at) == target).map(|(_, inode)| inode).collect()
}

/// The path and the inode in a row of /proc/net/unix, if that socket listens.
fn unix_socket(row: &str) -> Option<(&Path, u64)> {
    let mut fields = [""; 7];
    let mut rest = row;
    for field in &mut fields {
        (*field, rest) = rest.trim_start().split_once(' ')?;
    }
    let flags = u32::from_str_radix(fields[3], 16).ok()?;
    (flags & ACCEPTS != 0).then_some((Path::new(rest), fields[6].parse().ok()?))
}

/// The processes that have one of these sockets open. Also whether there are processes whose
/// descriptors this one may not read.
fn holders(proc: &Path, sockets: &BTreeSet<u64>) -> (Vec<u32>, bool) {
    let (mut pids, mut hides) = (Vec::new(), false);
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match fs::read_dir(entry.path().join("fd")) {
            Ok(mut fds) => {
                let holds =
                    |fd: fs::DirEntry| socket(&fd.path()).is_some_and(|inode| sockets.contains(&inode));
                if fds.any(|fd| fd.is_ok_and(holds)) {
                    pids.push(pid);
                }
            }
            // A process that has ended meanwhile hides nothing.
            Err(error) => hides |= error.kind() == ErrorKind::PermissionDenied,
        }
    }
    pids.sort_unstable();
    (pids, hides)
}

/// The inode of the socket that a descriptor leads to.
fn socket(fd: &Path) -> Option<u64> {
    let target = fs::read_link(fd).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Makes a /proc as a little-endian machine has it, with these tables. Each of these processes has
    /// these sockets open.
    fn proc(tables: &[(&str, &str)], processes: &[(u32, &[u64])]) -> tempfile::TempDir {
        let proc = tempfile::tempdir().expect("a folder");
        fs::create_dir(proc.path().join("net")).expect("a folder");
        for (name, rows) in tables {
            fs::write(proc.path().join("net").join(name), format!("a head\n{rows}")).expect("a file");
        }
        for (pid, sockets) in processes {
            let fds = proc.path().join(pid.to_string()).join("fd");
            fs::create_dir_all(&fds).expect("a folder");
            symlink("/dev/null", fds.join("0")).expect("a link");
            for (fd, inode) in (3..).zip(*sockets) {
                symlink(format!("socket:[{inode}]"), fds.join(fd.to_string())).expect("a link");
            }
        }
        proc
    }

    /// The rows of a TCP table: address in hexadecimal, state, inode.
    fn tcp(rows: &[(&str, &str, u64)]) -> String {
        let row = |(local, state, inode): &(&str, &str, u64)| {
            format!(
                "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"
            )
        };
        rows.iter().map(row).collect()
    }

    #[track_caller]
    fn check(address: &str, tables: &[(&str, &str)], processes: &[(u32, &[u64])], expected: &[u32]) {
        let proc = proc(tables, processes);
        let expected = match expected {
            [] => Listeners::Elsewhere,
            pids => Listeners::Pids(pids.to_vec()),
        };
        assert_eq!(Listeners::find_in(proc.path(), &address.parse().expect("an address")), expected);
    }

    const LOOPBACK: &str = "0100007F:1388";
    const ANY: &str = "00000000:1388";
    const ANY_6: &str = "00000000000000000000000000000000:1388";
    const LOOPBACK_6: &str = "00000000000000000000000001000000:1388";

    #[test]
    fn the_process_that_listens_at_a_port_is_found() {
        let table = tcp(&[(LOOPBACK, "0A", 70), (LOOPBACK, "01", 71), ("0100007F:1389", "0A", 72)]);
        let processes: [(u32, &[u64]); 3] = [(17, &[69, 70]), (18, &[71]), (19, &[72])];
        check("5000", &[("tcp", &table)], &processes, &[17]);
        check("127.0.0.2:5000", &[("tcp", &table)], &processes, &[]);
        check("4999", &[("tcp", &table)], &processes, &[]);
    }

    #[test]
    fn a_socket_of_all_addresses_counts_where_none_has_just_that_one() {
        let both = [("tcp", &*tcp(&[(ANY, "0A", 70)])), ("tcp6", &*tcp(&[(LOOPBACK_6, "0A", 71)]))];
        let processes: [(u32, &[u64]); 2] = [(17, &[70]), (18, &[71])];
        check("5000", &both, &processes, &[17]);
        check("[::1]:5000", &both, &processes, &[18]);
        check("5000", &[("tcp6", &tcp(&[(ANY_6, "0A", 71)]))], &processes, &[18]);
        let own = tcp(&[(ANY, "0A", 70), (LOOPBACK, "0A", 71)]);
        check("5000", &[("tcp", &own)], &processes, &[18]);
    }

    #[test]
    fn a_port_of_another_machine_is_not_looked_for_here() {
        // 192.0.2.0/24 is for examples (RFC 5737): no machine has it.
        check("192.0.2.1:5000", &[("tcp", &tcp(&[(ANY, "0A", 70)]))], &[(17, &[70])], &[]);
    }

    #[test]
    fn all_who_hold_the_socket_count_but_init() {
        let table = tcp(&[(LOOPBACK, "0A", 70), (LOOPBACK, "0A", 71)]);
        check("5000", &[("tcp", &table)], &[(30, &[70]), (9, &[71]), (1, &[70])], &[9, 30]);
        check("5000", &[("tcp", &table)], &[(1, &[70])], &[1]);
    }

    #[test]
    fn the_process_that_listens_at_a_socket_file_is_found() {
        let table = "0000000000000000: 00000002 00000000 00010000 0001 01    70 /run/a hub\n\
                     0000000000000000: 00000003 00000000 00000000 0001 03    71 /run/a hub\n\
                     0000000000000000: 00000002 00000000 00010000 0001 01    72 /run/another\n\
                     0000000000000000: 00000003 00000000 00000000 0001 03    73\n";
        let processes: [(u32, &[u64]); 3] = [(17, &[70]), (18, &[71]), (19, &[72])];
        check("unix:/run/a hub", &[("unix", table)], &processes, &[17]);
        check("unix:/run/nothing", &[("unix", table)], &processes, &[]);
    }
}
