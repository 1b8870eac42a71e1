//! A request head as the rules see it after hygiene, though nothing was taken off it or written into it. Fields that hygiene
//! changes look to the rules as they will be, where that can be said without changing them; where it cannot, the head notes
//! a doubt, and the request takes the long way.

use crate::names::Names;
use crate::policy::Fields;
use crate::receive::goes_round;
use crate::request::{RequestView, host_of, push_normal_authority};
use crate::tenant::TenantRules;
use http::{HeaderName, Method, Version, header};
use peregrine_net::http::hygiene::{self, TrustedProxies};
use peregrine_net::http::{HeadView, Peer};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Fields that hygiene writes, whatever the client sent.
static WRITTEN: [HeaderName; 6] = [
    hygiene::X_FORWARDED_FOR,
    hygiene::X_FORWARDED_PROTO,
    hygiene::X_FORWARDED_HOST,
    hygiene::X_REQUEST_ID,
    header::VIA,
    header::HOST,
];

/// The bits of the names in [`WRITTEN`].
static WRITTEN_NAMES: LazyLock<Names> =
    LazyLock::new(|| Names::of(WRITTEN.iter().map(|name| name.as_str().as_bytes())));

/// A received head where it was read.
#[derive(Debug)]
pub(super) struct Heard<'a> {
    method: Method,
    scheme: &'static str,
    authority: &'a str,
    target: &'a str,
    fields: HeardFields<'a>,
    client: IpAddr,
    request_id: &'a str,
    tenant: &'a str,
}

/// The fields of such a head.
#[derive(Debug)]
pub(super) struct HeardFields<'a> {
    head: &'a HeadView<'a>,
    names: Names,
    /// Whether somebody asked for a field that hygiene changes.
    doubt: AtomicBool,
    /// The field that comes off because it names the tenant.
    hidden: Option<&'a HeaderName>,
}

impl<'a> Heard<'a> {
    /// Receives `head`, as [`crate::receive::receive`] does a request; nothing where that has to see it. `authority` is room
    /// for its text.
    pub(super) fn receive(
        head: &'a HeadView<'a>,
        peer: &Peer,
        trusted: &TrustedProxies,
        tenants: &'a TenantRules,
        authority: &'a mut String,
    ) -> Option<Self> {
        let method = match head.method {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            _ => return None,
        };
        let is_old = head.version == Version::HTTP_10;
        if is_old || head.body || head.host.is_empty() || !head.target.starts_with('/') {
            return None;
        }
        let client = peer.address.ip().to_canonical();
        let is_trusted = trusted.contains(client);
        let fields = HeardFields {
            head,
            names: Names::of(head.fields.iter().map(|field| field.name.as_bytes())),
            doubt: AtomicBool::new(false),
            hidden: tenants.hidden(is_trusted),
        };
        let asks_twice = fields.sent(header::CONNECTION.as_str()).any(nominates) || fields.has(header::EXPECT.as_str());
        // What a trusted proxy says counts, and how is not decided here.
        let says = || {
            hygiene::CLAIMS
                .iter()
                .chain([&hygiene::X_REQUEST_ID])
                .any(|name| fields.was_sent(name.as_str()))
        };
        let imitates = |tenant: &HeaderName| {
            let is_it =
                |sent: &str| !sent.eq_ignore_ascii_case(tenant.as_str()) && hygiene::is_alike(sent, tenant.as_str());
            head.fields.iter().any(|field| is_it(field.name))
        };
        if asks_twice || is_trusted && says() || goes_round(&Sent(&fields)) || tenants.header().is_some_and(imitates) {
            return None;
        }
        let scheme = peer.scheme();
        authority.clear();
        push_normal_authority(scheme, head.host, authority);
        let authority: &str = authority;
        let path = head.target.split_once('?').map_or(head.target, |(path, _)| path);
        let tenant = match tenants.header() {
            Some(name) => tenants.by_header(fields.sent(name.as_str()), is_trusted),
            None => tenants.by_url(host_of(authority), path),
        };
        Some(Self {
            tenant: tenant.ok()?,
            method,
            scheme,
            authority,
            target: head.target,
            fields,
            client,
            request_id: "",
        })
    }

