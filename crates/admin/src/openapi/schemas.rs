//! The schemas of the document, as the types derive them, made exact where a derive cannot know: which fields of an answer
//! are always there.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// What a reference begins with.
pub(super) const PLACE: &str = "#/components/schemas/";
/// What the name of a schema ends in that differs between requests and answers, in its form for requests.
const FOR_REQUESTS: &str = "Input";

/// What serde leaves out of answers where it says nothing, by schema and field. A field that is missing here is found by the
/// tests, in which every answer is held against the document.
pub(super) const LEFT_OUT: &[(&str, &str)] = &[
    ("Problem", "detail"),
    ("Problem", "errors"),
    ("Receipt", "journaled"),
    ("ReceiptLayer", "nodes"),
    ("StreamedRequest", "skipped"),
    ("Verified", "note"),
];

/// Schemas by their names.
#[derive(Default)]
pub(super) struct Schemas {
    known: BTreeMap<String, Value>,
    /// Names that two different types have: a fault of ours, which a test finds.
    pub(super) clashes: Vec<String>,
}

/// Adds the schema of `T` and of what is in it, and refers to it.
pub(super) fn of<T: ToSchema>(schemas: &mut Schemas) -> Value {
    let mut found = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut found);
    for (name, schema) in found {
        let mut schema = serde_json::to_value(schema).expect("a schema is JSON");
        plain_words(&mut schema);
        schemas.insert(name, schema);
    }
    refer(&T::name())
}

/// A reference to the schema `name`.
pub(super) fn refer(name: &str) -> Value {
    json!({ "$ref": format!("{PLACE}{name}") })
}

impl Schemas {
    pub(super) fn insert(&mut self, name: String, schema: Value) {
        match self.known.get(&name) {
            Some(known) if *known != schema => self.clashes.push(name),
            Some(_) => {}
            None => {
                self.known.insert(name, schema);
            }
        }
    }

    /// All of them, with what only those of answers have, and `paths` changed to fit.
    ///
    /// The derive takes a field that may be null, or has a default, for one that may be missing. That is so in requests;
    /// answers have every field but those in [`LEFT_OUT`]. A type that is in both has two forms.
    pub(super) fn settle(mut self, paths: &mut Value) -> Value {
        let (mut asked, mut answered) = (BTreeSet::new(), BTreeSet::new());
        for_operations(paths, |operation| {
            self.gather(&operation["requestBody"], &mut asked);
            self.gather(&operation["responses"], &mut answered);
        });
        // What no operation names is of an answer too: problems, events.
        for name in self.known.keys().filter(|name| !asked.contains(*name)) {
            answered.insert(name.clone());
        }
        let exact = |name: &str, schema: &Value| {
            let mut schema = schema.clone();
            always_there(name, &mut schema);
            schema
        };
        let (of_answers, of_requests) = (&answered, &asked);
        let differs: BTreeSet<String> = of_requests
            .intersection(of_answers)
            .filter(|name| {
                self.known
                    .get(*name)
                    .is_some_and(|schema| exact(name, schema) != *schema)
            })
            .cloned()
            .collect();
        // Whatever of a request has such a type in it has another form too.
        let differs = self.spread(differs, of_requests, of_answers);
        let mut settled = BTreeMap::new();
        for (name, schema) in &self.known {
            if of_requests.contains(name) {
                let mut schema = schema.clone();
                rename(&mut schema, &differs);
                let name = if differs.contains(name) {
                    format!("{name}{FOR_REQUESTS}")
                } else {
                    name.clone()
                };
                settled.insert(name, schema);
            }
            if of_answers.contains(name) && (!of_requests.contains(name) || differs.contains(name)) {
                settled.insert(name.clone(), exact(name, schema));
            }
        }
        for_operations(paths, |operation| {
            if let Some(body) = operation.get_mut("requestBody") {
                rename(body, &differs);
            }
        });
        self.known = settled;
        json!(self.known)
    }

    /// The names that are reached from `value`.
    fn gather(&self, value: &Value, into: &mut BTreeSet<String>) {
        each_reference(value, &mut |name| {
            if into.insert(name.to_owned())
                && let Some(schema) = self.known.get(name)
            {
                self.gather(schema, into);
            }
        });
    }

    /// `differs` with what of both sides refers to one of them.
    fn spread(
        &self,
        mut differs: BTreeSet<String>,
        asked: &BTreeSet<String>,
        answered: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        loop {
            let refers = |name: &&String| {
                let mut within = BTreeSet::new();
                each_reference(&self.known[*name], &mut |other| {
                    within.insert(other.to_owned());
                });
                !within.is_disjoint(&differs)
            };
            let both = asked.intersection(answered).filter(|name| !differs.contains(*name));
            let more: Vec<String> = both
                .filter(|name| self.known.contains_key(*name))
                .filter(refers)
                .cloned()
                .collect();
            if more.is_empty() {
                return differs;
            }
            differs.extend(more);
        }
    }
}

/// Does something with every operation of `paths`.
fn for_operations(paths: &mut Value, mut change: impl FnMut(&mut Value)) {
    let paths = paths.as_object_mut().into_iter().flatten();
    for (_, path) in paths {
        for (_, operation) in path.as_object_mut().into_iter().flatten() {
            if operation.is_object() {
                change(operation);
            }
        }
    }
}

/// The names of the schemas that `value` refers to.
fn each_reference(value: &Value, take: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(named) {
                take(name);
            }
            fields.values().for_each(|inner| each_reference(inner, take));
        }
        Value::Array(elements) => elements.iter().for_each(|inner| each_reference(inner, take)),
        _ => {}
    }
}

fn named(reference: &Value) -> Option<&str> {
    reference.as_str()?.strip_prefix(PLACE)
}

/// Lets references to what is in `differs` mean its form for requests.
fn rename(value: &mut Value, differs: &BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(named).map(str::to_owned);
            if let Some(name) = name.filter(|name| differs.contains(name)) {
                fields.insert("$ref".to_owned(), json!(format!("{PLACE}{name}{FOR_REQUESTS}")));
            }
            fields.values_mut().for_each(|inner| rename(inner, differs));
        }
        Value::Array(elements) => elements.iter_mut().for_each(|inner| rename(inner, differs)),
        _ => {}
    }
}

/// Requires every field of `schema`, which is called `name`, and of the parts of it; but not what is left out.
fn always_there(name: &str, schema: &mut Value) {
    if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
        let left_out = |field: &str| LEFT_OUT.contains(&(name, field));
        let required: Vec<String> = fields.keys().filter(|field| !left_out(field)).cloned().collect();
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
    }
    for part in ["allOf", "oneOf", "anyOf"] {
        let parts = schema.get_mut(part).and_then(Value::as_array_mut);
        parts.into_iter().flatten().for_each(|part| always_there(name, part));
    }
}

/// Descriptions without the links of rustdoc.
fn plain_words(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
            }
            fields.values_mut().for_each(plain_words);
        }
        Value::Array(elements) => elements.iter_mut().for_each(plain_words),
        _ => {}
    }
}
