//! Chooses the compiler for a target: one that has the target's core library or, failing that, the
//! source of that library. Knows nothing of parlour.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::installed;

/// The path of Debian's compiler.
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";

/// A Rust compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    /// `rustc` itself.
    pub rustc: PathBuf,
    /// The folder with its libraries.
    pub sysroot: PathBuf,
}

impl Compiler {
    /// Asks `rustc` which compiler it is, because it may be a proxy of rustup. `None` if it does not
    /// work.
    pub fn ask(rustc: &Path) -> Option<Self> {
        let output = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
        let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
        let real = sysroot.join("bin/rustc");
        let rustc = if real.is_file() { real } else { rustc.to_owned() };
        output.status.success().then_some(Self { rustc, sysroot })
    }

    /// The cargo that belongs to it.
    pub fn cargo(&self) -> PathBuf {
        let own = self.sysroot.join("bin/cargo");
        if own.is_file() { own } else { env::var_os("CARGO").map_or("cargo".into(), PathBuf::from) }
    }

    fn has_library(&self, target: &str) -> bool {
        let folder = self.sysroot.join("lib/rustlib").join(target).join("lib");
        let files = folder.read_dir().into_iter().flatten().flatten();
        files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
    }

    fn has_source(&self) -> bool {
        self.sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file()
    }

    fn is_fit(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Build => true,
            Purpose::Lint => self.rustc.with_file_name("cargo-clippy").is_file(),
        }
    }

    /// The linker that came with it.
    fn linker(&self) -> Option<PathBuf> {
        let hosts = self.sysroot.join("lib/rustlib").read_dir().ok()?;
        hosts.flatten().map(|host| host.path().join("bin/rust-lld")).find(|linker| linker.is_file())
    }
}

/// The purpose of a compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To build a program.
    Build,
    /// To run its clippy on a program.
    Lint,
}

/// Where the core library comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// It came with the compiler.
    Installed,
    /// It is built with the program.
    Source,
}

/// Everything that is needed to build for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// What Rust calls the processor.
    pub target: String,
    /// The compiler.
    pub compiler: Compiler,
    /// Where the core library comes from.
    pub library: Library,
    /// The linker; `None`: the target's own, which came with the compiler.
    pub linker: Option<PathBuf>,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let library = match self.library {
            Library::Installed => "installed",
            Library::Source => "built from its source",
        };
        write!(f, "{}: {}, core library {library}, ", self.target, self.compiler.rustc.display())?;
        match &self.linker {
            Some(linker) => write!(f, "linker {}", linker.display()),
            None => write!(f, "its own linker"),
        }
    }
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The core library for this target, and its source.
    Library(String),
    /// Clippy, of a compiler that has one of those.
    Clippy(String),
    /// A linker for other processors.
    Linker,
}

impl Error for Missing {}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Library(target) => write!(
                f,
                "no compiler here can build for {target}. With rustup:\n    \
                 rustup target add {target}\n\
                 or on Debian:\n    \
                 apt install rustc-web cargo-web rust-web-src lld"
            ),
            Missing::Clippy(target) => write!(
                f,
                "no compiler here has both clippy and a core library for {target}. With rustup:\n    \
                 rustup component add clippy && rustup target add {target}\n\
                 or on Debian:\n    \
                 apt install rustc-web cargo-web rust-web-clippy rust-web-src lld"
            ),
            Missing::Linker => write!(f, "there is no ld.lld here: apt install lld"),
        }
    }
}

/// Chooses from the active compiler, the system's compiler, and an `ld.lld` that came with neither.
///
/// It follows a fixed rule and does not search for the best: with another compiler or linker on the next
/// day, everything would be built again.
///
/// # Errors
/// What is missing.
pub fn choose(
    target: &str,
    purpose: Purpose,
    active: Option<&Compiler>,
    system: Option<&Compiler>,
    lld: Option<&Path>,
) -> Result<Toolchain, Missing> {
    let both = || [active, system].into_iter().flatten();
    let installed =
        active.filter(|active| active.has_library(target)).map(|active| (active, Library::Installed));
    let sources = both().filter(|compiler| compiler.has_source()).map(|compiler| (compiler, Library::Source));
    let mut able = installed.into_iter().chain(sources).peekable();
    able.peek().ok_or_else(|| Missing::Library(target.to_owned()))?;
    let fit = able.find(|(compiler, _)| compiler.is_fit(purpose));
    let (compiler, library) = fit.ok_or_else(|| Missing::Clippy(target.to_owned()))?;
    let linker = match compiler.linker() {
        Some(_) => None,
        None => {
            let other = || both().find_map(Compiler::linker);
            Some(lld.map(Path::to_owned).or_else(other).ok_or(Missing::Linker)?)
        }
    };
    Ok(Toolchain { target: target.to_owned(), compiler: compiler.clone(), library, linker })
}

