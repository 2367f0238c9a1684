//! The architecture's invariants, read from the sources. The core has no `std` and does no I/O. Only the
//! shims have `unsafe`. Layers point one way.

use std::fs;
use std::path::{Path, PathBuf};

use parlour_tests::imports::Crate;

/// The core from the ground up: a module imports only from those before it.
const CORE: [&str; 29] = [
    "ids",
    "clock",
    "name",
    "record",
    "encoding",
    "config",
    "limits",
    "text",
    "save",
    "account",
    "unbounded",
    "notices",
    "patience",
    "sorted",
    "by_looks",
    "io",
    "log",
    "queue",
    "line",
    "session",
    "conn",
    "waiting",
    "room",
    "timeline",
    "worklist",
    "deadlines",
    "exchange",
    "protocol",
    "hub",
];

/// What protocols may import: their own helpers, plain values, and the exchange's verbs. The tables are
/// closed to them: the exchange's fields are private, and its only types with public fields are not
/// imported here.
const FOR_PROTOCOLS: [&str; 15] = [
    "protocol",
    "exchange",
    "session",
    "ids",
    "io",
    "name",
    "config",
    "limits",
    "text",
    "line",
    "record",
    "conn::Slot",
    "room::Membership",
    "room::RoomIndex",
    "encoding",
];

/// The host: each module, and the modules that it may import.
const HOST: [(&str, &[&str]); 16] = [
    ("address", &[]),
    ("names", &[]),
    ("sys", &[]),
    ("units", &[]),
    ("output", &[]),
    ("poll", &["sys"]),
    ("terminal", &["output", "poll", "sys"]),
    ("resume", &[]),
    ("serve", &["address", "names", "output", "poll", "resume", "sys", "terminal", "units"]),
    ("config", &["output", "serve"]),
    ("replay", &["names", "output"]),
    ("join", &["address", "output", "poll", "resume", "sys", "terminal"]),
    ("history", &["output", "sys"]),
    ("backup", &["output"]),
    ("cli", &["serve", "config", "replay", "join", "history", "backup"]),
    ("main", &["output", "cli", "serve", "config", "replay", "join", "history", "backup"]),
];

/// Traces: each module, and the modules that it may import.
const TRACE: [(&str, &[&str]); 13] = [
    ("block", &[]),
    ("encoding", &[]),
    ("rests", &[]),
    ("header", &[]),
    ("show", &[]),
    ("record", &["encoding"]),
    ("entry", &["encoding", "header", "record", "rests"]),
    ("sum", &["encoding", "record"]),
    ("sink", &["entry", "sum"]),
    ("writer", &["block", "encoding", "entry", "header", "sink", "sum"]),
    ("tape", &["entry", "header", "rests", "sink", "sum", "writer"]),
    ("reader", &["block", "entry", "header"]),
    ("replay", &["block", "encoding", "entry", "header", "reader", "show", "sink", "sum", "tape"]),
];

/// The load generator: each module, and the modules that it may import.
const BENCH: [(&str, &[&str]); 11] = [
    ("error", &[]),
    ("plan", &[]),
    ("lines", &["plan"]),
    ("crowd", &["error"]),
    ("process", &[]),
    ("journal", &["error"]),
    ("report", &["lines", "process"]),
    ("measure", &["crowd", "error", "journal", "lines", "plan", "process", "report"]),
    ("options", &["error", "lines", "measure", "plan", "process", "report"]),
    ("main", &["options"]),
    ("bin", &["error", "lines", "measure", "plan", "process", "report"]),
];

/// The driver of smoltcp: a module and those that it may import.
const DRIVER: [(&str, &[&str]); 3] = [("address", &[]), ("driver", &["options"]), ("options", &[])];

/// The libraries of the firmware from the ground up: a package's folder, its modules, and all
/// that it may depend on, the optional crates included.
const FIRMWARE: [(&str, &[&str], &[&str]); 2] = [
    ("firmware/boards", &[], &[]),
    (
        "firmware/driver",
        &["address", "driver", "options"],
        &["defmt", "heapless", "parlour-core", "parlour-resume", "smoltcp"],
    ),
];

