//! From a request to the text of its key. What a route leaves out of the key still reaches the origin; what it puts in
//! stands behind a `#`, which no request target can hold, so that nobody can write one part into another.

use crate::canonical::{BadCanonical, Canonical};
use crate::config::KeyConfig;
use crate::learned::Learned;
use crate::pattern::Patterns;
use crate::policy::{self, Fields, NoVarySearch};
use crate::request::{RequestView, cookies, decoded, decoded_by_php, is_plain, may_be};
use http::{HeaderMap, HeaderName};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use peregrine_cache::Selector;
use peregrine_net::http::hygiene;
use std::fmt::Write as _;
use std::sync::Arc;

/// What is escaped in the parts of a key that come from fields and cookies.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%').add(b'#').add(b'&').add(b'|').add(b' ');

/// How a route makes keys.
#[derive(Clone, Debug)]
pub struct KeyRules {
    /// The name of a route that is chosen by fields: by the URL alone, nobody could tell its answers from another route's.
    route: Option<String>,
    headers: Vec<HeaderName>,
    cookies: Vec<String>,
    cookies_ignore: Patterns,
    query_ignore: Patterns,
    query_only: Patterns,
    query_sort: bool,
    content_max: usize,
    /// What responses said of their queries; `None` where the route does not listen to that.
    learned: Option<Arc<Learned>>,
    /// What selects variants in a form of the route's own.
    pub(crate) canonical: Canonical,
}

impl KeyRules {
    /// The rules of one route; `route` is its name if request fields choose it.
    ///
    /// # Errors
    /// The first name that is no field name, or value that no field can have.
    pub fn new(config: &KeyConfig, route: Option<&str>) -> Result<Self, BadCanonical> {
        let name = |name: &String| {
            name.parse().map_err(|_| BadCanonical {
                field: "headers",
                text: name.clone(),
            })
        };
        Ok(Self {
            route: route.map(|route| percent_encode(route.as_bytes(), ESCAPED).to_string()),
            headers: config.headers.iter().map(name).collect::<Result<_, _>>()?,
            cookies: config.cookies.clone(),
            cookies_ignore: Patterns::new(&config.cookies_ignore),
            query_ignore: Patterns::new(&config.query_ignore),
            query_only: Patterns::caseless(&config.query_only),
            query_sort: config.query_sort,
            content_max: config.content_max.as_usize(),
            learned: config.no_vary_search.then(Arc::default),
            canonical: Canonical::new(config)?,
        })
    }

    /// Whether every cookie of a request is part of its key or declared to be of no influence.
    #[must_use]
    pub fn covers_cookies(&self, request: &impl RequestView) -> bool {
        request
            .cookies()
            .all(|(name, _)| self.cookies.iter().any(|own| may_be(&name, own)) || self.cookies_ignore.any(&name))
    }

    /// Appends path, query and the other parts as they stand in the key; gives what was said of the query, by which that was
    /// done.
    pub(crate) fn push(&self, request: &impl RequestView, out: &mut String) -> Option<Arc<NoVarySearch>> {
        let begin = out.len();
        self.push_target(request, out);
        let rule = self.learned.as_ref().and_then(|learned| learned.rule(request));
        if let Some(rule) = &rule {
            let target = out.split_off(begin);
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            out.push_str(path);
            rule.push_query(query, out);
        }
        let parts = out.len();
        self.append_parts(request, out);
        if let Some(rule) = &rule {
            out.push(if out.len() == parts { '#' } else { '&' });
            let _ = write!(out, "query:{}", percent_encode(rule.text().as_bytes(), ESCAPED));
        }
        rule
    }

    /// What a response with `headers` to `request` says of the query, where this route listens.
    pub(crate) fn said_of_query(&self, request: &impl RequestView, headers: &HeaderMap) -> Option<NoVarySearch> {
        let fits = self.learned.is_some() && request.path_tag().len() <= policy::TAG_BYTES_MAX;
        fits.then(|| policy::no_vary_search(headers)).flatten()
    }

