//! `access/…`: logging in and out, and who one is.

use crate::access::{Role, Who};
use crate::api::Checked;
use crate::refusal::fault;
use peregrine_net::http::Fault;
use peregrine_telemetry::time::Rfc3339;
use serde::{Deserialize, Serialize};

/// What a browser logs in with: one of the two.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The admin token, an API key or a tenant's token.
    #[serde(default)]
    pub token: Option<String>,
    /// A code that was printed at the start.
    #[serde(default)]
    pub code: Option<String>,
}

impl Checked for LoginRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        if self.token.is_some() == self.code.is_some() {
            faults.push(fault("body", "takes either `token` or `code`"));
        }
    }
}

/// Who asks, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Me {
    /// For people.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The namespaces that they are limited to; nothing: all.
    pub namespaces: Option<Vec<String>>,
    /// The tenant that they are limited to.
    pub tenant: Option<String>,
    /// When what let them in is over.
    pub expires: Option<String>,
}

impl From<&Who> for Me {
    fn from(who: &Who) -> Self {
        Self {
            name: who.name.clone(),
            role: who.role,
            namespaces: who.namespaces.clone(),
            tenant: who.tenant.clone(),
            expires: who.expires.map(|time| Rfc3339(time).to_string()),
        }
    }
}

/// That somebody is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct LoggedOut {
    /// Whether a session was ended; whoever came with a token had none.
    pub ended: bool,
}
