//! `peregrine config explain NAME`: the rows that a name means, however a person writes it.

use super::{fallback_in_words, type_in_words, variable};
use crate::config::{Effective, names};
use peregrine_base::Parameter;
use serde::Serialize;

/// One parameter for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Its name in the table: `strategy.*.ttl`.
    pub name: &'static str,
    /// Its type and bounds in words.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its default as in TOML, or in words that there is none.
    pub default: &'static str,
    /// Whether a reload applies it; otherwise a restart does.
    pub reload: bool,
    /// What it does.
    pub about: &'static str,
    /// The environment variable that sets it.
    pub environment: String,
    /// What holds now, where a configuration was given.
    pub now: Vec<Effective>,
}

/// The parameters of `table` that `query` means, with what holds of them in `effective`: a name (`strategy.*.ttl`,
/// `strategy.api.ttl`, `route[0].upstream`, `route.upstream`), the beginning of one (`cache`), a pattern
/// (`*.memory*`), or the end of one (`ttl`).
///
/// # Errors
/// With the nearest name, if any is near, when `query` means none.
pub fn explain(
    table: &[&'static [Parameter]],
    query: &str,
    effective: &[Effective],
) -> Result<Vec<Explanation>, Option<&'static str>> {
    let rows = || table.iter().copied().flatten();
    let query = plain(query);
    let mut found: Vec<&Parameter> = rows().filter(|row| begins(&plain(row.name), &query)).collect();
    if found.is_empty() {
        found = rows()
            .filter(|row| plain(row.name).ends_with(&format!(".{query}")))
            .collect();
    }
    if found.is_empty() && query.contains('*') {
        found = rows()
            .filter(|row| glob(query.as_bytes(), plain(row.name).as_bytes()))
            .collect();
    }
    if found.is_empty() {
        let ends = rows().filter_map(|row| row.name.rsplit_once('.').map(|(_, end)| (end, row.name)));
        let near = names::nearest(&query, rows().map(|row| row.name));
        return Err(near.or_else(|| {
            let ends: Vec<_> = ends.collect();
            let end = names::nearest(&query, ends.iter().map(|(end, _)| *end))?;
            ends.iter().find(|(other, _)| *other == end).map(|(_, name)| *name)
        }));
    }
    Ok(found.into_iter().map(|row| explanation(row, effective)).collect())
}

fn explanation(row: &Parameter, effective: &[Effective]) -> Explanation {
    let name = plain(row.name);
    let is_this = |value: &&Effective| {
        let field = plain(&value.field);
        field.split('.').count() == name.split('.').count() && begins(&name, &field)
    };
    Explanation {
        name: row.name,
        kind: type_in_words(row.kind),
        default: fallback_in_words(row.fallback),
        reload: row.reload,
        about: row.about,
        environment: variable(row),
        now: effective.iter().filter(is_this).cloned().collect(),
    }
}

/// `name` without the indexes of arrays.
fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut inside = false;
    for c in name.trim().trim_matches('.').chars() {
        inside = (inside || c == '[') && c != ']';
        if !inside && c != ']' {
            plain.push(c);
        }
    }
    plain
}

/// Whether the steps of `query` are the first steps of `name`, in which `*` stands for any one step.
fn begins(name: &str, query: &str) -> bool {
    let mut steps = name.split('.');
    !query.is_empty()
        && query
            .split('.')
            .all(|asked| steps.next().is_some_and(|step| step == asked || step == "*"))
}

/// Whether `text` matches `pattern`, in which `*` stands for anything.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| glob(rest, &text[skipped..])),
        Some((first, rest)) => text
            .split_first()
            .is_some_and(|(head, tail)| head == first && glob(rest, tail)),
    }
}
