//! The typed form of `[notify.NAME]`. Every default and bound stands in [`super::PARAMETERS`].

use crate::alerts::Receiver;
use crate::model::Severity;
use peregrine_base::{Complaint, Secret, Span};
use serde::Deserialize;
use std::path::PathBuf;

/// The shortest secret that is worth one, in bytes.
const SECRET_LENGTH_MIN: usize = 16;
/// The longest URL.
const URL_LENGTH_MAX: usize = 2048;

/// In which words somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyKind {
    /// JSON of Peregrine's own, for programs.
    Webhook,
    /// A message as Slack's incoming webhooks take it; Mattermost and others do too.
    Slack,
}

/// One `[notify.NAME]`: somebody who is told of alerts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {
    /// In which words.
    pub kind: NotifyKind,
    /// Where to. A secret: whoever has it can write there.
    pub url: Secret,
    /// What webhooks are signed with.
    pub secret: Option<Secret>,
    /// The least severity that is told.
    pub severity_min: Severity,
    /// Whether it is told that an alert ended.
    pub resolved: bool,
    /// How long sending may take.
    pub timeout: Span,
    /// How long a message is tried.
    pub age_max: Span,
    /// The most messages in a minute.
    pub rate_max: u32,
    /// The certificates that are trusted, instead of the system's.
    pub ca: Option<PathBuf>,
}

impl NotifyConfig {
    /// What alerts need to know of it.
    #[must_use]
    pub fn receiver(&self, name: &str) -> Receiver {
        Receiver {
            name: name.to_owned(),
            severity_min: self.severity_min,
            resolved: self.resolved,
        }
    }

    /// The scheme and authority of its URL, and the path with the query.
    #[must_use]
    pub fn address(&self) -> Option<(&str, &str)> {
        let url = self.url.expose();
        let begin = url.find("://")? + 3;
        let end = url[begin..].find(['/', '?']).map_or(url.len(), |end| begin + end);
        let (base, path) = url.split_at(end);
        let authority = &base[begin..];
        let is_plain = authority.bytes().all(|byte| byte.is_ascii_graphic()) && !authority.contains(['@', '#', '\\']);
        let is_sound = matches!(&base[..begin], "http://" | "https://") && !authority.is_empty() && is_plain;
        let is_visible = path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.contains('#');
        (is_sound && is_visible && url.len() <= URL_LENGTH_MAX).then_some((base, path))
    }

    /// Rules that no row of the table says. The URL is not repeated.
    ///
    /// # Errors
    /// With what cannot hold.
    pub fn check(&self) -> Result<(), Vec<Complaint>> {
        let mut all = Vec::new();
        if self.address().is_none() {
            let help =
                "write https://HOST/PATH, without a name, a password or a fragment; \"${NAME}\" reads the environment";
            all.push(Complaint::new("url", "is no URL that could be posted to", help));
        }
        if self.secret.is_some() && self.kind == NotifyKind::Slack {
            let help = "leave it away: what proves a message to Slack is the URL itself";
            all.push(Complaint::new(
                "secret",
                "is of no use: Slack looks at no signature",
                help,
            ));
        }
        if self
            .secret
            .as_ref()
            .is_some_and(|secret| secret.expose().len() < SECRET_LENGTH_MIN)
        {
            let problem = format!("is shorter than {SECRET_LENGTH_MIN} characters");
            all.push(Complaint::new(
                "secret",
                problem,
                "make one with `openssl rand -hex 32`",
            ));
        }
        if all.is_empty() { Ok(()) } else { Err(all) }
    }
}
