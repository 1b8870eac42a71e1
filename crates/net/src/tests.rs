//! Both ends of a raw connection for tests: an origin whose every byte is scripted, and a client that sees every byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A hang is a failure, not a test that never ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A raw connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next head, with its empty line; `None` when the connection ended before it.
    pub(crate) async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Some(String::from_utf8(head).unwrap());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next `length` bytes.
    pub(crate) async fn bytes(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill().await, "ended after {} of {length} bytes", self.buffer.len());
        }
        self.buffer.drain(..length).collect()
    }

    /// Everything up to a clean end, or the error of an end that is not clean.
    pub(crate) async fn rest(&mut self) -> std::io::Result<String> {
        let read = self.stream.read_to_end(&mut self.buffer);
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("the connection stays open")?;
        Ok(String::from_utf8(std::mem::take(&mut self.buffer)).unwrap())
    }

    async fn fill(&mut self) -> bool {
        let mut chunk = [0; 4096];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut chunk))
            .await
            .expect("nothing comes");
        let count = read.unwrap_or(0);
        self.buffer.extend_from_slice(&chunk[..count]);
        count > 0
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
}

/// A server whose every connection follows a script.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Origin {
    /// `script` is given each connection and its number, from 0.
    pub(crate) async fn start<F, S>(script: F) -> Self
    where
        F: Fn(Wire, usize) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(
                    Wire {
                        stream,
                        buffer: Vec::new(),
                    },
                    number,
                ));
            }
        });
        Self { address, accepted }
    }

    /// Answers every request with its path.
    pub(crate) async fn echo() -> Self {
        Self::start(|mut wire, _| async move {
            while let Some(head) = wire.head().await {
                let path = head.split(' ').nth(1).unwrap().to_owned();
                wire.send(&format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}",
                    path.len()
                ))
                .await;
            }
        })
        .await
    }

    /// How many connections it took.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

/// A folder of its own, which is removed in the end.
pub(crate) struct Folder(std::path::PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("peregrine-net-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An authority of the test's own.
pub(crate) struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub(crate) certificate: rcgen::Certificate,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: rcgen::Issuer::new(params, key),
            certificate,
        }
    }

    /// A certificate for `names` and its key.
    pub(crate) fn issue(&self, names: &[&str]) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = rcgen::CertificateParams::new(names).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A certificate for `names` as `NAME.pem` and its key as `NAME.key`.
    pub(crate) fn write(&self, folder: &Folder, name: &str, names: &[&str]) {
        let (certificate, key) = self.issue(names);
        std::fs::write(folder.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// Those who trust this one.
    pub(crate) fn roots(&self) -> rustls::RootCertStore {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }
}