/// The runner of firmware: each module, and the modules that it may import.
const RUNNER: [(&str, &[&str]); 9] = [
    ("toolchain", &[]),
    ("variant", &[]),
    ("image", &[]),
    ("logs", &[]),
    ("run", &[]),
    ("settings", &["variant"]),
    ("bill", &["image", "variant"]),
    ("build", &["bill", "toolchain", "variant"]),
    ("main", &["build", "logs", "run", "settings", "variant"]),
];

/// The only files and folders with `unsafe`: system calls, and the parts of each board.
const SHIMS: [&str; 7] = [
    "host/src/sys.rs",
    "tests/src/sys.rs",
    "firmware/src/boards/",
    "firmware/src/nics/",
    "firmware/src/random/",
    "firmware/src/registers.rs",
    "firmware/src/stack.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The sources below a folder, as (path from the root, text).
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("its entries").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(root()).expect("below the root").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("text")));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has sources");
    found
}

/// A source without its comments and its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The module of the crate that a file belongs to.
fn module(path: &str) -> String {
    let inside = path.split_once("/src/").map_or(path, |(_, inside)| inside);
    inside.split(['/', '.']).next().unwrap_or_default().to_owned()
}

/// How many levels the module of a file is below the root of its crate.
fn depth(path: &str) -> usize {
    let inside = path.split_once("/src/").map_or(path, |(_, inside)| inside);
    inside.split('/').filter(|part| *part != "mod.rs").count()
}

/// The crate below a folder.
fn root_of(folder: &str) -> Crate {
    let file = root().join(folder).join("lib.rs");
    Crate::new(&fs::read_to_string(file).expect("the root of a crate"))
}

#[test]
fn the_core_has_no_std_and_does_no_io() {
    for (path, text) in sources("core/src") {
        let code = code(&text);
        for forbidden in ["std::", "extern crate", "alloc::", "unsafe {", "asm!"] {
            let found = code.replace("heapless::", "").replace("core::", "");
            assert!(!found.contains(forbidden), "{path} has {forbidden}");
        }
    }
    let root = fs::read_to_string(root().join("core/src/lib.rs")).expect("text");
    assert!(root.contains("\n#![no_std]\n") && root.contains("\n#![forbid(unsafe_code)]\n"));
}

