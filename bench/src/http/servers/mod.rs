//! The servers that are compared, each set up as its makers advise for this work: one worker for each core, no access log,
//! kept connections to clients and to the origin, a cache in memory. Each peer's file holds its configuration.

mod certificate;
mod haproxy;
mod nginx;
mod trafficserver;
mod varnish;

pub(crate) use certificate::Certificate;

use crate::http::process::{Server, free_address};
use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A cache that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    Peregrine,
    Nginx,
    Varnish,
    TrafficServer,
    HaProxy,
}

impl Cache {
    pub(crate) const ALL: [Self; 5] = [
        Self::Peregrine,
        Self::Nginx,
        Self::Varnish,
        Self::TrafficServer,
        Self::HaProxy,
    ];

    /// The name in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Peregrine => "Peregrine",
            Self::Nginx => "nginx",
            Self::Varnish => "Varnish",
            Self::TrafficServer => "Traffic Server",
            Self::HaProxy => "HAProxy",
        }
    }

    /// The program's file.
    const fn program(self) -> &'static str {
        match self {
            Self::Peregrine => "peregrine",
            Self::Nginx => "nginx",
            Self::Varnish => "varnishd",
            Self::TrafficServer => "traffic_server",
            Self::HaProxy => "haproxy",
        }
    }

    /// Why it cannot take part in a contest over TLS, if so.
    const fn tls_missing(self) -> Option<&'static str> {
        match self {
            Self::Varnish => Some("speaks no TLS"),
            _ => None,
        }
    }
}

/// What a contest wants of a cache.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// Whom to ask.
    pub(crate) origin: SocketAddr,
    /// Where to run.
    pub(crate) cores: &'a [usize],
    /// What it may store, in MiB.
    pub(crate) memory_mib: u32,
    /// For a second listener that speaks TLS, with HTTP/1.1 and HTTP/2.
    pub(crate) certificate: Option<&'a Certificate>,
    /// More lines of `[log]`, for Peregrine.
    pub(crate) log: &'a str,
    /// More sections, for Peregrine.
    pub(crate) more: &'a str,
}

impl<'a> Setup<'a> {
    /// With room for everything, so that nothing is evicted, and without TLS.
    pub(crate) const fn ample(origin: SocketAddr, cores: &'a [usize]) -> Self {
        Self {
            origin,
            cores,
            memory_mib: MEMORY_AMPLE_MIB,
            certificate: None,
            log: "",
            more: "",
        }
    }
}

/// The room that a cache has where nothing must be evicted, in MiB.
const MEMORY_AMPLE_MIB: u32 = 512;

/// Where a cache listens.
#[derive(Clone, Copy)]
struct Addresses {
    plain: SocketAddr,
    /// There when the setup has a certificate.
    secure: SocketAddr,
    /// For whatever else it needs.
    third: SocketAddr,
}

/// Makes servers, and keeps what they need on disk in one folder.
pub(crate) struct Servers {
    /// For configurations, cached files and state.
    folder: tempfile::TempDir,
    /// How many servers had a folder of their own in it.
    made: Cell<u32>,
    /// The programs, or why there is none.
    programs: [(Cache, Result<PathBuf, String>); Cache::ALL.len()],
}

impl Servers {
    /// Finds the programs. `binary` is Peregrine's; without it, it is built, so that it is never an old one.
    ///
    /// # Errors
    /// When no folder can be made.
    pub(crate) fn find(binary: Option<&Path>) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no folder for the servers: {error}"))?;
        // Some servers give up root's rights and must still find their files.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).map_err(|error| error.to_string())?;
        let programs = Cache::ALL.map(|cache| {
            let found = match (cache, binary) {
                (Cache::Peregrine, None) => build_peregrine(),
                (Cache::Peregrine, Some(path)) if path.is_file() => Ok(path.to_path_buf()),
                (Cache::Peregrine, Some(path)) => Err(format!("there is no program {}", path.display())),
                _ => find(cache),
            };
            (cache, found)
        });
        Ok(Self {
            folder,
            made: Cell::new(0),
            programs,
        })
    }

    /// Which caches are not here, and why.
    pub(crate) fn missing(&self) -> impl Iterator<Item = String> {
        self.programs
            .iter()
            .filter_map(|(cache, found)| Some(format!("{} skipped: {}", cache.name(), found.as_ref().err()?)))
    }

    /// Which caches cannot take part over TLS, and why.
    pub(crate) fn without_tls(&self) -> impl Iterator<Item = String> {
        Cache::ALL.into_iter().filter_map(|cache| {
            Some(format!(
                "{} skipped over TLS: it {}",
                cache.name(),
                cache.tls_missing()?
            ))
        })
    }

    /// Starts the caches that are here and able. One that does not come up is left out, and `notes` says why.
    pub(crate) fn caches(&self, setup: &Setup<'_>, notes: &mut Vec<String>) -> Vec<Server> {
        let able = |cache: Cache| setup.certificate.is_none() || cache.tls_missing().is_none();
        let mut running = Vec::new();
        for (cache, found) in &self.programs {
            let Ok(program) = found else { continue };
            if able(*cache) {
                match self.cache(cache.name(), *cache, program, setup) {
                    Ok(server) => running.push(server),
                    Err(problem) => notes.push(format!("left out: {problem}")),
                }
            }
        }
        running
    }

    /// The bare responder, whose answers may be stored for an hour. `arguments` are its own.
    pub(crate) fn floor(&self, name: &'static str, cores: &[usize], arguments: &[&str]) -> Result<Server, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let address = free_address().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command
            .args(["floor", "--listen", &address.to_string()])
            .args(["--field", "Cache-Control: max-age=3600", "--field", "ETag: \"one\""])
            .args(arguments);
        self.start(name, &mut command, cores, address, None)
    }

    /// Starts Peregrine alone, under `name`.
    pub(crate) fn peregrine(&self, name: &'static str, setup: &Setup<'_>) -> Result<Server, String> {
        let found = self.programs.iter().find(|(cache, _)| *cache == Cache::Peregrine);
        let program = found.ok_or("there is no Peregrine")?.1.as_ref()?;
        self.cache(name, Cache::Peregrine, program, setup)
    }

    fn cache(&self, name: &'static str, cache: Cache, program: &Path, setup: &Setup<'_>) -> Result<Server, String> {
        let [plain, secure, third] = three_free_addresses()?;
        let addresses = Addresses { plain, secure, third };
        self.made.set(self.made.get() + 1);
        let folder = self
            .folder
            .path()
            .join(format!("{}-{}", cache.program(), self.made.get()));
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        match cache {
            Cache::Peregrine => peregrine(&mut command, &folder, addresses, setup),
            Cache::Nginx => nginx::configure(&mut command, &folder, addresses, setup),
            Cache::Varnish => varnish::configure(&mut command, &folder, addresses, setup),
            Cache::TrafficServer => trafficserver::configure(&mut command, &folder, addresses, setup),
            Cache::HaProxy => haproxy::configure(&mut command, &folder, addresses, setup),
        }
        .map_err(|error| format!("{} cannot be configured: {error}", cache.name()))?;
        let secure = setup.certificate.map(|_| secure);
        self.start(name, &mut command, setup.cores, plain, secure)
    }

    /// Starts a server whose words go to a file, and into the error when it does not come up.
    fn start(
        &self,
        name: &'static str,
        command: &mut Command,
        cores: &[usize],
        address: SocketAddr,
        secure: Option<SocketAddr>,
    ) -> Result<Server, String> {
        let path = self.folder.path().join("words");
        let words = fs::File::create(&path).map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words);
        let mut server = Server::start(name, command, cores, address).map_err(|problem| {
            let words = fs::read_to_string(&path).unwrap_or_default();
            format!("{problem}; {}", words.lines().last().unwrap_or("it said nothing"))
        })?;
        server.secure = secure;
        Ok(server)
    }
}

