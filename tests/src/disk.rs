//! A disk that is slow, or that stops. A program sees it through a library that stands before the C library.
//!
//! Knows processes and files; knows nothing of parlour.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::programs::found;

/// The library, in C.
const SOURCE: &str = include_str!("disk.c");

/// How slow the disk is, for all programs that were started with it.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Makes one that is as fast as the disk below it.
    ///
    /// # Panics
    /// If the library cannot be compiled.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it starts a compiler")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let source = folder.path().join("disk.c");
        fs::write(&source, SOURCE).expect("a file");
        let disk = Self { folder };
        let compiled = Command::new(found("c++", "g++"))
            .args(["-x", "c", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .args([&disk.library(), &source])
            .status();
        assert!(compiled.expect("a compiler").success());
        disk
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("disk.so")
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Lets `command` see this disk.
    pub fn lend(&self, command: &mut Command) {
        command.env("LD_PRELOAD", self.library()).env("PARLOUR_DISK", self.control());
    }

    /// From now on, each time that a program waits for the disk takes this much longer.
    pub fn slow_down(&self, by: Duration) {
        self.set(&by.as_millis().to_string());
    }

    /// From now on, a program that waits for the disk waits until [`Disk::slow_down`].
    pub fn stop(&self) {
        self.set("-1");
    }

    /// A program never sees half of it.
    fn set(&self, text: &str) {
        let new: &Path = &self.folder.path().join("new");
        fs::write(new, text).expect("a file");
        fs::rename(new, self.control()).expect("a file");
    }

    /// How often a program has begun to wait for the disk.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        fs::metadata(self.folder.path().join("disk.syncs")).map_or(0, |metadata| metadata.len())
    }
}
