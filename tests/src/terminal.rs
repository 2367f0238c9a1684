//! A program in a pseudo-terminal, and its user's screen.
//!
//! Knows terminals; knows nothing of parlour.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::lines::PATIENCE;
use crate::server::wait_for_exit;
use crate::sys::{self, Modes};

const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();
const BEL: u8 = 7;
const ESC: u8 = 0x1b;
const SCROLLBACK: usize = 1000;

/// A program and its screen; the program is killed when dropped.
pub struct Terminal {
    child: Child,
    screen: Arc<Mutex<vt100::Parser>>,
    bells: Arc<AtomicUsize>,
    escapes: Arc<AtomicUsize>,
    keyboard: File,
    /// Kept open so that the modes can be read when the program is gone.
    line: OwnedFd,
    modes_before: Modes,
}

impl Terminal {
    /// Starts `command` in a terminal of 24 rows of 80 columns.
    #[must_use]
    pub fn start(command: Command) -> Self {
        Self::start_as("xterm-256color", command)
    }

    /// Starts `command` in such a terminal, which says that it is a `term`.
    #[must_use]
    pub fn start_as(term: &str, mut command: Command) -> Self {
        let (master, line) = sys::open_pty(ROWS.get(), COLUMNS.get()).expect("a pseudo-terminal");
        let modes_before = sys::terminal_modes(&line).expect("a terminal");
        let stdio = || Stdio::from(line.try_clone().expect("a descriptor"));
        command.stdin(stdio()).stdout(stdio()).stderr(stdio()).env("TERM", term);
        sys::lead_session(&mut command);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));

        let screen = Arc::new(Mutex::new(vt100::Parser::new(ROWS, COLUMNS, SCROLLBACK)));
        let mut output = File::from(master.try_clone().expect("a descriptor"));
        let shown = Arc::clone(&screen);
        let bells = Arc::new(AtomicUsize::new(0));
        let rung = Arc::clone(&bells);
        let escapes = Arc::new(AtomicUsize::new(0));
        let escaped = Arc::clone(&escapes);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut chunk) {
                // Programs end no title with BEL here, so that each one rings.
                let count_of = |byte| chunk[..count].iter().filter(|&&other| other == byte).count();
                escaped.fetch_add(count_of(ESC), Ordering::Relaxed);
                rung.fetch_add(count_of(BEL), Ordering::Relaxed);
                shown.lock().expect("a screen").process(&chunk[..count]);
            }
        });
        Self { child, screen, bells, escapes, keyboard: File::from(master), line, modes_before }
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types `keys` as bytes.
    pub fn press(&mut self, keys: &str) {
        self.press_bytes(keys.as_bytes());
    }

    /// Types bytes that may be no text.
    pub fn press_bytes(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("a terminal");
    }

    /// Makes the terminal so many columns wide.
    pub fn resize(&mut self, columns: NonZeroU16) {
        self.screen.lock().expect("a screen").screen_mut().set_size(ROWS, columns);
        sys::resize_terminal(&self.line, ROWS.get(), columns.get()).expect("a terminal");
    }

    /// Looks at the screen.
    pub fn look<T>(&self, at: impl FnOnce(&vt100::Screen) -> T) -> T {
        at(self.screen.lock().expect("a screen").screen())
    }

    /// The screen as text, a line each row.
    #[must_use]
    pub fn text(&self) -> String {
        self.look(vt100::Screen::contents)
    }

    /// The text of the row in which the cursor stands.
    #[must_use]
    pub fn cursor_row(&self) -> String {
        self.look(|screen| {
            let (row, _) = screen.cursor_position();
            screen.rows(0, COLUMNS.get()).nth(usize::from(row)).unwrap_or_default().trim_end().to_string()
        })
    }

    /// Waits until the screen satisfies `wanted`.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let give_up = Instant::now() + PATIENCE;
        while !wanted(self) {
            assert!(Instant::now() < give_up, "waited in vain for {what}; the screen:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until `text` stands anywhere on the screen.
    pub fn wait_for(&self, text: &str) {
        self.wait_until(&format!("{text:?}"), |terminal| terminal.text().contains(text));
    }

    /// How often the bell rang.
    #[must_use]
    pub fn bells(&self) -> usize {
        self.bells.load(Ordering::Relaxed)
    }

    /// How many escape sequences came.
    #[must_use]
    pub fn escapes(&self) -> usize {
        self.escapes.load(Ordering::Relaxed)
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: i32) {
        sys::signal(self.child.id(), signal).expect("the program runs");
    }

    /// Waits until the program ends by itself.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let status = wait_for_exit(&mut self.child);
        status.unwrap_or_else(|| panic!("the program did not end; the screen:\n{}", self.text()))
    }

    /// The terminal must be as it was before the program started.
    pub fn expect_restored(&self) {
        assert_eq!(sys::terminal_modes(&self.line).expect("a terminal"), self.modes_before);
        self.wait_until("no bracketed paste", |terminal| terminal.look(|screen| !screen.bracketed_paste()));
        self.look(|screen| {
            assert!(!screen.alternate_screen(), "the alternate screen is left");
            assert!(!screen.hide_cursor(), "the cursor is shown");
            assert_eq!(screen.fgcolor(), vt100::Color::Default, "the colour is the terminal's");
        });
    }

    /// Whether keys go to the program one by one.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        !sys::terminal_modes(&self.line).expect("a terminal").is_canonical()
    }

    /// Whether the program changed the modes of the terminal by now.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        sys::terminal_modes(&self.line).expect("a terminal") != self.modes_before
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
