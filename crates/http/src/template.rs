//! Tags with placeholders: `product-{path.2}` on `/products/17` gives `product-17`.

use crate::request::{RequestFacts, RequestView as _};
use http::HeaderName;

/// A tag to be filled in from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Host,
    Path,
    /// A segment of the path, counted from 1.
    Segment(usize),
    Query(String),
    Header(HeaderName),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace stands alone.
    #[error("`{0}` has a brace without its partner: write `{{name}}`")]
    Brace(String),
    /// Nobody knows the placeholder.
    #[error(
        "`{{{0}}}` is no placeholder: use {{host}}, {{path}}, {{path.N}} (N from 1), {{query.NAME}} or {{header.NAME}}"
    )]
    Unknown(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When a brace stands alone or a placeholder is unknown.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (before, at) = rest.split_at(open);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let close = at.find('}').filter(|_| at.starts_with('{'));
            let close = close.ok_or_else(|| TemplateError::Brace(text.to_owned()))?;
            parts.push(placeholder(&at[1..close])?);
            rest = &at[close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The tag for one request, or nothing when a placeholder has no value there.
    #[must_use]
    pub fn render(&self, request: &RequestFacts) -> Option<String> {
        let mut out = String::new();
        for part in &self.parts {
            let value = match part {
                Part::Text(text) => Some(text.as_str()),
                Part::Host => Some(request.host()),
                Part::Path => Some(request.path()),
                Part::Segment(number) => request
                    .path()
                    .split('/')
                    .filter(|segment| !segment.is_empty())
                    .nth(number - 1),
                Part::Query(name) => request.query_value(name),
                Part::Header(name) => request.headers.get(name).and_then(|value| value.to_str().ok()),
            };
            out.push_str(value.filter(|value| !value.is_empty())?);
        }
        (!out.is_empty()).then_some(out)
    }
}

fn placeholder(name: &str) -> Result<Part, TemplateError> {
    let unknown = || TemplateError::Unknown(name.to_owned());
    match name.split_once('.') {
        None if name == "host" => Ok(Part::Host),
        None if name == "path" => Ok(Part::Path),
        Some(("path", number)) => match number.parse() {
            Ok(number) if number > 0 => Ok(Part::Segment(number)),
            _ => Err(unknown()),
        },
        Some(("query", key)) if !key.is_empty() => Ok(Part::Query(key.to_owned())),
        Some(("header", field)) => field.parse().map(Part::Header).map_err(|_| unknown()),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::facts_for_tests;

    #[test]
    fn fills_in_placeholders_and_leaves_out_tags_without_a_value() {
        let request = facts_for_tests(
            "GET",
            "http://Shop.example:8080/products/17?lang=de&empty=",
            &[("x-shop", "north")],
        );
        for (template, tag) in [
            ("api", Some("api")),
            ("product-{path.2}", Some("product-17")),
            ("{host}", Some("shop.example")),
            ("{path}", Some("/products/17")),
            ("{query.lang}-{header.x-shop}", Some("de-north")),
            ("page-{query.page}", None),
            ("x{query.empty}", None),
            ("{path.3}", None),
        ] {
            assert_eq!(
                Template::parse(template).unwrap().render(&request).as_deref(),
                tag,
                "{template}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_template() {
        for template in [
            "{",
            "a}b",
            "{path",
            "{path.0}",
            "{nonsense}",
            "{query.}",
            "{header.a b}",
            "}{",
        ] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }
}
