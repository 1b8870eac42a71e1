//! The admin API of the program: what it is made of, and what the program notes in its audit log by itself.

use super::program::Program;
use super::reload::Reloaded;
use crate::Failure;
use crate::config::Settings;
use peregrine_admin::audit::Entry;
use peregrine_admin::{Admin, AdminParts, Audit, Control, Live};
use peregrine_base::{Secret, TokioRuntime};
use peregrine_net::drain::DrainWatch;
use serde_json::json;
use std::sync::Arc;

/// Opens the audit log of `program`.
///
/// # Errors
/// When its files cannot be used.
pub(super) fn open_audit(program: &Program, settings: &Settings) -> Result<Arc<Audit>, Failure> {
    let directory = program.snapshots.as_ref().map(|kept| kept.directory().to_owned());
    let audit = Audit::open(&settings.admin, directory, Program::clock(), Arc::new(TokioRuntime))
        .map_err(|error| Failure::Failed(error.to_string()))?;
    audit.run();
    audit.record(Entry {
        target: env!("CARGO_PKG_VERSION").to_owned(),
        ..by_itself("start")
    });
    Ok(audit)
}

/// The admin API for `program`, which lets in whoever has `token`.
///
/// # Errors
/// When a file of its state cannot be used.
pub(super) fn open(
    program: &Arc<Program>,
    settings: &Settings,
    token: Secret,
    drain: DrainWatch,
) -> Result<Admin, Failure> {
    let audit = match program.audit.get() {
        Some(audit) => Arc::clone(audit),
        None => open_audit(program, settings)?,
    };
    let parts = AdminParts {
        control: Arc::clone(program) as Arc<dyn Control>,
        token,
        tenants: settings.tenant_tokens(),
        live: Live {
            tail: Arc::clone(&program.recorder.tail),
            node: super::node::machine(),
            drain,
            runtime: Arc::new(TokioRuntime),
        },
        clock: Program::clock(),
        audit,
        insight: Arc::clone(&program.watching.insight),
        alerting: Arc::clone(&program.watching.alerting),
        state_dir: program.snapshots.as_ref().map(|kept| kept.directory().to_owned()),
    };
    let admin = Admin::new(&settings.admin, parts).map_err(|error| Failure::Failed(error.to_string()))?;
    admin.follow_insight(program.watching.insight.subscribe());
    Ok(admin)
}

/// What the program did without being called.
fn by_itself(what: &str) -> Entry {
    Entry {
        who: "peregrine".to_owned(),
        role: "system".to_owned(),
        what: what.to_owned(),
        outcome: "done".to_owned(),
        ..Entry::default()
    }
}

impl Program {
    /// Notes a reload that no call asked for: `cause` did.
    pub(super) fn note_reload(&self, cause: &str, reloaded: &Result<Reloaded, Failure>) {
        let Some(audit) = self.audit.get() else { return };
        let (after, outcome) = match reloaded {
            Ok(done) => (
                json!({ "applied": done.applied, "needs_restart": done.needs_restart }),
                "done",
            ),
            Err(failure) => (json!({ "fault": failure.to_string() }), "conflict"),
        };
        audit.record(Entry {
            who: cause.to_owned(),
            after,
            outcome: outcome.to_owned(),
            ..by_itself("config_reload")
        });
    }

    /// Notes that it ends, and takes the audit log to the disk.
    pub(super) fn close_audit(&self) {
        if let Some(audit) = self.audit.get() {
            audit.record(by_itself("stop"));
            audit.sync();
        }
    }
}
