//! The packages: what is published can be, and what all of them depend on builds with the oldest
//! compiler that is promised, under licences that fit.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// The packages that are published.
const PUBLISHED: [&str; 9] = [
    "parlour",
    "parlour-bench",
    "parlour-boards",
    "parlour-core",
    "parlour-journal",
    "parlour-memory",
    "parlour-resume",
    "parlour-smoltcp",
    "parlour-trace",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What cargo knows of the workspace and of all that it depends on, with every feature and on the
/// machines that deny.toml names.
static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--all-features"]).current_dir(root());
    for target in listed("targets") {
        cargo.args(["--filter-platform", &target]);
    }
    let output = cargo.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
});

fn packages() -> &'static [Value] {
    METADATA["packages"].as_array().expect("packages")
}

fn text<'a>(package: &'a Value, key: &str) -> &'a str {
    package[key].as_str().unwrap_or_default()
}

/// The packages of the workspace.
fn members() -> impl Iterator<Item = &'static Value> {
    let ids = METADATA["workspace_members"].as_array().expect("members");
    packages().iter().filter(move |package| ids.contains(&package["id"]))
}

fn is_published(package: &Value) -> bool {
    // `publish = false` is an empty list of registries.
    package["publish"].is_null()
}

/// The numbers of a version, as many as there are.
fn version(text: &str) -> Vec<u32> {
    text.split('.').map(|part| part.parse().unwrap_or_else(|_| panic!("{text} is a version"))).collect()
}

#[test]
fn every_dependency_builds_with_the_oldest_compiler_that_is_promised() {
    let promised = members().map(|package| text(package, "rust_version")).collect::<Vec<_>>();
    let oldest = promised[0];
    assert!(promised.iter().all(|version| *version == oldest), "{promised:?}");
    let readme = fs::read_to_string(root().join("README.md")).expect("text");
    assert!(readme.contains(&format!("Rust {oldest} or later")), "README.md promises {oldest}");
    for package in packages() {
        let needed = text(package, "rust_version");
        let (name, own) = (text(package, "name"), text(package, "version"));
        assert!(
            needed.is_empty() || version(needed) <= version(&format!("{oldest}.0")),
            "{name} {own} needs Rust {needed}, and parlour promises {oldest}"
        );
    }
}

#[test]
fn what_is_published_says_what_it_is() {
    let published: Vec<_> = members().filter(|package| is_published(package)).collect();
    let mut names: Vec<_> = published.iter().map(|package| text(package, "name")).collect();
    names.sort_unstable();
    assert_eq!(names, PUBLISHED, "others say `publish = false`");
    for package in published {
        let name = text(package, "name");
        for key in ["description", "license", "readme", "rust_version"] {
            assert!(!text(package, key).is_empty(), "{name} has no {key}");
        }
        for key in ["keywords", "categories"] {
            let count = package[key].as_array().map_or(0, Vec::len);
            // The registry takes five of each.
            assert!((1..=5).contains(&count), "{name} has {count} {key}");
        }
        let folder = Path::new(text(package, "manifest_path")).parent().expect("a folder");
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            let own = fs::read(folder.join(licence)).expect("every package has the text of its licences");
            assert!(own == fs::read(root().join(licence)).expect("text"), "{name}: {licence}");
        }
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let (wanted, kind) = (text(dependency, "req"), text(dependency, "kind"));
            // Those of tests are left out of the package if they have no version.
            assert!(
                kind == "dev" || wanted != "*",
                "{name} names no version of {}",
                text(dependency, "name")
            );
        }
    }
}

/// The texts in quotes in the list that follows `name = [` in deny.toml.
fn listed(name: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("deny.toml")).expect("text");
    let list = text.split(&format!("\n{name} = [")).nth(1).unwrap_or_else(|| panic!("no {name}"));
    let end = list.find("]\n").expect("the end of the list");
    list[..end].split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a licence expression (SPDX, with the older `/` for `OR`) can be met by these licences.
fn is_met(expression: &str, licences: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any_met(&mut words, licences);
    assert_eq!(words.next(), None, "{expression} is not understood");
    met
}

type Words<'a, 'b> = &'a mut std::iter::Peekable<std::str::SplitWhitespace<'b>>;

fn any_met(words: Words<'_, '_>, licences: &[String]) -> bool {
    let mut met = all_met(words, licences);
    while words.next_if_eq(&"OR").is_some() {
        met |= all_met(words, licences);
    }
    met
}

fn all_met(words: Words<'_, '_>, licences: &[String]) -> bool {
    let mut met = one_met(words, licences);
    while words.next_if_eq(&"AND").is_some() {
        met &= one_met(words, licences);
    }
    met
}

fn one_met(words: Words<'_, '_>, licences: &[String]) -> bool {
    let word = words.next().expect("a licence");
    if word == "(" {
        let met = any_met(words, licences);
        assert_eq!(words.next(), Some(")"));
        return met;
    }
    // An exception only adds to what is allowed.
    if words.next_if_eq(&"WITH").is_some() {
        words.next();
    }
    licences.iter().any(|licence| licence == word)
}

#[test]
fn every_licence_fits() {
    let (allowed, exceptions) = (listed("allow"), listed("exceptions"));
    for package in packages() {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        let own = exceptions.chunks(2).filter(|pair| pair[0] == name).map(|pair| pair[1].clone());
        let licences: Vec<_> = allowed.iter().cloned().chain(own).collect();
        assert!(!licence.is_empty() && is_met(licence, &licences), "{name} has the licence {licence:?}");
    }
}

#[test]
fn a_licence_expression_is_met_as_it_says() {
    let licences = ["MIT", "Zlib"].map(str::to_owned);
    for met in ["MIT", "GPL-3.0 OR MIT", "Apache-2.0/MIT", "(GPL-3.0 OR MIT) AND Zlib", "MIT WITH it"] {
        assert!(is_met(met, &licences), "{met}");
    }
    for missed in ["GPL-3.0", "GPL-3.0 AND MIT", "(GPL-3.0 OR MIT) AND BSD-3-Clause", "GPL-3.0 WITH MIT"] {
        assert!(!is_met(missed, &licences), "{missed}");
    }
}
