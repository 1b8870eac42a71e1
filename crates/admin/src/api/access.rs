//! `access/…`: logging in and out, who one is, and API keys.

use crate::access::{Role, Who};
use crate::api::{Checked, check_name, check_names};
use crate::query::Query;
use crate::refusal::{Refusal, fault};
use peregrine_net::http::Fault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a browser logs in with: one of the two.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
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
            expires: who.expires.map(crate::api::time),
        }
    }
}

/// That somebody is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct LoggedOut {
    /// Whether a session was ended; whoever came with a token had none.
    pub ended: bool,
}

/// The longest name of a key, in bytes.
const KEY_NAME_MAX_BYTES: usize = 64;
/// The longest time that a key is good for: ten years.
const EXPIRES_MAX_S: u64 = 10 * 366 * 86_400;

/// What a new API key is to be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// For people; no two keys have the same.
    pub name: String,
    /// What may be done with it.
    pub role: Role,
    /// The namespaces that it is limited to; nothing: all.
    #[serde(default)]
    pub namespaces: Option<Vec<String>>,
    /// For how many seconds it is good; nothing: until it is revoked.
    #[serde(default)]
    pub expires_in_s: Option<u64>,
}

impl Checked for CreateKey {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_name("name", &self.name, faults);
        if self.name.len() > KEY_NAME_MAX_BYTES || self.name.chars().any(char::is_control) {
            let problem = format!("is longer than {KEY_NAME_MAX_BYTES} bytes, or has control characters in it");
            faults.push(fault("name", problem));
        }
        if let Some(namespaces) = &self.namespaces {
            if namespaces.is_empty() {
                faults.push(fault("namespaces", "is empty: leave it out for all namespaces"));
            }
            check_names("namespaces", namespaces.iter(), faults);
        }
        if let Some(span) = self.expires_in_s
            && !(1..=EXPIRES_MAX_S).contains(&span)
        {
            faults.push(fault("expires_in_s", format!("is not between 1 and {EXPIRES_MAX_S}")));
        }
    }
}

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct ApiKey {
    /// The part of it that may be told.
    pub id: String,
    /// For people.
    pub name: String,
    /// What may be done with it.
    pub role: Role,
    /// The namespaces that it is limited to; nothing: all.
    pub namespaces: Option<Vec<String>>,
    /// Since when there is it.
    pub created: String,
    /// Who made it.
    pub created_by: String,
    /// When it is over; nothing: when it is revoked.
    pub expires: Option<String>,
    /// When it was used last, to the minute.
    pub last_used: Option<String>,
}

/// A key that was made just now: the only time that it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct NewKey {
    /// The key.
    pub key: String,
    /// What is known of it.
    #[serde(flatten)]
    pub about: ApiKey,
}

/// All API keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct ApiKeys {
    /// The newest last.
    pub keys: Vec<ApiKey>,
}

/// The `id` that a query names.
pub(crate) fn id(query: Option<&str>) -> Result<String, Refusal> {
    let mut faults = Vec::new();
    let mut query = Query::parse(query, &["id"], &mut faults);
    let id = query.take("id").unwrap_or_default();
    check_name("id", &id, &mut faults);
    if faults.is_empty() {
        Ok(id)
    } else {
        Err(Refusal::invalid(faults))
    }
}
