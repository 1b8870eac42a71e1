//! `peregrine explain URL`: why a URL is, or is not, answered from the cache.

use crate::cli::Output;
use crate::client::{Address, Client};
use crate::config::Environment;
use crate::print;
use crate::{Failure, commands};
use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use peregrine_admin::api::explain::{EntryState, Explanation, LastOutcome, Step};
use peregrine_lab::report::units;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// What can be said to `explain`.
#[derive(Debug, Args)]
#[command(
    about = "Why a URL is, or is not, answered from the cache",
    long_about = "Asks a running Peregrine what it does with a request and why: the route that takes it, the key, what lies \
                  in the cache under it, every decision with its reason and the clause that asks for it, and what to change \
                  so that more of it would come from the cache.",
    after_help = "Examples:\n  \
        peregrine explain http://127.0.0.1:8080/products\n  \
        peregrine explain --fetch /products/7                 make the request too\n  \
        peregrine explain -H 'Accept-Encoding: gzip' /products"
)]
pub struct Arguments {
    /// The URL, or a path on the address that Peregrine listens on.
    url: String,
    /// The method.
    #[arg(short = 'X', long, default_value = "GET")]
    method: String,
    /// A header of the request, as "Name: value"; may be given several times.
    #[arg(short = 'H', long, value_name = "HEADER")]
    header: Vec<String>,
    /// Make the request as a client would: through the cache, which stores what may be stored.
    #[arg(long)]
    fetch: bool,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When no Peregrine answers, or the URL is none.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let headers: BTreeMap<String, String> = arguments
        .header
        .iter()
        .map(|text| commands::header(text))
        .collect::<Result<_, _>>()?;
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut path = format!(
        "explain?url={}&method={}",
        encode(&arguments.url),
        encode(&arguments.method.to_uppercase())
    );
    if arguments.fetch {
        path.push_str("&fetch=true");
    }
    if !headers.is_empty() {
        let json = serde_json::to_string(&headers).map_err(|error| Failure::Usage(error.to_string()))?;
        let _ = write!(path, "&headers={}", encode(&json));
    }
    let client = Client::new(&arguments.address, environment)?;
    let explanation: Explanation = commands::block_on(client.get(&path))??;
    if arguments.output.json {
        return print::json(&explanation);
    }
    print::line(&in_words(&explanation))
}

fn in_words(explanation: &Explanation) -> String {
    let mut text = format!("{} {}\n{}\n\n", explanation.method, explanation.url, state(explanation));
    let stored = explanation.size.map(|size| {
        let encoding = explanation.stored_encoding.as_deref().unwrap_or("identity");
        let served = match explanation.hits.unwrap_or(0) {
            1 => "1 time".to_owned(),
            hits => format!("{} times", units::count(hits)),
        };
        format!("{} as {encoding}, served {served}", units::bytes(size))
    });
    let held = explanation.held.as_ref().map(|held| {
        let ranges = held.ranges.join(", ");
        format!("bytes {ranges} of {}", units::bytes(held.complete))
    });
    let tags = (!explanation.tags.is_empty()).then(|| explanation.tags.join(", "));
    let facts = [
        ("Route", explanation.route.clone()),
        ("Upstream", explanation.upstream.clone()),
        ("Strategy", explanation.strategy.clone()),
        ("Namespace", explanation.namespace.clone()),
        ("Tenant", explanation.tenant.clone()),
        ("Key", explanation.key.clone()),
        (
            "Variant",
            explanation.variant.clone().filter(|variant| !variant.is_empty()),
        ),
        ("Tags", tags),
        ("Stored", stored),
        ("Held", held),
    ];
    for (name, fact) in facts.iter().filter_map(|(name, fact)| Some((name, fact.as_ref()?))) {
        let _ = writeln!(text, "{name:<10} {fact}");
    }
    if !explanation.steps.is_empty() {
        text.push_str("\nWhat happens to such a request now:\n");
        explanation
            .steps
            .iter()
            .for_each(|step| text.push_str(&step_in_words(step)));
    }
    if let Some(last) = &explanation.last {
        text.push_str(&last_in_words(last));
    }
    if let Some(advice) = &explanation.advice {
        let _ = write!(text, "\nAdvice: {advice}\n");
    }
    text
}

