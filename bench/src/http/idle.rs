//! Many connections that have asked once and then are silent: what each of them occupies.

use crate::http::ORIGIN;
use crate::http::process::Server;
use crate::http::servers::{Servers, Setup};
use crate::pinning;
use crate::report::{Cell, Section, Table};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// How many connections, where the system allows so many.
const CONNECTIONS: usize = 50_000;
/// From one address at most so many: there are fewer ports than connections.
const PER_ADDRESS: usize = 20_000;
/// Files that both sides need beside their connections.
const FILES_BESIDE: usize = 200;
/// How many connections are being opened at a time.
const AT_ONCE: usize = 100;
/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long the servers are left alone before they are weighed.
const REST: Duration = Duration::from_secs(2);

/// Measures all caches. `binary` is Peregrine's program; without it, it is built.
pub(crate) fn measure(quick: bool, binary: Option<&Path>) -> Section {
    let wanted = if quick { CONNECTIONS / 50 } else { CONNECTIONS };
    let count = wanted.min(files_max().saturating_sub(FILES_BESIDE));
    let about = format!(
        "{count} connections, each of which asked for the same page of 1 KiB once and then is silent. Memory is what is resident \
         in the server's processes; what the kernel holds for a connection is not in it."
    );
    let mut section = Section::new("idle", "Idle connections", about);
    if count < wanted {
        let note = format!("the system allows {count} connections, not {wanted}: raise the limit of open files");
        section.notes.push(note);
    }
    if let Err(problem) = fill(&mut section, count, binary) {
        section.notes.push(format!("not measured to the end: {problem}"));
    }
    section
}

fn fill(section: &mut Section, count: usize, binary: Option<&Path>) -> Result<(), String> {
    let servers = Servers::find(binary)?;
    section.notes.extend(servers.missing());
    let origin = servers.floor(ORIGIN, pinning::cores(), &[])?;
    let setup = Setup::ample(origin.address, pinning::cores());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let columns = [
        "server",
        "resident MB before",
        "resident MB with them",
        "KB per connection",
    ];
    let mut table = Table::new("", &columns);
    for (turn, server) in (1..).zip(servers.caches(&setup, &mut section.notes)) {
        let before = settled(&server);
        match runtime.block_on(open(server.address, count, turn)) {
            Ok(connections) => {
                let after = settled(&server);
                #[expect(clippy::cast_precision_loss, reason = "memory and counts are less than 2^53")]
                let (before, after, each) = (
                    before as f64 / 1e6,
                    after as f64 / 1e6,
                    after.saturating_sub(before) as f64 / 1e3 / connections.len().max(1) as f64,
                );
                let cells = [Cell::Number(before, 1), Cell::Number(after, 1), Cell::Number(each, 2)];
                table.row(server.name, cells.to_vec());
            }
            Err(problem) => section.notes.push(format!("left out: {}: {problem}", server.name)),
        }
    }
    section.tables.push(table);
    Ok(())
}

fn settled(server: &Server) -> u64 {
    std::thread::sleep(REST);
    server.resident_bytes()
}

/// How many files this process may open, after asking for as many as it may ask for; its children inherit that.
fn files_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let both = |files| Rlimit {
        current: files,
        maximum: files,
    };
    // Only root may ask for more than the hard limit.
    let ample = Some((CONNECTIONS + FILES_BESIDE) as u64 * 2);
    if setrlimit(Resource::Nofile, both(ample)).is_err() {
        let _ = setrlimit(Resource::Nofile, both(limit.maximum));
    }
    getrlimit(Resource::Nofile)
        .current
        .and_then(|files| usize::try_from(files).ok())
        .unwrap_or(usize::MAX)
}

/// Opens `count` connections to `server`, each with one answered request. Each server has its `turn`, and with it addresses of
/// its own: the ports of those before it are not free again at once.
async fn open(server: SocketAddr, count: usize, turn: u8) -> Result<Vec<TcpStream>, String> {
    let mut open = Vec::with_capacity(count);
    while open.len() < count {
        let mut opening = tokio::task::JoinSet::new();
        for number in open.len()..count.min(open.len() + AT_ONCE) {
            opening.spawn(async move {
                let address = u8::try_from(number / PER_ADDRESS).unwrap_or(u8::MAX);
                let asking = ask(server, Ipv4Addr::new(127, 0, turn, address + 1));
                let asked = tokio::time::timeout(ANSWER_MAX, asking).await;
                asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            });
        }
        while let Some(opened) = opening.join_next().await {
            let opened = opened.map_err(|error| error.to_string())?;
            open.push(opened.map_err(|error| format!("connection {}: {error}", open.len()))?);
        }
    }
    Ok(open)
}

/// One connection from `source`, and one request on it.
async fn ask(server: SocketAddr, source: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((source, 0)))?;
    let mut stream = socket.connect(server).await?;
    let request = format!("GET /bytes/1024/product/1 HTTP/1.1\r\nHost: {server}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(2048);
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        if head.is_some_and(|end| answer.len() >= end + 4 + 1024) {
            return Ok(stream);
        }
    }
}
