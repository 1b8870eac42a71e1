//! Keys. A key reads `namespace|tenant|METHOD|scheme://host/path?query`, or `namespace|tenant|-|name` for values that callers
//! of the API name. `|`, `%` and control bytes in namespace, tenant, method and name are written `%XX`; the URL stands last
//! and as it is. HEAD shares the keys of GET.
//!
//! A key is found by a 64-bit hash (XXH3, seeded per process, so that nobody outside can aim at one slot) and accepted only
//! if the whole text is the same: a collision costs a miss, never a wrong answer.

use crate::namespace::Namespace;
use crate::turnover::RouteId;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The longest text of a key, and of a variant; a longer key is not cached.
pub(crate) const TEXT_MAX: usize = 16 << 10;
/// What stands for the method in the key of a named value.
const NAMED: &str = "-";

/// What an entry is stored under, and for which route: that is no part of what it is, and only counted.
#[derive(Clone, Debug)]
pub struct Key {
    namespace: Arc<Namespace>,
    text: String,
    hash: u64,
    route: RouteId,
}

impl Key {
    /// The key of what a GET or HEAD for this URL gives. `authority` and `path_and_query` are taken as they are: normalise
    /// before. A `#` in `path_and_query`, which no request target can hold, begins parts that tell keys of one URL apart;
    /// invalidations by URL or path do not see them.
    #[must_use]
    pub fn http(namespace: &Arc<Namespace>, tenant: &str, scheme: &str, authority: &str, path_and_query: &str) -> Self {
        Self::http_method(namespace, tenant, "GET", scheme, authority, path_and_query)
    }

    /// As [`Key::http`] for another method.
    #[must_use]
    pub fn http_method(
        namespace: &Arc<Namespace>,
        tenant: &str,
        method: &str,
        scheme: &str,
        authority: &str,
        path_and_query: &str,
    ) -> Self {
        let mut key = Self::blank(namespace);
        key.reserve(tenant.len() + method.len() + scheme.len() + authority.len() + path_and_query.len());
        key.rewrite_http(namespace, tenant, method, scheme, authority, |text| {
            text.push_str(path_and_query);
        });
        key
    }

    /// The key of a value that a caller of the API names.
    #[must_use]
    pub fn named(namespace: &Arc<Namespace>, tenant: &str, name: &str) -> Self {
        let mut key = Self::blank(namespace);
        key.reserve(tenant.len() + name.len());
        key.rewrite_named(namespace, tenant, name);
        key
    }

    /// The key whose text this is; nothing when it is none of `namespace`.
    pub(crate) fn from_text(namespace: &Arc<Namespace>, text: &str) -> Option<Self> {
        let rest = text.strip_prefix(namespace.escaped())?;
        let whole = rest.starts_with('|') && text.split('|').count() >= 4 && text.len() <= TEXT_MAX;
        whole.then(|| {
            let mut key = Self::blank(namespace);
            text.clone_into(&mut key.text);
            key.finish();
            key
        })
    }

    /// A key of nothing, to be rewritten.
    #[must_use]
    pub fn blank(namespace: &Arc<Namespace>) -> Self {
        Self {
            namespace: Arc::clone(namespace),
            text: String::new(),
            hash: 0,
            route: RouteId::default(),
        }
    }

    /// Makes this the key that [`Key::http_method`] says. It keeps its memory, so that who needs one key after the other
    /// allocates once. `push_target` appends path and query.
    pub fn rewrite_http(
        &mut self,
        namespace: &Arc<Namespace>,
        tenant: &str,
        method: &str,
        scheme: &str,
        authority: &str,
        push_target: impl FnOnce(&mut String),
    ) {
        let method = if method == "HEAD" { "GET" } else { method };
        self.restart(namespace, tenant);
        // A lone dash is a method name that HTTP allows and this key reserves.
        if method == NAMED {
            self.text.push_str("%2D");
        } else {
            escape_into(method, &mut self.text);
        }
        for part in ["|", scheme, "://", authority] {
            self.text.push_str(part);
        }
        push_target(&mut self.text);
        self.finish();
    }

