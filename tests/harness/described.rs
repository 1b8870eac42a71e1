//! Holds what the admin API takes and gives against its own description: every answer has to be told for its call and status,
//! in that form, with the fields that are told and no other. The unit tests of the API and the scenarios share this file.

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A description, and what was made of it so far.
pub(crate) struct Described {
    document: Value,
    /// By where the schema stands; nothing where there is none.
    validators: Mutex<HashMap<String, Option<Arc<Validator>>>>,
}

/// An exchange.
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a str,
    /// Without a query.
    pub(crate) path: &'a str,
    pub(crate) sent: &'a [u8],
    pub(crate) status: u16,
    pub(crate) content_type: &'a str,
    pub(crate) body: &'a [u8],
}

impl Described {
    /// Reads an OpenAPI document.
    pub(crate) fn new(mut document: Value) -> Self {
        let raw = document["components"]["schemas"].clone();
        let schemas = document["components"]["schemas"]
            .as_object_mut()
            .expect("it has schemas");
        for schema in schemas.values_mut() {
            close(schema, &raw);
        }
        Self {
            document,
            validators: Mutex::default(),
        }
    }

    /// What is not as it is told; nothing when all is, or when it is about a call that there is not.
    pub(crate) fn faults(&self, exchange: &Exchange<'_>) -> Vec<String> {
        let method = exchange.method.to_lowercase();
        let operation = &self.document["paths"][exchange.path][&method];
        if !operation.is_object() {
            return Vec::new();
        }
        let place = format!("/paths/{}/{method}", escaped(exchange.path));
        let mut faults = Vec::new();
        if (200..300).contains(&exchange.status) && !exchange.sent.is_empty() {
            let body = format!("{place}/requestBody/content/application~1json/schema");
            // A body that a call does not read is as good as none.
            if self.document.pointer(&body).is_some() {
                faults.extend(self.differs(&body, exchange.sent));
            }
        }
        let statuses = [exchange.status.to_string(), "default".to_owned()];
        let told = statuses
            .iter()
            .find(|status| operation["responses"][status.as_str()].is_object());
        let Some(status) = told else {
            faults.push(format!("the status {} is told of nowhere", exchange.status));
            return faults;
        };
        let response = match operation["responses"][status]["$ref"].as_str() {
            Some(reference) => reference.trim_start_matches('#').to_owned(),
            None => format!("{place}/responses/{status}"),
        };
        let form = exchange.content_type.split(';').next().unwrap_or_default().trim();
        let media = format!("{response}/content/{}", escaped(form));
        if self.document.pointer(&media).is_none() {
            faults.push(format!(
                "`{form}` is told of nowhere for the status {}",
                exchange.status
            ));
        } else if form.ends_with("json") {
            faults.extend(self.differs(&format!("{media}/schema"), exchange.body));
        }
        faults
    }

    /// What is not as it is told in a piece of the stream of events.
    pub(crate) fn faults_of_events(&self, piece: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut event = "";
        for line in piece.lines() {
            if let Some(name) = line.strip_prefix("event: ") {
                event = name;
            } else if let Some(data) = line.strip_prefix("data: ") {
                let place = format!("/components/schemas/Events/properties/{event}");
                faults.extend(self.differs(&place, data.as_bytes()));
            }
        }
        faults
    }

    fn differs(&self, place: &str, body: &[u8]) -> Vec<String> {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return vec![format!("it is no JSON: {}", String::from_utf8_lossy(body))];
        };
        let Some(validator) = self.validator(place) else {
            return vec![format!("there is no schema at {place}")];
        };
        let errors = validator.iter_errors(&value);
        errors
            .map(|error| format!("{place}: {}: {error}", error.instance_path()))
            .collect()
    }

    fn validator(&self, place: &str) -> Option<Arc<Validator>> {
        let mut validators = self.validators.lock().expect("nobody panics with it");
        let made = validators.entry(place.to_owned()).or_insert_with(|| {
            let mut schema = self.document.pointer(place)?.clone();
            let components = json!({ "schemas": self.document["components"]["schemas"] });
            schema["components"] = components;
            let validator = jsonschema::options()
                .with_draft(jsonschema::Draft::Draft202012)
                .build(&schema);
            Some(Arc::new(validator.unwrap_or_else(|error| panic!("{place}: {error}"))))
        });
        made.clone()
    }
}

/// A step of a JSON pointer (RFC 6901 §3).
fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// Lets a schema refuse fields that it does not tell of.
fn close(schema: &mut Value, raw: &Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(parts) = fields.get_mut("allOf").and_then(Value::as_array_mut) {
        for part in parts {
            open(part, raw);
        }
        fields.insert("unevaluatedProperties".to_owned(), json!(false));
    }
    if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
        fields.insert("additionalProperties".to_owned(), json!(false));
    }
    within(fields, raw);
}

/// A part of a whole, of which the other parts have further fields: what it refers to stands there itself.
fn open(part: &mut Value, raw: &Value) {
    let name = part["$ref"].as_str().and_then(|place| place.rsplit('/').next());
    if let Some(name) = name {
        *part = raw[name].clone();
    }
    let Some(fields) = part.as_object_mut() else { return };
    for part in fields
        .get_mut("allOf")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        open(part, raw);
    }
    within(fields, raw);
}

fn within(fields: &mut Map<String, Value>, raw: &Value) {
    for (_, property) in fields
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
    {
        close(property, raw);
    }
    for part in ["oneOf", "anyOf"] {
        for part in fields.get_mut(part).and_then(Value::as_array_mut).into_iter().flatten() {
            close(part, raw);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(inner) {
            close(inner, raw);
        }
    }
}
