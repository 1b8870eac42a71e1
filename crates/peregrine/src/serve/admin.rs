//! The admin API of the program: what it is made of.

use super::program::Program;
use crate::Failure;
use crate::config::Settings;
use peregrine_admin::{Admin, AdminParts, Control};
use peregrine_base::Secret;
use std::sync::Arc;

/// The admin API for `program`, which lets in whoever has `token`.
///
/// # Errors
/// When a file of its state cannot be used.
pub(super) fn open(program: &Arc<Program>, settings: &Settings, token: Secret) -> Result<Admin, Failure> {
    let parts = AdminParts {
        control: Arc::clone(program) as Arc<dyn Control>,
        token,
        tenants: settings.tenant_tokens(),
        clock: Program::clock(),
        state_dir: program.snapshots.as_ref().map(|kept| kept.directory().to_owned()),
    };
    Admin::new(&settings.admin, parts).map_err(|error| Failure::Failed(error.to_string()))
}
