//! A soak in miniature: Peregrine under full load for some minutes while everything around it goes wrong. The origin is
//! killed, slow, silent, cuts its answers and resets its connections; clients leave in the middle; the configuration is
//! reloaded and entries are invalidated all the time. Meanwhile every answer is compared with the origin's truth, and the
//! process is weighed.
//!
//! Fails when an answer was wrong, when memory or descriptors grow in the second half, when connections or loads are left
//! behind at the end, or when the program dies.

mod relay;
mod troubles;
mod vitals;

use clap::Args;
use peregrine_lab::checker::{Checker, Findings};
use peregrine_lab::load::{Limit, Load, LoadReport, Progress, Settings, Target, run};
use peregrine_lab::mix::{Mix, Shares};
use peregrine_lab::shop::{Shop, ShopConfig, ShopHandle};
use relay::Relay;
use serde::Serialize;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use troubles::Troubles;
use vitals::{Trend, Vitals};

/// What freshness may be off by: the resolution of `Age`.
const SLACK: Duration = Duration::from_secs(1);
/// No answer of the shop is fresh for longer, so that entries come and go within a minute.
const LIFETIME_MAX: Duration = Duration::from_secs(4);
/// How long the program may take to begin, to come to rest, and to end.
const PATIENCE: Duration = Duration::from_secs(40);

/// Runs Peregrine under load and faults, and fails on a wrong answer or a leak.
#[derive(Clone, Debug, Args)]
pub(crate) struct Soak {
    /// How long; one minute is a quick look.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// How many clients at the same time, beside those that leave.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Where all chance comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Peregrine's program; otherwise it is built.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Outcome {
    minutes: f64,
    load: LoadReport,
    findings: Findings,
    troubles: troubles::Counts,
    resident_bytes: Trend,
    descriptors: Trend,
    /// What was left when everybody had gone.
    left_behind: Vec<String>,
    /// Why it failed; nothing: it did not.
    failures: Vec<String>,
}

impl Soak {
    /// Runs it.
    ///
    /// # Errors
    /// When something is not as it should be; the text says what.
    pub(crate) fn run(&self) -> io::Result<()> {
        let program = match &self.binary {
            Some(path) => path.canonicalize()?,
            None => crate::http::build_peregrine().map_err(io::Error::other)?,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let outcome = runtime.block_on(self.soak(&program))?;
        let text = if self.json {
            serde_json::to_string_pretty(&outcome)? + "\n"
        } else {
            told(&outcome)
        };
        io::stdout().write_all(text.as_bytes())?;
        if outcome.failures.is_empty() {
            Ok(())
        } else {
            Err(io::Error::other(outcome.failures.join("; ")))
        }
    }

    async fn soak(&self, program: &Path) -> io::Result<Outcome> {
        let shop = Shop::start(ShopConfig {
            seed: self.seed,
            latency_scale: 0.1,
            lifetime_max: Some(LIFETIME_MAX),
            ..ShopConfig::default()
        });
        let shop = shop.map_err(|error| io::Error::other(error.to_string()))?;
        let relay = Arc::new(Relay::start(shop.address).await?);
        let mut peregrine = Peregrine::start(program, relay.address()).await?;
        let checker = Arc::new(Checker::new(&shop, SLACK));
        let (stop, stopped) = watch::channel(false);
        let vitals = Vitals::watch(peregrine.process(), stopped.clone());
        let troubles = Troubles::begin(&peregrine, &relay, self.seed, &stopped);
        let load = self.load(&shop, &peregrine, &checker).await?;
        stop.send_replace(true);
        let troubles = troubles.end().await;
        let (resident, descriptors) = vitals.end().await;
        let left_behind = peregrine.come_to_rest().await;
        let mut failures = faults(&load, &checker.findings(), &resident, &descriptors, &left_behind);
        failures.extend(peregrine.stop().await.err().map(|error| error.to_string()));
        Ok(Outcome {
            minutes: self.minutes,
            load,
            findings: checker.findings(),
            troubles,
            resident_bytes: resident,
            descriptors,
            left_behind,
            failures,
        })
    }

    async fn load(&self, shop: &ShopHandle, peregrine: &Peregrine, checker: &Arc<Checker>) -> io::Result<LoadReport> {
        debug_assert!(shop.counts().requests == 0, "nobody was there before");
        let mix = Mix::new(
            peregrine.address.to_string(),
            checker.clone(),
            Shares::default(),
            self.seed,
        );
        let last_told = std::sync::atomic::AtomicU64::new(0);
        let tell = move |progress: &Progress| {
            let tenth = format!("{:.0}", progress.done * 10.0).parse().unwrap_or(0);
            if last_told.swap(tenth, std::sync::atomic::Ordering::Relaxed) != tenth {
                let (rate, failures) = (progress.requests_per_s, progress.failures);
                let _ = writeln!(
                    io::stderr(),
                    "soak: {tenth}0%, {rate:.0} requests/s, {failures} failures"
                );
            }
        };
        let load = run(Load {
            name: "soak".to_owned(),
            target: Target::plain(peregrine.address),
            plan: Arc::new(mix),
            observer: checker.clone(),
            settings: Settings {
                connections: self.connections,
                limit: Limit::Time(Duration::from_secs_f64(self.minutes * 60.0)),
                warm_up: Duration::ZERO,
                seed: self.seed,
                ..Settings::default()
            },
            on_progress: Some(Box::new(tell)),
            stop: None,
        });
        load.await.map_err(|error| io::Error::other(error.to_string()))
    }
}

/// What is not as it should be.
fn faults(
    load: &LoadReport,
    findings: &Findings,
    resident: &Trend,
    descriptors: &Trend,
    left_behind: &[String],
) -> Vec<String> {
    let mut faults = Vec::new();
    if findings.wrong_total() > 0 {
        let examples: Vec<String> = findings.examples.iter().map(|example| format!("{example:?}")).collect();
        faults.push(format!("wrong answers: {:?}: {}", findings.wrong, examples.join("; ")));
    }
    if findings.checked < 1000 {
        faults.push(format!("only {} answers could be checked", findings.checked));
    }
    if load.failures.contains_key("connect") {
        faults.push(format!("clients were not let in: {:?}", load.failures));
    }
    if load.failures.contains_key("malformed") {
        faults.push(format!("answers were malformed: {:?}", load.failures));
    }
    faults.extend(resident.leak("resident bytes", 0.10, 12 << 20));
    faults.extend(descriptors.leak("descriptors", 0.25, 32));
    faults.extend(left_behind.iter().cloned());
    faults
}

fn told(outcome: &Outcome) -> String {
    let Outcome { load, findings, .. } = outcome;
    let mut text = format!(
        "{:.1} minutes, {} answers ({:.0}/s, {} from the cache), statuses {:?}, without an answer {:?}\n",
        outcome.minutes, load.answers, load.requests_per_s, load.hits, load.statuses, load.failures,
    );
    text += &format!(
        "checked {}, stale within what is allowed {}, wrong {}\n",
        findings.checked,
        findings.stale,
        findings.wrong_total()
    );
    text += &format!("{:?}\n", outcome.troubles);
    text += &format!(
        "resident bytes {}\ndescriptors {}\n",
        outcome.resident_bytes, outcome.descriptors
    );
    text + if outcome.failures.is_empty() {
        "sound\n"
    } else {
        "NOT SOUND\n"
    }
}

/// The program that is soaked.
pub(crate) struct Peregrine {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) token: String,
    origin: SocketAddr,
    folder: tempfile::TempDir,
    child: Child,
}

