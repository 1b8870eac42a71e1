//! `peregrine keys erase`: a tenant's data keys are destroyed, and with them all that they sealed.

use crate::cli::Output;
use crate::client::{Address, Client};
use crate::config::Environment;
use crate::{Failure, commands, print};
use clap::Args;
use serde_json::{Value, json};

/// What can be said to `keys erase`.
#[derive(Debug, Args)]
#[command(
    about = "Destroy the data keys of a tenant or namespace",
    long_about = "Destroys the data keys of a tenant, or of what belongs to no tenant in a namespace: what was stored for it \
                  by strategies with encryption cannot be read again, wherever copies of it lie. What is in memory goes too. \
                  This cannot be undone.",
    after_help = "Examples:\n  peregrine keys erase --tenant acme\n  peregrine keys erase --namespace reports --json"
)]
#[group(id = "whose", required = true, multiple = false, args = ["tenant", "namespace"])]
pub(super) struct Arguments {
    /// The tenant.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// The namespace.
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When no Peregrine answers, or the place of the keys does not.
pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let client = Client::new(&arguments.address, environment)?;
    let request = json!({ "tenant": arguments.tenant, "namespace": arguments.namespace });
    let erased: Value = commands::block_on(client.post("keys/erase", &request))??;
    if arguments.output.json {
        return print::json(&erased);
    }
    let owner = arguments.tenant.as_ref().or(arguments.namespace.as_ref());
    let owner = owner.map_or("", String::as_str);
    print::line(&match erased["erased"].as_bool() {
        Some(true) => format!(
            "the data keys of {owner} are gone: nothing that they sealed can be read, on any node within {} s",
            erased["within_s"]
        ),
        _ => format!("{owner} had no data keys; what was in memory is gone"),
    })
}
