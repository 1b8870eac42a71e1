//! What a service manager is told (`sd_notify`): that the program is ready, reloads, stops, lives, or has a successor. Says
//! nothing where nobody listens.

use peregrine_base::{Runtime, TokioRuntime};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The way to the service manager, if there is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Notify {
    address: Option<SocketAddr>,
    watchdog: Option<Duration>,
    /// Whether the end was told, after which there is no word of reloads.
    ending: Arc<AtomicBool>,
}

impl Notify {
    /// As the environment says.
    pub(super) fn of<'e>(get: impl Fn(&str) -> Option<&'e str>) -> Self {
        let address = get("NOTIFY_SOCKET").and_then(|text| match text.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(text).ok(),
        });
        let ours = get("WATCHDOG_PID").is_none_or(|process| process == std::process::id().to_string());
        let watchdog = get("WATCHDOG_USEC").filter(|_| ours);
        let watchdog = watchdog.and_then(|text| text.parse().ok()).map(Duration::from_micros);
        Self {
            address,
            watchdog: watchdog.filter(|span| !span.is_zero()),
            ending: Arc::default(),
        }
    }

    /// Requests are answered.
    pub(super) fn ready(&self) {
        if !self.ending.load(Ordering::Relaxed) {
            self.say("READY=1\nSTATUS=Serving.");
        }
    }

    /// The configuration is read again; [`Notify::ready`] follows.
    pub(super) fn reloading(&self) {
        if self.ending.load(Ordering::Relaxed) {
            return;
        }
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=Reloading."));
    }

    /// No further requests are taken.
    pub(super) fn stopping(&self) {
        self.ending.store(true, Ordering::Relaxed);
        self.say("STOPPING=1\nSTATUS=Finishing requests under way.");
    }

    /// Another process is the service from now on.
    pub(super) fn main_process(&self, process: i32) {
        self.say(&format!("MAINPID={process}"));
    }

    /// Says that the program lives, for as long as its runtime does anything.
    pub(super) fn run_watchdog(&self) {
        let Some(limit) = self.watchdog else { return };
        let notify = self.clone();
        TokioRuntime.spawn(Box::pin(async move {
            loop {
                notify.say("WATCHDOG=1");
                TokioRuntime.sleep(limit / 3).await;
            }
        }));
    }

    fn say(&self, text: &str) {
        let Some(address) = &self.address else { return };
        let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(text.as_bytes(), address));
        if let Err(error) = sent {
            tracing::debug!(%error, "the service manager does not listen");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_manager_hears_what_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::of(|name| match name {
            "NOTIFY_SOCKET" => path.to_str(),
            "WATCHDOG_USEC" => Some("3000000"),
            _ => None,
        });
        assert_eq!(notify.watchdog, Some(Duration::from_secs(3)));
        let hear = || {
            let mut bytes = [0; 200];
            let length = manager.recv(&mut bytes).unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        };
        notify.ready();
        assert!(hear().contains("READY=1"));
        notify.main_process(77);
        assert_eq!(hear(), "MAINPID=77");
        notify.reloading();
        assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        let of_another = Notify::of(|name| (name != "NOTIFY_SOCKET").then_some("1"));
        of_another.ready();
        assert!(of_another.watchdog.is_none());
    }
}