    /// Notes what a response to `request` says of the query.
    pub(crate) fn learn(&self, request: &impl RequestView, said: Option<NoVarySearch>) {
        if let Some(learned) = &self.learned {
            learned.note(request, said);
        }
    }

    /// The most bytes of content that a key is made from.
    pub(crate) const fn content_max(&self) -> usize {
        self.content_max
    }

    /// Whether a load sends these fields as they are, so that what they are answered may be what a load brings.
    pub(crate) fn are_those_of_a_load(&self, headers: &HeaderMap) -> bool {
        let mut sent = headers.clone();
        self.canonical.apply(&mut sent);
        self.strip_overrides(&mut sent);
        sent == *headers
    }

    /// Takes off what makes some origins answer another URL, host or method than the key's, unless it is part of the key.
    pub(crate) fn strip_overrides(&self, headers: &mut HeaderMap) {
        for name in policy::OVERRIDES {
            if !self.headers.iter().any(|keyed| keyed == name) {
                headers.remove(name);
            }
        }
        hygiene::remove_where(headers, |name| self.is_imitation(name));
    }

    /// Whether some origins cannot tell it from another one, which decides about the answer and is known here by its own name
    /// only (see [`hygiene::is_alike`]).
    pub(crate) fn is_imitation(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        let is_meant = |known: &str| known != name && hygiene::is_alike(known, name);
        let is_known = || {
            policy::OVERRIDES
                .iter()
                .chain(&policy::NEGOTIATED)
                .any(|known| is_meant(known))
        };
        let mut chosen = self.headers.iter().chain(self.canonical.names());
        !self.headers.iter().any(|keyed| keyed == name)
            && (hygiene::is_odd_name(name) && is_known() || chosen.any(|chosen| is_meant(chosen.as_str())))
    }

    /// Path and query as they stand in the key, without the parts that do not come from the URL.
    #[must_use]
    pub fn target(&self, request: &impl RequestView) -> String {
        let mut target = String::new();
        self.push_target(request, &mut target);
        target
    }

    /// Appends path and query as they stand in the key, without the parts that do not come from the URL.
    pub fn push_target(&self, request: &impl RequestView, out: &mut String) {
        let query = request.query().filter(|_| self.chooses_parameters());
        let Some(query) = query else {
            out.push_str(request.target());
            return;
        };
        out.push_str(request.path());
        let mut separator = "?";
        let mut push = |pair: &str| {
            out.push_str(separator);
            out.push_str(pair);
            separator = "&";
        };
        let counting = query.split('&').filter(|pair| self.counts(pair));
        if self.query_sort {
            // Stable and by name alone: values of one name keep their order, which an origin may read as a list.
            let mut pairs: Vec<&str> = counting.collect();
            pairs.sort_by_cached_key(|pair| decoded_by_php(spelled_name(pair)));
            pairs.into_iter().for_each(push);
        } else {
            counting.for_each(&mut push);
        }
    }

    /// Whether the query stands in the key in another form than it came.
    fn chooses_parameters(&self) -> bool {
        !self.query_ignore.is_empty() || !self.query_only.is_empty() || self.query_sort
    }

    /// Whether a parameter of the query is part of the key. Some origins read `;` as `&`: what stands behind one may be any
    /// parameter, so nothing of it is left out. What is not among those that alone count is left out only where no origin
    /// takes it for one of them.
    fn counts(&self, pair: &str) -> bool {
        let name = decoded(spelled_name(pair));
        let is_other = || !self.query_only.is_empty() && is_plain(&name) && !self.query_only.any(&name);
        !(self.query_ignore.any(&name) || is_other()) || pair.contains(';')
    }

