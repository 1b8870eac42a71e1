//! What fuzzers call and nobody else.

use crate::config::KeyConfig;
use crate::key::KeyRules;
use crate::own::OwnRequest;
use crate::request::RequestView as _;
use crate::tenant::TenantRules;

/// The text of the key that `request` has on a route whose keys hold the field `x-key` and the cookie `session` and leave out
/// parameters called `utm_*`, without namespace and method.
#[must_use]
pub fn key_text(request: &OwnRequest) -> String {
    let config = KeyConfig {
        headers: vec!["x-key".to_owned()],
        cookies: vec!["session".to_owned()],
        query_ignore: vec!["utm_*".to_owned()],
        ..KeyConfig::default()
    };
    let rules = KeyRules::new(&config, None).expect("the rules above are valid");
    let facts = request.facts(&TenantRules::default());
    let mut text = format!("{}://{}", facts.scheme(), facts.authority());
    rules.push_target(&facts, &mut text);
    rules.append_parts(&facts, &mut text);
    text
}
