//! Clients that take what they are sent slowly: through a pipe that holds little, by a clock that moves with each frame.

use super::hostile::{GET, Raw, block};
use super::*;
use peregrine_base::ManualClock;
use tokio::io::DuplexStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const WINDOW: u8 = 8;

/// The usual window, of a request and of all of them.
const WINDOW_BYTES: u32 = 65_535;
/// Between two frames that the client takes; two of these pauses are too long for one who takes nothing.
const PAUSE: Duration = Duration::from_secs(6);
const STALL_TIMEOUT: Duration = Duration::from_secs(10);
/// A path whose answer has no end.
const ENDLESS: &str = "/endless";

/// A client behind a pipe, and what ends its server.
struct Slow {
    raw: Raw<DuplexStream>,
    clock: Arc<ManualClock>,
    server: Server,
    _drain: Drain,
}

impl Slow {
    /// Whose requests are answered with `length` bytes each.
    async fn start(length: usize) -> Self {
        let clock = Arc::new(ManualClock::default());
        let parts = ServerParts {
            clock: Arc::clone(&clock) as Arc<dyn peregrine_base::Clock>,
            runtime: Arc::new(TokioRuntime),
        };
        let limits = ServerLimits {
            stall_timeout: STALL_TIMEOUT,
            ..ServerLimits::default()
        };
        let server = Server::new(limits, parts);
        let (drain, watch) = crate::drain::channel();
        let permit = Arc::clone(&server.0.connections).try_acquire_owned().unwrap();
        let open = Open::new(Arc::clone(&server.0), permit, watch.active());
        let here = "127.0.0.1:1".parse().unwrap();
        let peer = Peer {
            address: here,
            local: here,
            tls: false,
        };
        let handler = move |request: Request<Body>| async move {
            let piece = Bytes::from(vec![b'a'; length]);
            Response::new(if request.uri().path() == ENDLESS {
                Body::from_poll(None, move |_| std::task::Poll::Ready(Some(Ok(piece.clone()))))
            } else {
                Body::full(piece)
            })
        };
        let (ours, theirs) = tokio::io::duplex(1 << 10);
        let handler = Arc::new(With(handler, SPOKEN));
        tokio::spawn(crate::http::serve::h2::serve(theirs, peer, open, handler, watch));
        Self {
            raw: Raw::over(ours).await,
            clock,
            server,
            _drain: drain,
        }
    }

    async fn ask(&mut self, stream: u32, path: &str) {
        let get = GET.map(|(name, value)| (name, if name == ":path" { path } else { value }));
        self.raw.send(HEADERS, 0x5, stream, &block(&get)).await;
    }

    async fn open_window(&mut self, stream: u32, more: u32) {
        self.raw.send(WINDOW, 0, stream, &more.to_be_bytes()).await;
    }

    /// The next frame, after a pause.
    async fn take(&mut self) -> (u8, u8, u32, Vec<u8>) {
        self.clock.advance(PAUSE);
        self.raw.frame().await.expect("the connection stays")
    }
}

#[tokio::test]
async fn an_answer_waits_for_its_window_only_once_the_client_could_know_of_it() {
    let mut slow = Slow::start(100_000).await;
    slow.open_window(0, 1 << 30).await;
    slow.ask(1, "/").await;
    slow.ask(3, "/").await;
    // So that there is always more to take.
    slow.ask(5, ENDLESS).await;
    slow.open_window(5, 1 << 30).await;
    let mut lengths = [0; 3];
    let (mut ended, mut was_reset) = (false, false);
    for _ in 0..100 {
        let (kind, flags, of, content) = slow.take().await;
        match kind {
            DATA => lengths[usize::try_from(of / 2).unwrap()] += content.len(),
            RESET => {
                assert_eq!(of, 3, "its window was opened when all of it had come");
                was_reset = true;
            }
            _ => {}
        }
        if (kind, of, lengths[0]) == (DATA, 1, WINDOW_BYTES as usize) {
            slow.open_window(1, WINDOW_BYTES).await;
        }
        ended |= (kind, of, flags & 1) == (DATA, 1, 1);
    }
    // The one whose window is never opened is given up, though others flow.
    assert!(ended && was_reset, "{ended} {was_reset}");
    assert_eq!((lengths[0], lengths[1]), (100_000, WINDOW_BYTES as usize));
    assert_eq!(slow.server.status().stalled, 1);
}

#[tokio::test]
async fn answers_wait_for_the_window_of_all_only_once_the_client_could_know_of_it() {
    let mut slow = Slow::start(100_000).await;
    for stream in [1, 3, 5] {
        slow.ask(stream, "/").await;
        slow.open_window(stream, 1 << 30).await;
    }
    let (mut since_opened, mut ended) = (0, 0);
    while ended < 3 {
        let (kind, flags, of, content) = slow.take().await;
        assert_ne!(kind, RESET, "{of}");
        if kind == DATA {
            since_opened += content.len();
            ended += flags & 1;
        }
        if since_opened == WINDOW_BYTES as usize {
            since_opened = 0;
            slow.open_window(0, WINDOW_BYTES).await;
        }
    }
    assert_eq!(slow.server.status().stalled, 0);
}
