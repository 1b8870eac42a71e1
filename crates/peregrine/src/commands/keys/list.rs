//! `peregrine keys list`: who has data keys, and which master keys wrap them.

use crate::cli::Output;
use crate::client::{Address, Client};
use crate::config::Environment;
use crate::{Failure, commands, print};
use clap::Args;
use peregrine_admin::api::keys::KeysReport;
use peregrine_base::WallTime;
use peregrine_lab::report::units;
use peregrine_telemetry::time::Rfc3339;

/// What can be said to `keys list`.
#[derive(Debug, Args)]
#[command(
    about = "List the master keys and who has data keys",
    long_about = "Lists the master keys of a running Peregrine by their ids and, for every tenant and namespace that has any, \
                  its data keys. No key is shown.",
    after_help = "Examples:\n  peregrine keys list\n  peregrine keys list --json | jq '.owners[].owner'"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When no Peregrine answers.
pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let client = Client::new(&arguments.address, environment)?;
    let report = commands::block_on(all(&client))??;
    if arguments.output.json {
        print::json(&report)
    } else {
        print::line(&in_words(&report))
    }
}

/// All owners, page by page.
pub(super) async fn all(client: &Client) -> Result<KeysReport, Failure> {
    let mut whole: KeysReport = client.get("keys").await?;
    while let Some(cursor) = whole.next.take() {
        let page: KeysReport = client.get(&format!("keys?cursor={}", encoded(&cursor))).await?;
        whole.owners.extend(page.owners);
        whole.next = page.next;
    }
    whole.owners.sort_by(|one, other| one.owner.cmp(&other.owner));
    whole.owners.dedup_by(|one, other| one.owner == other.owner);
    Ok(whole)
}

fn encoded(cursor: &str) -> String {
    percent_encoding::utf8_percent_encode(cursor, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn in_words(report: &KeysReport) -> String {
    let Some(active) = &report.active else {
        return "there is no master key: make one with `peregrine keys generate`".to_owned();
    };
    let mut text = format!(
        "master keys: {} (active: {active})\ndata keys in {}\n\n",
        report.master_keys.join(", "),
        report.place
    );
    let mut table = print::table(["owner", "data keys", "newest made", "wrapped by", "readable"]);
    for owner in &report.owners {
        table.add_row([
            owner.owner.clone(),
            units::count(owner.data_keys as u64),
            Rfc3339(WallTime::from_millis(owner.created_ms)).to_string(),
            owner.master_keys.join(", "),
            if owner.readable { "yes" } else { "no" }.to_owned(),
        ]);
    }
    text.push_str(&table.trim_fmt());
    text
}
