//! What stands between Peregrine and the origin and goes wrong as it is told: a relay of bytes.

use rustix::net::sockopt::set_socket_linger;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the relay does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Passes everything on.
    Well,
    /// Closes every connection and every new one at once, as when the origin was killed.
    Dead,
    /// Waits before each piece.
    Slow,
    /// Passes nothing on and says nothing.
    Silent,
    /// Closes connections in the middle of answers.
    Cuts,
    /// Resets connections in the middle of answers.
    Resets,
}

impl Mood {
    /// Everything that goes wrong.
    pub(crate) const BAD: [Self; 5] = [Self::Dead, Self::Slow, Self::Silent, Self::Cuts, Self::Resets];
}

/// A relay that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    mood: watch::Sender<Mood>,
}

impl Relay {
    /// In front of `origin`, on a free port.
    pub(crate) async fn start(origin: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (mood, seen) = watch::channel(Mood::Well);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *seen.borrow() == Mood::Dead {
                    continue;
                }
                tokio::spawn(pass(client, origin, seen.clone()));
            }
        });
        Ok(Self { address, mood })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn feel(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}

/// One connection from its beginning to its end.
async fn pass(mut client: TcpStream, origin: SocketAddr, mut mood: watch::Receiver<Mood>) {
    let Ok(mut server) = TcpStream::connect(origin).await else {
        return;
    };
    let (mut up, mut down) = (vec![0; 16 << 10], vec![0; 4 << 10]);
    loop {
        let done = tokio::select! {
            read = client.read(&mut up) => forward(read, &up, &mut server, &mut mood, false).await,
            read = server.read(&mut down) => forward(read, &down, &mut client, &mut mood, true).await,
            changed = mood.changed() => changed.is_err() || *mood.borrow_and_update() == Mood::Dead,
        };
        if done {
            return;
        }
    }
}

/// Passes a piece on as the mood is; whether that was the last.
async fn forward(
    read: io::Result<usize>,
    bytes: &[u8],
    to: &mut TcpStream,
    mood: &mut watch::Receiver<Mood>,
    is_answer: bool,
) -> bool {
    let Ok(length @ 1..) = read else { return true };
    let Some(piece) = bytes.get(..length) else { return true };
    let now = *mood.borrow_and_update();
    let piece = match now {
        Mood::Well => piece,
        Mood::Dead => return true,
        Mood::Slow => {
            tokio::time::sleep(Duration::from_millis(150)).await;
            piece
        }
        Mood::Silent => {
            // Until it feels different.
            if mood.changed().await.is_err() {
                return true;
            }
            piece
        }
        Mood::Cuts | Mood::Resets if !is_answer => piece,
        Mood::Cuts | Mood::Resets => {
            let _ = to.write_all(&piece[..length / 2]).await;
            if now == Mood::Resets {
                let _ = set_socket_linger(&*to, Some(Duration::ZERO));
            }
            return true;
        }
    };
    to.write_all(piece).await.is_err()
}
