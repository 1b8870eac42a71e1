//! Request fields that a route makes alike before they select a variant or reach the origin. Both see the same value: what
//! selects the stored answer is what the origin was asked with, so nobody can have an answer stored under a value that the
//! origin never saw.

use crate::config::KeyConfig;
use crate::policy::{Fields, choose_language};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What a route makes alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canonical {
    languages: Vec<String>,
    lowercase: Vec<HeaderName>,
    values: Vec<(HeaderName, Vec<String>)>,
}

/// A setting that cannot be.
#[derive(Debug, PartialEq, Eq)]
pub struct BadCanonical {
    /// The field of the configuration, below `key`.
    pub field: &'static str,
    /// What stands there.
    pub text: String,
}

impl Canonical {
    /// As `config` says.
    ///
    /// # Errors
    /// The first name that is no field name, or value that no field can have.
    pub(crate) fn new(config: &KeyConfig) -> Result<Self, BadCanonical> {
        let name = |field: &'static str, name: &String| {
            let parsed = name.parse::<HeaderName>();
            parsed.map_err(|_| BadCanonical {
                field,
                text: name.clone(),
            })
        };
        let writable = |field: &'static str, text: &str| match HeaderValue::from_str(text) {
            Ok(_) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(BadCanonical {
                field,
                text: text.to_owned(),
            }),
        };
        let languages = config.languages.iter().map(|tag| writable("languages", tag));
        let values = config.values.iter().map(|(field, list)| {
            let allowed = list.split(',').map(|value| writable("values", value.trim()));
            Ok((name("values", field)?, allowed.collect::<Result<_, _>>()?))
        });
        Ok(Self {
            languages: languages.collect::<Result<_, _>>()?,
            lowercase: config
                .lowercase
                .iter()
                .map(|field| name("lowercase", field))
                .collect::<Result<_, _>>()?,
            values: values.collect::<Result<_, _>>()?,
        })
    }

    /// Whether it changes any of the fields `names`.
    pub(crate) fn concerns<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        names.any(|name| {
            (*header::ACCEPT_LANGUAGE.as_str() == *name && !self.languages.is_empty())
                || self.lowercase.iter().any(|known| known == name)
                || self.values.iter().any(|(known, _)| known == name)
        })
    }

    /// The fields that the configuration names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.lowercase.iter().chain(self.values.iter().map(|(name, _)| name))
    }

    /// The fields `names` of a request, made alike.
    pub(crate) fn of<'a>(&self, sent: &impl Fields, names: impl IntoIterator<Item = &'a str>) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for name in names {
            for line in sent.lines(name) {
                if let (Ok(name), Ok(line)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(line)) {
                    fields.append(name, line);
                }
            }
        }
        self.apply(&mut fields);
        fields
    }

    /// Makes the fields of a request alike.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        let language = choose_language(headers, &self.languages).and_then(|tag| HeaderValue::from_str(tag).ok());
        if let Some(language) = language {
            headers.insert(header::ACCEPT_LANGUAGE, language);
        }
        for name in &self.lowercase {
            let lines: Vec<Vec<u8>> = headers
                .get_all(name)
                .iter()
                .map(|line| line.as_bytes().to_ascii_lowercase())
                .collect();
            headers.remove(name);
            for line in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
                headers.append(name, line);
            }
        }
        for (name, allowed) in &self.values {
            let mut lines = headers.get_all(name).iter();
            let (first, second) = (lines.next(), lines.next());
            // Two lines are no value that anybody allowed.
            let sent = first.filter(|_| second.is_none()).map(HeaderValue::as_bytes);
            let meant = allowed
                .iter()
                .find(|value| sent.is_some_and(|sent| value.as_bytes().eq_ignore_ascii_case(sent.trim_ascii())))
                .and_then(|value| HeaderValue::from_str(value).ok());
            match meant {
                Some(value) => _ = headers.insert(name, value),
                None => _ = headers.remove(name),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(languages: &[&str], lowercase: &[&str], values: &[(&str, &str)]) -> Canonical {
        Canonical::new(&KeyConfig {
            languages: languages.iter().map(|tag| (*tag).to_owned()).collect(),
            lowercase: lowercase.iter().map(|name| (*name).to_owned()).collect(),
            values: values
                .iter()
                .map(|(name, list)| ((*name).to_owned(), (*list).to_owned()))
                .collect(),
            ..KeyConfig::default()
        })
        .unwrap()
    }

    fn applied(rules: &Canonical, fields: &[(&str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        rules.apply(&mut headers);
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        lines.collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn the_site_s_languages_are_all_that_is_left() {
        let rules = canonical(&["de", "en", "zh-hant"], &[], &[]);
        for (asked, got) in [
            ("en, de", "de"),
            ("de, en", "de"),
            ("fr;q=0.5, de;q=1.0", "de"),
            ("en-GB, de;q=0.9", "en"),
            ("zh-Hant-TW-x-one", "zh-hant"),
            ("fr", "de"),
            ("fr, de;q=0", "en"),
            ("*", "de"),
            ("no list; at all", "de"),
        ] {
            assert_eq!(
                applied(&rules, &[("accept-language", asked)]),
                format!("accept-language: {got}")
            );
        }
        assert_eq!(applied(&rules, &[]), "");
    }

    #[test]
    fn values_that_nobody_allowed_do_not_reach_the_origin() {
        let rules = canonical(&[], &["x-theme"], &[("x-device", "mobile, desktop")]);
        for (fields, left) in [
            (&[("x-device", "Mobile")][..], "x-device: mobile"),
            (&[("x-device", "toaster")], ""),
            (&[("x-device", "mobile"), ("x-device", "desktop")], ""),
            (&[("x-theme", "DARK")], "x-theme: dark"),
        ] {
            assert_eq!(applied(&rules, fields), left);
        }
    }
}