    /// Makes this the key that [`Key::named`] says, as [`Key::rewrite_http`] does.
    pub fn rewrite_named(&mut self, namespace: &Arc<Namespace>, tenant: &str, name: &str) {
        self.restart(namespace, tenant);
        self.text.push_str(NAMED);
        self.text.push('|');
        escape_into(name, &mut self.text);
        self.finish();
    }

    /// Makes room for the namespace, parts of `length` bytes and what stands between them.
    fn reserve(&mut self, length: usize) {
        const BETWEEN: usize = "||-|://".len();
        self.text
            .reserve_exact(self.namespace.escaped().len() + length + BETWEEN);
    }

    /// `namespace|tenant|`.
    fn restart(&mut self, namespace: &Arc<Namespace>, tenant: &str) {
        if !Arc::ptr_eq(&self.namespace, namespace) {
            self.namespace = Arc::clone(namespace);
        }
        self.text.clear();
        self.text.push_str(namespace.escaped());
        self.text.push('|');
        escape_into(tenant, &mut self.text);
        self.text.push('|');
    }

    fn finish(&mut self) {
        self.hash = xxh3_64_with_seed(self.text.as_bytes(), self.namespace.seed());
    }

    /// What is stored under it from now on is counted for `route`.
    pub const fn set_route(&mut self, route: RouteId) {
        self.route = route;
    }

    pub(crate) const fn route(&self) -> RouteId {
        self.route
    }

    /// The whole key.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tenant that it belongs to; empty where there is none.
    #[must_use]
    pub fn tenant(&self) -> &str {
        tenant_of(&self.text)
    }

    /// The namespace that it belongs to.
    #[must_use]
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    /// Where it is looked for.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text == other.text
    }
}

impl Eq for Key {}

/// Where the variant `variant` of the key with `hash` is looked for.
pub(crate) fn variant_hash(hash: u64, variant: &str) -> u64 {
    xxh3_64_with_seed(variant.as_bytes(), hash.rotate_left(32) ^ 0x9E37_79B9_7F4A_7C15)
}

/// Where the parts of the value at `hash` are looked for.
pub(crate) const fn part_hash(hash: u64) -> u64 {
    hash.rotate_left(17) ^ 0xD6E8_FEB8_6659_FD93
}

/// The longest name of a tenant.
const TENANT_LENGTH_MAX: usize = 64;

/// Whether `name` can be a tenant's: letters, digits, `-`, `_` and `.`, a letter or digit first, at most 64 of them. Such a
/// name stands as it is in keys, in files and in the configuration.
#[must_use]
pub fn is_tenant_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    name.len() <= TENANT_LENGTH_MAX
        && name.bytes().all(plain)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

/// The tenant in the text of a key, as it is written there; empty where there is none.
pub(crate) fn tenant_of(text: &str) -> &str {
    text.split('|').nth(1).unwrap_or_default()
}

/// Whether `byte` cannot stand in a part of a key as it is.
fn special(byte: u8) -> bool {
    byte == b'|' || byte == b'%' || byte.is_ascii_control()
}

/// Appends `part` with everything that could be mistaken for a boundary written `%XX`.
pub(crate) fn escape_into(part: &str, out: &mut String) {
    // All bytes, without leaving off at the first that is special: so it goes sixteen at a time.
    if !part.bytes().fold(false, |any, byte| any | special(byte)) {
        out.push_str(part);
        return;
    }
    for character in part.chars() {
        match u8::try_from(character) {
            Ok(byte) if special(byte) => {
                let _ = write!(out, "%{byte:02X}");
            }
            _ => out.push(character),
        }
    }
}

