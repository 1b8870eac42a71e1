//! `/docs/performance`: the description as a page for people, and beside it as the document. Files like those of the
//! dashboard: served to everybody, without a script, with nothing from elsewhere.

use super::document;
use crate::dashboard::{File, entity_tag, nothing_here, serve};
use http::request::Parts;
use http::{HeaderValue, Response};
use peregrine_net::http::Body;
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// Where they are.
pub(crate) const DOCS: &str = "/docs/performance";

/// The page, made when it is asked for first.
static PAGE: LazyLock<(String, HeaderValue)> = LazyLock::new(|| tagged(page(&document())));
/// The document.
static DOCUMENT: LazyLock<(String, HeaderValue)> = LazyLock::new(|| tagged(super::text()));
/// The page's style.
static STYLE: LazyLock<(String, HeaderValue)> = LazyLock::new(|| tagged(include_str!("../pages/plain.css").to_owned()));

fn tagged(text: String) -> (String, HeaderValue) {
    let tag = entity_tag(text.as_bytes());
    (text, tag)
}

/// The files that describe the API.
#[derive(Debug, Default)]
pub(crate) struct Docs;

impl Docs {
    /// Whether `path` is one of theirs.
    pub(crate) fn has(path: &str) -> bool {
        path.strip_prefix(DOCS)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The answer to a GET of `path`, which [`Docs::has`].
    pub(crate) fn answer(&self, path: &str, request: &Parts) -> Response<Body> {
        let (name, file): (_, &'static (String, HeaderValue)) = match path.strip_prefix(DOCS).unwrap_or_default() {
            "" | "/" => ("index.html", &PAGE),
            "/openapi.json" => ("openapi.json", &DOCUMENT),
            "/plain.css" => ("plain.css", &STYLE),
            _ => return nothing_here(),
        };
        let (text, tag) = file;
        let file = File {
            name,
            plain: text.as_bytes(),
            br: None,
            gz: None,
        };
        serve(&file, tag, &request.headers)
    }
}

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Peregrine's admin API</title>
<link rel="icon" type="image/svg+xml" href="/dashboard/performance/icon.svg">
<link rel="stylesheet" href="/docs/performance/plain.css">
</head>
<body>
<main>
<h1>Peregrine's admin API</h1>
"#;

/// Text as HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(letter),
        }
    }
    out
}

/// Text as HTML, with what stands between backticks as code.
fn prose(text: &str) -> String {
    let parts = escaped(text);
    let mut out = String::new();
    for (index, part) in parts.split('`').enumerate() {
        match index % 2 {
            0 => out.push_str(part),
            _ => out.push_str(&format!("<code>{part}</code>")),
        }
    }
    out
}

fn word<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Writes to a text, which takes whatever is written to it.
macro_rules! put {
    ($out:expr, $($text:tt)*) => { writeln!($out, $($text)*).expect("a text takes what is written to it") };
}

/// The page.
fn page(document: &Value) -> String {
    let mut out = String::from(HEAD);
    put!(out, "<p>{}</p>", prose(word(&document["info"], "description")));
    put!(
        out,
        "<p>The same for programs: <a href=\"{DOCS}/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>\n<ul>"
    );
    let tags = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    for tag in tags {
        let name = escaped(word(tag, "name"));
        put!(
            out,
            "<li><a href=\"#{name}\">{name}</a> {}</li>",
            prose(word(tag, "description"))
        );
    }
    put!(
        out,
        "<li><a href=\"#schemas\">schemas</a> What is sent and answered.</li>\n</ul>"
    );
    for tag in tags {
        area(&mut out, document, tag);
    }
    put!(out, "<h2 id=\"schemas\">schemas</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let name = escaped(name);
        put!(out, "<h3 id=\"schema-{name}\">{name}</h3>");
        put!(out, "<p class=\"soft\">{}</p>", prose(word(schema, "description")));
        fields(&mut out, schema);
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// The operations with one tag.
fn area(out: &mut String, document: &Value, tag: &Value) {
    let name = word(tag, "name");
    put!(
        out,
        "<h2 id=\"{0}\">{0}</h2>\n<p class=\"soft\">{1}</p>",
        escaped(name),
        prose(word(tag, "description"))
    );
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            if operation["tags"][0] == name {
                one(out, document, path, method, operation);
            }
        }
    }
}