/// Peregrine as it comes, but for its size and the number of its workers, and without encodings, which the others do not make:
/// the bodies here are one letter many times.
fn peregrine(command: &mut Command, folder: &Path, at: Addresses, setup: &Setup<'_>) -> std::io::Result<()> {
    let state = folder.join("state");
    let secure = setup.certificate.map_or_else(String::new, |certificate| {
        format!(
            "[[listener]]\naddress = \"{}\"\ntls = {{ certificate = {:?}, key = {:?} }}\n\n",
            at.secure, certificate.chain, certificate.key
        )
    });
    let text = format!(
        "[server]\nstate_dir = {state:?}\nworkers = {workers}\nconnections_max = 60000\n\n[admin]\naddress = \"{admin}\"\n\n[log]\nlevel = \"warn\"\n{log}\n\
         {more}[cache]\nmemory = \"{memory}MiB\"\n\n[[listener]]\naddress = \"{plain}\"\n\n{secure}\
         [[upstream]]\nname = \"origin\"\ntargets = [\"http://{origin}\"]\n\n\
         [[route]]\nmatch = {{ path = \"/*\" }}\nupstream = \"origin\"\nstrategy = \"plain\"\n\n\
         [strategy.plain]\nencode = []\n",
        workers = setup.cores.len(),
        admin = at.third,
        memory = setup.memory_mib,
        log = setup.log,
        more = setup.more,
        plain = at.plain,
        origin = setup.origin,
    );
    let file = folder.join("peregrine.toml");
    fs::write(&file, text)?;
    command.arg("serve").arg("--config").arg(file);
    Ok(())
}

/// Three at once, so that they differ.
fn three_free_addresses() -> Result<[SocketAddr; 3], String> {
    loop {
        let three = || -> std::io::Result<_> { Ok([free_address()?, free_address()?, free_address()?]) };
        let [one, two, three] = three().map_err(|error| format!("no free address: {error}"))?;
        if one != two && two != three && one != three {
            return Ok([one, two, three]);
        }
    }
}

/// Builds the program that belongs to this bench: beside it, in the same profile.
///
/// # Errors
/// When it cannot be built, and is not there.
pub(crate) fn build_peregrine() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = own.with_file_name("peregrine");
    // Set where cargo runs the bench; elsewhere what lies beside it must do.
    if let Some(cargo) = std::env::var_os("CARGO") {
        let _ = writeln!(std::io::stderr(), "bench: building peregrine");
        let mut command = Command::new(cargo);
        command
            .args(["build", "--quiet", "-p", "peregrine"])
            .args((!cfg!(debug_assertions)).then_some("--release"));
        let status = command
            .status()
            .map_err(|error| format!("cargo cannot be run: {error}"))?;
        if !status.success() {
            return Err("peregrine could not be built".to_owned());
        }
    }
    if path.is_file() {
        Ok(path)
    } else {
        Err("peregrine is not built: `make build`, or --binary PATH".to_owned())
    }
}

/// The program of a peer, where the system keeps programs.
fn find(cache: Cache) -> Result<PathBuf, String> {
    program(cache.program()).ok_or_else(|| format!("{} is not installed: `make bench` installs it", cache.program()))
}

/// Where the system has the program `name`.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}
