//! The names that rules, objectives and silences may speak of. A name that nothing has would watch nothing, or hold back nothing,
//! and nobody would notice.

use super::nearest;
use crate::values::Labels;
use peregrine_base::Complaint;

/// How many names an error lists.
const LISTED_MAX: usize = 20;

/// What there is by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The routes.
    pub routes: Vec<String>,
    /// The upstreams.
    pub upstreams: Vec<String>,
    /// The objectives.
    pub slos: Vec<String>,
}

impl Known {
    /// What is wrong with the names in `labels`; `*` stands for each where `each` says so.
    #[must_use]
    pub fn check_labels(&self, labels: &Labels, each: bool) -> Vec<Complaint> {
        let lists = [
            ("route", "[[route]]", &self.routes),
            ("upstream", "[[upstream]]", &self.upstreams),
            ("slo", "[[slo]]", &self.slos),
        ];
        let mut all = Vec::new();
        for (label, value) in labels {
            match lists.iter().find(|(name, ..)| name == label) {
                Some(_) if each && value == "*" => {}
                Some((_, table, known)) => all.extend(unknown(&format!("labels.{label}"), table, value, known)),
                None => all.push(Complaint::new(
                    format!("labels.{label}"),
                    "is a label that no alert has",
                    "there are: route, upstream, slo",
                )),
            }
        }
        all
    }

    /// What is wrong with `route` as the name of one, in the field `field`.
    #[must_use]
    pub fn check_route(&self, field: &str, route: &str) -> Option<Complaint> {
        unknown(field, "[[route]]", route, &self.routes)
    }
}

/// The complaint about `name`, if it is none of `known`, which are written as `table`.
fn unknown(field: &str, table: &str, name: &str, known: &[String]) -> Option<Complaint> {
    if known.iter().any(|known| known == name) {
        return None;
    }
    let mut help = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean \"{near}\"? "),
        None => String::new(),
    };
    help += &match known.len() {
        0 => format!("there is no {table}"),
        1..=LISTED_MAX => format!("there are: {}", known.join(", ")),
        more => format!(
            "there are: {} and {} more",
            known[..LISTED_MAX].join(", "),
            more - LISTED_MAX
        ),
    };
    Some(Complaint::new(field, format!("no {table} is called \"{name}\""), help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nothing_has_is_told_with_those_that_there_are() {
        let names = |count: usize| (0..count).map(|number| format!("route-{number}")).collect();
        let known = |count| Known {
            routes: names(count),
            ..Known::default()
        };
        for (count, name, problem) in [
            (2, "route-1", None),
            (0, "shop", Some("there is no [[route]]")),
            (2, "shop", Some("there are: route-0, route-1")),
            (
                2,
                "route1",
                Some("did you mean \"route-1\"? there are: route-0, route-1"),
            ),
        ] {
            let found = known(count).check_route("route", name);
            assert_eq!(found.as_ref().map(|found| found.help.as_str()), problem, "{name}");
        }
        let many = known(25).check_route("route", "shop").unwrap();
        assert!(many.help.ends_with("route-19 and 5 more"), "{}", many.help);
    }

    #[test]
    fn labels_are_those_that_alerts_have() {
        let known = Known {
            routes: vec!["shop".to_owned()],
            upstreams: vec!["api".to_owned()],
            slos: vec!["fast".to_owned()],
        };
        let faults = |name: &str, value: &str, each: bool| {
            let labels = Labels::from([(name.to_owned(), value.to_owned())]);
            known.check_labels(&labels, each).len()
        };
        for (name, value) in [("route", "shop"), ("upstream", "api"), ("slo", "fast")] {
            assert_eq!(faults(name, value, false), 0, "{name}");
            assert_eq!(faults(name, "other", true), 1, "{name}");
        }
        assert_eq!((faults("route", "*", true), faults("route", "*", false)), (0, 1));
        assert_eq!(faults("tenant", "a", true), 1);
    }
}