/// `part` as it was before [`escape_into`].
fn unescape(part: &str) -> Cow<'_, str> {
    if !part.contains('%') {
        return Cow::Borrowed(part);
    }
    let mut out = String::with_capacity(part.len());
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let code = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(byte) => out.push(char::from(byte)),
            None => out.push('%'),
        }
        rest = if code.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What the text of a key is about, for invalidations.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subject<'a> {
    /// Whose it is; empty where it is nobody's.
    pub(crate) tenant: &'a str,
    /// The URL without the parts behind a `#`, or the name as the caller of the API set it.
    pub(crate) resource: Cow<'a, str>,
    /// Path and query of a URL.
    pub(crate) path: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// Takes the text of a key apart. A text that is no key is a resource as a whole.
    pub(crate) fn of(text: &'a str) -> Self {
        let mut parts = text.splitn(4, '|').skip(2);
        let (Some(method), Some(rest)) = (parts.next(), parts.next()) else {
            return Self {
                tenant: "",
                resource: Cow::Borrowed(text),
                path: None,
            };
        };
        let tenant = tenant_of(text);
        if method == NAMED {
            return Self {
                tenant,
                resource: unescape(rest),
                path: None,
            };
        }
        let url = rest.split_once('#').map_or(rest, |(url, _)| url);
        let after_scheme = url.find("://").map_or(0, |at| at + 3);
        let path = url
            .get(after_scheme..)
            .and_then(|tail| tail.find('/'))
            .and_then(|at| url.get(after_scheme + at..));
        Self {
            tenant,
            resource: Cow::Borrowed(url),
            path,
        }
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(name: &str) -> Arc<Namespace> {
        crate::testing::Bench::with(|settings| {
            settings
                .namespaces
                .insert(name.to_owned(), crate::NamespaceConfig::default());
        })
        .engine
        .namespace(name)
        .unwrap()
    }

    #[test]
    fn keys_read_as_documented() {
        let shop = namespace("shop");
        let text = |key: Key| key.text().to_owned();
        assert_eq!(
            text(Key::http(&shop, "", "https", "h:1", "/a?b=|")),
            "shop||GET|https://h:1/a?b=|"
        );
        assert_eq!(
            text(Key::http_method(&shop, "t", "HEAD", "https", "h", "/")),
            "shop|t|GET|https://h/"
        );
        assert_eq!(
            text(Key::http_method(&shop, "t", "QUERY", "https", "h", "/")),
            "shop|t|QUERY|https://h/"
        );
        assert_eq!(text(Key::named(&shop, "a|b", "user:1%\n")), "shop|a%7Cb|-|user:1%25%0A");
    }

    #[test]
    fn a_key_that_is_rewritten_is_the_key_that_would_be_made() {
        let (shop, other) = (namespace("shop"), namespace("other"));
        let mut key = Key::blank(&shop);
        for (namespace, method, target) in [(&shop, "GET", "/a-long-path?with=a-query"), (&other, "HEAD", "/b")] {
            let made = Key::http_method(namespace, "t", method, "https", "h", target);
            key.rewrite_http(namespace, "t", method, "https", "h", |text| text.push_str(target));
            assert_eq!((&key, key.namespace().name()), (&made, namespace.name()));
            key.rewrite_named(namespace, "", "a|b");
            assert_eq!(key, Key::named(namespace, "", "a|b"));
        }
    }

    #[test]
    fn no_part_can_pretend_to_be_another() {
        let (plain, trick) = (namespace("a"), namespace("a|b"));
        let keys = [
            Key::named(&plain, "b|c", "x"),
            Key::named(&plain, "b", "c|x"),
            Key::named(&trick, "c", "x"),
            Key::named(&plain, "b%7Cc", "x"),
            Key::http_method(&plain, "b|c", "-", "x", "", ""),
            Key::named(&plain, "b|c", "x://"),
        ];
        for (at, one) in keys.iter().enumerate() {
            assert!(
                keys.iter().skip(at + 1).all(|other| one.text() != other.text()),
                "{}",
                one.text()
            );
        }
    }

    #[test]
    fn subjects_are_what_invalidations_see() {
        let shop = namespace("shop");
        let of = |key: &Key| {
            let subject = Subject::of(key.text());
            (subject.resource.into_owned(), subject.path.map(str::to_owned))
        };
        let url = Key::http(&shop, "t", "http", "h", "/a?b=1#cookie:c=2");
        assert_eq!(of(&url), ("http://h/a?b=1".into(), Some("/a?b=1".into())));
        assert_eq!(of(&Key::named(&shop, "", "50%|\u{e9}")), ("50%|\u{e9}".into(), None));
    }
}
