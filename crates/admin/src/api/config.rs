//! GET and PATCH `config`: what holds, and changing it in the configuration file.

use crate::api::{Checked, one_of};
use crate::refusal::{Refusal, fault};
use http::HeaderValue;
use http::header;
use http::request::Parts;
use peregrine_net::http::Fault;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::Object;

/// The most changes in one call.
const CHANGES_MAX: usize = 200;

/// What holds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct ConfigReport {
    /// The configuration file; nothing without one.
    pub file: Option<String>,
    /// Whether it can be changed from here.
    pub writable: bool,
    /// What the configuration is known by, for `If-Match`.
    pub etag: String,
    /// Every parameter that holds, and those that could be set beside them.
    pub parameters: Vec<ParameterReport>,
    /// What is set and has no effect.
    pub warnings: Vec<String>,
}

/// A parameter.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct ParameterReport {
    /// The field, dotted, with indexes.
    pub name: String,
    /// Its value; nothing when it is not set; `***` for a secret.
    pub value: Value,
    /// The same, as TOML writes it.
    pub text: String,
    /// What holds when it is not set, as TOML writes it; nothing when that is nothing.
    pub default: Option<String>,
    /// What set it: `default`, `file`, `environment` or `command line`.
    #[schema(schema_with = sources)]
    pub source: String,
    /// Its type: `flag`, `integer`, `number`, `duration`, `size`, `text`, `secret`, `choice`, `texts`, …
    pub kind: String,
    /// The unit that it is written with, where that is one.
    pub unit: Option<String>,
    /// The least that it can be.
    pub min: Option<String>,
    /// The most that it can be.
    pub max: Option<String>,
    /// What it can be, where that is one of some words.
    pub choices: Option<Vec<String>>,
    /// Whether a reload applies it; otherwise a restart does.
    pub reload: bool,
    /// Whether it is never shown.
    pub secret: bool,
    /// What it does.
    pub about: String,
}

/// The words for what set a parameter.
fn sources() -> Object {
    one_of(&["default", "file", "environment", "command line"], "What set it.")
}

/// The words for levels of the log.
fn levels() -> Object {
    one_of(
        &["error", "warn", "info", "debug", "trace"],
        "What is said, and whatever is worse.",
    )
}

/// What to change.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchRequest {
    /// From fields, dotted with indexes, to their values; `null` takes a field out, so that its default holds.
    pub changes: BTreeMap<String, Value>,
    /// Whether only to say what would come of it.
    #[serde(default)]
    pub dry_run: bool,
}

impl Checked for PatchRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        if self.changes.is_empty() || self.changes.len() > CHANGES_MAX {
            let count = self.changes.len();
            faults.push(fault(
                "changes",
                format!("has {count} fields: 1 to {CHANGES_MAX} in one call"),
            ));
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Patched {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Fields that hold from now on.
    pub applied: Vec<String>,
    /// Fields that hold from the next start on.
    pub needs_restart: Vec<String>,
    /// The lines of the file that change.
    pub diff: String,
    /// What the configuration is known by now.
    pub etag: String,
}

/// The log's level.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogLevel {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    #[schema(schema_with = levels)]
    pub level: String,
}

impl Checked for LogLevel {
    fn check(&self, _: &mut Vec<Fault>) {}
}

/// The entity tag of `If-Match`, without which nothing is changed; nothing for `*`, whatever holds (RFC 9110 §13.1.1, RFC
/// 6585 §3).
pub(crate) fn if_match(request: &Parts) -> Result<Option<String>, Refusal> {
    let mut fields = request.headers.get_all(header::IF_MATCH).iter();
    let (field, more) = (fields.next().map(HeaderValue::to_str), fields.next());
    match (field, more) {
        (None, _) => Err(Refusal::precondition_required(
            "Send `If-Match` with the entity tag of the configuration that you saw (GET `config`), so that nobody's change is \
             undone by accident.",
        )),
        (Some(Ok("*")), None) => Ok(None),
        (Some(Ok(tag)), None) => Ok(Some(tag.trim().trim_start_matches("W/").trim_matches('"').to_owned())),
        _ => Err(Refusal::invalid(vec![fault("If-Match", "is not one entity tag")])),
    }
}
