//! What is spoken at each `[[listener]]`.

use peregrine_base::Complaint;
use peregrine_net::config::ListenerConfig;
use peregrine_net::http::{Believed, Spoken};
use peregrine_net::tls::Tls;

/// What is spoken at each of `listeners`, with their certificates read.
///
/// # Errors
/// What is wrong with which file, each about a field of the configuration.
pub(crate) fn all(listeners: &[ListenerConfig]) -> Result<Vec<Spoken>, Vec<Complaint>> {
    let (mut all, mut complaints) = (Vec::new(), Vec::new());
    for (index, listener) in listeners.iter().enumerate() {
        match one(listener) {
            Ok(spoken) => all.push(spoken),
            Err(faults) => complaints.extend(under(index, faults)),
        }
    }
    if complaints.is_empty() {
        Ok(all)
    } else {
        Err(complaints)
    }
}

/// What is spoken at `listener`, with its certificates read.
///
/// # Errors
/// What is wrong with which file, each about a field of the listener.
pub(super) fn one(listener: &ListenerConfig) -> Result<Spoken, Vec<Complaint>> {
    let tls = match listener.tls.is_on() {
        true => Some(Tls::load(&listener.tls, listener.http2)?),
        false => None,
    };
    Ok(Spoken {
        tls,
        h2c: listener.h2c,
        proxy_protocol: match (listener.proxy_protocol, listener.proxy_protocol_from_anyone) {
            (false, _) => None,
            (true, false) => Some(Believed::Trusted),
            (true, true) => Some(Believed::Anyone),
        },
    })
}

/// Complaints about fields of listener `index`, as complaints about fields of the whole.
pub(super) fn under(index: usize, complaints: Vec<Complaint>) -> impl Iterator<Item = Complaint> {
    complaints.into_iter().map(move |complaint| Complaint {
        field: format!("listener[{index}].{}", complaint.field),
        ..complaint
    })
}
