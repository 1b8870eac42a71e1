//! A hit allocates nothing, over HTTP/1.1 and over HTTP/2: ten thousand requests on one connection, through the server and over
//! a socket, while the thread that answers them counts what it asks memory for, but for the few a second that the live tail
//! keeps. What a miss takes is bounded.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use http::{Request, Response};
use peregrine_admission::Permissive;
use peregrine_base::{Fallback, SystemClock, SystemRandom, TokioRuntime};
use peregrine_cache::{Engine, Settings};
use peregrine_http::config::RouteConfig;
use peregrine_http::{PARAMETERS, Parts, Plane, RouteTable, Rules, Surroundings};
use peregrine_net::config::UpstreamConfig;
use peregrine_net::drain;
use peregrine_net::http::{Body, Handler, Peer, ServeHandle, Server, ServerLimits, ServerParts, Spoken};
use peregrine_net::listen::Listener;
use peregrine_net::upstream::{Upstream, UpstreamParts};
use peregrine_telemetry::config::{AccessFormat, Level, LogConfig, LogFormat};
use peregrine_telemetry::{Recorder, Tail};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};

const REQUESTS: usize = 10_000;
/// Requests before the count begins: buffers grow to their size in them.
const WARM_UP: usize = 100;

/// How often the thread that serves has asked for memory.
static ASKED: AtomicU64 = AtomicU64::new(0);
/// How many bytes that were.
static BYTES: AtomicU64 = AtomicU64::new(0);

/// At most so many allocations hold a request that the live tail keeps.
const KEPT_ALLOCATIONS_MAX: u64 = 20;

/// The live tail of the proxy that was started last.
static TAIL: Mutex<Option<Arc<Tail>>> = Mutex::new(None);

/// How often the thread that serves has asked for memory for the live tail, at most.
fn asked_for_tail() -> u64 {
    let tail = TAIL.lock().unwrap_or_else(PoisonError::into_inner);
    tail.as_ref().map_or(0, |tail| tail.statistics().kept) * KEPT_ALLOCATIONS_MAX
}

/// Held by the test that counts.
static ALONE: Mutex<()> = Mutex::new(());

thread_local! {
    /// Whether this is the thread that serves.
    static SERVES: Cell<bool> = const { Cell::new(false) };
}

/// The system's allocator with a counter.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(size: usize) {
    if SERVES.try_with(Cell::get).unwrap_or(false) {
        ASKED.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(size as u64, Ordering::Relaxed);
    }
}

#[expect(
    unsafe_code,
    reason = "an allocator cannot be written without; this one only counts and hands on"
)]
// SAFETY: every call goes to the system's allocator with the very arguments that came in.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the system's as well.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// An origin with one page.
struct Origin;

impl Handler for Origin {
    async fn handle(&self, request: Request<Body>, _: Peer) -> Response<Body> {
        let mut response = Response::new(Body::full("0123456789abcdef".repeat(64)));
        let fields = [
            ("cache-control", "max-age=600"),
            ("content-type", "application/octet-stream"),
            ("etag", "\"one\""),
            ("cache-tag", "page"),
        ];
        for (name, value) in fields {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        if request.uri().path().starts_with("/varied") {
            let vary = "Accept-Encoding, X-Variant";
            response.headers_mut().insert("vary", vary.parse().unwrap());
        }
        response
    }
}

/// A route for everything.
fn route() -> RouteConfig {
    let mut whole = serde_json::Value::Object(serde_json::Map::new());
    for row in PARAMETERS {
        let mut place = &mut whole;
        for part in row.name.trim_start_matches("route[].").split('.') {
            place = &mut place[part];
        }
        *place = match row.fallback {
            Fallback::Toml(text) => serde_json::from_str(text).unwrap(),
            Fallback::Required => "origin".into(),
            Fallback::Absent => serde_json::Value::Null,
        };
    }
    whole["key"]["query_ignore"] = serde_json::json!(["utm_*"]);
    whole["key"]["cookies"] = serde_json::json!(["currency"]);
    whole["bypass"]["cookies"] = serde_json::json!(["admin_session"]);
    whole["bypass"]["query"] = serde_json::json!(["preview"]);
    serde_json::from_value(whole).unwrap()
}

/// A plane before the origin at `origin`.
fn plane(origin: SocketAddr) -> Plane {
    let parts = peregrine_cache::Parts {
        clock: Arc::new(SystemClock),
        runtime: Arc::new(TokioRuntime),
        random: Arc::new(SystemRandom),
    };
    let engine = Engine::new(parts, Settings::default()).unwrap();
    let parts = UpstreamParts {
        clock: Arc::new(SystemClock),
        runtime: Arc::new(TokioRuntime),
        random: Arc::new(SystemRandom),
    };
    let config = UpstreamConfig::defaults("origin", &[&format!("http://{origin}")]);
    let upstreams = BTreeMap::from([("origin".to_owned(), Upstream::new(&config, parts).unwrap())]);
    let surroundings = Surroundings {
        engine: &engine,
        upstreams: &upstreams,
        before: None,
    };
    let table = RouteTable::new(&[route()], surroundings).unwrap();
    let log = LogConfig {
        level: Level::Info,
        format: LogFormat::Text,
        access: AccessFormat::Off,
        access_path: "-".to_owned(),
        access_sample: 1.0,
        slow: None,
        redact: Vec::new(),
    };
    let recorder = Recorder::start(&log).unwrap();
    *TAIL.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&recorder.tail));
    let parts = Parts {
        engine,
        admit: Arc::new(Permissive),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        runtime: Arc::new(TokioRuntime),
        recorder: Arc::new(recorder),
        tenants: Arc::default(),
    };
    Plane::new(parts, Rules::of(table))
}

