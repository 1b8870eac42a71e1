//! Whose request it is: the tenant, named by a header from a trusted proxy, by the host or by the path.
//!
//! The name is part of every key, so it is never guessed: what could be read in two ways is refused. A header counts only
//! from `server.trusted_proxies`, because anybody can write one.

use crate::config::{TenantFrom, TenantsConfig, Untrusted};
use crate::request::{RequestFacts, RequestView as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use peregrine_base::Complaint;
use peregrine_cache::is_tenant_name;
use peregrine_net::http::hygiene;

/// Where the name stands in patterns.
const PLACE: &str = "{tenant}";

/// How tenants are told apart.
#[derive(Clone, Debug, Default)]
pub struct TenantRules {
    source: Source,
    refuse_untrusted: bool,
    forward_header: bool,
}

#[derive(Clone, Debug, Default)]
enum Source {
    /// There are no tenants.
    #[default]
    Nobody,
    Header(HeaderName),
    /// What stands between the two in the host.
    Host(String, String),
    /// The same in the path, up to its end or a `/`.
    Path(String, String),
}

/// Why a request is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TenantFault {
    /// The route wants one, and the request names none.
    Missing,
    /// What stands there is no name, or stands there twice.
    Invalid,
    /// Somebody who is no trusted proxy names one.
    Untrusted,
}

impl TenantFault {
    /// The word for logs, metric labels and problems.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "tenant_missing",
            Self::Invalid => "tenant_invalid",
            Self::Untrusted => "tenant_untrusted",
        }
    }
}

/// What a request says of its tenant; empty where it says nothing.
pub(crate) type Named<'a> = Result<&'a str, TenantFault>;

impl TenantRules {
    /// The rules that `config` describes.
    ///
    /// # Errors
    /// A name that is no field name, or a pattern in which the tenant has no place of its own.
    pub fn new(config: &TenantsConfig) -> Result<Self, Vec<Complaint>> {
        let source = match config.from {
            TenantFrom::None => Ok(Source::Nobody),
            TenantFrom::Header => config.header.parse().map(Source::Header).map_err(|_| {
                let problem = format!("`{}` is no field name", config.header);
                Complaint::new("header", problem, "use a name such as \"x-tenant\"")
            }),
            TenantFrom::Host => {
                let example = "write the labels around it, such as \"{tenant}.example.com\"";
                let pattern = config.host.to_ascii_lowercase();
                let of_label = |before: &str, after: &str| {
                    let apart =
                        (before.is_empty() || before.ends_with('.')) && (after.is_empty() || after.starts_with('.'));
                    apart && !(before.is_empty() && after.is_empty())
                };
                halves("host", &pattern, of_label, example).map(|(before, after)| Source::Host(before, after))
            }
            TenantFrom::Path => {
                let example = "write the segments before and after it, such as \"/t/{tenant}/\"";
                let of_segment = |before: &str, after: &str| {
                    before.starts_with('/') && before.ends_with('/') && (after.is_empty() || after == "/")
                };
                halves("path", &config.path, of_segment, example).map(|(before, after)| Source::Path(before, after))
            }
        };
        match source {
            Ok(source) => Ok(Self {
                source,
                refuse_untrusted: config.untrusted == Untrusted::Refuse,
                forward_header: config.forward_header,
            }),
            Err(complaint) => Err(vec![complaint]),
        }
    }

    /// The field that names tenants, where one does.
    pub(crate) fn header(&self) -> Option<&HeaderName> {
        match &self.source {
            Source::Header(name) => Some(name),
            _ => None,
        }
    }

    /// What a header of `headers` says, where one names tenants; it comes off, unless the origin may see it. From somebody who
    /// is not `trusted` it never may: the origin would answer nobody with what is a tenant's.
    pub(crate) fn take(&self, headers: &mut HeaderMap, trusted: bool) -> Option<Result<String, TenantFault>> {
        let name = self.header()?;
        // Some origins cannot tell it from the field itself, which was looked at here.
        hygiene::remove_where(headers, |sent| {
            sent != name && hygiene::is_alike(sent.as_str(), name.as_str())
        });
        let values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let named = self.by_header(values, trusted).map(str::to_owned);
        if self.hidden(trusted).is_some() {
            headers.remove(name);
        }
        Some(named)
    }

