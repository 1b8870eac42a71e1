//! What others hear as it happens. A listener who is too slow misses the oldest and is told how many; nobody waits for one.

use crate::model::{Alert, ChangeNote, ReportTitle, Sample};
use serde::Serialize;
use tokio::sync::broadcast;

/// How many events a slow listener may lag behind: four minutes of samples.
const LAG_MAX: usize = 256;

/// Something that just happened.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// The newest second.
    Sample(Sample),
    /// An alert changed.
    Alert(Box<Alert>),
    /// Something was changed, by somebody or by itself.
    Change(ChangeNote),
    /// A report was made.
    Report(ReportTitle),
}

impl Event {
    /// The name of the topic: `sample`, `alert`, `change` or `report`.
    #[must_use]
    pub const fn topic(&self) -> &'static str {
        match self {
            Self::Sample(_) => "sample",
            Self::Alert(_) => "alert",
            Self::Change(_) => "change",
            Self::Report(_) => "report",
        }
    }
}

/// Tells events to whoever listens.
#[derive(Clone, Debug)]
pub struct Events(broadcast::Sender<Event>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(LAG_MAX))
    }
}

impl Events {
    /// Tells everybody who listens now.
    pub fn publish(&self, event: Event) {
        // An error says that nobody listens, which is nobody's fault.
        let _ = self.0.send(event);
    }

    /// Whether somebody listens, so that an event that nobody hears need not be made.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Everything from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
