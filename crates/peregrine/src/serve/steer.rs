//! The configuration through the admin API: what holds, and changing it in the file that the user wrote. Nothing is kept
//! beside that file: what it says is what holds, also after a restart (see the decision record on that).
//!
//! Guarantees: what the configuration's own checks would refuse changes nothing, and neither does what the running program
//! cannot take over: then the file is as it was. It is written whole or not at all, and the one before is kept.

use super::program::Program;
use super::reload::Reloaded;
use super::watch;
use crate::config::{self, Environment, Loaded, Origin, Overrides, edit, settable};
use peregrine_admin::Refusal;
use peregrine_admin::api::config::{ConfigReport, LogLevel, PatchRequest, Patched};
use peregrine_net::http::Fault;
use peregrine_telemetry::config::Level;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The configuration before the last change, in the state directory.
const PREVIOUS: &str = "peregrine.toml.previous";

impl Program {
    pub(super) fn config_report(&self) -> ConfigReport {
        let file = watch::file(self);
        let loaded = self.loaded.lock();
        let written = file.as_deref().and_then(read);
        ConfigReport {
            writable: file.as_deref().is_some_and(is_writable),
            file: file.map(|file| file.display().to_string()),
            etag: etag(written.as_deref().unwrap_or(loaded.resolved.written())),
            parameters: loaded.resolved.parameters(),
            warnings: loaded.resolved.warnings.clone(),
        }
    }

    /// Changes the file as `request` says, if it is still known by `wanted`, and reads it again. Waits for disks.
    pub(super) fn patch_now(&self, request: &PatchRequest, wanted: Option<&str>) -> Result<Patched, Refusal> {
        let _alone = self.steering.lock();
        let file = watch::file(self);
        let Some((file, text)) = file.and_then(|file| Some((file.clone(), read(&file)?))) else {
            return Err(no_file(
                request,
                "This Peregrine has no configuration file that could be changed",
            ));
        };
        let known = etag(&text);
        if wanted.is_some_and(|wanted| wanted != known) {
            let why = "The configuration is not the one that you saw: look at it again, then decide.";
            return Err(Refusal::precondition_failed(why).with("etag", known));
        }
        let edited = edit::edited(&text, &request.changes).map_err(|faults| {
            let fault = |(field, detail)| Fault { field, detail };
            Refusal::invalid(faults.into_iter().map(fault).collect())
        })?;
        let new = self.checked(&file, &edited, request)?;
        let (would, hidden) = {
            let loaded = self.loaded.lock();
            let hidden = [loaded.resolved.secrets(), new.resolved.secrets()].concat();
            (Reloaded::of(&self.begun, &loaded.resolved, &new.resolved), hidden)
        };
        let mut patched = Patched {
            dry_run: request.dry_run,
            applied: would.applied,
            needs_restart: would.needs_restart,
            diff: shown(&edit::difference(&text, &edited), &hidden),
            etag: etag(&edited),
        };
        if request.dry_run {
            patched.etag = known;
            return Ok(patched);
        }
        if !is_writable(&file) {
            return Err(no_file(
                request,
                "The configuration file cannot be written by this Peregrine",
            ));
        }
        self.put(&file, &text, &edited)?;
        let waiting = self.refused.lock().clone();
        match self.reload_now() {
            Ok(reloaded) => {
                patched.applied = reloaded.applied;
                patched.needs_restart = reloaded.needs_restart;
                Ok(patched)
            }
            Err(failure) => {
                if let Err(error) = replace(&file, edited_mode(&file), text.as_bytes()) {
                    tracing::error!(%error, "the configuration file is not as it was before a change that was refused");
                }
                self.note_content();
                *self.refused.lock() = waiting;
                Err(Refusal::conflict(format!(
                    "Not applied, and the file is as it was: {failure}"
                )))
            }
        }
    }