    /// Lets the request of `facts` be whose it is: by its header, as [`TenantRules::take`] read it, or by its URL.
    pub(crate) fn settle(&self, facts: &mut RequestFacts, by_header: Option<Result<String, TenantFault>>) {
        let named = by_header.unwrap_or_else(|| self.by_url(facts.host(), facts.path()).map(str::to_owned));
        match named {
            Ok(tenant) => facts.tenant = tenant,
            Err(fault) => facts.tenant_fault = Some(fault),
        }
    }

    /// The field that the origin does not see of somebody who is `trusted` or not.
    pub(crate) fn hidden(&self, trusted: bool) -> Option<&HeaderName> {
        self.header().filter(|_| !(self.forward_header && trusted))
    }

    /// Whom `values`, those of [`TenantRules::header`] as they were sent by somebody who is `trusted` or not, name; nobody
    /// where there are none.
    pub(crate) fn by_header<'a>(&self, mut values: impl Iterator<Item = &'a [u8]>, trusted: bool) -> Named<'a> {
        match (values.next(), values.next()) {
            (None, _) => Ok(""),
            _ if !trusted && self.refuse_untrusted => Err(TenantFault::Untrusted),
            _ if !trusted => Ok(""),
            (Some(value), None) => checked(std::str::from_utf8(value).map_err(|_| TenantFault::Invalid)?),
            (Some(_), Some(_)) => Err(TenantFault::Invalid),
        }
    }

    /// Whom host or path name; nobody where neither does that.
    pub(crate) fn by_url<'a>(&self, host: &'a str, path: &'a str) -> Named<'a> {
        match &self.source {
            Source::Nobody | Source::Header(_) => Ok(""),
            Source::Host(before, after) => {
                let label = host
                    .strip_prefix(before.as_str())
                    .and_then(|rest| rest.strip_suffix(after.as_str()));
                // A host elsewhere is nobody's; so is one with more labels, which may be anybody's.
                label.filter(|label| !label.contains('.')).map_or(Ok(""), checked)
            }
            Source::Path(before, after) => match path.strip_prefix(before.as_str()) {
                None => Ok(""),
                Some(rest) => match rest.split_once('/') {
                    Some((name, _)) => checked(name),
                    None if after.is_empty() => checked(rest),
                    None => Ok(""),
                },
            },
        }
    }
}

fn checked(name: &str) -> Named<'_> {
    if is_tenant_name(name) {
        Ok(name)
    } else {
        Err(TenantFault::Invalid)
    }
}

