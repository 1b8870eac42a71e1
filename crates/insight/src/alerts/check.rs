//! What cannot be a rule, whoever wrote it: the configuration and the admin API are held to the same.

use super::RULES_MAX;
use super::known::Known;
use super::telling::NOBODY;
use super::words;
use crate::model::AlertRule;
use crate::series::{GLOBAL, ROUTE, Series, UPSTREAM};
use peregrine_base::Complaint;

/// The longest name.
const NAME_LENGTH_MAX: usize = 64;
/// The longest text of a rule's own.
const TEXT_LENGTH_MAX: usize = 1000;
/// The longest time in a rule, in seconds: a day.
const TIME_MAX_S: f64 = 86_400.0;
/// How alike a name must be to be meant.
const SIMILARITY_MIN: f64 = 0.6;

/// The known name that is most like `name`, if one is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

/// What is wrong with `rules` as a whole, the field in each complaint as `rules[3].metric`. What there is by name is `known`;
/// nothing where nobody has said yet.
#[must_use]
pub fn check_rules(rules: &[AlertRule], receivers: &[&str], known: Option<&Known>) -> Vec<Complaint> {
    let mut all = Vec::new();
    if rules.len() > RULES_MAX {
        let problem = format!("are {}, and there can be {RULES_MAX}", rules.len());
        all.push(Complaint::new(
            "rules",
            problem,
            "one rule with `*` for a label watches each route",
        ));
    }
    for (index, rule) in rules.iter().enumerate() {
        let found = check_rule(rule, receivers, known).into_iter();
        all.extend(found.map(|complaint| Complaint {
            field: format!("rules[{index}].{}", complaint.field),
            ..complaint
        }));
        if rules.iter().take(index).any(|other| other.name == rule.name) {
            let problem = format!("`{}` is taken already", rule.name);
            all.push(Complaint::new(
                format!("rules[{index}].name"),
                problem,
                "give each rule a name of its own",
            ));
        }
    }
    all
}

/// What is wrong with one rule.
pub(crate) fn check_rule(rule: &AlertRule, receivers: &[&str], known: Option<&Known>) -> Vec<Complaint> {
    let mut all = Vec::new();
    let mut wrong = |field: &str, problem: String, help: String| all.push(Complaint::new(field, problem, help));
    if let Some(problem) = name_problem(&rule.name) {
        wrong("name", problem.to_owned(), "such as \"slow_checkout\"".to_owned());
    }
    check_series(rule, &mut wrong);
    check_bounds(rule, &mut wrong);
    for (field, seconds) in [("for_s", rule.for_s), ("keep_firing_s", rule.keep_firing_s)] {
        if !(0.0..=TIME_MAX_S).contains(&seconds) {
            wrong(
                field,
                format!("{seconds} is out of bounds"),
                "it can be from 0 to a day (86400)".to_owned(),
            );
        }
    }
    if !(0.0..=1e12).contains(&rule.min_events) {
        wrong(
            "min_events",
            format!("{} is out of bounds", rule.min_events),
            "it can be from 0 on".to_owned(),
        );
    }
    let texts = [
        ("text", &rule.text),
        ("next_step", &rule.next_step),
        ("group", &rule.group),
    ];
    for (field, _) in texts
        .iter()
        .filter(|(_, text)| text.as_ref().is_some_and(|text| text.len() > TEXT_LENGTH_MAX))
    {
        wrong(field, "is longer than 1000 bytes".to_owned(), "be brief".to_owned());
    }
    all.extend(check_receivers(&rule.notify, receivers));
    if let Some(known) = known.filter(|_| all.iter().all(|complaint| !complaint.field.starts_with("labels"))) {
        all.extend(known.check_labels(&rule.labels, true));
    }
    all
}

/// The names in `notify` that are none of `receivers`.
pub(crate) fn check_receivers(notify: &[String], receivers: &[&str]) -> Vec<Complaint> {
    let mut all = Vec::new();
    for (index, name) in notify.iter().enumerate() {
        if name == NOBODY || receivers.contains(&name.as_str()) {
            continue;
        }
        let help = match nearest(name, receivers.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if receivers.is_empty() => "add a [notify.NAME]".to_owned(),
            None => format!("there are: {}", receivers.join(", ")),
        };
        all.push(Complaint::new(
            format!("notify[{index}]"),
            format!("no [notify.NAME] is called \"{name}\""),
            help,
        ));
    }
    all
}