    /// The configuration that `edited` would be.
    fn checked(&self, file: &Path, edited: &str, request: &PatchRequest) -> Result<Loaded, Refusal> {
        let (overrides, environment) = match &self.source {
            Some(source) => (source.overrides.clone(), source.environment.clone()),
            None => (Overrides::default(), Environment::default()),
        };
        let origin = Origin::Text {
            name: file.display().to_string(),
            text: edited.to_owned(),
        };
        let fault = |field: &str, detail: String| Fault {
            field: field.to_owned(),
            detail,
        };
        let new = config::load(&origin, &overrides, &environment).map_err(|faults| {
            let told = faults.all().iter().map(|one| {
                let help = one.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
                fault(&one.field, format!("{}{help}", one.problem))
            });
            Refusal::invalid(told.collect())
        })?;
        let mut faults = Vec::new();
        let before = self.loaded.lock().resolved.secrets();
        for (field, written) in new.resolved.secrets() {
            if !is_reference(&written) && !before.iter().any(|(_, known)| *known == written) {
                let detail = "is a secret: set it as \"${NAME}\", and NAME in the environment".to_owned();
                faults.push(fault(&field, detail));
            }
        }
        for (field, value) in &request.changes {
            if value.to_string().contains(settable::HIDDEN) {
                let detail = format!("has {} in it, which stands for what is not shown", settable::HIDDEN);
                faults.push(fault(field, detail));
            } else if let Some(by) = new.resolved.shadowed(field) {
                faults.push(fault(field, format!("is set by {by}, which counts more than the file")));
            }
        }
        if faults.is_empty() {
            Ok(new)
        } else {
            Err(Refusal::invalid(faults))
        }
    }

    /// Keeps the file as it is and puts `edited` in its place.
    fn put(&self, file: &Path, text: &str, edited: &str) -> Result<(), Refusal> {
        let failed = |error: io::Error| {
            tracing::error!(%error, "the configuration file is not changed");
            Refusal::failed("The configuration file cannot be written; it is as it was.")
        };
        if let Some(kept) = &self.snapshots {
            replace(&kept.directory().join(PREVIOUS), 0o600, text.as_bytes()).map_err(failed)?;
        }
        replace(file, edited_mode(file), edited.as_bytes()).map_err(failed)
    }

    pub(super) fn level_report(&self) -> LogLevel {
        // One lock after the other: a reload takes them in the opposite order.
        let changed = *self.level.lock();
        let level = changed.unwrap_or_else(|| self.loaded.lock().settings.log.level);
        LogLevel {
            level: level.as_str().to_owned(),
        }
    }

    pub(super) fn change_level(&self, asked: &LogLevel) -> Result<LogLevel, Refusal> {
        let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
        let Some(level) = levels.into_iter().find(|level| level.as_str() == asked.level) else {
            return Err(Refusal::invalid(vec![Fault {
                field: "level".to_owned(),
                detail: format!("is none of {}", Level::WORDS.join(", ")),
            }]));
        };
        match &self.log {
            Some(log) => log.set_level(level),
            None => return Err(Refusal::conflict("The log of this program is another's.")),
        }
        *self.level.lock() = Some(level);
        Ok(self.level_report())
    }
}

/// What the configuration in `text` is known by.
fn etag(text: &str) -> String {
    format!("{:016x}{:x}", watch::fingerprint(text.as_bytes()), text.len())
}

fn read(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

/// There is nothing that could be changed: what somebody would write by hand.
fn no_file(request: &PatchRequest, why: &str) -> Refusal {
    let lines = edit::edited("", &request.changes).unwrap_or_default();
    Refusal::conflict(format!("{why}: put these lines into it by hand.")).with("toml", lines)
}

/// Whether the value as it is written is a reference to the environment, and nothing else.
fn is_reference(written: &str) -> bool {
    let name = written
        .trim_matches(['"', '\''])
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

/// A difference without the secrets that are written in the file.
fn shown(difference: &str, secrets: &[(String, String)]) -> String {
    let written = secrets
        .iter()
        .map(|(_, written)| written)
        .filter(|written| !is_reference(written));
    let hidden = written.fold(difference.to_owned(), |text, secret| text.replace(secret, "\"***\""));
    settable::credentials_hidden(&hidden)
}

fn is_writable(file: &Path) -> bool {
    let Ok(file) = file.canonicalize() else { return false };
    let folder = file.parent().unwrap_or(Path::new("/"));
    OpenOptions::new().write(true).open(&file).is_ok()
        && rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

/// The rights that the file has.
fn edited_mode(file: &Path) -> u32 {
    std::fs::metadata(file).map_or(0o600, |metadata| metadata.permissions().mode() & 0o777)
}

/// Puts `bytes` where `file` leads: whole or not at all.
fn replace(file: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let _ = std::fs::remove_file(&beside);
    let mut new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    new.set_permissions(std::fs::Permissions::from_mode(mode))?;
    new.write_all(bytes)?;
    new.sync_all()?;
    std::fs::rename(&beside, &file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
