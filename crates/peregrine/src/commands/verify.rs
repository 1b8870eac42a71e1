//! `peregrine verify freshness`: do running nodes give answers that are as new as promised?

use crate::cli::Output;
use crate::client::{Address, Client};
use crate::config::Environment;
use crate::{Failure, commands, print};
use clap::{Args, Subcommand};
use peregrine_base::Span;
use peregrine_lab::freshness::{
    self, Checked, FreshnessError, FreshnessSettings, Invalidate, Invalidating, PATH, Told, Verdict, VersionedOrigin,
};
use peregrine_lab::load::{Roots, Target};
use peregrine_lab::progress::Show;
use peregrine_lab::report::{self, Look};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The freshness bound of a node that does not tell its own.
const BOUND: Duration = Duration::from_secs(1);

/// What can be verified.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "what a command does its arguments say, at length too")]
pub enum Arguments {
    Freshness(Box<Freshness>),
}

/// What can be said to `verify freshness`.
#[derive(Debug, Args)]
#[command(
    about = "Change values, invalidate them, read them from all nodes, and compare what comes with what is promised",
    long_about = "Serves an origin of its own whose values have version numbers, changes them, invalidates each change through \
                  the nodes, reads from all nodes all the time, and compares every answer with what was promised when it was \
                  asked for: P1 (the node that invalidated never gives an older version afterwards), P2 (no node does, one \
                  freshness bound after the invalidation was confirmed, unless it says unverified), receipts (no node does \
                  after all have confirmed), and P6 (no request fails). Exit code 1 when one was broken, or when nothing was \
                  put to the test.\n\n\
                  The nodes need a route to this origin, for as long as it takes:\n  \
                  [[upstream]]\n  \
                  name = \"verify\"\n  \
                  targets = [\"http://HOST:7070\"]       # this machine as the nodes see it\n  \
                  [[route]]                            # before the others\n  \
                  match = { path = \"/peregrine-verify/*\" }\n  \
                  upstream = \"verify\"\n  \
                  strategy = \"api_responses\"           # the one to be verified",
    after_help = "Examples:\n  \
        peregrine verify freshness --nodes http://127.0.0.1:8080 --duration 20s\n  \
        peregrine verify freshness --origin-listen 0.0.0.0:7070 --duration 60s \\\n    \
        --nodes http://a:8080,http://b:8080,http://c:8080 \\\n    \
        --admin http://a:9180,http://b:9180,http://c:9180"
)]
pub struct Freshness {
    /// The nodes to read from, as clients reach them.
    #[arg(long, value_name = "URL,URL", value_delimiter = ',', required = true)]
    nodes: Vec<String>,
    /// The admin APIs to invalidate through: one, or one for each node in the same order. Without it the one that the
    /// configuration of this machine says.
    #[arg(long, value_name = "URL,URL", value_delimiter = ',')]
    admin: Vec<String>,
    /// The files with the admin tokens: one for all, or one for each; without it PEREGRINE_ADMIN_TOKEN, or admin.token in the
    /// state directory of this machine's configuration.
    #[arg(long, value_name = "FILE,FILE", value_delimiter = ',')]
    token_file: Vec<PathBuf>,
    /// Where the origin listens; the nodes have a route that leads here.
    #[arg(long, default_value = "127.0.0.1:7070", value_name = "ADDRESS")]
    origin_listen: SocketAddr,
    /// How long.
    #[arg(short, long, default_value = "60s", value_name = "TIME")]
    duration: Span,
    /// Reads per second, of all nodes together.
    #[arg(short, long, default_value_t = 600.0, value_name = "N")]
    rate: f64,
    /// Changes per second, each followed by an invalidation.
    #[arg(long, default_value_t = 20.0, value_name = "N")]
    changes: f64,
    /// How many values there are.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    keys: u16,
    /// Within how long all nodes must know; without it the freshness bound that the first admin API tells, or 1s.
    #[arg(long, value_name = "TIME")]
    bound: Option<Span>,
    /// The name in `Host`, the same at every node.
    #[arg(long, default_value = "verify.peregrine.internal", value_name = "NAME")]
    host: String,
    #[command(flatten)]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When a promise was broken, nothing was put to the test, or an argument makes no sense.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let Arguments::Freshness(arguments) = arguments;
    let report = commands::block_on(verify(arguments, environment))??;
    if arguments.output.json {
        print::json(&report)?;
    } else {
        print::line(&report::freshness(&report, &Look::of_stdout()))?;
    }
    match report.verdict {
        Verdict::Kept => Ok(()),
        Verdict::Broken | Verdict::Inconclusive => Err(Failure::Told),
    }
}

