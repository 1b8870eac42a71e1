//! From the configuration of a route to the route: every name is looked up here, once, and everything that is wrong with it
//! is told with its place.

use super::{Bypass, Edits, FieldPatterns, Matcher, Route, Surroundings};
use crate::config::{EditConfig, RouteConfig, RouteTenant};
use crate::encode::EncodeRules;
use crate::key::KeyRules;
use crate::pattern::Patterns;
use crate::policy::{Freshness, Methods, Rules};
use crate::template::Template;
use http::{HeaderName, HeaderValue, header};
use peregrine_base::Complaint;
use peregrine_cache::{Glob, RouteId, Strategy};
use std::collections::{BTreeMap, BTreeSet};

/// What no edit may touch: the fields that say where a message ends and what becomes of its connection.
static FRAMING: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Resolves one route and gathers what is wrong with it.
pub(super) struct Resolving<'a> {
    pub(super) index: usize,
    pub(super) complaints: &'a mut Vec<Complaint>,
}

impl Resolving<'_> {
    /// The name by which the route is counted and kept apart, which no other has.
    pub(super) fn name(&mut self, config: &RouteConfig, taken: &BTreeSet<String>) -> String {
        let name = name_of(config, taken);
        if taken.contains(&name) {
            self.complain(
                "name",
                format!("`{name}` is the name of another route too"),
                "give each route a name of its own",
            );
        }
        name
    }

    pub(super) fn route(
        &mut self,
        name: String,
        config: &RouteConfig,
        surroundings: Surroundings<'_>,
    ) -> Option<Route> {
        let upstream = self.named(
            "upstream",
            &config.upstream,
            surroundings.upstreams.get(&config.upstream).cloned(),
        );
        let strategy = self.named(
            "strategy",
            &config.strategy,
            surroundings.engine.strategy(&config.strategy),
        );
        let namespace = self.named(
            "namespace",
            &config.namespace,
            surroundings.engine.namespace(&config.namespace),
        );
        let by_fields = (!config.matches.headers.is_empty()).then(|| name_in_keys(config));
        let key = KeyRules::new(&config.key, by_fields.as_deref())
            .map_err(|bad| {
                self.complain(
                    &format!("key.{}", bad.field),
                    format!("`{}` cannot stand in a field of a request", bad.text),
                    "use a name such as \"accept-language\", and values of visible ASCII",
                )
            })
            .ok();
        let matcher = self.matcher(config);
        let bypass = Bypass {
            headers: self.field_patterns("bypass.headers", &config.bypass.headers),
            cookies: Patterns::caseless(&config.bypass.cookies),
            query: Patterns::caseless(&config.bypass.query),
            paths: Patterns::new(&config.bypass.paths),
        };
        let targeted_fields = config
            .targeted_fields
            .iter()
            .filter_map(|name| self.field_name("targeted_fields", name))
            .collect();
        self.check_upgrades(&config.upgrades);
        let tags = config.tags.iter().filter_map(|tag| self.template(tag)).collect();
        let request_edits = self.edits("request_headers", &config.request_headers);
        let response_edits = self.edits("response_headers", &config.response_headers);
        let metrics = surroundings
            .before
            .and_then(|table| table.metrics(&name))
            .unwrap_or_default();
        let strategy = strategy?;
        self.methods(config, &strategy);
        Some(Route {
            name: name.into(),
            id: RouteId::default(),
            upstream: upstream?,
            encode: EncodeRules::of(&strategy),
            rules: Rules {
                targeted_fields,
                ..rules_of(&strategy)
            },
            strategy,
            namespace: namespace?,
            key: key?,
            wants_tenant: config.tenant == RouteTenant::Required,
            cache: config.cache,
            tags,
            keep_tags: config.keep_tags,
            refuse_path_confusion: config.refuse_path_confusion,
            upgrades: config.upgrades.clone(),
            cache_status: config.cache_status,
            request_edits,
            response_edits,
            metrics,
            matcher,
            bypass,
        })
    }

    /// A method that is never cached may not look as if it were.
    fn methods(&mut self, config: &RouteConfig, strategy: &Strategy) {
        let known = |method: &&String| {
            ["GET", "HEAD", "QUERY", "POST"]
                .iter()
                .any(|known| method.eq_ignore_ascii_case(known))
        };
        for method in strategy.cache_methods().iter().filter(|method| !known(method)) {
            self.complain(
                "strategy",
                format!(
                    "`{}` has `{method}` in cache_methods, and answers to that are never stored",
                    config.strategy
                ),
                "use GET, HEAD, QUERY or POST",
            );
        }
    }

    fn matcher(&mut self, config: &RouteConfig) -> Matcher {
        let methods = config.matches.methods.iter().filter_map(|text| match text.parse() {
            Ok(method) => Some(method),
            Err(_) => {
                self.complain(
                    "match.methods",
                    format!("`{text}` is no method"),
                    "use names such as \"GET\" or \"POST\"",
                );
                None
            }
        });
        Matcher {
            methods: methods.collect(),
            host: Glob::new(&config.matches.host.to_ascii_lowercase()),
            path: Glob::new(&config.matches.path),
            headers: self.field_patterns("match.headers", &config.matches.headers),
        }
    }

    /// h2c is no protocol to pass on: who speaks it goes past every rule of this proxy.
    fn check_upgrades(&mut self, names: &[String]) {
        for (index, name) in names.iter().enumerate() {
            let is_token = HeaderName::from_bytes(name.split('/').next().unwrap_or_default().as_bytes()).is_ok();
            if !is_token || name.eq_ignore_ascii_case("h2c") {
                self.complain(
                    &format!("upgrades[{index}]"),
                    format!("`{name}` is no protocol that can be passed on"),
                    "use names such as \"websocket\"",
                );
            }
        }
    }

    fn named<T>(&mut self, field: &str, name: &str, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.complain(
                field,
                format!("there is no {field} `{name}`"),
                "define it, or correct the name",
            );
        }
        found
    }

    fn template(&mut self, text: &str) -> Option<Template> {
        Template::parse(text)
            .map_err(|error| self.complain("tags", error.to_string(), "correct the tag"))
            .ok()
    }

    fn field_patterns(&mut self, field: &str, config: &BTreeMap<String, String>) -> FieldPatterns {
        let patterns = config
            .iter()
            .filter_map(|(name, pattern)| Some((self.field_name(field, name)?, Glob::new(pattern))));
        FieldPatterns(patterns.collect())
    }

    fn edits(&mut self, field: &str, config: &EditConfig) -> Edits {
        let remove = config
            .remove
            .iter()
            .filter_map(|name| self.editable(&format!("{field}.remove"), name))
            .collect();
        let field = format!("{field}.set");
        let set = config.set.iter().filter_map(|(name, value)| {
            let name = self.editable(&field, name)?;
            match HeaderValue::from_str(value) {
                Ok(value) => Some((name, value)),
                Err(_) => {
                    self.complain(
                        &field,
                        format!("the value of `{name}` is not visible ASCII"),
                        "escape or shorten it",
                    );
                    None
                }
            }
        });
        Edits {
            set: set.collect(),
            remove,
        }
    }

    fn editable(&mut self, field: &str, name: &str) -> Option<HeaderName> {
        let name = self.field_name(field, name)?;
        if FRAMING.contains(&name) {
            self.complain(
                field,
                format!("`{name}` says where the message ends or what becomes of its connection"),
                "leave it out; it is written as it has to be",
            );
            return None;
        }
        Some(name)
    }

    fn field_name(&mut self, field: &str, name: &str) -> Option<HeaderName> {
        match name.parse() {
            Ok(name) => Some(name),
            Err(_) => {
                self.complain(
                    field,
                    format!("`{name}` is no field name"),
                    "use a name such as \"x-device\"",
                );
                None
            }
        }
    }

    fn complain(&mut self, field: &str, problem: String, help: &str) {
        let field = format!("route[{}].{field}", self.index);
        self.complaints.push(Complaint {
            field,
            problem,
            help: help.to_owned(),
        });
    }
}

