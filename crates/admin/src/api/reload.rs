//! POST `config/reload`: reading the configuration again.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Reloaded {
    /// Parameters that changed and hold from now on.
    pub applied: Vec<String>,
    /// Parameters that changed in the file and hold from the next start on.
    pub needs_restart: Vec<String>,
}
