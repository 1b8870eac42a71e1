//! Tells the other side of invalidations without ever holding up who asks for one. While the other side listens, a message is
//! with it before the invalidation is answered. When it does not (a process that gets no processor, say), messages wait here
//! in their order and a thread brings them; when too many wait, they become one that reaches everything: too much, never
//! too little.

use super::channel::{Channel, Message};
use parking_lot::Mutex;
use peregrine_cache::Invalidation;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How many bytes of messages may wait.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// How often to look whether all is told, or whether the system has room for a message.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Tells one other side.
#[derive(Debug)]
pub(super) struct Telling {
    channel: Arc<Channel>,
    waiting: Mutex<Waiting>,
    /// Whether the other side is gone: nobody needs to know any more.
    is_gone: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Whether a thread brings them; it may have one in hand.
    is_brought: bool,
}

impl Telling {
    pub(super) fn new(channel: &Arc<Channel>) -> Arc<Self> {
        Arc::new(Self {
            channel: Arc::clone(channel),
            waiting: Mutex::default(),
            is_gone: AtomicBool::new(false),
        })
    }

    /// Tells of `request`, at once or as soon as the other side listens.
    pub(super) fn tell(self: &Arc<Self>, request: &Invalidation) {
        // What is too long for a message means everything.
        let text = Message::Invalidated(request.clone()).text();
        self.say(text.unwrap_or_else(|_| everything(request.soft)));
    }

