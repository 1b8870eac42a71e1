//! A configuration file.

use peregrine::config::{Environment, Origin, Overrides, load};

/// Any text is a configuration or is refused with at least one fault that can be shown.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let origin = Origin::Text {
        name: "peregrine.toml".to_owned(),
        text: text.to_owned(),
    };
    match load(&origin, &Overrides::default(), &Environment::default()) {
        Ok(loaded) => drop(loaded.resolved.effective()),
        Err(faults) => assert!(!faults.to_string().is_empty(), "a refusal without a word"),
    }
}
