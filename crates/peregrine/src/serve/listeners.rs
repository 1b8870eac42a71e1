//! The sockets that the program serves, so that they can be told apart: given to a successor, added and closed by a reload.

use super::handover::{Role, Shared};
use super::spoken;
use crate::Failure;
use crate::config::Resolved;
use parking_lot::Mutex;
use peregrine_base::{Complaint, WallTime};
use peregrine_net::config::ListenerConfig;
use peregrine_net::http::{ServeHandle, Spoken};
use peregrine_net::listen::{Address, Listener};
use peregrine_net::tls::{Prepared, Tls};
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

/// What a reload is to do about the sockets.
#[derive(Debug)]
pub(super) struct Plan(Vec<Step>);

/// One listener of a [`Plan`], in the order of the configuration.
#[derive(Debug)]
enum Step {
    /// Goes on as it is, with other certificates if there are any.
    Keep(Box<(ListenerConfig, Address, Option<Prepared>)>),
    /// Is served from now on.
    Open(Box<(ListenerConfig, Listener, Spoken)>),
}

/// How one of the configuration comes to be served, with its certificates read and no socket taken yet.
enum Way<'a> {
    /// By what serves it now, with other certificates if there are any.
    Keep(&'a Served, Option<Prepared>),
    /// Anew, on the socket of what serves it now if there is one.
    Open(Option<&'a Served>, Spoken),
}

/// How each of `configs` comes to be served.
///
/// # Errors
/// What is wrong with which certificate. Those that are in use already are not in doubt: whatever becomes of their files
/// concerns them only.
fn ways<'a>(served: &'a [Served], configs: &[ListenerConfig]) -> Result<Vec<Way<'a>>, Vec<Complaint>> {
    let mut free: Vec<&Served> = served.iter().collect();
    let (mut ways, mut complaints) = (Vec::new(), Vec::new());
    for (index, config) in configs.iter().enumerate() {
        let same = free.iter().position(|served| served.config.address == config.address);
        let there = same.map(|at| free.remove(at));
        let way = match there.filter(|there| is_served_alike(&there.config, config)) {
            Some(there) => {
                let tls = there.handle.tls().map(|tls| tls.prepare(&config.tls));
                tls.transpose().map(|tls| Way::Keep(there, tls.flatten()))
            }
            None => spoken::one(config).map(|spoken| Way::Open(there, spoken)),
        };
        match way {
            Ok(way) => ways.push(way),
            Err(faults) => complaints.extend(spoken::under(index, faults)),
        }
    }
    if complaints.is_empty() {
        Ok(ways)
    } else {
        Err(complaints)
    }
}

/// The socket of `handle` once more, unless it is closed.
fn again(handle: &ServeHandle) -> Result<Option<Listener>, Failure> {
    let again = handle.again();
    again.map_err(|error| Failure::Failed(format!("{handle} cannot be served in another way: {error}")))
}

/// Lets those connect to a Unix socket whom `config` lets.
pub(super) fn set_mode(config: &ListenerConfig, listener: &Listener) {
    if let Ok(mode) = config.file_mode()
        && let Err(error) = listener.set_mode(mode)
    {
        tracing::error!(%error, place = %listener.place(), "the permissions of the socket stay as they were");
    }
}

/// Whether both are served in the same way; the files of TLS change where they are.
fn is_served_alike(before: &ListenerConfig, after: &ListenerConfig) -> bool {
    let tls = (before.tls.is_on() && after.tls.is_on()).then(|| after.tls.clone());
    let before = ListenerConfig {
        tls: tls.unwrap_or_else(|| before.tls.clone()),
        ..before.clone()
    };
    before == *after
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

    /// What is to be done so that `configs` are served, with everything in hand that can fail. Needs a tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be taken, or a certificate that is new here is of no use.
    pub(super) fn plan(&self, configs: &[ListenerConfig], resolved: &Resolved) -> Result<Plan, Failure> {
        let served = self.served.lock();
        let ways = ways(&served, configs).map_err(|complaints| resolved.refuse(&complaints))?;
        let mut steps = Vec::new();
        for (config, way) in configs.iter().zip(ways) {
            let keep = |there: &Served, tls| Step::Keep(Box::new((config.clone(), there.handle.place().clone(), tls)));
            let open = |listener, spoken| Step::Open(Box::new((config.clone(), listener, spoken)));
            steps.push(match way {
                Way::Keep(there, tls) => keep(there, tls),
                Way::Open(None, spoken) => open(
                    super::bind_listener(config, configs, super::SERVE_FLAGS.listen)?,
                    spoken,
                ),
                // The same socket, so that nobody who waits in its queue is refused.
                Way::Open(Some(there), spoken) => match again(&there.handle)? {
                    Some(listener) => open(listener, spoken),
                    None => keep(there, None),
                },
            });
        }
        Ok(Plan(steps))
    }

    /// Does what was planned: `serve` serves what is new. Connections stay, whatever becomes of the socket that they came by.
    pub(super) fn carry_out(&self, plan: Plan, serve: impl Fn(Listener, Spoken) -> ServeHandle) {
        let mut served = self.served.lock();
        let mut before = std::mem::take(&mut *served);
        for step in plan.0 {
            match step {
                Step::Keep(kept) => {
                    let (config, place, prepared) = *kept;
                    let Some(at) = before.iter().position(|served| *served.handle.place() == place) else {
                        continue;
                    };
                    let handle = before.remove(at).handle;
                    if let (Some(tls), Some(prepared)) = (handle.tls(), prepared) {
                        tls.adopt(prepared);
                    }
                    served.push(Served { config, handle });
                }
                Step::Open(opened) => {
                    let (config, listener, spoken) = *opened;
                    set_mode(&config, &listener);
                    let handle = serve(listener, spoken);
                    tracing::info!(listener = %handle, "listening");
                    served.push(Served { config, handle });
                }
            }
        }
        for gone in before {
            let goes_on = served.iter().any(|served| served.handle.place() == gone.handle.place());
            if !goes_on {
                tracing::info!(listener = %gone.handle, "not listening any more");
            }
            gone.handle.close();
        }
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