    fn say(self: &Arc<Self>, message: Vec<u8>) {
        if self.is_gone.load(Ordering::Relaxed) {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.is_empty() {
            match self.channel.try_send(&message) {
                Ok(()) => return,
                Err(error) if is_end(&error) => return self.give_up(&mut waiting),
                // The thread finds out what can be done about it.
                Err(_) => {}
            }
        }
        waiting.push(message);
        if !waiting.is_brought {
            let own = Arc::clone(self);
            let thread = std::thread::Builder::new().name("hand-over".to_owned());
            match thread.spawn(move || own.bring()) {
                Ok(_) => waiting.is_brought = true,
                // Whoever tells of the next one tries again.
                Err(error) => tracing::error!(%error, "the other program is not told yet"),
            }
        }
    }

    /// Waits until the other side was told of everything, or is gone; whether that took no longer than `limit`.
    pub(super) async fn finished(&self, limit: Duration) -> bool {
        let told = async {
            while !self.waiting.lock().is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(limit, told).await.is_ok()
    }

    /// Brings what waits until nothing does.
    fn bring(&self) {
        loop {
            let mut waiting = self.waiting.lock();
            let Some(message) = waiting.pop() else {
                waiting.is_brought = false;
                return;
            };
            drop(waiting);
            if !self.bring_one(message) {
                let mut waiting = self.waiting.lock();
                waiting.is_brought = false;
                return self.give_up(&mut waiting);
            }
        }
    }

    /// Brings `message`; whether the other side is still there.
    fn bring_one(&self, mut message: Vec<u8>) -> bool {
        loop {
            match self.channel.insist(&message) {
                Ok(()) => return true,
                Err(error) if is_end(&error) => return false,
                Err(error) if errno(&error) == Some(Errno::MSGSIZE) => message = everything(false),
                // The system has no memory for it at the moment.
                Err(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn give_up(&self, waiting: &mut Waiting) {
        self.is_gone.store(true, Ordering::Relaxed);
        waiting.clear();
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.messages.is_empty() && !self.is_brought
    }

    fn push(&mut self, message: Vec<u8>) {
        if self.bytes + message.len() > WAITING_BYTES_MAX {
            tracing::warn!("the other program does not listen; it is going to be told that everything was invalidated");
            self.clear();
            return self.push(everything(false));
        }
        self.bytes += message.len();
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }
}

fn everything(soft: bool) -> Vec<u8> {
    Message::everything(soft).text().unwrap_or_default()
}

/// Whether it means that the other side is gone.
fn is_end(error: &io::Error) -> bool {
    matches!(errno(error), Some(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN))
}

fn errno(error: &io::Error) -> Option<Errno> {
    Errno::from_io_error(error)
}

#[cfg(test)]
mod tests {
    use super::super::channel::tests::pair;
    use super::*;

    fn of(number: usize, length: usize) -> Invalidation {
        Invalidation::of_keys(vec![format!("/{number}{}", "x".repeat(length))])
    }

    /// What arrives until it is said that everything has.
    fn heard(there: Channel) -> std::thread::JoinHandle<Vec<Invalidation>> {
        std::thread::spawn(move || {
            let mut heard = Vec::new();
            while let Some((message, _)) = there.receive().unwrap() {
                match message {
                    Message::Invalidated(request) => heard.push(request),
                    Message::Ready => break,
                    other => panic!("{other:?}"),
                }
            }
            heard
        })
    }

    #[tokio::test]
    async fn who_listens_late_hears_everything_in_order() {
        let (_folder, here, there) = pair();
        let here = Arc::new(here);
        let telling = Telling::new(&here);
        for number in 0..5_000 {
            telling.tell(&of(number, 0));
        }
        assert!(!telling.finished(Duration::ZERO).await, "nobody listens");
        let hearing = heard(there);
        assert!(telling.finished(Duration::from_secs(30)).await);
        // The last may still lie where there is no room for one more.
        telling.tell(&of(5_000, 0));
        assert!(telling.finished(Duration::from_secs(30)).await);
        here.insist(&Message::Ready.text().unwrap()).unwrap();
        let wanted: Vec<_> = (0..=5_000).map(|number| of(number, 0)).collect();
        assert_eq!(hearing.join().unwrap(), wanted);
    }

    #[tokio::test]
    async fn too_much_to_wait_becomes_everything() {
        let (_folder, here, there) = pair();
        let here = Arc::new(here);
        let telling = Telling::new(&here);
        // Longer than any message, and more than may wait.
        telling.tell(&of(0, 200 << 10));
        for number in 1..=1_000 {
            telling.tell(&of(number, 8 << 10));
        }
        assert!(telling.waiting.lock().bytes <= WAITING_BYTES_MAX);
        let hearing = heard(there);
        assert!(telling.finished(Duration::from_secs(30)).await);
        here.insist(&Message::Ready.text().unwrap()).unwrap();
        let heard = hearing.join().unwrap();
        assert!(heard.first().is_some_and(|request| request.all), "the long one");
        let last = heard.iter().rposition(|request| request.all).unwrap();
        assert!(last > 0, "what waited became everything");
        // Each one that is missing came before that.
        let behind = &heard[last + 1..];
        let first = 1_001 - behind.len();
        let wanted: Vec<_> = (first..=1_000).map(|number| of(number, 8 << 10)).collect();
        assert_eq!(behind, wanted);
    }

    #[test]
    fn only_who_is_gone_is_given_up() {
        for (errno, gone) in [
            (Errno::PIPE, true),
            (Errno::CONNRESET, true),
            (Errno::NOTCONN, true),
            (Errno::NOBUFS, false),
            (Errno::NOMEM, false),
            (Errno::MSGSIZE, false),
        ] {
            assert_eq!(is_end(&errno.into()), gone, "{errno}");
        }
    }

    #[tokio::test]
    async fn what_the_system_does_not_take_becomes_everything() {
        let (_folder, here, there) = pair();
        rustix::net::sockopt::set_socket_send_buffer_size(&here, 4 << 10).unwrap();
        let telling = Telling::new(&Arc::new(here));
        telling.tell(&of(0, 64 << 10));
        assert!(telling.finished(Duration::from_secs(30)).await);
        assert_eq!(there.receive().unwrap().unwrap().0, Message::everything(false));
    }

    #[tokio::test]
    async fn nobody_is_waited_for_who_is_gone() {
        let (_folder, here, there) = pair();
        let telling = Telling::new(&Arc::new(here));
        for number in 0..5_000 {
            telling.tell(&of(number, 0));
        }
        drop(there);
        assert!(telling.finished(Duration::from_secs(30)).await);
        telling.tell(&of(0, 0));
        assert!(telling.waiting.lock().is_empty());
    }
}
