//! A terminal with a person before it: a program draws into it, keys are pressed, and what stands on the screen is read.

use super::eventually;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

/// Rows and columns of the screen.
const SIZE: (u16, u16) = (32, 120);

/// A terminal in which a program runs.
pub(crate) struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<vt100::Parser>>,
    child: Child,
}

impl Terminal {
    /// Runs `command` in a new terminal.
    pub(crate) fn run(mut command: Command) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
        let (rows, columns) = SIZE;
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&keyboard, size).unwrap();
        let line = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let line = || line.try_clone().unwrap();
        command
            .env("TERM", "xterm-256color")
            .stdin(line())
            .stdout(line())
            .stderr(line());
        let child = command.spawn().unwrap();
        let keyboard = File::from(keyboard);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(side(rows), side(columns), 0)));
        watch(keyboard.try_clone().unwrap(), Arc::clone(&screen));
        Self {
            keyboard,
            screen,
            child,
        }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until all `words` stand on the screen, and gives what stands there.
    #[track_caller]
    pub(crate) fn until_shown(&self, words: &[&str]) -> String {
        eventually(&format!("{words:?} on the screen"), || {
            let text = self.text();
            words.iter().all(|word| text.contains(word)).then_some(text)
        })
    }

    /// Waits for the end of the program; its exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        eventually("the end of the program in the terminal", || {
            self.child.try_wait().unwrap()
        })
        .code()
    }

    /// Whether the terminal passes keys on one by one and unseen, as full-screen programs want it.
    pub(crate) fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).unwrap().local_modes;
        !modes.contains(rustix::termios::LocalModes::ICANON)
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what stood on the screen ---\n{}", self.text());
        }
    }
}

/// A side of a screen is never nothing.
fn side(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).unwrap()
}

/// Draws what the program writes, until the terminal is closed.
fn watch(mut output: File, screen: Arc<Mutex<vt100::Parser>>) {
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length) = output.read(&mut piece)
            && length > 0
        {
            screen.lock().unwrap().process(&piece[..length]);
        }
    });
}
