//! `peregrine apikeys …`: who else may call the admin API, and how much.

use crate::cli::Output;
use crate::client::{Address, Client};
use crate::config::Environment;
use crate::{Failure, commands, print};
use clap::{Args, Subcommand, ValueEnum};
use peregrine_admin::api::access::{ApiKey, ApiKeys, NewKey};
use peregrine_base::Span;
use serde_json::json;

/// What can be said to `apikeys`.
#[derive(Debug, Args)]
#[command(
    about = "Make, list and revoke keys to the admin API",
    long_about = "API keys let programs and people call the admin API of a running Peregrine with less than the admin token \
                  may: as viewer, operator or admin, limited to namespaces and in time, each told apart in the audit log. A \
                  key is shown once, when it is made.",
    after_help = "Examples:\n  \
        peregrine apikeys create grafana --role viewer\n  \
        peregrine apikeys create deploy --role operator --namespace shop --expires 90d\n  \
        peregrine apikeys list\n  \
        peregrine apikeys revoke deploy"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with API keys.
#[derive(Debug, Subcommand)]
enum Command {
    /// List them, without their secrets.
    List(List),
    /// Make one and print it: the only time that it is shown.
    Create(Create),
    /// Take one back: from now on it lets nobody in.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Create {
    /// For people; no two keys have the same.
    name: String,
    /// What may be done with it.
    #[arg(long, value_enum)]
    role: Role,
    /// A namespace that it is limited to; more than once for several, without it all.
    #[arg(long = "namespace", value_name = "NAME")]
    namespaces: Vec<String>,
    /// For how long it is good, such as 90d; without it until it is revoked.
    #[arg(long, value_name = "DURATION")]
    expires: Option<Span>,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Revoke {
    /// Its id or name.
    key: String,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

/// What may be done with a key.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Read.
    Viewer,
    /// Also invalidate, preload, silence.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When no Peregrine answers, or it refuses.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    match &arguments.command {
        Command::List(list) => {
            let client = Client::new(&list.address, environment)?;
            let keys: ApiKeys = commands::block_on(client.get("access/apikeys"))??;
            if list.output.json {
                return print::json(&keys);
            }
            print::line(&in_words(&keys.keys))
        }
        Command::Create(create) => {
            let client = Client::new(&create.address, environment)?;
            let mut request = json!({ "name": create.name, "role": create.role.as_str() });
            if !create.namespaces.is_empty() {
                request["namespaces"] = json!(create.namespaces);
            }
            if let Some(expires) = create.expires {
                request["expires_in_s"] = json!(expires.get().as_secs());
            }
            let made: NewKey = commands::block_on(client.post("access/apikeys", &request))??;
            if create.output.json {
                return print::json(&made);
            }
            print::note(
                "This key is shown once; who has it may what it may. Take it back with `peregrine apikeys revoke`.",
            );
            print::line(&made.key)
        }
        Command::Revoke(revoke) => {
            let client = Client::new(&revoke.address, environment)?;
            let id = percent_encoding::utf8_percent_encode(&revoke.key, percent_encoding::NON_ALPHANUMERIC);
            let revoked: ApiKey = commands::block_on(client.delete(&format!("access/apikeys?id={id}")))??;
            if revoke.output.json {
                return print::json(&revoked);
            }
            print::line(&format!("{} ({}) lets nobody in any more", revoked.name, revoked.id))
        }
    }
}

fn in_words(keys: &[ApiKey]) -> String {
    if keys.is_empty() {
        return "there are no API keys: make one with `peregrine apikeys create NAME --role ROLE`".to_owned();
    }
    let mut table = print::table([
        "name",
        "id",
        "role",
        "namespaces",
        "made",
        "by",
        "good until",
        "last used",
    ]);
    for key in keys {
        let or = |text: &Option<String>, otherwise: &str| text.clone().unwrap_or_else(|| otherwise.to_owned());
        table.add_row([
            key.name.clone(),
            key.id.clone(),
            key.role.as_str().to_owned(),
            key.namespaces
                .as_ref()
                .map_or_else(|| "all".to_owned(), |names| names.join(", ")),
            key.created.clone(),
            key.created_by.clone(),
            or(&key.expires, "revoked"),
            or(&key.last_used, "never"),
        ]);
    }
    table.trim_fmt()
}
