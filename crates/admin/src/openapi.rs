//! The description of the API as OpenAPI 3.1: where each call is, who may make it, what it takes and gives.
//!
//! Guarantees: paths, methods and roles are those of the table of calls that answers requests, schemas those of the types that
//! are read and written; every call is told, once. The tests hold every answer that they get against it. It says nothing
//! of the one who runs this program, so that it is served to everybody, like the files of the dashboard.

mod page;
mod schemas;
mod table;
#[cfg(test)]
mod tests;
mod told;

use crate::access::sessions::COOKIE;
use crate::audit::AuditRecord;
use crate::calls::{CALLS, Call, Need, Row};
use crate::events::Topic;
use http::Method;
use peregrine_insight::model::{Alert, ChangeNote, ReportTitle, Sample};
use peregrine_net::http::Fault;
use peregrine_telemetry::tail::RequestEvent;
use schemas::{Schemas, of, refer};
use serde_json::{Map, Value, json};
use table::TOLD;
use told::{Area, Form, Told};

pub(crate) use page::Docs;

/// The version of what is described, in its first number the one that programs must fit.
const VERSION: &str = "1.0.0";

const ABOUT: &str = "Watches and steers Peregrine, a caching reverse proxy. Every call but the probes and the login takes a \
    token (`Authorization: Bearer …`) or the cookie of a session; roles are `viewer`, `operator` and `admin`, each of which \
    may what those before it may, and keys may be limited to namespaces. What changes anything is sent with \
    `Content-Type: application/json`, also without a body. What is not known is null, never zero. Requests with unknown \
    fields or parameters are refused. HEAD works wherever GET does.";

/// Refusals by their statuses: names in the document, and when they come.
const REFUSALS: &[(u16, &str, &str)] = &[
    (
        400,
        "Invalid",
        "Something is wrong with the query, a header field or the body; `errors` names every fault.",
    ),
    (401, "Unknown", "The token is missing or wrong, or the session is over."),
    (
        403,
        "Forbidden",
        "The role is too low, the namespace is another's, or host or origin are not ours.",
    ),
    (404, "NotFound", "What it is about is not there."),
    (409, "Conflict", "It cannot be done while things stand as they do."),
    (412, "Changed", "What is to be changed is not what was seen."),
    (413, "TooLarge", "The body is larger than `admin.body_max`."),
    (415, "WrongType", "The content type is not `application/json`."),
    (
        422,
        "AnotherRequest",
        "The `Idempotency-Key` came with another request before.",
    ),
    (428, "Unseen", "`If-Match` is missing."),
    (
        429,
        "Throttled",
        "Too many wrong tokens came from this address; `Retry-After` says for how long to wait.",
    ),
    (503, "Unavailable", "It cannot be done now; later it may."),
];
/// Any other refusal.
const REFUSED: &str = "Refused";

/// The document as it is kept in the repository.
#[must_use]
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).expect("what was made of JSON is JSON");
    text.push('\n');
    text
}

/// The document.
fn document() -> Value {
    let (document, _) = compose();
    document
}

/// The document, and the names that several schemas wanted.
fn compose() -> (Value, Vec<String>) {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for row in CALLS {
        let told = told(row.call);
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        path[row.method.as_str().to_lowercase()] = operation(row, told, &mut schemas);
    }
    let mut paths = Value::Object(paths);
    problem(&mut schemas);
    events(&mut schemas);
    let clashes = std::mem::take(&mut schemas.clashes);
    let schemas = schemas.settle(&mut paths);
    let tags = Area::ALL.map(|area| json!({ "name": area.as_str(), "description": area.about() }));
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Peregrine's admin API", "version": VERSION, "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The address `admin.address`." }],
        "security": [{ "token": [] }, { "session": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses(),
            "parameters": { "IdempotencyKey": idempotency_key() },
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "The admin token, an API key or a tenant's token." },
                "session": { "type": "apiKey", "in": "cookie", "name": COOKIE, "description": "The session that POST `access/login` begins." },
            },
        },
    });
    (document, clashes)
}

/// What is told of `call`.
fn told(call: Call) -> &'static Told {
    let found = TOLD.iter().find(|(known, _)| *known == call);
    &found.expect("every call is told").1
}

fn operation(row: &Row, told: &Told, schemas: &mut Schemas) -> Value {
    let mut operation = json!({
        "operationId": row.word,
        "tags": [told.area.as_str()],
        "summary": told.about,
        "responses": answers(row, told, schemas),
    });
    match row.need {
        Need::Nothing => operation["security"] = json!([]),
        Need::Role(role) => operation["x-role"] = json!(role),
    }
    let mut parameters: Vec<Value> = told.query.iter().map(|given| given.parameter("query")).collect();
    parameters.extend(told.field.map(|given| given.parameter("header")));
    if row.call.is_repeatable() {
        parameters.push(json!({ "$ref": "#/components/parameters/IdempotencyKey" }));
    }
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some(shape) = told.body {
        operation["requestBody"] = json!({
            "required": told.body_needed,
            "content": { "application/json": { "schema": shape(schemas) } },
        });
    }
    operation
}

