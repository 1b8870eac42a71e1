//! The servers that are compared, each set up as its makers advise for this work: one worker, no access log, kept
//! connections to clients and to the origin.

use crate::http::process::{Server, free_address};
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The names in tables.
pub(crate) const PEREGRINE: &str = "Peregrine";
pub(crate) const NGINX: &str = "nginx";

/// Makes servers, and keeps what they need on disk in one folder.
pub(crate) struct Servers {
    /// For configurations, cached files and state.
    folder: tempfile::TempDir,
    /// Peregrine's program, or why there is none.
    pub(crate) peregrine: Result<PathBuf, String>,
    /// nginx's program, or why there is none.
    pub(crate) nginx: Result<PathBuf, String>,
}

impl Servers {
    /// Finds the programs. `binary` is Peregrine's; without it, it is built, so that it is never an old one.
    ///
    /// # Errors
    /// When no folder can be made.
    pub(crate) fn find(binary: Option<&Path>) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no folder for the servers: {error}"))?;
        let given = binary.map(Path::to_path_buf);
        let found = given.map_or_else(build_peregrine, |path| {
            if path.is_file() {
                Ok(path)
            } else {
                Err(format!("there is no program {}", path.display()))
            }
        });
        Ok(Self {
            folder,
            peregrine: found,
            nginx: find_nginx(),
        })
    }

    /// The bare responder, whose answer may be stored for an hour.
    pub(crate) fn floor(&self, name: &'static str, cores: &[usize]) -> Result<Server, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let address = free_address().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args([
            "floor",
            "--listen",
            &address.to_string(),
            "--field",
            "Cache-Control: max-age=3600",
        ]);
        self.start(name, &mut command, cores, address)
    }

    /// Peregrine in front of `origin`.
    pub(crate) fn peregrine(&self, origin: SocketAddr, cores: &[usize]) -> Result<Server, String> {
        let program = self.peregrine.as_ref().map_err(Clone::clone)?;
        let (address, admin) = two_free_addresses()?;
        let state = self.folder.path().join("peregrine");
        let text = format!(
            "[server]\nstate_dir = {state:?}\nworkers = {workers}\n\n[admin]\naddress = \"{admin}\"\n\n[log]\nlevel = \"warn\"\n\n\
             [[listener]]\naddress = \"{address}\"\n\n[[upstream]]\nname = \"origin\"\ntargets = [\"http://{origin}\"]\n\n\
             [[route]]\nmatch = {{ path = \"/*\" }}\nupstream = \"origin\"\n",
            workers = cores.len(),
        );
        let file = self.write("peregrine.toml", &text)?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(file);
        self.start(PEREGRINE, &mut command, cores, address)
    }

    /// nginx in front of `origin`, with its cache on disk, of which the system keeps the files in memory.
    pub(crate) fn nginx(&self, origin: SocketAddr, cores: &[usize]) -> Result<Server, String> {
        let program = self.nginx.as_ref().map_err(Clone::clone)?;
        let address = free_address().map_err(|error| error.to_string())?;
        let prefix = self.folder.path().join("nginx");
        fs::create_dir_all(&prefix).map_err(|error| error.to_string())?;
        let file = self.write(
            "nginx.conf",
            &nginx_configuration(&prefix, address, origin, cores.len()),
        )?;
        let mut command = Command::new(program);
        command.arg("-p").arg(&prefix).arg("-c").arg(file);
        self.start(NGINX, &mut command, cores, address)
    }

    /// Starts a server whose words go to a file, and into the error when it does not come up.
    fn start(
        &self,
        name: &'static str,
        command: &mut Command,
        cores: &[usize],
        address: SocketAddr,
    ) -> Result<Server, String> {
        let path = self.write("words", "")?;
        let words = fs::File::create(&path).map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words);
        Server::start(name, command, cores, address).map_err(|problem| {
            let words = fs::read_to_string(&path).unwrap_or_default();
            format!("{problem}; {}", words.lines().last().unwrap_or("it said nothing"))
        })
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.folder.path().join(name);
        fs::write(&path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        Ok(path)
    }
}

/// Two at once, so that they differ.
fn two_free_addresses() -> Result<(SocketAddr, SocketAddr), String> {
    loop {
        let pair = (free_address(), free_address());
        match pair {
            (Ok(one), Ok(other)) if one != other => return Ok((one, other)),
            (Ok(_), Ok(_)) => {}
            (Err(error), _) | (_, Err(error)) => return Err(format!("no free address: {error}")),
        }
    }
}

/// Builds the program that belongs to this bench: beside it, in the same profile.
fn build_peregrine() -> Result<PathBuf, String> {
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

fn find_nginx() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let mut programs = folders.map(|folder| folder.join("nginx"));
    programs
        .find(|path| path.is_file())
        .ok_or_else(|| "nginx is not installed: `make bench` installs it".to_owned())
}

fn nginx_configuration(prefix: &Path, address: SocketAddr, origin: SocketAddr, workers: usize) -> String {
    // As root it would give its workers to a user that may not enter the folder.
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let folder = prefix.display();
    format!(
        "{user} daemon off; worker_processes {workers}; pid {folder}/pid; error_log stderr crit;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
           access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;\n\
           keepalive_timeout 75s; keepalive_requests 1000000000;\n\
           client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;\n\
           uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n\
           open_file_cache max=10000 inactive=60s; open_file_cache_valid 60s;\n\
           proxy_cache_path {folder}/cache levels=1:2 keys_zone=cache:64m max_size=1g inactive=1h use_temp_path=off;\n\
           upstream origin {{ server {origin}; keepalive 128; keepalive_requests 1000000000; }}\n\
           server {{\n\
             listen {address} backlog=1024;\n\
             location / {{\n\
               proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
               proxy_cache cache; proxy_cache_lock on; proxy_cache_use_stale updating;\n\
             }}\n\
           }}\n\
         }}\n"
    )
}