    /// Appends the parts that do not come from the URL to `target`.
    pub fn append_parts(&self, request: &impl RequestView, target: &mut String) {
        let mut separator = '#';
        let mut part = |target: &mut String, kind: &str, name: &str| {
            let _ = write!(target, "{separator}{kind}:{name}");
            separator = '&';
        };
        if let Some(route) = &self.route {
            part(target, "route", route);
        }
        for (kind, said) in request.said_by_proxy() {
            part(target, kind, &percent_encode(said.as_bytes(), ESCAPED).to_string());
        }
        for name in &self.headers {
            part(target, "header", name.as_str());
            if self.canonical.concerns(std::iter::once(name.as_str())) {
                push_lines(&self.canonical.of(request.fields(), [name.as_str()]), name, target);
            } else {
                push_lines(request.fields(), name, target);
            }
        }
        for name in &self.cookies {
            // All that may be called so: nobody knows which one the origin reads.
            let mut is_there = false;
            for (spelled, value) in request.cookies().filter(|(spelled, _)| may_be(spelled, name)) {
                if spelled == *name {
                    part(target, "cookie", name);
                } else {
                    let spelled = percent_encode(spelled.as_bytes(), ESCAPED).to_string();
                    part(target, "cookie-as", &spelled);
                }
                let _ = write!(target, "={}", percent_encode(value, ESCAPED));
                is_there = true;
            }
            if !is_there {
                part(target, "cookie", name);
            }
        }
    }
}

/// Appends the values of the field `name`.
fn push_lines(fields: &impl Fields, name: &HeaderName, target: &mut String) {
    for (index, value) in fields.lines(name.as_str()).enumerate() {
        target.push(if index == 0 { '=' } else { ',' });
        let _ = write!(target, "{}", percent_encode(value, ESCAPED));
    }
}

/// The name of a parameter `name=value`, as it is written.
fn spelled_name(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

/// Renders the variant that a request asks for, for the cache's selectors (RFC 9111 §4.1).
#[derive(Debug)]
pub(crate) struct RequestVariants<'a, F> {
    /// The request's fields.
    pub(crate) fields: &'a F,
    /// The rules of its route.
    pub(crate) rules: &'a KeyRules,
}

impl<F: Fields + Sync> peregrine_cache::Variants for RequestVariants<'_, F> {
    fn variant(&self, selector: &Selector, out: &mut String) {
        if self.rules.canonical.concerns(selector.names()) {
            let fields = self.rules.canonical.of(self.fields, selector.names());
            self.rules.render(selector, &fields, out);
        } else {
            self.rules.render(selector, self.fields, out);
        }
    }
}

impl KeyRules {
    /// Renders `fields` without the cookies that are of no influence.
    fn render(&self, selector: &Selector, fields: &impl Fields, out: &mut String) {
        if self.cookies_ignore.is_empty() || !selector.names().any(|name| name == "cookie") {
            policy::vary_value(selector.names(), fields, out);
            return;
        }
        let kept: Vec<Vec<u8>> = cookies(fields)
            .filter(|(name, _)| !self.cookies_ignore.any(name))
            .map(|(name, value)| [name.as_bytes(), b"=", value].concat())
            .collect();
        let fields = WithCookies {
            fields,
            cookies: (!kept.is_empty()).then(|| kept.join(&b"; "[..])),
        };
        policy::vary_value(selector.names(), &fields, out);
    }
}

/// The fields of a request with other cookies.
struct WithCookies<'f, F> {
    fields: &'f F,
    cookies: Option<Vec<u8>>,
}