/// A route without a name is called by what it matches.
pub(super) fn name_of(config: &RouteConfig, taken: &BTreeSet<String>) -> String {
    if let Some(name) = &config.name {
        return name.clone();
    }
    let plain = default_name(config);
    let numbered = (2..).map(|number| format!("{plain} ({number})"));
    let mut names = std::iter::once(plain.clone()).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or(plain)
}

/// What a route that is chosen by fields is called in keys: where it has no name of its own, by all that chooses it, and not by
/// its place among others, which another route may have tomorrow.
fn name_in_keys(config: &RouteConfig) -> String {
    config.name.clone().unwrap_or_else(|| {
        let fields = config.matches.headers.iter();
        fields.fold(default_name(config), |so_far, (name, pattern)| {
            format!("{so_far} {}={pattern}", name.to_ascii_lowercase())
        })
    })
}

fn default_name(config: &RouteConfig) -> String {
    let host = if config.matches.host == "*" {
        ""
    } else {
        config.matches.host.as_str()
    };
    let methods = config.matches.methods.join(",");
    let separator = if methods.is_empty() { "" } else { " " };
    format!("{methods}{separator}{host}{}", config.matches.path)
}

/// A strategy as the policy reads it.
fn rules_of(strategy: &Strategy) -> Rules {
    let methods = strategy.cache_methods();
    let has = |name: &str| methods.iter().any(|method| method.eq_ignore_ascii_case(name));
    Rules {
        freshness: match strategy.freshness() {
            peregrine_cache::Freshness::Origin => Freshness::Origin,
            peregrine_cache::Freshness::Fallback => Freshness::Fallback,
            peregrine_cache::Freshness::Force => Freshness::Force,
        },
        ttl: strategy.ttl(),
        heuristic: strategy.heuristic(),
        stale_while_revalidate: strategy.stale_while_revalidate(),
        stale_if_error: strategy.stale_if_error(),
        negative_ttl: strategy.negative_ttl(),
        negative_statuses: strategy.negative_statuses().to_vec(),
        methods: Methods {
            get: has("GET"),
            head: has("HEAD"),
            query: has("QUERY"),
            post: has("POST"),
        },
        allow_set_cookie: strategy.allow_set_cookie(),
        allow_authorization: strategy.allow_authorization(),
        ..Rules::default()
    }
}
