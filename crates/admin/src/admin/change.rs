//! Calls that change something.

use super::Admin;
use super::noting::Note;
use crate::access::Who;
use crate::answer::Answer;
use crate::api::access::{CreateKey, LoggedOut, LoginRequest, Me};
use crate::api::config::{LogLevel, PatchRequest, if_match};
use crate::api::invalidation::{ClearRequest, PatternRequest};
use crate::api::keys::{EraseRequest, RotateRequest};
use crate::api::operation::{Act, OperationRequest, Outcome, WrittenOutcome};
use crate::api::preload::PreloadRequest;
use crate::calls::Call;
use crate::json;
use crate::refusal::{Refusal, fault};
use http::header;
use http::request::Parts;
use peregrine_cache::Invalidation;
use peregrine_net::http::Peer;
use serde_json::json;

impl Admin {
    /// A call that changes something.
    pub(super) async fn change(
        &self,
        call: Call,
        request: &Parts,
        body: &[u8],
        who: &Who,
        peer: &Peer,
        note: &mut Note,
    ) -> Result<Answer, Refusal> {
        let invalidation = match call {
            Call::Operation => return self.operation(body, who, note).await,
            Call::Login | Call::Logout | Call::CreateKey | Call::RevokeKey => {
                return self.change_access(call, request, body, who, peer, note);
            }
            Call::Reload | Call::PatchConfig | Call::SetLogLevel => {
                return self.change_config(call, request, body, note).await;
            }
            Call::Preload => {
                let asked: PreloadRequest = json::read(body)?;
                note.target(&format!("{} URLs", asked.urls.len()));
                let report = self.control.preload(asked).await?;
                note.after(&report);
                return Answer::json(&report);
            }
            Call::RotateKeys => {
                let asked: RotateRequest = json::read(body)?;
                note.target(&asked);
                let done = self.control.rotate_keys(asked).await?;
                note.after(&done);
                return Answer::json(&done);
            }
            Call::EraseKeys => {
                let asked: EraseRequest = json::read(body)?;
                note.target(&asked);
                let done = self.control.erase_keys(asked).await?;
                note.after(&done);
                return Answer::json(&done);
            }
            Call::ResetMetrics => return self.reset_metrics(who, note),
            Call::Force => return self.force(body, note).await,
            Call::Recommend => {
                let found = self.recommend();
                note.after(&found.recommendations.len());
                return Answer::json(&found);
            }
            Call::SetRules | Call::Silence | Call::EndSilence | Call::Acknowledge | Call::ForgetAlerts => {
                return self.change_alerts(call, request, body, who, note);
            }
            Call::Invalidate => json::read::<Invalidation>(body)?,
            Call::ClearPattern if body.is_empty() => PatternRequest::from_query(request.uri.query())?.into(),
            Call::ClearPattern => json::read::<PatternRequest>(body)?.into(),
            Call::Clear if !body.is_empty() => json::read::<ClearRequest>(body)?.into(),
            Call::Clear | Call::ClearAll => ClearRequest::default().into(),
            other => {
                tracing::error!(
                    call = other.as_str(),
                    "a call that changes something has nobody to carry it out"
                );
                return Err(Refusal::failed("This call is not carried out by anybody."));
            }
        };
        if self.control.names_are_sealed() {
            note.target(&unnamed(&invalidation));
        } else {
            note.target(&invalidation);
        }
        let receipt = self.control.invalidate(who.limit(invalidation)?).await?;
        note.after(&json!({ "id": receipt.id, "matched": receipt.matched, "confirmed": receipt.is_confirmed() }));
        let answer = Answer::json(&receipt)?;
        Ok(answer.unless_pending(&receipt))
    }