    /// Whether a rule asked for what cannot be said here.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.fields.doubt.load(Ordering::Relaxed)
    }

    /// The same under the number that follows it through logs.
    pub(super) fn named(self, request_id: &'a str) -> Self {
        Self { request_id, ..self }
    }
}

/// Whether a `Connection` field says more than whether the connection stays open.
fn nominates(line: &[u8]) -> bool {
    let known = |option: &[u8]| {
        option.is_empty() || option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close")
    };
    !line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).all(known)
}

impl<'a> HeardFields<'a> {
    /// The values of the lines called `name`, as they were sent.
    fn sent(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.sent_as(name, Names::one(name.as_bytes()))
    }

    /// The same where what [`Names`] say of `name` is at hand.
    fn sent_as(&self, name: &str, roughly: Names) -> impl Iterator<Item = &'a [u8]> {
        let fields = if self.names.may_share(roughly) {
            self.head.fields
        } else {
            &[]
        };
        fields
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    }

    fn was_sent(&self, name: &str) -> bool {
        self.sent(name).next().is_some()
    }
}

impl Fields for HeardFields<'_> {
    fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        // What comes off is not there for the rules; if it was not sent, that is what they see anyway.
        let comes_off = || {
            hygiene::HOP_BY_HOP
                .iter()
                .chain(&hygiene::CLAIMS)
                .any(|field| field == name)
        };
        let roughly = Names::one(name.as_bytes());
        let is_written = || WRITTEN_NAMES.may_share(roughly) && WRITTEN.iter().any(|field| field == name);
        let mut sent = self.sent_as(name, roughly).peekable();
        let is_hidden = self.hidden.is_some_and(|hidden| hidden == name);
        if is_hidden || is_written() || sent.peek().is_some() && comes_off() {
            self.doubt.store(true, Ordering::Relaxed);
        }
        sent
    }
}

/// The fields as they were sent.
struct Sent<'f, 'a>(&'f HeardFields<'a>);

impl Fields for Sent<'_, '_> {
    fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.sent(name)
    }
}

impl<'h> RequestView for Heard<'h> {
    type Fields = HeardFields<'h>;

    fn method(&self) -> &Method {
        &self.method
    }

    fn scheme(&self) -> &'static str {
        self.scheme
    }

    fn authority(&self) -> &str {
        self.authority
    }

    fn target(&self) -> &str {
        self.target
    }

    fn fields(&self) -> &HeardFields<'h> {
        &self.fields
    }

    fn client(&self) -> IpAddr {
        self.client
    }

    fn request_id(&self) -> &str {
        self.request_id
    }

    fn body_length(&self) -> Option<u64> {
        Some(0)
    }

    fn tenant(&self) -> &str {
        self.tenant
    }

    fn said_by_proxy(&self) -> &[(&'static str, String)] {
        // That is not decided here.
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_hygiene_changes_raises_a_doubt_and_others_do_not() {
        let field = |name, value: &'static str| httparse::Header {
            name,
            value: value.as_bytes(),
        };
        let sent = [
            field("Host", "a"),
            field("Accept", "*/*"),
            field("X-Real-IP", "203.0.113.9"),
        ];
        let head = HeadView {
            method: "GET",
            target: "/",
            host: "a",
            version: Version::HTTP_11,
            fields: &sent,
            body: false,
        };
        let socket = std::net::SocketAddr::from(([127, 0, 0, 1], 4711));
        let peer = Peer {
            address: socket,
            local: socket,
            tls: false,
        };
        for (name, in_doubt) in [
            ("accept", false),
            ("x-absent", false),
            ("te", false),
            ("x-real-ip", true),
            ("x-forwarded-proto", true),
            ("x-request-id", true),
            ("via", true),
        ] {
            let (mut room, tenants) = (String::new(), TenantRules::default());
            let heard = Heard::receive(&head, &peer, &TrustedProxies::none(), &tenants, &mut room).unwrap();
            let _ = heard.fields().has(name);
            assert_eq!(heard.is_in_doubt(), in_doubt, "{name}");
        }
    }
}