/// Why `name` is none.
pub(crate) fn name_problem(name: &str) -> Option<&'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > NAME_LENGTH_MAX {
        Some("a name has 1 to 64 characters")
    } else if !name.chars().all(is_plain) {
        Some("a name consists of letters, digits, `_` and `-`")
    } else {
        None
    }
}

fn check_series(rule: &AlertRule, wrong: &mut impl FnMut(&str, String, String)) {
    let labels: Vec<&str> = rule.labels.keys().map(String::as_str).collect();
    let known = match labels.as_slice() {
        [] => GLOBAL,
        ["route"] => ROUTE,
        ["upstream"] => UPSTREAM,
        _ => {
            let help = "a series has the label `route`, the label `upstream`, or none";
            return wrong(
                "labels",
                format!("no series has the labels {}", labels.join(", ")),
                help.to_owned(),
            );
        }
    };
    if let Some((name, _)) = rule
        .labels
        .iter()
        .find(|(_, value)| value.is_empty() || value.len() > 256)
    {
        wrong(
            &format!("labels.{name}"),
            "is no name".to_owned(),
            "name one, or write \"*\" for each".to_owned(),
        );
    }
    let names = |known: &'static [Series]| known.iter().map(|series| series.name);
    let is_in = |known| names(known).any(|name| name == rule.metric);
    if is_in(known) {
        return;
    }
    let elsewhere = [
        (GLOBAL, "no labels"),
        (ROUTE, "the label `route`"),
        (UPSTREAM, "the label `upstream`"),
    ];
    let elsewhere: Vec<&str> = elsewhere
        .iter()
        .filter(|(known, _)| is_in(known))
        .map(|(_, labels)| *labels)
        .collect();
    if !elsewhere.is_empty() {
        let help = format!("it has {}", elsewhere.join(", or "));
        return wrong("metric", format!("\"{}\" has no such labels", rule.metric), help);
    }
    let help = match nearest(&rule.metric, names(known)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("there are: {}", names(known).collect::<Vec<_>>().join(", ")),
    };
    wrong("metric", format!("no series is called \"{}\"", rule.metric), help);
}

fn check_bounds(rule: &AlertRule, wrong: &mut impl FnMut(&str, String, String)) {
    for (field, bound) in [("above", rule.above), ("below", rule.below), ("clear", rule.clear)] {
        if bound.is_some_and(|bound| !bound.is_finite()) {
            return wrong(field, "is no number".to_owned(), "write a number".to_owned());
        }
    }
    let number = |number| words::readable(&rule.metric, number);
    match (rule.above, rule.below, rule.clear) {
        (None, None, _) => {
            let help = "say from which value on it fires: `above = 1000`, or `below = 0.7`";
            wrong("above", "is missing, and so is `below`".to_owned(), help.to_owned());
        }
        (Some(above), Some(below), None) if above < below => {
            let problem = format!(
                "{} is less than `below` ({}): it would always fire",
                number(above),
                number(below)
            );
            wrong("above", problem, "leave one of them away".to_owned());
        }
        (Some(_), Some(_), Some(_)) => {
            let help = "leave it away, or make two rules";
            wrong(
                "clear",
                "does not say for which of `above` and `below` it is meant".to_owned(),
                help.to_owned(),
            );
        }
        (Some(above), None, Some(clear)) if clear > above => {
            let problem = format!("{} is above `above` ({})", number(clear), number(above));
            wrong(
                "clear",
                problem,
                "it is where a firing alert ends: at most the threshold".to_owned(),
            );
        }
        (None, Some(below), Some(clear)) if clear < below => {
            let problem = format!("{} is below `below` ({})", number(clear), number(below));
            wrong(
                "clear",
                problem,
                "it is where a firing alert ends: at least the threshold".to_owned(),
            );
        }
        _ => {}
    }
}
