//! An origin that does as a scenario says: it answers each request with a script of bytes, waits and cuts, and remembers
//! what it heard. Threads and plain sockets, so that nothing of Peregrine's own code stands behind it.

use super::PATIENCE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// A request as the origin heard it.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    /// The values of a field, joined as one list.
    pub(crate) fn field(&self, name: &str) -> String {
        let values = self
            .fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name))
    }
}

/// What the origin does for one request, step by step.
#[derive(Clone, Default)]
pub(crate) struct Reply {
    steps: Vec<Step>,
}

#[derive(Clone)]
enum Step {
    Send(Vec<u8>),
    /// Sends that many bytes, as fast as the other side reads; counts what went out.
    Flood(u64, Arc<AtomicUsize>),
    Wait(Gate),
    Cut,
}

/// Something that a scenario opens when it is time.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let (open, changed) = &*self.0;
        let guard = open.lock().unwrap();
        drop(changed.wait_timeout_while(guard, PATIENCE, |open| !*open).unwrap());
    }
}

impl Reply {
    /// A whole answer with `Content-Length`.
    pub(crate) fn ok(fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        Self::status(200, fields, body)
    }

    pub(crate) fn status(status: u16, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = if matches!(status, 204 | 304) {
            String::new()
        } else {
            format!("content-length: {}\r\n", body.len())
        };
        Self::default().send(head(status, fields) + &length + "\r\n").send(body)
    }

    /// Bytes as they are.
    pub(crate) fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Send(bytes.as_ref().to_vec()));
        self
    }

    /// The head of an answer, up to and with the empty line.
    pub(crate) fn head(self, status: u16, fields: &[(&str, &str)]) -> Self {
        self.send(head(status, fields) + "\r\n")
    }

    /// One chunk of a chunked body; an empty one ends it.
    pub(crate) fn chunk(self, bytes: &[u8]) -> Self {
        self.send(format!("{:x}\r\n", bytes.len())).send(bytes).send("\r\n")
    }

    /// Waits for the gate before the next step.
    pub(crate) fn wait(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Wait(gate.clone()));
        self
    }

    /// Sends `length` bytes without keeping them; `sent` counts.
    pub(crate) fn flood(mut self, length: u64, sent: &Arc<AtomicUsize>) -> Self {
        self.steps.push(Step::Flood(length, Arc::clone(sent)));
        self
    }

    /// Does as `other` says afterwards.
    pub(crate) fn then(mut self, other: &Self) -> Self {
        self.steps.extend(other.steps.iter().cloned());
        self
    }

    /// Closes the connection.
    pub(crate) fn cut(mut self) -> Self {
        self.steps.push(Step::Cut);
        self
    }
}

fn head(status: u16, fields: &[(&str, &str)]) -> String {
    let mut text = format!("HTTP/1.1 {status} Told\r\n");
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text
}

type Script = Arc<dyn Fn(&Heard) -> Reply + Send + Sync>;

/// Enough for a conversation; a thousand of them at a time are nothing.
const STACK_BYTES: usize = 256 << 10;

/// An origin on a free port.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    script: Arc<Mutex<Script>>,
    stop: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Origin {
    /// Starts one that answers by `script`.
    pub(crate) fn start(script: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let script: Script = Arc::new(script);
        let origin = Self {
            address,
            heard: Arc::default(),
            script: Arc::new(Mutex::new(script)),
            stop: Arc::default(),
            connections: Arc::default(),
            accepting: Mutex::default(),
        };
        origin.accept_on(listener);
        origin
    }

    /// Starts one whose answers but for that of `/` come once the gate is open.
    pub(crate) fn gated() -> (Gate, Self) {
        let gate = Gate::default();
        let waiting = gate.clone();
        let origin = Self::start(move |heard| match heard.target.as_str() {
            "/" => Reply::ok(&[], "ok"),
            _ => Reply::default()
                .wait(&waiting)
                .then(&Reply::ok(&[("cache-control", "no-store")], "late")),
        });
        (gate, origin)
    }

    /// Answers by another script from now on.
    pub(crate) fn now(&self, script: impl Fn(&Heard) -> Reply + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// Everything heard so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// How many requests were heard.
    pub(crate) fn count(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Refuses connections and cuts those there are, like a process that died.
    pub(crate) fn die(&self) {
        self.stop.store(true, Ordering::SeqCst);
        let Some(accepting) = self.accepting.lock().unwrap().take() else {
            return;
        };
        let _ = TcpStream::connect(self.address);
        let _ = accepting.join();
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Comes back at the same address.
    pub(crate) fn revive(&self) {
        self.stop.store(false, Ordering::SeqCst);
        self.accept_on(TcpListener::bind(self.address).unwrap());
    }

    fn accept_on(&self, listener: TcpListener) {
        let (heard, script, stop) = (
            Arc::clone(&self.heard),
            Arc::clone(&self.script),
            Arc::clone(&self.stop),
        );
        let connections = Arc::clone(&self.connections);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                connections.lock().unwrap().push(stream.try_clone().unwrap());
                let (heard, script) = (Arc::clone(&heard), Arc::clone(&script));
                let talk = move || converse(stream, &heard, &script);
                std::thread::Builder::new().stack_size(STACK_BYTES).spawn(talk).unwrap();
            }
        });
        *self.accepting.lock().unwrap() = Some(accepting);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.die();
    }
}

fn converse(stream: TcpStream, heard: &Mutex<Vec<Heard>>, script: &Mutex<Script>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = listen(&mut reader) {
        heard.lock().unwrap().push(request.clone());
        let script = Arc::clone(&script.lock().unwrap());
        let reply = script(&request);
        for step in reply.steps {
            if !perform(step, reader.get_mut()) {
                return;
            }
        }
    }
}

/// Does one step; false when the conversation is over.
fn perform(step: Step, stream: &mut TcpStream) -> bool {
    match step {
        Step::Send(bytes) => stream.write_all(&bytes).is_ok(),
        Step::Wait(gate) => {
            gate.pass();
            true
        }
        Step::Flood(length, sent) => {
            let block = vec![b'x'; 64 * 1024];
            let mut left = length;
            while left > 0 {
                let next = usize::try_from(left.min(block.len() as u64)).unwrap();
                if stream.write_all(&block[..next]).is_err() {
                    return false;
                }
                sent.fetch_add(next, Ordering::SeqCst);
                left -= next as u64;
            }
            true
        }
        Step::Cut => {
            let _ = stream.shutdown(Shutdown::Both);
            false
        }
    }
}

fn listen(reader: &mut BufReader<TcpStream>) -> Option<Heard> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut fields = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => fields.push((name.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut heard = Heard {
        method,
        target,
        fields,
        body: Vec::new(),
    };
    if heard.field("transfer-encoding").eq_ignore_ascii_case("chunked") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let length = u64::from_str_radix(line.trim(), 16).ok()?;
            take(reader, length, &mut heard.body)?;
            reader.read_line(&mut String::new()).ok()?;
            if length == 0 {
                break;
            }
        }
    } else if let Ok(length) = heard.field("content-length").parse() {
        take(reader, length, &mut heard.body)?;
    }
    Some(heard)
}

/// Reads exactly so much of a body; a request that breaks off is not heard.
fn take(reader: &mut BufReader<TcpStream>, length: u64, body: &mut Vec<u8>) -> Option<()> {
    let read = reader.by_ref().take(length).read_to_end(body).ok()?;
    (read as u64 == length).then_some(())
}
