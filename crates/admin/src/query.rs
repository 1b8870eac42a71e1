//! The query of a URL as named values. Unknown and repeated names are faults, as they are in JSON.

use crate::refusal::fault;
use peregrine_net::http::Fault;
use std::collections::BTreeMap;

/// The parameters of a query.
#[derive(Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads `query`, of which only the names `known` are allowed; adds every fault to `faults`.
    pub(crate) fn parse(query: Option<&str>, known: &[&str], faults: &mut Vec<Fault>) -> Self {
        let mut parameters = BTreeMap::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                faults.push(fault(name, "is not percent-encoded UTF-8"));
                continue;
            };
            if !known.contains(&name.as_str()) {
                faults.push(fault(name, format!("is unknown here; known: {}", known.join(", "))));
            } else if parameters.insert(name.clone(), value).is_some() {
                faults.push(fault(name, "is given twice"));
            }
        }
        Self(parameters)
    }

    /// The whole number that `name` was given.
    pub(crate) fn number(&mut self, name: &str, faults: &mut Vec<Fault>) -> Option<u64> {
        let value = self.take(name)?;
        let number = value.parse().ok();
        if number.is_none() {
            faults.push(fault(name, "is not a whole number"));
        }
        number
    }

    /// The value of `name`, if it was given.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }
}

fn decode(text: &str) -> Option<String> {
    let blanks = text.replace('+', " ");
    percent_encoding::percent_decode_str(&blanks)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_values_and_names_every_fault() {
        let mut faults = Vec::new();
        let mut query = Query::parse(
            Some("url=a&url=b&&fetch=http%3A%2F%2Fa%2F%3Fx%3D1+2&colour=red&method=%ff"),
            &["url", "fetch", "method"],
            &mut faults,
        );
        assert_eq!(query.take("url").as_deref(), Some("b"));
        assert_eq!(query.take("fetch").as_deref(), Some("http://a/?x=1 2"));
        assert_eq!(query.take("method"), None);
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["url", "colour", "method"]);
    }
}