fn one(out: &mut String, document: &Value, path: &str, method: &str, operation: &Value) {
    let id = escaped(word(operation, "operationId"));
    put!(
        out,
        "<details id=\"{id}\"><summary><span class=\"method\">{}</span><code>{}</code> {}</summary><div>",
        escaped(&method.to_uppercase()),
        escaped(path),
        prose(word(operation, "summary"))
    );
    match word(operation, "x-role") {
        "" => put!(out, "<p class=\"soft\">For anybody.</p>"),
        role => put!(
            out,
            "<p class=\"soft\">Takes the role <code>{}</code>.</p>",
            escaped(role)
        ),
    }
    if let Some(parameters) = operation["parameters"].as_array() {
        put!(
            out,
            "<table><tr><th>parameter</th><th>where</th><th>type</th><th>what it says</th></tr>"
        );
        for parameter in parameters {
            let parameter = resolved(document, parameter);
            let needed = if parameter["required"] == true { ", needed" } else { "" };
            put!(
                out,
                "<tr><td><code>{}</code></td><td>{}{needed}</td><td>{}</td><td>{}</td></tr>",
                escaped(word(parameter, "name")),
                escaped(word(parameter, "in")),
                kind(&parameter["schema"]),
                prose(word(parameter, "description"))
            );
        }
        put!(out, "</table>");
    }
    let body = &operation["requestBody"];
    if body.is_object() {
        let optional = if body["required"] == true { "" } else { ", or nothing" };
        put!(
            out,
            "<p>Takes {}{optional}.</p>",
            kind(&body["content"]["application/json"]["schema"])
        );
    }
    put!(out, "<table><tr><th>status</th><th>answer</th><th>when</th></tr>");
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let response = resolved(document, response);
        let forms = response["content"].as_object().into_iter().flatten();
        let forms: Vec<String> = forms
            .map(|(content_type, media)| match content_type.ends_with("json") {
                true => kind(&media["schema"]),
                false => format!("<code>{}</code>", escaped(content_type)),
            })
            .collect();
        put!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(status),
            forms.join(" or "),
            prose(word(response, "description"))
        );
    }
    put!(out, "</table></div></details>");
}

/// What `value` refers to, or itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let place = value["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
    place.and_then(|place| document.pointer(place)).unwrap_or(value)
}

/// What a schema takes, in few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|place| place.rsplit('/').next()) {
        let name = escaped(name);
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for part in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema[part].as_array() {
            let parts: Vec<String> = parts.iter().map(kind).collect();
            return parts.join(if part == "allOf" { " and " } else { " or " });
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words
            .iter()
            .map(|word| {
                let text = word.as_str().map_or_else(|| word.to_string(), str::to_owned);
                format!("<code>{}</code>", escaped(&text))
            })
            .collect();
        return words.join(" or ");
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name.as_str()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let names: Vec<String> = names
        .into_iter()
        .map(|name| match name {
            "array" => format!("list of {}", kind(&schema["items"])),
            "object" if schema["additionalProperties"].is_object() => {
                format!("map of {}", kind(&schema["additionalProperties"]))
            }
            name => escaped(name),
        })
        .collect();
    match names.is_empty() {
        true => "anything".to_owned(),
        false => names.join(" or "),
    }
}

/// The fields of a schema and of its parts.
fn fields(out: &mut String, schema: &Value) {
    if let Some(properties) = schema["properties"].as_object() {
        let required = schema["required"].as_array();
        put!(out, "<table><tr><th>field</th><th>type</th><th>what it says</th></tr>");
        for (name, property) in properties {
            let there = required.is_some_and(|required| required.iter().any(|known| known == name.as_str()));
            let missing = if there { "" } else { ", may be missing" };
            put!(
                out,
                "<tr><td><code>{}</code></td><td>{}{missing}</td><td>{}</td></tr>",
                escaped(name),
                kind(property),
                prose(word(property, "description"))
            );
        }
        put!(out, "</table>");
        return;
    }
    let parts = ["allOf", "oneOf", "anyOf"]
        .iter()
        .find_map(|part| schema[*part].as_array());
    let Some(parts) = parts else {
        put!(out, "<p>{}</p>", kind(schema));
        return;
    };
    for part in parts {
        match part["properties"].is_object() {
            true => fields(out, part),
            false => put!(out, "<p>{}</p>", kind(part)),
        }
    }
}
