//! A TCP proxy that does harm on purpose: it cuts, freezes, delays, and swallows what passes through it.
//!
//! Each direction of a connection has a reader, which stamps what it reads with the time, and a writer, which hands it on
//! when its delay is over; between them a bounded queue, so that the proxy holds back a fast sender as a slow network does.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pieces that one direction of a connection may have under way.
const PIECES_MAX: usize = 1024;

/// A proxy in front of a server. Ends, with all its connections, when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    target: SocketAddr,
    mode: Mode,
    delay: Duration,
    accepted: usize,
    links: Vec<Arc<Link>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Cut,
    Frozen,
    Swallow,
    SwallowReplies,
    Over,
}

/// Both sides of one connection.
struct Link {
    client: TcpStream,
    server: TcpStream,
    /// Whether it lost bytes, so that neither side can make sense of what follows.
    lossy: Mutex<bool>,
}

impl Link {
    fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Starts one in front of `target`, which need not be there yet.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                target,
                mode: Mode::Pass,
                delay: Duration::ZERO,
                accepted: 0,
                links: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// Where clients come to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port of it.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// It as the URL of a Redis.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Closes every connection; new ones are closed at once.
    pub fn cut(&self) {
        self.enter(Mode::Cut);
    }

    /// Keeps connections and bytes where they are.
    pub fn freeze(&self) {
        self.enter(Mode::Frozen);
    }

    /// Swallows what either side says; connections stay open.
    pub fn drop_bytes(&self) {
        self.enter(Mode::Swallow);
    }

    /// Swallows what the server says.
    pub fn drop_replies(&self) {
        self.enter(Mode::SwallowReplies);
    }

    /// Lets every byte arrive so much later, each way.
    pub fn delay(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }

    /// Passes everything on again, without delay. Connections that lost bytes are closed.
    pub fn restore(&self) {
        self.shared.state().delay = Duration::ZERO;
        self.enter(Mode::Pass);
    }

    /// Sends new connections to another server.
    pub fn retarget(&self, target: SocketAddr) {
        self.shared.state().target = target;
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.state().accepted
    }

    fn enter(&self, mode: Mode) {
        let mut state = self.shared.state();
        state.mode = mode;
        let closing = matches!(mode, Mode::Cut | Mode::Over);
        state.links.retain(|link| {
            let close = closing || mode == Mode::Pass && *link.lossy.lock().unwrap_or_else(PoisonError::into_inner);
            if close {
                link.close();
            }
            !close
        });
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.enter(Mode::Over);
        // The listener's thread sees the end when it is woken.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((client, _)) = listener.accept() {
        let mut state = shared.state();
        if state.mode == Mode::Over {
            return;
        }
        state.accepted += 1;
        let (target, cut) = (state.target, state.mode == Mode::Cut);
        drop(state);
        if cut {
            continue;
        }
        let shared = Arc::clone(shared);
        // Connecting may take a while (a frozen server), and the next client must not wait for it.
        std::thread::spawn(move || {
            if let Ok(server) = TcpStream::connect_timeout(&target, Duration::from_secs(20)) {
                pass_on(client, server, &shared);
            }
        });
    }
}

fn pass_on(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let link = Arc::new(Link {
        client,
        server,
        lossy: Mutex::new(false),
    });
    let mut state = shared.state();
    if matches!(state.mode, Mode::Cut | Mode::Over) {
        return;
    }
    state.links.push(Arc::clone(&link));
    drop(state);
    for replies in [false, true] {
        let (sender, queue) = sync_channel(PIECES_MAX);
        let (reading, reader_shared) = (Arc::clone(&link), Arc::clone(shared));
        std::thread::spawn(move || {
            let mut from = if replies { &reading.server } else { &reading.client };
            let mut piece = vec![0; 64 << 10];
            while let Ok(length @ 1..) = from.read(&mut piece) {
                let due = Instant::now() + reader_shared.state().delay;
                if sender.send((due, piece[..length].to_vec())).is_err() {
                    break;
                }
            }
        });
        let (writing, writer_shared) = (Arc::clone(&link), Arc::clone(shared));
        std::thread::spawn(move || {
            write(&queue, &writing, replies, &writer_shared);
            writing.close();
            writer_shared.state().links.retain(|link| !Arc::ptr_eq(link, &writing));
        });
    }
}

/// Hands on what comes, as the mode of the moment says.
fn write(queue: &Receiver<(Instant, Vec<u8>)>, link: &Link, replies: bool, shared: &Shared) {
    let mut to = if replies { &link.client } else { &link.server };
    while let Ok((due, piece)) = queue.recv() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let state = shared.state();
        let state = shared
            .changed
            .wait_while(state, |state| state.mode == Mode::Frozen)
            .unwrap_or_else(PoisonError::into_inner);
        match state.mode {
            Mode::Cut | Mode::Over => return,
            Mode::Swallow => *link.lossy.lock().unwrap_or_else(PoisonError::into_inner) = true,
            Mode::SwallowReplies if replies => *link.lossy.lock().unwrap_or_else(PoisonError::into_inner) = true,
            Mode::Pass | Mode::Frozen | Mode::SwallowReplies => {
                drop(state);
                if to.write_all(&piece).is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
