//! Runs the program in an empty directory with an empty environment.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A directory to run the program in.
pub(crate) struct Place(TempDir);

/// What the program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// With a file `peregrine.toml` of this text.
    pub(crate) fn with(text: &str) -> Self {
        let place = Self::new();
        place.write("peregrine.toml", text);
        place
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peregrine"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, &[])
    }

    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let output = self
            .command(arguments)
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the program where nothing else is.
pub(crate) fn run(arguments: &[&str]) -> Said {
    Place::new().run(arguments)
}

/// Asserts that `text` contains each of `parts`.
pub(crate) fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}`\nis not in\n{text}");
    }
}
