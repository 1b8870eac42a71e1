//! Where events come from: insight, the tail of requests, the audit log.

use super::{Hub, Topic};
use peregrine_insight::Event;
use peregrine_insight::model::ChangeKind;
use peregrine_telemetry::tail::{Filter, Tail};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// How often it is looked whether requests are still listened to.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Hub {
    /// Tells what insight tells, until one of them is gone.
    pub(crate) fn follow_insight(self: &Arc<Self>, mut events: Receiver<Event>) {
        let hub: Weak<Self> = Arc::downgrade(self);
        self.runtime.spawn(Box::pin(async move {
            loop {
                let event = match events.recv().await {
                    Ok(event) => event,
                    // The numbers go on, so that nobody takes this for a gap; insight's history has it all.
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                let Some(hub) = hub.upgrade() else { return };
                match &event {
                    Event::Sample(sample) => hub.publish(Topic::Sample, sample),
                    Event::Alert(alert) => hub.publish(Topic::Alert, alert),
                    Event::Report(report) => hub.publish(Topic::Report, report),
                    Event::Change(change) => {
                        if change.kind == ChangeKind::Invalidation {
                            hub.publish(Topic::Invalidation, change);
                        }
                        hub.publish(Topic::Change, change);
                    }
                }
            }
        }));
    }

    /// Tells requests as they finish, for as long as somebody listens to them.
    pub(crate) fn follow_requests(self: &Arc<Self>, tail: &Arc<Tail>) {
        {
            let mut state = self.state.lock();
            if !state.is_heard(Topic::Request) || std::mem::replace(&mut state.tailing, true) {
                return;
            }
        }
        let Some(mut watching) = tail.watch(Filter::default()) else {
            self.state.lock().tailing = false;
            return;
        };
        let (hub, runtime): (Weak<Self>, _) = (Arc::downgrade(self), Arc::clone(&self.runtime));
        self.runtime.spawn(Box::pin(async move {
            loop {
                let event = tokio::select! {
                    event = watching.next() => event,
                    () = runtime.sleep(LOOK_EVERY) => None,
                };
                let Some(hub) = hub.upgrade() else { return };
                if let Some(event) = event {
                    let mut told = serde_json::to_value(&*event).unwrap_or_default();
                    let skipped = watching.take_skipped();
                    if skipped > 0 {
                        told["skipped"] = skipped.into();
                    }
                    hub.publish(Topic::Request, &told);
                }
                let mut state = hub.state.lock();
                if !state.is_heard(Topic::Request) {
                    state.tailing = false;
                    return;
                }
            }
        }));
    }
}