    /// Calls about who may what.
    fn change_access(
        &self,
        call: Call,
        request: &Parts,
        body: &[u8],
        who: &Who,
        peer: &Peer,
        note: &mut Note,
    ) -> Result<Answer, Refusal> {
        match call {
            Call::Login => {
                let asked: LoginRequest = json::read(body)?;
                let (who, cookie) = self.guard.log_in(&asked, request, peer)?;
                note.who = Some(who.clone());
                Ok(Answer::json(&Me::from(&who))?.header(header::SET_COOKIE, cookie))
            }
            Call::Logout => {
                let ended = self.guard.log_out(request);
                let answer = Answer::json(&LoggedOut { ended })?;
                Ok(answer.header(header::SET_COOKIE, self.guard.no_cookie(peer)))
            }
            Call::CreateKey => {
                let asked: CreateKey = json::read(body)?;
                self.check_namespaces(asked.namespaces.as_deref().unwrap_or_default())?;
                note.target(&asked.name);
                let made = self.guard.keys().create(asked, who, self.clock.wall())?;
                note.after(&made.about);
                Answer::json(&made)
            }
            _ => {
                let id = crate::api::access::id(request.uri.query())?;
                note.target(&id);
                let revoked = self.guard.keys().revoke(&id)?;
                note.before(&revoked);
                Answer::json(&revoked)
            }
        }
    }

    /// Calls about the configuration.
    async fn change_config(
        &self,
        call: Call,
        request: &Parts,
        body: &[u8],
        note: &mut Note,
    ) -> Result<Answer, Refusal> {
        match call {
            Call::PatchConfig => {
                let asked: PatchRequest = json::read(body)?;
                let etag = if_match(request)?;
                note.target(&asked.changes.keys().cloned().collect::<Vec<_>>().join(", "));
                let patched = self.control.patch_config(asked, etag).await?;
                note.after(&patched);
                Answer::json(&patched)
            }
            Call::SetLogLevel => {
                let asked: LogLevel = json::read(body)?;
                note.before(&self.control.log_level());
                let level = self.control.set_log_level(asked)?;
                note.after(&level);
                Answer::json(&level)
            }
            _ => {
                let reloaded = self.control.reload().await?;
                note.after(&reloaded);
                Answer::json(&reloaded)
            }
        }
    }

    /// A key for a namespace that is misspelt would let nobody in, and nobody would know why.
    fn check_namespaces(&self, names: &[String]) -> Result<(), Refusal> {
        let known = self.control.namespaces();
        let unknown = names.iter().filter(|name| !known.contains_key(*name));
        let faults: Vec<_> = unknown
            .map(|name| {
                let known: Vec<&str> = known.keys().map(String::as_str).collect();
                fault(
                    "namespaces",
                    format!("there is no `{name}`; there are: {}", known.join(", ")),
                )
            })
            .collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Refusal::invalid(faults))
        }
    }

    async fn operation(&self, body: &[u8], who: &Who, note: &mut Note) -> Result<Answer, Refusal> {
        let asked: OperationRequest = json::parse(body)?;
        let op = asked.op;
        let operation = asked.into_operation().map_err(Refusal::invalid)?;
        who.check_namespace(&operation.namespace)?;
        // Values that a program reads and writes are what the cache is for; clearing is what somebody does to it.
        if operation.act == Act::Clear {
            note.target(&format!("namespace {}", operation.namespace));
        }
        let keys: Vec<String> = match &operation.act {
            Act::GetMany(keys) => keys.clone(),
            Act::Set(values, _) => values.iter().map(|(key, _)| key.clone()).collect(),
            Act::Get(_) | Act::Delete(_) | Act::Clear => Vec::new(),
        };
        let outcome = self.control.operation(operation).await?;
        let answer = Answer::json(&WrittenOutcome::new(op, &keys, &outcome))?;
        Ok(match &outcome {
            Outcome::Cleared(receipt) => answer.unless_pending(receipt),
            _ => answer,
        })
    }
}

/// How much an invalidation names instead of what: a tag or a key may tell what an encrypted entry is about, and the audit log
/// is not encrypted.
fn unnamed(invalidation: &Invalidation) -> serde_json::Value {
    json!({
        "tags": invalidation.tags.len(),
        "keys": invalidation.keys.len(),
        "prefixes": invalidation.prefixes.len(),
        "patterns": invalidation.patterns.len(),
        "namespaces": invalidation.namespaces,
        "all": invalidation.all,
        "soft": invalidation.soft,
        "dry_run": invalidation.dry_run,
    })
}
