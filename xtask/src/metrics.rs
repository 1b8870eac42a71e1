//! What is made from the table of metrics: its page in the docs, the dashboard for Grafana and the rules for Prometheus. The
//! check also says when one of them, or a file of the program, names a metric that is not in the table, and when the table
//! has one that nobody exposes.

mod grafana;
mod rules;

use crate::fault::Fault;
use crate::tree::{self, Tree};
use peregrine_telemetry::table::{self, MetricKind};
use std::collections::BTreeSet;
use std::path::Path;

/// A file, and what makes it.
type Made = (&'static str, fn() -> String);

const FILES: &[Made] = &[
    ("docs/reference/metrics.md", table::page),
    ("deploy/grafana/peregrine.json", grafana::dashboard),
    ("deploy/prometheus/peregrine.rules.yaml", rules::rules),
];

/// Names that begin like a metric in the program's files and are none: crates, cookies.
const NO_METRICS: &[&str] = &["peregrine_session"];

/// Writes the files anew.
pub(crate) fn write() -> Result<String, String> {
    let root = tree::root()?;
    let mut words = String::new();
    for (path, make) in FILES {
        let file = root.join(path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| format!("{path}: {error}\n"))?;
        }
        std::fs::write(&file, make()).map_err(|error| format!("{path}: {error}\n"))?;
        words.push_str(&format!("reference: wrote {path}\n"));
    }
    let faults = faults(&root)?;
    if faults.is_empty() { Ok(words) } else { Err(faults) }
}

/// Says whether they are what would be written, and fit the table.
pub(crate) fn check() -> Result<String, String> {
    let root = tree::root()?;
    let mut faults = faults(&root)?;
    for (path, make) in FILES {
        let found = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        if let Some(line) = crate::reference::first_difference(&found, &make()) {
            let fault = Fault::new(
                path,
                line,
                "is not what the table of metrics says",
                "run `make reference`",
            );
            faults.push_str(&format!("{fault}\n"));
        }
    }
    if faults.is_empty() {
        Ok("reference: what is made from the table of metrics is up to date\n".to_owned())
    } else {
        Err(faults)
    }
}

/// Names that are not in the table, and rows that no file of the program names.
fn faults(root: &Path) -> Result<String, String> {
    let mut words = String::new();
    let expressions = grafana::expressions().into_iter().map(|text| ("deploy/grafana", text));
    let expressions = expressions.chain(rules::expressions().into_iter().map(|text| ("deploy/prometheus", text)));
    for (place, expression) in expressions {
        for name in used(&expression).filter(|name| !is_series(name)) {
            words.push_str(&format!(
                "{place}: `{name}` is not in the table of metrics: {expression}\n"
            ));
        }
    }
    let tree = Tree::read(root)?;
    let known: BTreeSet<&str> = table::all().map(|metric| metric.name).collect();
    let mut named = BTreeSet::new();
    let is_source = |path: &str| {
        path.starts_with("crates/")
            && path.ends_with(".rs")
            && !path.contains("telemetry/src/table")
            && !path.contains("/tests")
    };
    for path in tree.paths().filter(|path| is_source(path)) {
        let text = tree.text(path).unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            for name in line.split('"').skip(1).step_by(2).filter(|text| looks_like_one(text)) {
                if !known.contains(name) {
                    let right = "give it a row in crates/telemetry/src/table";
                    let fault = Fault::new(
                        path,
                        index + 1,
                        format!("`{name}` is not in the table of metrics"),
                        right,
                    );
                    words.push_str(&format!("{fault}\n"));
                }
                named.insert(name.to_owned());
            }
        }
    }
    for name in known.iter().filter(|name| !named.contains(**name)) {
        words.push_str(&format!("crates/telemetry/src/table: nobody exposes `{name}`\n"));
    }
    Ok(words)
}

/// Whether a text in quotes is meant as a metric's name.
fn looks_like_one(text: &str) -> bool {
    let begins = text.starts_with("peregrine_") || text.starts_with("process_");
    begins
        && !NO_METRICS.contains(&text)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && (text.matches('_').count() > 1 || known_ending(text))
}

/// Crates are called `peregrine_` and one word.
fn known_ending(text: &str) -> bool {
    table::all().any(|metric| metric.name == text)
}

/// The metrics that an expression names; those that rules record, whose names have colons, are not among them.
fn used(expression: &str) -> impl Iterator<Item = String> + '_ {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words
        .filter(|word| (word.starts_with("peregrine_") || word.starts_with("process_")) && !word.contains(':'))
        .map(str::to_owned)
}

/// Whether `name` is a metric's, or that of a part of a histogram.
fn is_series(name: &str) -> bool {
    table::all().any(|metric| match metric.kind {
        MetricKind::Histogram => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|part| name.strip_suffix(part) == Some(metric.name)),
        MetricKind::Counter | MetricKind::Gauge => metric.name == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_expressions_and_parts_of_histograms_are_known() {
        let names: Vec<_> =
            used("sum(rate(peregrine_requests_total{cache=\"hit\"}[5m])) / peregrine:x:rate5m > process_x").collect();
        assert_eq!(names, ["peregrine_requests_total", "process_x"]);
        assert!(is_series("peregrine_request_duration_seconds_bucket"));
        assert!(!is_series("peregrine_request_duration_seconds"));
        assert!(!is_series("peregrine_requests_total_bucket"));
        assert!(is_series("process_open_fds") && !is_series("process_x"));
    }

    #[test]
    fn the_dashboard_and_the_rules_name_only_what_is_in_the_table() {
        for expression in grafana::expressions().into_iter().chain(rules::expressions()) {
            assert!(used(&expression).all(|name| is_series(&name)), "{expression}");
        }
    }
}