fn state(explanation: &Explanation) -> String {
    let span = |seconds: f64| print::time(Duration::try_from_secs_f64(seconds.abs()).unwrap_or_default());
    let age = explanation
        .age_s
        .map(|age| format!(", {} old", span(age)))
        .unwrap_or_default();
    match (explanation.state, explanation.ttl_s) {
        (EntryState::Fresh, Some(ttl)) => format!("is in the cache, fresh for another {}{age}", span(ttl)),
        (EntryState::Fresh, None) => format!("is in the cache, fresh{age}"),
        (EntryState::Stale, Some(ttl)) => format!("is in the cache, stale for {}{age}", span(ttl)),
        (EntryState::Stale, None) => format!("is in the cache, stale{age}"),
        (EntryState::Absent, _) if explanation.held.is_some() => format!("is in the cache only in part{age}"),
        (EntryState::Absent, _) => "is not in the cache".to_owned(),
        (EntryState::HitForMiss, _) => {
            "was found not to be storable a moment ago; requests go straight to the origin".to_owned()
        }
        (EntryState::Bypass, _) => "goes past the cache".to_owned(),
        (EntryState::NotRouted, _) => "is taken by no route: it would be answered with 404".to_owned(),
    }
}

fn step_in_words(step: &Step) -> String {
    let sentence = match (&step.sentence, &step.reason) {
        (Some(sentence), _) => format!(": {sentence}"),
        (None, Some(reason)) => format!(": {reason}"),
        (None, None) => String::new(),
    };
    let clause = step
        .clause
        .as_ref()
        .map(|clause| format!(" ({clause})"))
        .unwrap_or_default();
    format!("  {:<9} {}{sentence}{clause}\n", step.step, step.outcome)
}

fn last_in_words(last: &LastOutcome) -> String {
    let sentence = last
        .sentence
        .as_ref()
        .or(last.decision.as_ref())
        .map(|text| format!("\n  {text}"))
        .unwrap_or_default();
    let clause = last
        .clause
        .as_ref()
        .map(|clause| format!(" ({clause})"))
        .unwrap_or_default();
    format!(
        "\nThe last time, {}:\n  Cache-Status: {}{sentence}{clause}\n",
        last.when, last.cache_status
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_reads_as_sentences() {
        let explanation = Explanation {
            url: "http://127.0.0.1:8080/cart".to_owned(),
            method: "GET".to_owned(),
            route: Some("shop".to_owned()),
            state: EntryState::Absent,
            steps: vec![Step {
                step: "store".to_owned(),
                outcome: "pass".to_owned(),
                reason: Some("set_cookie".to_owned()),
                clause: Some("RFC 9111 §7.3".to_owned()),
                sentence: Some("not stored: response has Set-Cookie".to_owned()),
            }],
            advice: Some("set allow_set_cookie".to_owned()),
            ..Explanation::default()
        };
        assert_eq!(
            in_words(&explanation),
            "GET http://127.0.0.1:8080/cart\nis not in the cache\n\nRoute      shop\n\n\
             What happens to such a request now:\n  \
             store     pass: not stored: response has Set-Cookie (RFC 9111 §7.3)\n\n\
             Advice: set allow_set_cookie\n"
        );
        let fresh = Explanation {
            state: EntryState::Fresh,
            ttl_s: Some(252.0),
            age_s: Some(48.0),
            ..explanation
        };
        assert_eq!(state(&fresh), "is in the cache, fresh for another 4m12s, 48 s old");
        let part = Explanation {
            state: EntryState::Absent,
            held: Some(peregrine_admin::api::explain::Held {
                ranges: vec!["0-99".to_owned(), "200-299".to_owned()],
                complete: 1024,
            }),
            ..fresh
        };
        assert_eq!(state(&part), "is in the cache only in part, 48 s old");
        let text = in_words(&part);
        assert!(text.contains("Held       bytes 0-99, 200-299 of 1 KiB\n"), "{text}");
    }
}
