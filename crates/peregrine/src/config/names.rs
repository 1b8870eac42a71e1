//! Names: the nearest valid one to a wrong one, what a name may look like, and names that must exist or be unique.

use super::fault::Fault;
use super::node::{self, Node, Source};

/// A name less similar than this (0 nothing in common, 1 the same) is no help.
const SIMILARITY_MIN: f64 = 0.5;

/// The longest name of a strategy, a namespace or an upstream.
const NAME_LENGTH_MAX: usize = 64;

/// The one of `candidates` that `name` was probably meant to be.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

/// What is wrong with a name that the user chose, if anything.
pub(crate) fn problem(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() {
        Some("a name cannot be empty")
    } else if name.len() > NAME_LENGTH_MAX {
        Some("a name has at most 64 characters")
    } else if !name.chars().all(plain) {
        Some("a name consists of letters, digits, `_` and `-`")
    } else {
        None
    }
}

/// Checks that the names in `[[upstream]]` are unique, that no two listeners share an address, and that routes name
/// upstreams, strategies and namespaces that exist.
pub(crate) fn check(root: &Node, faults: &mut Vec<Fault>) {
    unique(root, "upstream", "name", faults);
    unique(root, "listener", "address", faults);
    unique(root, "alert", "name", faults);
    unique(root, "slo", "name", faults);
    let upstreams: Vec<&str> = elements(root, "upstream")
        .iter()
        .filter_map(|node| node.get("name")?.text())
        .collect();
    for (index, upstream) in elements(root, "upstream").iter().enumerate() {
        let Some(name) = upstream.get("name") else { continue };
        if let Some(problem) = name.text().and_then(problem) {
            faults.push(Fault::new(
                &name.source,
                node::element("upstream", index) + ".name",
                problem,
            ));
        }
    }
    for (index, route) in elements(root, "route").iter().enumerate() {
        let path = node::element("route", index);
        refers(route, &path, "upstream", "[[upstream]]", &upstreams, faults);
        refers(
            route,
            &path,
            "strategy",
            "[strategy.NAME]",
            &keys(root, "strategy"),
            faults,
        );
        refers(
            route,
            &path,
            "namespace",
            "[namespace.NAME]",
            &keys(root, "namespace"),
            faults,
        );
    }
}

fn elements<'a>(root: &'a Node, array: &str) -> &'a [Node] {
    root.get(array).map_or(&[], Node::elements)
}

fn keys<'a>(root: &'a Node, table: &str) -> Vec<&'a str> {
    root.get(table)
        .and_then(Node::fields)
        .map(|fields| fields.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

/// Port 0 asks for any free port, so that two of them are not the same address.
fn unique(root: &Node, array: &str, name: &str, faults: &mut Vec<Fault>) {
    let elements = elements(root, array);
    for (index, element) in elements.iter().enumerate() {
        let Some(value) = element.get(name) else { continue };
        let Some(text) = value.text().filter(|text| !text.ends_with(":0")) else {
            continue;
        };
        let same = |other: &Node| other.get(name).and_then(Node::text) == Some(text);
        if let Some(first) = elements[..index].iter().position(same) {
            let place = if value.source == Source::Default {
                &element.source
            } else {
                &value.source
            };
            let field = node::field(&node::element(array, index), name);
            faults.push(Fault::new(
                place,
                field,
                format!("\"{text}\" is already taken by {array}[{first}]"),
            ));
        }
    }
}

fn refers(from: &Node, path: &str, name: &str, kind: &str, known: &[&str], faults: &mut Vec<Fault>) {
    let Some(value) = from.get(name) else { return };
    let Some(text) = value.text().filter(|text| !known.contains(text)) else {
        return;
    };
    let fault = Fault::new(
        &value.source,
        node::field(path, name),
        format!("no {kind} is called \"{text}\""),
    );
    faults.push(match nearest(text, known.iter().copied()) {
        Some(near) => fault.nearest(Some(near)),
        None if known.is_empty() => fault,
        None => fault.help(format!("there are: {}", known.join(", "))),
    });
}
