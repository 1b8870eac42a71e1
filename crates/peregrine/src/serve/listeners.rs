//! The sockets that the program serves, so that they can be told apart: given to a successor, added and closed by a reload.

use super::handover::{Role, Shared};
use super::spoken;
use parking_lot::Mutex;
use peregrine_base::{Complaint, WallTime};
use peregrine_net::config::ListenerConfig;
use peregrine_net::http::ServeHandle;
use peregrine_net::tls::Tls;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// From when on it is told that a certificate ends: whoever renews by a machine has done so long before.
const ENDS_SOON_S: i64 = 7 * 24 * 3600;

/// What is being served.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    served: Mutex<Vec<Served>>,
    admin: Mutex<Option<(String, ServeHandle)>>,
}

/// One that is being served.
#[derive(Debug)]
struct Served {
    config: ListenerConfig,
    handle: ServeHandle,
}

impl Listeners {
    /// Notes one that takes requests.
    pub(super) fn add(&self, config: ListenerConfig, handle: ServeHandle) {
        self.served.lock().push(Served { config, handle });
    }

    /// Notes that of the admin API.
    pub(super) fn set_admin(&self, configured: String, handle: ServeHandle) {
        *self.admin.lock() = Some((configured, handle));
    }

    /// Where requests are taken, in the order of the configuration.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.served
            .lock()
            .iter()
            .map(|served| served.handle.address())
            .collect()
    }

    /// The same as clients write it.
    pub(super) fn places(&self) -> Vec<String> {
        let served = self.served.lock();
        served.iter().map(|served| served.handle.to_string()).collect()
    }

    /// The TLS of those that have it, and where they are.
    pub(super) fn tls(&self) -> Vec<(String, Arc<Tls>)> {
        let served = self.served.lock();
        let handles = served.iter().map(|served| &served.handle);
        let secure = handles.filter_map(|handle| Some((handle.place().to_string(), Arc::clone(handle.tls()?))));
        secure.collect()
    }

    /// Lets TLS go by `configs` as they are now: other files, versions, authorities. All files are read again.
    ///
    /// # Errors
    /// What is wrong with which file. What was in use there stays in use.
    pub(super) fn reconfigure_tls(&self, configs: &[ListenerConfig]) -> Result<(), Vec<Complaint>> {
        let mut complaints = Vec::new();
        let mut served = self.served.lock();
        for (index, config) in configs.iter().enumerate() {
            let Some(served) = served
                .get_mut(index)
                .filter(|served| served.config.address == config.address)
            else {
                continue;
            };
            match served.handle.tls() {
                Some(tls) if config.tls.is_on() => match tls.reconfigure(&config.tls) {
                    Ok(()) => served.config.tls = config.tls.clone(),
                    Err(faults) => complaints.extend(spoken::under(index, faults)),
                },
                None if !config.tls.is_on() => {}
                _ => tracing::warn!(listener = %served.handle, "TLS is switched on or off from the next start on"),
            }
        }
        if complaints.is_empty() { Ok(()) } else { Err(complaints) }
    }

    /// What people should know about certificates: those that end soon or have ended, and files that cannot be used.
    pub(super) fn complaints(&self, now: WallTime) -> Vec<String> {
        let mut complaints = Vec::new();
        for (place, tls) in self.tls() {
            let status = tls.status();
            if let Some(problem) = status.problem {
                complaints.push(format!(
                    "listener {place}: changed certificates are not in use: {problem}"
                ));
            }
            for certificate in status.certificates {
                let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
                let left_s = certificate
                    .not_after_s
                    .map(|not_after_s| not_after_s.saturating_sub(now_s));
                match left_s {
                    Some(..=0) => complaints.push(format!("listener {place}: {} has ended", certificate.file)),
                    Some(left_s) if left_s < ENDS_SOON_S => {
                        let hours = left_s / 3600;
                        complaints.push(format!("listener {place}: {} ends in {hours} hours", certificate.file));
                    }
                    _ => {}
                }
            }
        }
        complaints
    }

    /// Where the admin API is.
    pub(super) fn admin(&self) -> Option<SocketAddr> {
        self.admin.lock().as_ref().map(|(_, handle)| handle.address())
    }

    /// All sockets once more, for a successor.
    pub(super) fn share(&self) -> io::Result<Shared> {
        let mut shared = Shared::default();
        for served in self.served.lock().iter() {
            shared.add(Role::Listener, &served.config.address, &served.handle)?;
        }
        if let Some((configured, handle)) = &*self.admin.lock() {
            shared.add(Role::Admin, configured, handle)?;
        }
        Ok(shared)
    }
}