/// The answers to a call: its own, and every refusal that it can meet.
fn answers(row: &Row, told: &Told, schemas: &mut Schemas) -> Value {
    let mut content = Map::new();
    if let Some(shape) = told.gives {
        content.insert("application/json".to_owned(), json!({ "schema": shape(schemas) }));
    }
    let mut about = vec!["Done."];
    for Form {
        content_type,
        about: form,
    } in told.forms
    {
        let media = match *content_type {
            "application/vnd.google.protobuf" => json!({}),
            _ => json!({ "schema": { "type": "string" } }),
        };
        content.insert((*content_type).to_owned(), media);
        about.push(form);
    }
    let mut done = json!({ "description": about.join(" "), "content": content });
    let mut fields = Map::new();
    if let Some((field, about)) = told.marked {
        fields.insert(field.to_owned(), header(about));
    }
    if row.call.is_repeatable() {
        let again = "`true` where the request was carried out before, and this is the answer of then.";
        fields.insert("Idempotency-Replayed".to_owned(), header(again));
    }
    if !fields.is_empty() {
        done["headers"] = Value::Object(fields);
    }
    let mut answers = Map::new();
    if let Some((status, when)) = told.also {
        let mut also = done.clone();
        also["description"] = json!(when);
        answers.insert(status.to_string(), also);
    }
    answers.insert("200".to_owned(), done);
    for (status, name, _) in REFUSALS {
        if refuses(row, told, *status) {
            answers.entry(status.to_string()).or_insert_with(|| response(name));
        }
    }
    if !Call::is_probe(row.path) {
        answers.insert("default".to_owned(), response(REFUSED));
    }
    Value::Object(answers)
}

/// Whether a call may be refused with this status, beside those that any call may be refused with.
fn refuses(row: &Row, told: &Told, status: u16) -> bool {
    let changes = row.method != Method::GET;
    match status {
        400 => !told.query.is_empty() || told.body.is_some() || row.call.is_repeatable(),
        401 | 429 if row.need != Need::Nothing => true,
        403 => !Call::is_probe(row.path),
        409 => row.call.is_repeatable(),
        413 | 415 => changes,
        422 => row.call.is_repeatable(),
        other => told.refused.contains(&other),
    }
}

fn response(name: &str) -> Value {
    json!({ "$ref": format!("#/components/responses/{name}") })
}

fn header(about: &str) -> Value {
    json!({ "description": about, "schema": { "type": "string" } })
}

fn responses() -> Value {
    let refusal = |about: &str| {
        json!({
            "description": about,
            "content": { "application/problem+json": { "schema": refer("Problem") } },
        })
    };
    let mut responses: Map<String, Value> = REFUSALS
        .iter()
        .map(|(_, name, about)| ((*name).to_owned(), refusal(about)))
        .collect();
    let wait = "For how many seconds to wait.";
    responses["Throttled"]["headers"] = json!({ "Retry-After": header(wait) });
    responses.insert(REFUSED.to_owned(), refusal("It was not done."));
    Value::Object(responses)
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "A change that is sent again with the same key within a day is not carried out again: it gets the first answer.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
    })
}

/// Problem details (RFC 9457) as [`peregrine_net::http::Problem`] writes them.
fn problem(schemas: &mut Schemas) {
    let fault = of::<Fault>(schemas);
    let problem = json!({
        "type": "object",
        "description": "Why something was not done: problem details (RFC 9457).",
        "required": ["type", "title", "status"],
        "properties": {
            "type": { "type": "string", "description": "`urn:peregrine:problem:` and the reason's word.", "examples": ["urn:peregrine:problem:invalid_request"] },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer", "format": "int32", "minimum": 400, "maximum": 599, "description": "The status." },
            "detail": { "type": "string", "description": "What is the matter, and what would be right." },
            "errors": { "type": "array", "items": fault, "description": "Every fault of the request." },
        },
        "additionalProperties": true,
    });
    schemas.insert("Problem".to_owned(), problem);
}

/// What is told on the stream of events: a field for each topic, and for what the stream says of itself.
fn events(schemas: &mut Schemas) {
    let number = json!({ "type": "integer", "format": "int64", "minimum": 0 });
    let skipped = json!({
        "allOf": [of::<RequestEvent>(schemas), {
            "type": "object",
            "properties": { "skipped": { "type": "integer", "format": "int64", "minimum": 0, "description": "How many requests were left out before this one." } },
        }],
        "description": "A finished request, as it is told on the stream.",
    });
    schemas.insert("StreamedRequest".to_owned(), skipped);
    let of_itself =
        |name: &str, kind: &Value| json!({ "type": "object", "required": [name], "properties": { name: kind } });
    let text = json!({ "type": "string" });
    let mut hello = of_itself("seq", &number);
    hello["required"] = json!(["seq", "node"]);
    hello["properties"]["node"] = text.clone();
    let mut fields = Map::new();
    fields.insert("hello".to_owned(), hello);
    fields.insert("gap".to_owned(), of_itself("missed", &number));
    fields.insert("end".to_owned(), of_itself("reason", &text));
    for topic in Topic::ALL {
        let data = match topic {
            Topic::Sample => of::<Sample>(schemas),
            Topic::Alert => of::<Alert>(schemas),
            Topic::Request => refer("StreamedRequest"),
            Topic::Change | Topic::Invalidation => of::<ChangeNote>(schemas),
            Topic::Report => of::<ReportTitle>(schemas),
            Topic::Audit => of::<AuditRecord>(schemas),
        };
        fields.insert(topic.as_str().to_owned(), data);
    }
    let about = "What each event of the stream carries, by its name. First comes `hello`; `gap` says how many events are gone, \
                 `end` why the stream is over.";
    schemas.insert(
        "Events".to_owned(),
        json!({ "type": "object", "description": about, "properties": fields }),
    );
}
