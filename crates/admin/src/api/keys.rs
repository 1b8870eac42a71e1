//! GET `keys`, POST `keys/rotate`, POST `keys/erase`: the data keys of encryption. No answer contains any key, wrapped or not.

use crate::api::{Checked, check_name, check_tenant};
use crate::query::Query;
use crate::refusal::{Refusal, fault};
use peregrine_cache::{OwnerKeys, Receipt};
use peregrine_net::http::Fault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The keys, some of the owners at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct KeysReport {
    /// The id of the master key that wraps; nothing where there is no key ring.
    pub active: Option<String>,
    /// The ids of all master keys.
    pub master_keys: Vec<String>,
    /// Where the data keys are.
    pub place: String,
    /// Those who have data keys.
    pub owners: Vec<OwnerKeys>,
    /// The `cursor` of the next call; nothing at the end.
    pub next: Option<String>,
}

/// Where to go on.
pub(crate) fn cursor(query: Option<&str>) -> Result<String, Refusal> {
    let mut faults = Vec::new();
    let cursor = Query::parse(query, &["cursor"], &mut faults)
        .take("cursor")
        .unwrap_or_default();
    if faults.is_empty() {
        Ok(cursor)
    } else {
        Err(Refusal::invalid(faults))
    }
}

/// What to rotate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotateRequest {
    /// Where to go on; empty at first.
    pub cursor: String,
    /// Whether each owner gets a new data key too.
    pub renew: bool,
}

impl Checked for RotateRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        if !self.cursor.is_empty() {
            check_name("cursor", &self.cursor, faults);
        }
    }
}

/// Whose data keys to destroy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EraseRequest {
    /// This tenant's, in all namespaces.
    pub tenant: Option<String>,
    /// Those of what belongs to no tenant in this namespace.
    pub namespace: Option<String>,
}

impl Checked for EraseRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        match (&self.tenant, &self.namespace) {
            (Some(tenant), None) => check_tenant("tenant", tenant, faults),
            (None, Some(namespace)) => check_name("namespace", namespace, faults),
            _ => faults.push(fault("body", "names no owner: give either a tenant or a namespace")),
        }
    }
}

/// What an erase did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Erased {
    /// Whether there were data keys.
    pub erased: bool,
    /// Within how many seconds no node opens what they sealed.
    pub within_s: u64,
    /// What became of the owner's entries in memory.
    pub receipt: Receipt,
}