/// What stands before and after the tenant in `pattern`.
fn halves(
    field: &str,
    pattern: &str,
    fits: impl Fn(&str, &str) -> bool,
    example: &str,
) -> Result<(String, String), Complaint> {
    let halves = pattern.split_once(PLACE).filter(|(_, after)| !after.contains(PLACE));
    match halves.filter(|(before, after)| fits(before, after)) {
        Some((before, after)) => Ok((before.to_owned(), after.to_owned())),
        None => {
            let problem = format!("`{pattern}` does not say where the tenant's name stands");
            Err(Complaint::new(field, problem, example))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(from: TenantFrom, edit: impl FnOnce(&mut TenantsConfig)) -> Result<TenantRules, Vec<Complaint>> {
        let mut config = TenantsConfig {
            from,
            header: "x-tenant".to_owned(),
            untrusted: Untrusted::Ignore,
            host: "{tenant}.example.com".to_owned(),
            path: "/t/{tenant}/".to_owned(),
            forward_header: false,
        };
        edit(&mut config);
        TenantRules::new(&config)
    }

    #[test]
    fn a_header_counts_once_and_from_trusted_proxies_only() {
        let ignoring = rules(TenantFrom::Header, |_| {}).unwrap();
        let refusing = rules(TenantFrom::Header, |config| config.untrusted = Untrusted::Refuse).unwrap();
        let named = |rules: &TenantRules, values: &[&'static [u8]], trusted| {
            rules.by_header(values.iter().copied(), trusted).map(str::to_owned)
        };
        assert_eq!(named(&ignoring, &[b"acme"], true), Ok("acme".to_owned()));
        assert_eq!(named(&ignoring, &[], true), Ok(String::new()));
        assert_eq!(named(&ignoring, &[b"acme"], false), Ok(String::new()));
        assert_eq!(named(&refusing, &[b"acme"], false), Err(TenantFault::Untrusted));
        assert_eq!(named(&refusing, &[], false), Ok(String::new()));
        let bad: [&[&'static [u8]]; 7] = [
            &[b"acme", b"acme"],
            &[b""],
            &[b"a|b"],
            &[b"a, b"],
            &[b"\xff"],
            &[b".."],
            &[b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
        ];
        for values in bad {
            assert_eq!(named(&ignoring, values, true), Err(TenantFault::Invalid), "{values:?}");
        }
    }

    #[test]
    fn a_host_or_a_path_names_one_where_its_pattern_says() {
        let by_host = rules(TenantFrom::Host, |_| {}).unwrap();
        for (host, expected) in [
            ("acme.example.com", Ok("acme")),
            ("example.com", Ok("")),
            ("a.acme.example.com", Ok("")),
            ("acme.example.org", Ok("")),
            (".example.com", Err(TenantFault::Invalid)),
            ("-.example.com", Err(TenantFault::Invalid)),
        ] {
            assert_eq!(by_host.by_url(host, "/t/other/"), expected, "{host}");
        }
        let by_path = rules(TenantFrom::Path, |_| {}).unwrap();
        let open = rules(TenantFrom::Path, |config| config.path = "/{tenant}".to_owned()).unwrap();
        for (path, expected, of_open) in [
            ("/t/acme/a/b", Ok("acme"), Ok("t")),
            ("/t/acme/", Ok("acme"), Ok("t")),
            ("/t/acme", Ok(""), Ok("t")),
            ("/u/acme/a", Ok(""), Ok("u")),
            ("/t/ac%6de/a", Err(TenantFault::Invalid), Ok("t")),
            ("/t//a", Err(TenantFault::Invalid), Ok("t")),
            ("/t/../a/", Err(TenantFault::Invalid), Ok("t")),
            ("/acme", Ok(""), Ok("acme")),
            ("/", Ok(""), Err(TenantFault::Invalid)),
        ] {
            assert_eq!(by_path.by_url("acme.example.com", path), expected, "{path}");
            assert_eq!(open.by_url("h", path), of_open, "{path}");
        }
    }

    #[test]
    fn a_pattern_without_a_place_for_the_name_is_refused() {
        for host in [
            "*.example.com",
            "{tenant}",
            "x{tenant}.example.com",
            "{tenant}.{tenant}.com",
        ] {
            let complaint = rules(TenantFrom::Host, |config| config.host = host.to_owned()).unwrap_err();
            assert!(complaint[0].help.contains("{tenant}.example.com"), "{host}");
        }
        for path in [
            "/t/",
            "t/{tenant}/",
            "/t-{tenant}/",
            "/t/{tenant}-x",
            "/t/{tenant}/more",
        ] {
            assert!(
                rules(TenantFrom::Path, |config| config.path = path.to_owned()).is_err(),
                "{path}"
            );
        }
        assert!(rules(TenantFrom::Header, |config| config.header = "x tenant".to_owned()).is_err());
        // What is not used is not looked at.
        assert!(rules(TenantFrom::None, |config| config.header = String::new()).is_ok());
    }
}