impl<F: Fields> Fields for WithCookies<'_, F> {
    fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let cookies = (name == "cookie").then_some(self.cookies.as_deref());
        let others = cookies.is_none().then(|| self.fields.lines(name));
        cookies.flatten().into_iter().chain(others.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::facts_for_tests;
    use http::HeaderValue;

    fn rules(edit: impl FnOnce(&mut KeyConfig)) -> KeyRules {
        let mut config = KeyConfig::default();
        edit(&mut config);
        KeyRules::new(&config, None).unwrap()
    }

    fn target(rules: &KeyRules, url: &str, fields: &[(&str, &str)]) -> String {
        let request = facts_for_tests("GET", url, fields);
        let mut target = rules.target(&request);
        rules.append_parts(&request, &mut target);
        target
    }

    #[test]
    fn without_rules_the_target_is_the_key() {
        for url in ["/a?b=1&a=2&b=0", "/a?", "/a", "/%7Ea/../b?x"] {
            assert_eq!(target(&rules(|_| {}), &format!("http://h{url}"), &[]), url);
        }
    }

    #[test]
    fn query_rules_choose_and_sort_parameters() {
        let ignore = rules(|config| config.query_ignore = vec!["utm_*".into(), "gclid".into()]);
        assert_eq!(
            target(&ignore, "http://h/a?utm_source=x&b=1&gclid=9&a=2", &[]),
            "/a?b=1&a=2"
        );
        assert_eq!(target(&ignore, "http://h/a?utm_source=x", &[]), "/a");
        let only = rules(|config| config.query_only = vec!["page".into()]);
        assert_eq!(target(&only, "http://h/a?x=1&page=2", &[]), "/a?page=2");
        let sort = rules(|config| config.query_sort = true);
        assert_eq!(target(&sort, "http://h/a?b=2&a=9&b=1", &[]), "/a?a=9&b=2&b=1");
    }

    #[test]
    fn nobody_hides_a_parameter_from_the_key_that_the_origin_reads() {
        let only = rules(|config| config.query_only = vec!["page".into()]);
        assert_eq!(
            target(&only, "http://h/a?p%61ge=2&x=1", &[]),
            "/a?p%61ge=2",
            "the origin decodes it"
        );
        assert_eq!(
            target(&only, "http://h/a?x=1;page=2", &[]),
            "/a?x=1;page=2",
            "some origins read `;` as `&`"
        );
        let ignore = rules(|config| config.query_ignore = vec!["utm_*".into()]);
        assert_eq!(target(&ignore, "http://h/a?utm%5Fsource=x", &[]), "/a");
        assert_eq!(
            target(&ignore, "http://h/a?utm_source=x;page=2", &[]),
            "/a?utm_source=x;page=2"
        );
    }

    #[test]
    fn values_that_differ_in_any_byte_make_different_keys() {
        let rules = rules(|config| {
            config.headers = vec!["x-a".into()];
            config.cookies = vec!["c".into()];
        });
        let keys = |name: &'static str, values: &[&[u8]]| -> std::collections::BTreeSet<String> {
            let key = |value: &&[u8]| {
                let mut request = facts_for_tests("GET", "http://h/a", &[]);
                request.headers.append(name, HeaderValue::from_bytes(value).unwrap());
                let mut target = rules.target(&request);
                rules.append_parts(&request, &mut target);
                target
            };
            values.iter().map(key).collect()
        };
        assert_eq!(keys("x-a", &[b"\xe9", b"\xe8", b"", b"1"]).len(), 4);
        let cookies: &[&[u8]] = &[
            b"c=1; n=\xe9",
            b"c=2; n=\xe9",
            b"c=\xe9",
            b"c=\xe8",
            b"c=1; c=2",
            b"c=",
            b"n=\xe9",
        ];
        assert_eq!(keys("cookie", cookies).len(), cookies.len());
    }

    #[test]
    fn cookies_that_cannot_be_read_are_not_declared_harmless() {
        let mut request = facts_for_tests("GET", "http://h/a", &[]);
        request
            .headers
            .append("cookie", HeaderValue::from_bytes(b"session=a; name=J\xfcrgen").unwrap());
        assert!(!rules(|_| {}).covers_cookies(&request));
        assert!(rules(|config| config.cookies_ignore = vec!["*".into()]).covers_cookies(&request));
    }

    #[test]
    fn parts_cannot_be_written_into_each_other() {
        let rules = rules(|config| {
            config.headers = vec!["x-a".into()];
            config.cookies = vec!["c".into()];
        });
        let honest = target(&rules, "http://h/a", &[("x-a", "1"), ("cookie", "c=2")]);
        assert_eq!(honest, "/a#header:x-a=1&cookie:c=2");
        let forged = target(&rules, "http://h/a", &[("x-a", "1&cookie:c=2")]);
        assert_ne!(forged, honest);
        assert_eq!(forged, "/a#header:x-a=1%26cookie:c=2&cookie:c");
    }
}
