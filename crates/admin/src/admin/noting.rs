//! What calls leave in the audit log.

use crate::access::Who;
use crate::audit::{Audit, Entry};
use crate::calls::Call;
use crate::refusal::{Barred, Refusal};
use http::request::Parts;
use peregrine_net::http::Peer;
use serde::Serialize;
use serde_json::Value;

/// What a call says about what it changes, while it does.
#[derive(Default)]
pub(super) struct Note {
    /// Who it was, where the call itself found out.
    pub(super) who: Option<Who>,
    pub(super) target: String,
    pub(super) before: Value,
    pub(super) after: Value,
}

impl Note {
    /// What is to be changed, without what is not said.
    pub(super) fn target(&mut self, target: &impl Serialize) {
        self.target = match written(target) {
            Value::Object(mut fields) => {
                fields.retain(|_, value| match value {
                    Value::Null | Value::Bool(false) => false,
                    Value::Array(elements) => !elements.is_empty(),
                    Value::Object(fields) => !fields.is_empty(),
                    _ => true,
                });
                Value::Object(fields).to_string()
            }
            Value::String(text) => text,
            other => other.to_string(),
        };
    }

    /// What held before.
    pub(super) fn before(&mut self, before: &impl Serialize) {
        self.before = written(before);
    }

    /// What holds now.
    pub(super) fn after(&mut self, after: &impl Serialize) {
        self.after = written(after);
    }
}

fn written(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A record on its way: it is written also when the client leaves while its call is being carried out.
pub(super) struct Noting<'a> {
    audit: &'a Audit,
    entry: Option<Entry>,
}

impl<'a> Noting<'a> {
    pub(super) fn begin(audit: &'a Audit, call: Call, who: &Who, peer: &Peer) -> Self {
        let entry = Entry {
            who: who.name.clone(),
            role: who.role.as_str().to_owned(),
            address: peer.address.ip().to_canonical().to_string(),
            what: call.as_str().to_owned(),
            outcome: "client_left".to_owned(),
            ..Entry::default()
        };
        Self {
            audit,
            entry: Some(entry),
        }
    }

    /// Nothing was changed that is to be noted.
    pub(super) fn unneeded(mut self) {
        self.entry = None;
    }

    /// It is over, with what `note` says.
    pub(super) fn end(mut self, note: Note, outcome: &str) {
        let Some(mut entry) = self.entry.take() else { return };
        if let Some(who) = note.who {
            entry.who = who.name;
            entry.role = who.role.as_str().to_owned();
        }
        (entry.target, entry.before, entry.after) = (note.target, note.before, note.after);
        entry.outcome = outcome.to_owned();
        self.audit.record(entry);
    }
}

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.audit.record(entry);
        }
    }
}

/// Notes that `refusal` kept somebody out. That a page asks before it is logged in is no attempt.
pub(super) fn refused(audit: &Audit, refusal: &Refusal, request: &Parts, peer: &Peer, who: Option<&Who>) {
    let Some(gate) = refusal.gate() else { return };
    if matches!(gate, Barred::TokenMissing | Barred::Session) {
        return;
    }
    audit.refused(Entry {
        who: who.map_or_else(|| "unknown".to_owned(), |who| who.name.clone()),
        role: who.map_or_else(String::new, |who| who.role.as_str().to_owned()),
        address: peer.address.ip().to_canonical().to_string(),
        what: "refused".to_owned(),
        target: format!("{} {}", request.method, request.uri.path()),
        outcome: gate.as_str().to_owned(),
        ..Entry::default()
    });
}
