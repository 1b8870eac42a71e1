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
        let mut spoken = Spoken {
            tls: None,
            h2c: listener.h2c,
            proxy_protocol: match (listener.proxy_protocol, listener.proxy_protocol_from_anyone) {
                (false, _) => None,
                (true, false) => Some(Believed::Trusted),
                (true, true) => Some(Believed::Anyone),
            },
        };
        if listener.tls.is_on() {
            match Tls::load(&listener.tls, listener.http2) {
                Ok(tls) => spoken.tls = Some(tls),
                Err(faults) => complaints.extend(under(index, faults)),
            }
        }
        all.push(spoken);
    }
    if complaints.is_empty() {
        Ok(all)
    } else {
        Err(complaints)
    }
}

/// Complaints about fields of listener `index`, as complaints about fields of the whole.
pub(super) fn under(index: usize, complaints: Vec<Complaint>) -> impl Iterator<Item = Complaint> {
    complaints.into_iter().map(move |complaint| Complaint {
        field: format!("listener[{index}].{}", complaint.field),
        ..complaint
    })
}