/// Runs a server that `start` makes in a runtime of this thread's own until `done`; says where.
fn serve(
    told: &mpsc::SyncSender<SocketAddr>,
    done: &mpsc::Receiver<()>,
    start: impl FnOnce(&Server, Listener, drain::DrainWatch) -> ServeHandle,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (_drain, watch) = drain::channel();
        let parts = ServerParts {
            clock: Arc::new(SystemClock),
            runtime: Arc::new(TokioRuntime),
        };
        let server = Server::new(ServerLimits::default(), parts);
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        told.send(start(&server, listener, watch).address()).unwrap();
        while done.try_recv() == Err(mpsc::TryRecvError::Empty) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        SERVES.set(false);
    });
}

/// A server on a thread of its own, which ends with it.
struct Running {
    address: SocketAddr,
    end: mpsc::SyncSender<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(start: impl FnOnce(&Server, Listener, drain::DrainWatch) -> ServeHandle + Send + 'static) -> Self {
        let ((tell, told), (end, done)) = (mpsc::sync_channel(1), mpsc::sync_channel(1));
        let thread = std::thread::spawn(move || serve(&tell, &done, start));
        Self {
            address: told.recv().unwrap(),
            end,
            thread: Some(thread),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end.send(());
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// An origin, and a proxy before it whose thread is counted.
fn both() -> (Running, Running) {
    let origin = Running::start(|server, listener, watch| server.serve(listener, Arc::new(Origin), watch));
    let address = origin.address;
    let proxy = Running::start(move |server, listener, watch| {
        let spoken = Spoken {
            h2c: true,
            ..Spoken::default()
        };
        let handle = server.serve_as(listener, spoken, Arc::new(plane(address)), watch);
        SERVES.set(true);
        handle
    });
    (origin, proxy)
}

/// A client with one connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends `request` and reads the answer: its head and the length of its body.
    fn ask(&mut self, request: &[u8]) -> (String, usize) {
        self.0.get_mut().write_all(request).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).unwrap() > 0, "the connection ended");
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.filter(|_| !head.starts_with("HTTP/1.1 304"));
        let length = length.map_or(0, |length| length.parse().unwrap());
        let length = if request.starts_with(b"HEAD") { 0 } else { length };
        self.0.read_exact(&mut vec![0; length]).unwrap();
        (head, length)
    }
}

fn request(line: &str, more: &str) -> Vec<u8> {
    format!(
        "{line} HTTP/1.1\r\nHost: Shop.Example:80\r\nUser-Agent: Mozilla/5.0\r\nAccept: text/html,*/*;q=0.8\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\nSec-Fetch-Mode: navigate\r\n\
         Sec-Fetch-Site: same-origin\r\nX-Variant: blue\r\nConnection: keep-alive\r\n{more}\r\n"
    )
    .into_bytes()
}

