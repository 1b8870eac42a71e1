//! `peregrine demo`: a sample shop, with and without Peregrine.

use crate::cli::Output;
use crate::config::{self, Environment, Origin, Overrides};
use crate::serve::{self, Flags, Running};
use crate::{Failure, print};
use clap::Args;
use peregrine_lab::drive::{self, Comparison, DriveSettings};
use peregrine_lab::load::{Limit, Settings};
use peregrine_lab::report::{self, Look};
use peregrine_lab::shop::{self, Shop, ShopConfig, ShopHandle};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// What can be said to `demo`.
#[derive(Debug, Args)]
#[command(
    about = "Start a sample shop, drive it with and without Peregrine, and show the difference",
    long_about = "Starts a sample shop API with realistic latency and Peregrine in front of it, drives the same mix of requests \
                  first straight at the shop and then through Peregrine, compares every answer with the shop's truth, and \
                  shows the difference. Then it keeps serving, so that you can look around.",
    after_help = "Examples:\n  \
        peregrine demo\n  \
        peregrine demo --seconds 30 --once --json\n  \
        peregrine demo --port 9000 --admin-port 9001 --origin-port 9002"
)]
pub struct Arguments {
    /// How long to drive each of the two.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How many connections drive them.
    #[arg(short, long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// The shop and the requests are generated from it.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Peregrine's port; 0 takes any free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The admin API's port; 0 takes any free one.
    #[arg(long, default_value_t = 9180)]
    admin_port: u16,
    /// The shop's port; 0 takes any free one.
    #[arg(long, default_value_t = 3000)]
    origin_port: u16,
    /// End after the report instead of serving on.
    #[arg(long, visible_alias = "no-serve")]
    once: bool,
    /// Run the shop alone: for tests that stop or freeze it.
    #[arg(long, hide = true)]
    only_origin: bool,
    #[command(flatten)]
    output: Output,
}

/// The configuration of the demo, as somebody would write it for such a shop.
const CONFIGURATION: &str = r#"
[[upstream]]
name = "shop"
targets = ["http://${ORIGIN}"]

[[route]]
name = "shop"
match = { path = "*" }
upstream = "shop"

[strategy.default]
stale_if_error = "1h"

[log]
level = "warn"
"#;

/// The options that choose other ports.
const FLAGS: Flags = Flags {
    listen: "--port N",
    admin: "--admin-port N",
};

/// Runs the command.
///
/// # Errors
/// When a port is taken, or an answer was wrong.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    serve::runtime()?.block_on(async {
        let shop = open_shop(arguments)?;
        if arguments.only_origin {
            print::line(&format!("shop: http://{}", shop.address))?;
            return until_stopped().await;
        }
        let peregrine = start(arguments, environment, &shop).await?;
        let comparison = compare(arguments, &shop, &peregrine).await?;
        if arguments.output.json {
            print::json(&comparison)?;
        } else {
            print::line(&report::comparison(&comparison, &Look::of_stdout()))?;
        }
        if arguments.once {
            peregrine.stop().await?;
        } else {
            if !arguments.output.json {
                print::line(&invitation(&shop, &peregrine, arguments.seed))?;
            }
            peregrine.until_stopped().await?;
        }
        verdict(&comparison)
    })
}

fn open_shop(arguments: &Arguments) -> Result<ShopHandle, Failure> {
    let address = local(arguments.origin_port);
    let config = ShopConfig {
        address,
        seed: arguments.seed,
        ..ShopConfig::default()
    };
    Shop::start(config).map_err(|error| {
        Failure::Failed(format!(
            "{error}\n  choose another port with --origin-port N; 0 takes any free one"
        ))
    })
}

async fn start(arguments: &Arguments, environment: &Environment, shop: &ShopHandle) -> Result<Running, Failure> {
    let origin = Origin::Text {
        name: "demo".to_owned(),
        text: CONFIGURATION.replace("${ORIGIN}", &shop.address.to_string()),
    };
    let overrides = Overrides {
        listen: Some(local(arguments.port).to_string()),
        admin: Some(local(arguments.admin_port).to_string()),
    };
    let loaded = config::load(&origin, &overrides, &environment.without_fields())?;
    serve::start(loaded, None, None, FLAGS).await
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn compare(arguments: &Arguments, shop: &ShopHandle, peregrine: &Running) -> Result<Comparison, Failure> {
    let defaults = DriveSettings::default();
    let load = Settings {
        limit: Limit::Time(Duration::from_secs(arguments.seconds)),
        connections: arguments.connections.into(),
        seed: arguments.seed,
        ..defaults.load
    };
    let settings = DriveSettings { load, ..defaults };
    let proxy = peregrine.addresses[0];
    drive::compare(shop, proxy, &settings)
        .await
        .map_err(|error| Failure::Failed(error.to_string()))
}

/// What to try while it serves.
fn invitation(shop: &ShopHandle, peregrine: &Running, seed: u64) -> String {
    let proxy = peregrine.addresses[0];
    let admin = peregrine
        .admin
        .map(|admin| format!("--admin http://{admin} "))
        .unwrap_or_default();
    let dashboard = peregrine
        .dashboard()
        .map(|link| format!("  {link}\n"))
        .unwrap_or_default();
    let visitor = shop::token(seed, 0);
    format!(
        "\nThe shop is at http://{}, Peregrine in front of it at http://{proxy}. Try:\n\
         {dashboard}  \
         curl -si http://{proxy}/products/7                 Cache-Status says what the cache did\n  \
         curl -si http://{proxy}/cart -H 'Cookie: session={visitor}'\n  \
         peregrine explain {admin}http://{proxy}/products/7\n  \
         peregrine stats {admin}\n  \
         peregrine invalidate {admin}--tag product-7\n\
         Ctrl-C ends it.",
        shop.address
    )
}

async fn until_stopped() -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("cannot listen for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

/// A wrong answer is a failure of the whole.
fn verdict(comparison: &Comparison) -> Result<(), Failure> {
    match comparison.proxied.findings.wrong_total() {
        0 => Ok(()),
        wrong => Err(Failure::Failed(format!("{wrong} answers through Peregrine were wrong"))),
    }
}
