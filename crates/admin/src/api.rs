//! What goes in and out: a type for every request and every answer. Requests refuse fields they do not know, and say
//! everything that is wrong with them at once.

pub mod access;
pub mod config;
pub mod entries;
pub mod explain;
pub mod health;
pub mod invalidation;
pub mod keys;
pub mod monitoring;
pub mod operation;
pub mod preload;
pub mod reload;
pub mod statistics;
pub mod strategies;
pub mod traffic;

use crate::refusal::fault;
use peregrine_base::WallTime;
use peregrine_net::http::Fault;
use peregrine_telemetry::time::Rfc3339;
use utoipa::openapi::{Object, ObjectBuilder, Type};

/// The most names of one kind (keys, tags, patterns, URLs) in one request.
pub const NAMES_MAX: usize = 1000;
/// The longest name, in bytes.
pub const NAME_MAX_BYTES: usize = 4096;

/// A time as it is written.
pub(crate) fn time(time: WallTime) -> String {
    Rfc3339(time).to_string()
}

/// A text that is one of `words`, as the description of the API tells it.
fn one_of(words: &[&str], about: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words.iter().copied()))
        .description(Some(about))
        .build()
}

/// A request that knows what is wrong with it beyond its shape.
pub(crate) trait Checked {
    /// Adds every fault to `faults`.
    fn check(&self, faults: &mut Vec<Fault>);
}

/// Checks a list of names: neither too many, nor an empty or overlong one.
fn check_names<'a>(field: &str, names: impl ExactSizeIterator<Item = &'a String>, faults: &mut Vec<Fault>) {
    if names.len() > NAMES_MAX {
        return faults.push(fault(
            field,
            format!("has {} elements; {NAMES_MAX} are the most in one call", names.len()),
        ));
    }
    for (index, name) in names.enumerate() {
        check_name(&format!("{field}[{index}]"), name, faults);
    }
}

fn check_tenant(field: &str, name: &str, faults: &mut Vec<Fault>) {
    if !peregrine_cache::is_tenant_name(name) {
        let problem = "is no tenant's name: letters, digits, `-`, `_` and `.`, at most 64";
        faults.push(fault(field, problem));
    }
}

pub(crate) fn check_name(field: &str, name: &str, faults: &mut Vec<Fault>) {
    if name.is_empty() {
        faults.push(fault(field, "is empty"));
    } else if name.len() > NAME_MAX_BYTES {
        faults.push(fault(field, format!("is longer than {NAME_MAX_BYTES} bytes")));
    }
}