#[test]
fn ten_thousand_hits_on_a_connection_allocate_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_origin, proxy) = both();
    let mut client = Client::connect(proxy.address);
    for (line, more, status, length) in [
        ("GET /page", "", 200, 1024),
        (
            "GET /page?b=1&utm_source=x",
            "Cookie: session=1; theme=dark; PHPSESSID=2; _ga_4XYZ=3; __Host-x=4\r\n",
            200,
            1024,
        ),
        ("HEAD /page", "", 200, 0),
        ("GET /page", "If-None-Match: \"one\"\r\n", 304, 0),
        ("GET /varied", "", 200, 1024),
    ] {
        // The first brings it into the cache.
        client.ask(&request(&line.replace("HEAD", "GET"), ""));
        let wire = request(line, more);
        for _ in 0..WARM_UP {
            client.ask(&wire);
        }
        let (before, tail_before) = (ASKED.load(Ordering::Relaxed), asked_for_tail());
        for _ in 0..REQUESTS {
            let (head, body) = client.ask(&wire);
            assert!(head.contains("Peregrine; hit"), "{head}");
            assert_eq!((head[9..12].parse(), body), (Ok(status), length));
        }
        let asked = ASKED.load(Ordering::Relaxed) - before;
        // What else this thread does meanwhile: a timer now and then, and the tail.
        assert!(
            asked < REQUESTS as u64 / 20 + asked_for_tail() - tail_before,
            "{line} {more}: {asked} allocations in {REQUESTS} requests"
        );
    }
}

/// A client of HTTP/2 with one connection, which asks for one thing after the other.
struct Client2 {
    stream: BufReader<TcpStream>,
    asked: u32,
}

impl Client2 {
    fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let mut client = Self {
            stream: BufReader::new(stream),
            asked: 0,
        };
        client.send(4, 0, 0, &[]);
        client
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, content: &[u8]) {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), content].concat();
        self.stream.get_mut().write_all(&frame).unwrap();
    }

    /// Asks for `/page`; the length of the answer's body.
    fn ask(&mut self) -> usize {
        let stream = 2 * self.asked + 1;
        self.asked += 1;
        // RFC 7541: GET, http and two literals without indexing.
        let fields = [(1, "shop.example"), (4, "/page")];
        let literals =
            fields.map(|(name, value)| [&[name, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat());
        self.send(1, 0x5, stream, &[&[0x82, 0x86], &literals.concat()[..]].concat());
        let mut bytes = 0;
        loop {
            let mut header = [0; 9];
            self.stream.read_exact(&mut header).unwrap();
            let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
            self.stream.read_exact(&mut vec![0; length]).unwrap();
            let is_of_it = header[5..] == stream.to_be_bytes();
            match header[3] {
                0 if length > 0 => {
                    bytes += length;
                    self.send(8, 0, 0, &u32::try_from(length).unwrap().to_be_bytes());
                }
                4 if header[4] == 0 => self.send(4, 1, 0, &[]),
                3 | 7 => panic!("refused"),
                _ => {}
            }
            if is_of_it && header[3] <= 1 && header[4] & 1 != 0 {
                return bytes;
            }
        }
    }
}

#[test]
fn ten_thousand_hits_over_http2_allocate_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_origin, proxy) = both();
    let mut client = Client2::connect(proxy.address);
    for _ in 0..WARM_UP {
        assert_eq!(client.ask(), 1024);
    }
    let (before, tail_before) = (ASKED.load(Ordering::Relaxed), asked_for_tail());
    for _ in 0..REQUESTS {
        assert_eq!(client.ask(), 1024);
    }
    let asked = ASKED.load(Ordering::Relaxed) - before;
    assert!(
        asked < REQUESTS as u64 / 20 + asked_for_tail() - tail_before,
        "{asked} allocations in {REQUESTS} requests"
    );
}

/// The most allocations for a miss that is stored, and the most bytes of them all.
const MISS_ALLOCATIONS_MAX: u64 = 105;
const MISS_BYTES_MAX: u64 = 48 << 10;
const MISSES: usize = 1000;

#[test]
fn a_miss_asks_for_little() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_origin, proxy) = both();
    let mut client = Client::connect(proxy.address);
    let mut ask = |number: usize| {
        let (head, _) = client.ask(&request(&format!("GET /page?miss={number}"), ""));
        assert!(head.contains("fwd=uri-miss; stored"), "{head}");
    };
    let asked = || [&ASKED, &BYTES].map(|counter| counter.load(Ordering::Relaxed));
    (0..WARM_UP).for_each(&mut ask);
    let before = asked();
    (WARM_UP..WARM_UP + MISSES).for_each(&mut ask);
    let [allocations, bytes] = [0, 1].map(|index| (asked()[index] - before[index]) / MISSES as u64);
    assert!(
        allocations <= MISS_ALLOCATIONS_MAX && bytes <= MISS_BYTES_MAX,
        "{allocations} allocations of {bytes} bytes for each request"
    );
}
