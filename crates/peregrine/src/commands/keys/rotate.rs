//! `peregrine keys rotate`: the active master key wraps all data keys, without a flush.

use crate::cli::Output;
use crate::client::{Address, Client};
use crate::config::Environment;
use crate::{Failure, commands, print};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use peregrine_cache::Rotated;
use peregrine_lab::report::units;
use serde_json::json;

/// What can be said to `keys rotate`.
#[derive(Debug, Args)]
#[command(
    about = "Let the active master key wrap all data keys",
    long_about = "Lets the active master key wrap the data keys that another one wraps: afterwards the old master key can be \
                  taken out of the configuration. Nothing that is stored is touched, and all of it can still be opened.",
    after_help = "Examples:\n  \
        peregrine keys rotate\n  \
        peregrine keys rotate --data-keys       new data keys for what is stored from now on"
)]
pub(super) struct Arguments {
    /// Give every tenant and namespace a new data key too; the older ones still open what they sealed.
    #[arg(long)]
    data_keys: bool,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When no Peregrine answers, or a data key stayed as it was because its master key is missing.
pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let client = Client::new(&arguments.address, environment)?;
    let total = commands::block_on(rotate(&client, arguments.data_keys))??;
    if arguments.output.json {
        print::json(&total)?;
    } else {
        print::line(&format!(
            "{} owners: {} data keys wrapped anew, {} new ones",
            units::count(total.owners),
            units::count(total.rewrapped),
            units::count(total.renewed)
        ))?;
    }
    match total.unreadable {
        0 => Ok(()),
        count => Err(Failure::Failed(format!(
            "{count} data keys stayed as they were: the master keys that wrap them are not in the key ring (`peregrine keys list`)"
        ))),
    }
}

async fn rotate(client: &Client, renew: bool) -> Result<Rotated, Failure> {
    let owners = super::list::all(client).await?.owners.len();
    let bar = progress_bar(owners as u64);
    let mut total = Rotated::default();
    let mut cursor = String::new();
    loop {
        let part: Rotated = client
            .post("keys/rotate", &json!({ "cursor": cursor, "renew": renew }))
            .await?;
        total.owners += part.owners;
        total.rewrapped += part.rewrapped;
        total.renewed += part.renewed;
        total.unreadable += part.unreadable;
        bar.inc(part.owners);
        let Some(next) = part.next else { break };
        cursor = next;
    }
    bar.finish_and_clear();
    Ok(total)
}

fn progress_bar(owners: u64) -> ProgressBar {
    if !print::is_watched() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("rotating [{bar:30}] {pos}/{len}");
    ProgressBar::new(owners).with_style(style.expect("the template is well formed").progress_chars("=> "))
}