async fn verify(arguments: &Freshness, environment: &Environment) -> Result<freshness::FreshnessReport, Failure> {
    let nodes = nodes(&arguments.nodes).await?;
    let admins = Admins::new(arguments, environment)?;
    let bound = match arguments.bound {
        Some(bound) => bound.get(),
        None => admins.bound().await?,
    };
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.send_replace(true);
        }
        stop.closed().await;
    });
    let settings = FreshnessSettings {
        duration: arguments.duration.get(),
        reads_per_s: positive("--rate", arguments.rate)?,
        changes_per_s: positive("--changes", arguments.changes)?,
        keys: arguments.keys.into(),
        bound,
        host: arguments.host.clone(),
        show: Show::Stderr,
        stop: Some(stopped),
        ..FreshnessSettings::default()
    };
    let origin = VersionedOrigin::start(arguments.origin_listen, &settings).map_err(|error| {
        Failure::Failed(format!(
            "{error}\n  choose another address with --origin-listen, and lead the nodes there"
        ))
    })?;
    let checked = freshness::run(&origin, nodes, Arc::new(admins), settings).await;
    checked.map_err(|error| match error {
        FreshnessError::Unreachable { .. } => Failure::Failed(error.to_string()),
        FreshnessError::NoRoute { .. } => Failure::Usage(format!(
            "{error}\n  each node needs a route for {PATH}* to http://{}: `peregrine verify freshness --help` shows one",
            origin.address
        )),
    })
}

fn positive(name: &str, number: f64) -> Result<f64, Failure> {
    if number.is_finite() && number > 0.0 {
        Ok(number)
    } else {
        Err(Failure::Usage(format!("{name} is {number}, and must be more than 0")))
    }
}

async fn nodes(urls: &[String]) -> Result<Vec<Checked>, Failure> {
    let mut nodes = Vec::new();
    for url in urls {
        let (target, path) = Target::from_url(url, &Roots::System)
            .await
            .map_err(|error| Failure::Usage(error.to_string()))?;
        if path != "/" {
            return Err(Failure::Usage(format!(
                "--nodes: `{url}` has a path; name the node alone"
            )));
        }
        let url = url.trim_end_matches('/').to_owned();
        nodes.push(Checked { url, target });
    }
    Ok(nodes)
}

/// The admin APIs of the nodes.
struct Admins {
    clients: Vec<Arc<Client>>,
    /// Whether they belong to the nodes, in the same order.
    are_of_nodes: bool,
    nodes: usize,
}

impl Admins {
    fn new(arguments: &Freshness, environment: &Environment) -> Result<Self, Failure> {
        let (nodes, admins) = (arguments.nodes.len(), arguments.admin.len());
        if admins > 1 && admins != nodes {
            return Err(Failure::Usage(format!(
                "--admin names {admins} addresses for {nodes} nodes: name one, or one for each node in the same order"
            )));
        }
        let files = &arguments.token_file;
        if files.len() > 1 && files.len() != admins {
            return Err(Failure::Usage(format!(
                "--token-file names {} files for {admins} addresses: name one, or one for each",
                files.len()
            )));
        }
        let file = |number: usize| files.get(number).or_else(|| files.first()).cloned();
        let addresses: Vec<Option<String>> = match admins {
            0 => vec![None],
            _ => arguments.admin.iter().cloned().map(Some).collect(),
        };
        let clients = addresses
            .into_iter()
            .enumerate()
            .map(|(number, admin)| Client::new(&Address::of(admin, file(number)), environment).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            are_of_nodes: clients.len() == nodes,
            clients,
            nodes,
        })
    }

    /// The freshness bound that the first of them tells.
    async fn bound(&self) -> Result<Duration, Failure> {
        let told: Value = self.clients[0].get("cache/stats").await?;
        let millis = told["backplane"]["freshness_bound_ms"].as_u64();
        Ok(millis.map_or(BOUND, Duration::from_millis))
    }
}

impl Invalidate for Admins {
    fn count(&self) -> usize {
        self.clients.len()
    }

    fn invalidate(&self, through: usize, tag: &str) -> Invalidating {
        let (client, nodes) = (self.clients[through].clone(), self.nodes);
        let node = self.are_of_nodes.then_some(through);
        let request = json!({ "tags": [tag] });
        Box::pin(async move {
            let receipt = client.post("cache/invalidate", &request).await;
            Told::by_receipt(receipt.map_err(|failure: Failure| failure.to_string())?, node, nodes)
        })
    }
}
