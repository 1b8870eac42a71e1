//! Who asks, and what they may do: a role, the namespaces that it is limited to, the tenant that it is limited to.

pub(crate) mod codes;
pub(crate) mod keys;
pub(crate) mod sessions;

use crate::calls::{Call, Need, Reach};
use crate::refusal::{Barred, Refusal};
use peregrine_base::WallTime;
use peregrine_cache::Invalidation;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody may do. Each may what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read.
    Viewer,
    /// Also change what is cached, silence alerts, start what computes something.
    Operator,
    /// Also change the configuration, keys, rules and who may what.
    Admin,
}

impl Role {
    /// The word in JSON, logs and the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Somebody who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    /// For people: `admin token`, `key deploy`, `tenant acme`.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The namespaces that they are limited to; nothing: all.
    pub(crate) namespaces: Option<Vec<String>>,
    /// The tenant that they are limited to.
    pub(crate) tenant: Option<String>,
    /// The API key by which they came, which may be revoked.
    pub(crate) key: Option<String>,
    /// When what let them in is over.
    pub(crate) expires: Option<WallTime>,
}

impl Who {
    /// Whoever holds the admin token.
    pub(crate) fn admin(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            role: Role::Admin,
            namespaces: None,
            tenant: None,
            key: None,
            expires: None,
        }
    }

    /// Whoever holds the token of `tenant`.
    pub(crate) fn tenant(tenant: &str) -> Self {
        Self {
            role: Role::Operator,
            tenant: Some(tenant.to_owned()),
            ..Self::admin(&format!("tenant {tenant}"))
        }
    }

    /// Whoever asks what is told to anybody.
    pub(crate) fn anybody() -> Self {
        Self {
            role: Role::Viewer,
            ..Self::admin("anybody")
        }
    }

    /// Whether `call` may be made by them.
    pub(crate) fn allow(&self, call: Call) -> Result<(), Refusal> {
        let (need, reach) = (call.need(), call.reach());
        if self.tenant.is_some() && !matches!(reach, Reach::Own | Reach::Tenants) {
            return Err(Refusal::barred(
                Barred::TenantToken,
                "With a tenant's token its statistics are read (`cache/stats`) and its entries are invalidated; for all else \
                 it takes the admin token or an API key.",
            ));
        }
        if let Need::Role(needed) = need
            && self.role < needed
        {
            let detail = format!(
                "This takes the role `{}`; yours is `{}`.",
                needed.as_str(),
                self.role.as_str()
            );
            return Err(Refusal::barred(Barred::Role, detail));
        }
        if self.namespaces.is_some() && reach == Reach::Whole {
            return Err(self.beyond("This concerns more than these namespaces"));
        }
        Ok(())
    }

    /// Whether they may see and touch `namespace`.
    pub(crate) fn reaches(&self, namespace: &str) -> bool {
        self.namespaces
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| name == namespace))
    }

    /// Refuses what is about another namespace.
    pub(crate) fn check_namespace(&self, namespace: &str) -> Result<(), Refusal> {
        if self.reaches(namespace) {
            Ok(())
        } else {
            Err(self.beyond("This is about another namespace"))
        }
    }

    fn beyond(&self, what: &str) -> Refusal {
        let names = self.namespaces.as_deref().unwrap_or_default().join("`, `");
        Refusal::barred(Barred::Namespace, format!("{what}; you are limited to `{names}`."))
    }

    /// `invalidation`, limited to what they reach.
    pub(crate) fn limit(&self, mut invalidation: Invalidation) -> Result<Invalidation, Refusal> {
        if let Some(tenant) = &self.tenant {
            if invalidation.tenant.as_deref().is_some_and(|named| named != tenant) {
                let why = "With a tenant's token no other tenant's entries are invalidated.";
                return Err(Refusal::barred(Barred::TenantToken, why));
            }
            invalidation.tenant = Some(tenant.clone());
        }
        if let Some(namespaces) = &self.namespaces {
            invalidation
                .namespaces
                .iter()
                .try_for_each(|named| self.check_namespace(named))?;
            invalidation.scope = Some(namespaces.clone());
        }
        Ok(invalidation)
    }
}
