//! `peregrine invalidate …`: cached answers go away, or become stale.

use crate::cli::Output;
use crate::client::{Address, Client};
use crate::config::Environment;
use crate::print;
use crate::{Failure, commands};
use clap::Args;
use peregrine_lab::report::units;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What can be said to `invalidate`.
#[derive(Debug, Args)]
#[command(
    about = "Make cached answers go away, or become stale",
    long_about = "Takes answers out of the cache. Whatever is asked for after this returns was loaded from the origin after \
                  it. Several targets at once reach whatever any of them names.",
    after_help = "Examples:\n  \
        peregrine invalidate --tag products --tag prices\n  \
        peregrine invalidate --prefix /api/products/ --dry-run    how much would it be\n  \
        peregrine invalidate --pattern '/shop/*/cart'\n  \
        peregrine invalidate --namespace images --soft            serve stale while it is renewed\n  \
        peregrine invalidate --all"
)]
#[group(id = "target", required = true, multiple = true, args = ["tag", "key", "prefix", "pattern", "namespace", "tenant", "all"])]
pub struct Arguments {
    /// Everything that carries this tag.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// The entry with this key: a URL, a path on any host, or the key as a caller of the API set it.
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Everything whose key begins so.
    #[arg(long, value_name = "PREFIX")]
    prefix: Vec<String>,
    /// Everything whose key matches; `*` stands for any text and crosses `/`.
    #[arg(long, value_name = "PATTERN")]
    pattern: Vec<String>,
    /// Everything in this namespace.
    #[arg(long, value_name = "NAME")]
    namespace: Vec<String>,
    /// Only what belongs to this tenant; alone, everything of it.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Everything.
    #[arg(long)]
    all: bool,
    /// Let it become stale instead: it may still be served where the strategy allows that.
    #[arg(long)]
    soft: bool,
    /// Only count what it would reach.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

/// What the admin API answers.
#[derive(Debug, Deserialize, Serialize)]
struct Receipt {
    id: String,
    matched: Matched,
    layers: Vec<Layer>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    journaled: bool,
}

#[derive(Debug, Deserialize, Serialize)]
struct Matched {
    memory: Option<u64>,
    redis: Option<u64>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Layer {
    layer: String,
    confirmed: u64,
    of: u64,
    took_ms: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Node {
    node: String,
    state: String,
}

/// Runs the command.
///
/// # Errors
/// When no Peregrine answers, or not every layer confirms.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let request = json!({
        "tags": arguments.tag,
        "keys": arguments.key,
        "prefixes": arguments.prefix,
        "patterns": arguments.pattern,
        "namespaces": arguments.namespace,
        "tenant": arguments.tenant,
        "all": arguments.all,
        "soft": arguments.soft,
        "dry_run": arguments.dry_run,
    });
    let client = Client::new(&arguments.address, environment)?;
    let receipt: Receipt = commands::block_on(client.post("cache/invalidate", &request))??;
    if arguments.output.json {
        print::json(&receipt)?;
    } else {
        print::line(&in_words(&receipt, arguments))?;
    }
    if receipt.journaled {
        return Err(Failure::Failed(
            "Redis is away: this holds here at once, and elsewhere once Redis is back and was told from the journal"
                .to_owned(),
        ));
    }
    match receipt.layers.iter().find(|layer| layer.confirmed < layer.of) {
        Some(layer) => Err(Failure::Failed(format!(
            "{} of {} confirmed in {}",
            layer.confirmed, layer.of, layer.layer
        ))),
        None => Ok(()),
    }
}

fn in_words(receipt: &Receipt, arguments: &Arguments) -> String {
    let done = match (arguments.dry_run, arguments.soft) {
        (true, _) => "would be invalidated",
        (false, true) => "stale now",
        (false, false) => "invalidated",
    };
    let matched = match receipt.matched.memory {
        Some(1) => "1 entry in memory".to_owned(),
        Some(count) => format!("{} entries in memory", units::count(count)),
        None => "an unknown number of entries in memory".to_owned(),
    };
    let mut text = format!("{matched} {done}\nreceipt {}\n", receipt.id);
    for layer in &receipt.layers {
        let Layer {
            layer,
            confirmed,
            of,
            took_ms,
            nodes,
        } = layer;
        text.push_str(&format!("{layer}: {confirmed} of {of} confirmed in {took_ms:.1} ms\n"));
        for Node { node, state } in nodes.iter().filter(|node| node.state != "confirmed") {
            text.push_str(&format!("  {node} {state}\n"));
        }
    }
    text
}
