//! What is told of a call beside its row in the table of calls: what it is for, what it takes, what it gives. Everything here
//! can stand in a constant.

use super::schemas::{Schemas, of};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Adds the schemas of a type, and refers to it.
pub(super) type Shape = fn(&mut Schemas) -> Value;

/// What belongs together in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Probes,
    Monitoring,
    Cache,
    Optimization,
    Alerts,
    Configuration,
    Access,
    Keys,
}

impl Area {
    pub(super) const ALL: [Self; 8] = [
        Self::Probes,
        Self::Monitoring,
        Self::Cache,
        Self::Optimization,
        Self::Alerts,
        Self::Configuration,
        Self::Access,
        Self::Keys,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Probes => "probes",
            Self::Monitoring => "monitoring",
            Self::Cache => "cache",
            Self::Optimization => "optimization",
            Self::Alerts => "alerts",
            Self::Configuration => "configuration",
            Self::Access => "access",
            Self::Keys => "keys",
        }
    }

    pub(super) const fn about(self) -> &'static str {
        match self {
            Self::Probes => {
                "Whether the process is alive, and should get requests. For load balancers; without token and known host."
            }
            Self::Monitoring => {
                "How things are and were: figures, history, reports, the last requests, what happens now."
            }
            Self::Cache => "What the cache holds and did, and everything that changes it by hand.",
            Self::Optimization => "What would make things better, and putting it into the configuration.",
            Self::Alerts => "What is wrong, what makes an alert, and who is told of it.",
            Self::Configuration => "What is configured, changing it in the file, the log's level.",
            Self::Access => "Sessions of browsers, API keys, and who changed what.",
            Self::Keys => "The data keys of encryption. No answer contains any key, wrapped or not.",
        }
    }
}

/// What a parameter can be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Flag,
    Number,
    Whole { min: u64, max: u64 },
    Words(&'static [&'static str]),
}

/// A parameter of a query, or a header field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) needed: bool,
    pub(super) about: &'static str,
}

impl Given {
    pub(super) const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self {
            name,
            kind,
            needed: false,
            about,
        }
    }

    pub(super) const fn text(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Text, about)
    }

    pub(super) const fn needed(mut self) -> Self {
        self.needed = true;
        self
    }

    /// As a parameter object.
    pub(super) fn parameter(&self, place: &str) -> Value {
        let schema = match self.kind {
            Kind::Text => json!({ "type": "string" }),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Number => json!({ "type": "number" }),
            Kind::Whole { min, max: u64::MAX } => json!({ "type": "integer", "minimum": min }),
            Kind::Whole { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Kind::Words(words) => json!({ "type": "string", "enum": words }),
        };
        json!({ "name": self.name, "in": place, "required": self.needed, "description": self.about, "schema": schema })
    }
}

/// A form of an answer that is no JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) content_type: &'static str,
    pub(super) about: &'static str,
}

/// What is told of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) area: Area,
    pub(super) about: &'static str,
    pub(super) query: &'static [Given],
    /// A header field that this call alone reads.
    pub(super) field: Option<Given>,
    pub(super) body: Option<Shape>,
    pub(super) body_needed: bool,
    /// Its answer as JSON.
    pub(super) gives: Option<Shape>,
    /// Other forms of its answer.
    pub(super) forms: &'static [Form],
    /// A header field of its answer.
    pub(super) marked: Option<(&'static str, &'static str)>,
    /// Further statuses with an answer of its own form, and when they come.
    pub(super) also: Option<(u16, &'static str)>,
    /// Further statuses with a problem.
    pub(super) refused: &'static [u16],
}

impl Told {
    pub(super) const fn new(area: Area, about: &'static str) -> Self {
        Self {
            area,
            about,
            query: &[],
            field: None,
            body: None,
            body_needed: false,
            gives: None,
            forms: &[],
            marked: None,
            also: None,
            refused: &[],
        }
    }

    pub(super) const fn asks(mut self, query: &'static [Given]) -> Self {
        self.query = query;
        self
    }

    pub(super) const fn reads(mut self, field: Given) -> Self {
        self.field = Some(field);
        self
    }

    pub(super) const fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some(of::<T>);
        self.body_needed = true;
        self
    }

    /// Takes a body, or none.
    pub(super) const fn may_take<T: ToSchema>(mut self) -> Self {
        self.body = Some(of::<T>);
        self
    }

    pub(super) const fn gives<T: ToSchema>(mut self) -> Self {
        self.gives = Some(of::<T>);
        self
    }

    /// Gives what `shape` says.
    pub(super) const fn shaped(mut self, shape: Shape) -> Self {
        self.gives = Some(shape);
        self
    }

    pub(super) const fn forms(mut self, forms: &'static [Form]) -> Self {
        self.forms = forms;
        self
    }

    pub(super) const fn marked(mut self, field: &'static str, about: &'static str) -> Self {
        self.marked = Some((field, about));
        self
    }

    pub(super) const fn also(mut self, status: u16, when: &'static str) -> Self {
        self.also = Some((status, when));
        self
    }

    pub(super) const fn refused(mut self, statuses: &'static [u16]) -> Self {
        self.refused = statuses;
        self
    }
}