impl Toolchain {
    /// Chooses from what is installed.
    ///
    /// # Errors
    /// What is missing.
    pub fn find(target: &str, purpose: Purpose) -> Result<Self, Missing> {
        // The compiler of the cargo that started this program, or of the shell.
        let beside_cargo = env::var_os("CARGO").map(|cargo| PathBuf::from(cargo).with_file_name("rustc"));
        let active = beside_cargo.filter(|rustc| rustc.is_file()).unwrap_or_else(|| "rustc".into());
        let (active, system) = (Compiler::ask(&active), Compiler::ask(Path::new(SYSTEM_RUSTC)));
        choose(target, purpose, active.as_ref(), system.as_ref(), installed("ld.lld").as_deref())
    }

    /// A cargo command for the target, `build` or `clippy`. It does not inherit the settings of the
    /// cargo that started this program, nor the user's settings for the host.
    pub fn cargo(&self, verb: &str, tells_panics: bool) -> Command {
        let mut command = Command::new(self.compiler.cargo());
        command.args([verb, "--target", &self.target]).env("RUSTC", &self.compiler.rustc);
        for (name, _) in env::vars_os().filter(|(name, _)| !is_inherited(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        if let Some(path) = self.path() {
            command.env("PATH", path);
        }
        if self.library == Library::Source {
            // No board prints `Debug` text. A panic tells its place at most.
            let mut flags = String::from("-Zfmt-debug=none");
            if !tells_panics {
                flags += " -Zunstable-options -Cpanic=immediate-abort";
            }
            command
                .args(["-Zbuild-std=core", "-Zbuild-std-features=optimize_for_size"])
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTFLAGS", flags);
        }
        if let Some(linker) = &self.linker {
            let target = self.target.to_uppercase().replace(['-', '.'], "_");
            command.env(format!("CARGO_TARGET_{target}_LINKER"), linker);
        }
        command
    }

    /// The search path with the compiler's own folder first.
    fn path(&self) -> Option<OsString> {
        let own = self.compiler.rustc.parent().filter(|folder| folder.is_absolute())?.to_owned();
        let path = env::var_os("PATH").unwrap_or_default();
        env::join_paths([own].into_iter().chain(env::split_paths(&path))).ok()
    }
}

/// Whether a build for another processor inherits a variable of the environment.
fn is_inherited(name: &str) -> bool {
    const CARGO: [&str; 7] = [
        "CARGO_HOME",
        "CARGO_BUILD_JOBS",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "CARGO_TERM_",
    ];
    const NOT: [&str; 5] = ["CARGO", "RUSTC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"];
    CARGO.iter().any(|kept| name.starts_with(kept)) || !NOT.iter().any(|not| name.starts_with(not))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TARGET: &str = "thumbv7m-none-eabi";

    /// A compiler that has these files.
    fn compiler(root: &Path, name: &str, files: &[&str]) -> Compiler {
        let sysroot = root.join(name);
        for file in files {
            let path = sysroot.join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
            fs::write(path, "").expect("a writable folder");
        }
        Compiler { rustc: sysroot.join("bin/rustc"), sysroot }
    }

    const LIBRARY: &str = "lib/rustlib/thumbv7m-none-eabi/lib/libcore-0123.rlib";
    const SOURCE: &str = "lib/rustlib/src/rust/library/core/Cargo.toml";
    const LINKER: &str = "lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld";
    const CLIPPY: &str = "bin/cargo-clippy";

    fn chosen(
        active: &[&str],
        system: &[&str],
        lld: Option<&str>,
    ) -> Result<(String, Library, bool), Missing> {
        chosen_for(Purpose::Build, active, system, lld)
    }

    fn chosen_for(
        purpose: Purpose,
        active: &[&str],
        system: &[&str],
        lld: Option<&str>,
    ) -> Result<(String, Library, bool), Missing> {
        let root = tempfile::tempdir().expect("a temporary folder");
        let active = compiler(root.path(), "active", active);
        let system = compiler(root.path(), "system", system);
        let found = choose(TARGET, purpose, Some(&active), Some(&system), lld.map(Path::new))?;
        let name = found.compiler.sysroot.file_name().expect("a name").to_string_lossy().into_owned();
        Ok((name, found.library, found.linker.is_some()))
    }

    #[test]
    fn the_active_compiler_with_the_target_is_taken_as_it_is() {
        let found = chosen(&[LIBRARY, SOURCE, LINKER], &[LIBRARY, SOURCE], Some("/bin/ld.lld"));
        assert_eq!(found, Ok(("active".into(), Library::Installed, false)));
    }

    #[test]
    fn without_the_target_the_first_compiler_with_its_source_builds_it() {
        let found = chosen(&[SOURCE, LINKER], &[SOURCE], None);
        assert_eq!(found, Ok(("active".into(), Library::Source, false)));
        let found = chosen(&[LINKER], &[SOURCE], Some("/bin/ld.lld"));
        assert_eq!(found, Ok(("system".into(), Library::Source, true)));
    }

    #[test]
    fn the_library_of_another_target_is_none() {
        let found = chosen(&["lib/rustlib/riscv32imac-unknown-none-elf/lib/libcore-0123.rlib"], &[], None);
        assert_eq!(found, Err(Missing::Library(TARGET.into())));
    }

    #[test]
    fn lints_take_the_first_compiler_that_could_build_and_has_clippy() {
        let found =
            |active: &[&str], system: &[&str]| chosen_for(Purpose::Lint, active, system, Some("/bin/ld.lld"));
        let (installed, source) = ([LIBRARY, LINKER, CLIPPY], [SOURCE, LINKER, CLIPPY]);
        assert_eq!(found(&installed, &source), Ok(("active".into(), Library::Installed, false)));
        assert_eq!(found(&source, &source), Ok(("active".into(), Library::Source, false)));
        // Clippy without a library, and a library without clippy.
        assert_eq!(found(&[LINKER, CLIPPY], &source), Ok(("system".into(), Library::Source, false)));
        assert_eq!(found(&[LIBRARY, SOURCE], &source), Ok(("system".into(), Library::Source, false)));
        assert_eq!(found(&[CLIPPY], &[SOURCE]), Err(Missing::Clippy(TARGET.into())));
        assert_eq!(found(&[CLIPPY], &[CLIPPY]), Err(Missing::Library(TARGET.into())));
    }

    #[test]
    fn a_compiler_without_a_linker_takes_lld_or_that_of_the_other() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let active = compiler(root.path(), "active", &[LINKER]);
        let system = compiler(root.path(), "system", &[SOURCE]);
        let linker = |lld| {
            let found = choose(TARGET, Purpose::Build, Some(&active), Some(&system), lld);
            found.expect("a toolchain").linker
        };
        assert_eq!(linker(Some(Path::new("/bin/ld.lld"))), Some("/bin/ld.lld".into()));
        assert_eq!(linker(None), Some(active.sysroot.join(LINKER)));
        assert_eq!(choose(TARGET, Purpose::Build, None, Some(&system), None), Err(Missing::Linker));
    }

    #[test]
    fn with_nothing_at_all_both_recipes_are_told() {
        let recipes = choose(TARGET, Purpose::Build, None, None, None).expect_err("nothing").to_string();
        assert!(recipes.contains("rustup target add thumbv7m-none-eabi"), "{recipes}");
        assert!(recipes.contains("apt install rustc-web cargo-web rust-web-src lld"), "{recipes}");
        let recipes = Missing::Clippy(TARGET.into()).to_string();
        assert!(recipes.contains("rustup component add clippy"), "{recipes}");
        assert!(recipes.contains("rust-web-clippy"), "{recipes}");
    }

    #[test]
    fn what_was_set_for_the_host_stays_there() {
        let gone = ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "RUSTC_WRAPPER"];
        assert_eq!(gone.iter().find(|name| is_inherited(name)), None);
        assert!(!is_inherited("RUSTFLAGS") && !is_inherited("RUSTUP_TOOLCHAIN"));
        let kept = ["CARGO_HOME", "CARGO_NET_OFFLINE", "PATH", "HOME", "RUSTUP_HOME", "DEFMT_LOG"];
        assert_eq!(kept.iter().find(|name| !is_inherited(name)), None);
    }
}