/// The crates that every build of a package needs.
fn dependencies(package: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).expect("text");
    let dependencies = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let dependencies = dependencies.split("\n[").next().unwrap_or_default();
    let names = dependencies.lines().filter_map(|line| line.split(['.', ' ']).next());
    names.filter(|name| !name.is_empty() && !name.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn the_core_depends_on_heapless_and_defmt_alone_and_its_memory_on_the_core() {
    assert_eq!(dependencies("core"), ["defmt", "heapless"]);
    assert_eq!(dependencies("core/memory"), ["parlour-core"]);
}

/// Sessions are counted by servers, clients and boards alike.
#[test]
fn what_clients_need_to_come_back_depends_on_heapless_alone() {
    assert_eq!(dependencies("core/resume"), ["heapless"]);
    let root = fs::read_to_string(root().join("core/resume/src/lib.rs")).expect("text");
    assert!(root.contains("\n#![no_std]\n") && root.contains("\n#![forbid(unsafe_code)]\n"));
    for (path, text) in sources("core/resume/src") {
        for forbidden in ["std::", "alloc::", "extern crate"] {
            assert!(!code(&text).contains(forbidden), "{path} has {forbidden}");
        }
    }
}

#[test]
fn the_layers_of_the_core_point_down() {
    let floor = |module: &str| CORE.iter().position(|name| *name == module);
    let core = root_of("core/src");
    for (path, text) in sources("core/src").iter().filter(|(path, _)| !path.ends_with("src/lib.rs")) {
        let own = floor(&module(path)).unwrap_or_else(|| panic!("{path} has no place in the order"));
        for imported in core.imports(text, "crate", depth(path)) {
            let other =
                floor(&imported).unwrap_or_else(|| panic!("{path} imports {imported}, which is no module"));
            assert!(other <= own, "{path} imports {imported}, which stands above it");
        }
    }
}

/// A protocol that reached into a table could break what the exchange promises to all others.
#[test]
fn no_protocol_reaches_into_a_table() {
    for (path, text) in sources("core/src/protocol") {
        let code = code(&text);
        let imports = code.lines().filter_map(|line| line.trim().strip_prefix("use crate::"));
        for import in imports.flat_map(each_import) {
            let is_allowed =
                |allowed: &&str| import == **allowed || import.starts_with(&format!("{allowed}::"));
            assert!(FOR_PROTOCOLS.iter().any(is_allowed), "{path} imports {import}");
        }
        assert!(
            !code.replace("use crate::", "").contains("crate::"),
            "{path} has a path instead of an import"
        );
    }
    let exchange = fs::read_to_string(root().join("core/src/exchange.rs")).expect("text");
    for table in ["Exchange", "Conns", "Rooms", "Members", "Agenda", "Followers"] {
        let file = if table == "Exchange" {
            "exchange.rs"
        } else {
            &format!("exchange/{}.rs", table.to_lowercase())
        };
        let text = fs::read_to_string(root().join("core/src").join(file)).expect("text");
        let (_, fields) = text.split_once(&format!("pub(crate) struct {table}")).expect("the table");
        let fields = fields.split("\n}").next().unwrap_or_default();
        assert!(fields.contains(": ") && !fields.contains("pub"), "a field of {table} is not private");
    }
    assert!(!exchange.contains("pub(crate) mod"), "the files of the exchange are its own");
}

/// The paths of an import such as `conn::{NONE, Slot};`.
fn each_import(import: &str) -> Vec<String> {
    let import = import.trim_end_matches(';');
    match import.split_once("::{") {
        None => vec![import.to_owned()],
        Some((path, names)) => {
            names.trim_end_matches('}').split(", ").map(|name| format!("{path}::{name}")).collect()
        }
    }
}

/// Checks that each module below a folder imports only what its row allows. The programs
/// of the package, `main` and those in `bin`, call the library by its name.
fn check_imports(folder: &str, library: &str, rows: &[(&str, &[&str])]) {
    for (path, text) in sources(folder).iter().filter(|(path, _)| !path.ends_with("src/lib.rs")) {
        let own = module(path);
        let (_, allowed) =
            rows.iter().find(|(name, _)| *name == own).unwrap_or_else(|| panic!("{path} is new"));
        let start = if ["main", "bin"].contains(&own.as_str()) { library } else { "crate" };
        for imported in root_of(folder).imports(text, start, depth(path)) {
            assert!(imported == own || allowed.contains(&imported.as_str()), "{path} imports {imported}");
        }
    }
}

#[test]
fn the_parts_of_the_host_do_not_know_each_other() {
    check_imports("host/src", "parlour", &HOST);
}

/// A trace is of the core alone, whoever drives it.
#[test]
fn the_layers_of_traces_point_down_and_know_no_driver() {
    check_imports("host/trace/src", "parlour_trace", &TRACE);
    let allowed = ["crc32fast", "parlour-core", "parlour-memory", "postcard", "serde"];
    assert_eq!(dependencies("host/trace"), allowed);
}

#[test]
fn the_layers_of_the_load_generator_point_down_and_it_knows_no_server() {
    check_imports("host/bench/src", "parlour_bench", &BENCH);
    let host = root_of("host/src");
    for (path, text) in sources("host/bench/src") {
        assert!(!code(&text).contains("parlour_core"), "{path} knows the core");
        for imported in host.imports(&text, "parlour", usize::MAX) {
            assert!(["address", "output", "units"].contains(&imported.as_str()), "{path} imports {imported}");
        }
    }
}

#[test]
fn the_layers_of_the_runner_point_down() {
    check_imports("firmware/runner/src", "parlour_firmware_runner", &RUNNER);
}

#[test]
fn the_layers_of_the_driver_point_down() {
    check_imports("firmware/driver/src", "parlour_smoltcp", &DRIVER);
}

#[test]
fn the_libraries_of_the_firmware_have_no_std_and_the_driver_knows_no_board() {
    for (package, modules, allowed) in FIRMWARE {
        let folder = format!("{package}/src");
        let text = fs::read_to_string(root().join(&folder).join("lib.rs")).expect("the root of a library");
        assert!(text.contains("\n#![no_std]\n") && text.contains("\n#![forbid(unsafe_code)]\n"), "{package}");
        for (path, text) in sources(&folder) {
            assert!(path.ends_with("lib.rs") || modules.contains(&module(&path).as_str()), "{path} is new");
            for forbidden in ["std::", "alloc::", "extern crate"] {
                assert!(!code(&text).contains(forbidden), "{path} has {forbidden}");
            }
        }
        assert_eq!(dependencies(package), allowed, "{package}");
    }
}

/// Nobody has to read more than this to know a file.
#[test]
fn no_source_is_longer_than_500_lines() {
    for folder in ["core", "host", "firmware", "tests"] {
        for (path, text) in sources(folder).iter().filter(|(path, _)| !path.contains("/target/")) {
            let lines = text.lines().count();
            assert!(lines <= 500, "{path} has {lines} lines");
        }
    }
}

/// A source is compiled once, as a part of its own crate.
#[test]
fn no_crate_takes_a_source_of_another() {
    for folder in ["core", "host", "firmware", "tests/src"] {
        for (path, text) in sources(folder) {
            for line in text.lines().filter(|line| line.trim_start().starts_with("#[path")) {
                // The boards' files are chosen by their names, which have hyphens.
                assert!(path == "firmware/src/boards/mod.rs" && !line.contains('/'), "{path}: {line}");
            }
        }
    }
}

#[test]
fn the_server_is_written_once_for_all_pollers() {
    // Only the code that reads the command line chooses one of them.
    let chooses = |path: &str| path.ends_with("serve/mod.rs") || path.ends_with("serve/options.rs");
    for (path, text) in sources("host/src/serve").iter().filter(|(path, _)| !chooses(path)) {
        let code = code(text).to_lowercase();
        assert!(!code.contains("select") && !code.contains("epoll"), "{path} knows how the server waits");
    }
}

#[test]
fn unsafe_stands_in_the_shims_alone_and_says_why() {
    for folder in ["core", "host", "firmware", "tests/src", "tests/tests"] {
        for (path, text) in sources(folder) {
            let is_this = path.ends_with("tests/architecture.rs");
            let blocks = code(&text).matches("unsafe {").count() + code(&text).matches("unsafe impl").count();
            if SHIMS.iter().any(|shim| path.starts_with(shim)) {
                assert!(blocks <= text.matches("// SAFETY:").count(), "{path}: a block without a reason");
            } else {
                assert!(is_this || blocks == 0, "{path} has unsafe code");
            }
        }
    }
}

/// `cargo test -p parlour-tests --no-default-features` builds the tests of the core alone.
#[test]
fn tests_that_start_programs_are_not_built_without_them() {
    let manifest = fs::read_to_string(root().join("tests/Cargo.toml")).expect("a manifest");
    let library = fs::read_to_string(root().join("tests/src/lib.rs")).expect("a library");
    let modules = library.split("#[cfg(feature = \"programs\")]\npub mod ").skip(1);
    let modules =
        modules.filter_map(|rest| rest.split(';').next()).map(|name| format!("parlour_tests::{name}::"));
    let packages = manifest.lines().filter(|line| line.contains("optional = true"));
    let packages = packages.filter_map(|line| line.split([' ', '.']).next());
    let packages = packages.map(|name| format!("use {}::", name.replace('-', "_")));
    let signs: Vec<String> = modules.chain(packages).collect();
    assert!(signs.len() > 10, "{signs:?}");
    for (path, text) in sources("tests/tests").iter().filter(|(path, _)| !path.ends_with("architecture.rs")) {
        let name = path.trim_start_matches("tests/tests/").split(['/', '.']).next().unwrap_or_default();
        let entry = format!("name = \"{name}\"\nrequired-features = [\"programs\"]\n");
        let sign = signs.iter().find(|sign| code(text).contains(*sign));
        assert!(
            sign.is_none() || manifest.contains(&entry),
            "{path} has {sign:?} and no entry in Cargo.toml"
        );
    }
}
