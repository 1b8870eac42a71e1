//! No-Vary-Search: a response that says which parts of the query it does not depend on, so that it answers every URL of its
//! path that differs in these alone. A field that is malformed in any way says nothing, and then the whole query counts.

use super::structured::{self, Bare, Value};
use http::header::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use std::fmt::Write as _;

const NO_VARY_SEARCH: HeaderName = HeaderName::from_static("no-vary-search");
/// A response that names more parameters than this is taken to depend on the whole query.
const NAMES_MAX: usize = 64;

/// What a response says of the query; never that all of it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoVarySearch {
    /// Whether parameters may come in any order.
    any_order: bool,
    /// The parameters that count, or do not.
    names: Vec<String>,
    /// Whether `names` are the only ones that count, instead of the only ones that do not.
    only: bool,
}

/// What `headers` say of the query; `None` if all of it counts, in its order.
#[must_use]
pub fn no_vary_search(headers: &HeaderMap) -> Option<NoVarySearch> {
    let members = structured::dictionary(headers, &NO_VARY_SEARCH)?;
    let said = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let any_order = match said("key-order") {
        None => false,
        Some(Value::Item(Bare::Boolean(any))) => *any,
        Some(_) => return None,
    };
    let (names, only) = match (said("params"), said("except")) {
        (None | Some(Value::Item(Bare::Boolean(false))), None) => (Vec::new(), false),
        (Some(Value::Item(Bare::Boolean(true))), None) => (Vec::new(), true),
        (Some(Value::Item(Bare::Boolean(true))), Some(Value::Inner(names))) => (texts(names)?, true),
        (Some(Value::Inner(names)), None) => (texts(names)?, false),
        _ => return None,
    };
    let says_something = any_order || only || !names.is_empty();
    (says_something && names.len() <= NAMES_MAX).then_some(NoVarySearch { any_order, names, only })
}

/// The items, which must all be strings: names as they read decoded, sorted, each once.
fn texts(items: &[Bare]) -> Option<Vec<String>> {
    let mut names = items
        .iter()
        .map(|item| match item {
            Bare::Text(text) => Some(decoded(text)),
            _ => None,
        })
        .collect::<Option<Vec<String>>>()?;
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// As a form's names and values are decoded: `+` is a space.
fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

impl NoVarySearch {
    /// Appends what of `query` counts, with its `?`; nothing where nothing does. Values stay as they are written. Some origins
    /// read `;` as `&`, so nothing of a parameter with one is left out.
    pub fn push_query(&self, query: &str, out: &mut String) {
        let mut pairs: Vec<(String, &str)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| (decoded(pair.split_once('=').map_or(pair, |(name, _)| name)), pair))
            .filter(|(name, pair)| self.names.binary_search(name).is_ok() == self.only || pair.contains(';'))
            .collect();
        if self.any_order {
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        for (index, (_, pair)) in pairs.iter().enumerate() {
            out.push(if index == 0 { '?' } else { '&' });
            out.push_str(pair);
        }
    }

    /// The rule as text; two rules have the same exactly if they say the same.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from(if self.any_order { "any-order" } else { "in-order" });
        text.push_str(if self.only { " only" } else { " but" });
        for name in &self.names {
            // Writing to a String cannot fail.
            let _ = write!(text, " {name:?}");
        }
        text
    }
}