impl Peregrine {
    async fn start(program: &Path, origin: SocketAddr) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (address, admin) = (crate::http::free_address()?, crate::http::free_address()?);
        let log = std::fs::File::create(folder.path().join("log"))?;
        std::fs::write(folder.path().join("peregrine.toml"), configuration(origin, 0))?;
        let child = Command::new(program)
            .args(["serve", "--config", "peregrine.toml"])
            .args(["--listen", &address.to_string(), "--admin", &admin.to_string()])
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut peregrine = Self {
            address,
            admin,
            token: String::new(),
            origin,
            folder,
            child,
        };
        let token = peregrine.folder.path().join(".peregrine/admin.token");
        let there = async {
            while crate::http::get(admin, "/readyz").is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, there)
            .await
            .map_err(|_| io::Error::other(format!("Peregrine does not start: {}", peregrine.log())))?;
        peregrine.token = std::fs::read_to_string(token)?.trim().to_owned();
        Ok(peregrine)
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Its configuration file, in the shape of `round`.
    pub(crate) fn rewrite(&self, round: u32) -> (PathBuf, String) {
        (
            self.folder.path().join("peregrine.toml"),
            configuration(self.origin, round),
        )
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits until nothing is under way; what does not end.
    async fn come_to_rest(&self) -> Vec<String> {
        let mut left = Vec::new();
        let rounds = PATIENCE.as_secs();
        for _ in 0..rounds {
            left.clear();
            let metrics = troubles::call(self.admin, &self.token, "GET", "/metrics", "").await;
            let metrics = metrics.unwrap_or_default();
            for name in ["peregrine_connections_open", "peregrine_target_in_flight"] {
                let values = metrics
                    .lines()
                    .filter(|line| line.starts_with(name))
                    .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
                let sum: f64 = values.sum();
                if sum > 0.0 || !metrics.contains(name) {
                    left.push(format!("{name} is {sum} at the end"));
                }
            }
            if left.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        left
    }

    async fn stop(&mut self) -> io::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            return Err(io::Error::other(format!(
                "Peregrine ended by itself ({status}): {}",
                self.log()
            )));
        }
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        for _ in 0..PATIENCE.as_secs() * 10 {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(io::Error::other(format!("it ended with {status}: {}", self.log()))),
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        Err(io::Error::other("it does not end"))
    }
}

impl Drop for Peregrine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration that differs from round to round in what a reload applies.
fn configuration(origin: SocketAddr, round: u32) -> String {
    let memory = 24 + 8 * (round % 3);
    let balance = if round.is_multiple_of(2) {
        "least_latency"
    } else {
        "round_robin"
    };
    format!(
        "[cache]\nmemory = \"{memory}MiB\"\nobject_size_max = \"1MiB\"\n[log]\nlevel = \"error\"\n\
         [[upstream]]\nname = \"shop\"\ntargets = [\"http://{origin}\"]\nbalance = \"{balance}\"\n\
         first_byte_timeout = \"3s\"\nidle_timeout = \"3s\"\nejection.failures = 0\n\
         [[route]]\nname = \"assets\"\nmatch.path = \"/assets/*\"\nupstream = \"shop\"\nstrategy = \"assets\"\n\
         [[route]]\nname = \"rest\"\nupstream = \"shop\"\n\
         [strategy.default]\nrefresh_ahead = 0.{}\n[strategy.assets]\ncompression = \"auto\"\n",
        5 + round % 4
    )
}
