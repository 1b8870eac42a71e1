//! How long the cache was asked, for the traces that are recorded: what belongs to no such trace costs a comparison, and reads
//! no clock.

use crate::outcome::{Outcome, Sent, Tier};
use crate::plane::Plane;
use peregrine_base::Instant;
use peregrine_telemetry::Recorder;
use peregrine_telemetry::otlp;
use peregrine_telemetry::trace::SpanId;

/// How the cache was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LookedUp {
    span: SpanId,
    began: Instant,
    ended: Instant,
    found: &'static str,
    times: u32,
}

impl Plane {
    /// The cache, asked since `arrived`, said `found`.
    pub(crate) fn looked_up(&self, arrived: Instant, found: &'static str, outcome: &mut Outcome) {
        if !outcome.trace.is_some_and(|trace| trace.sampled) {
            return;
        }
        let ended = self.parts.clock.now();
        let before = outcome.lookup.take();
        outcome.lookup = Some(LookedUp {
            span: before.map_or_else(|| SpanId::new(&*self.parts.random), |before| before.span),
            began: before.map_or(arrived, |before| before.began),
            ended,
            found,
            times: before.map_or(1, |before| before.times.saturating_add(1)),
        });
    }

    /// Another's load has been waited for.
    pub(crate) fn waited(&self, outcome: &mut Outcome) {
        if let Some(lookup) = &mut outcome.lookup {
            lookup.ended = self.parts.clock.now();
        }
    }
}

/// Hands over the span of asking the cache, if there is one.
pub(crate) fn hand_over(recorder: &Recorder, outcome: &Outcome, sent: &Sent) {
    let (Some(tracer), Some(trace), Some(lookup)) = (recorder.tracer(), &outcome.trace, &outcome.lookup) else {
        return;
    };
    let namespace = outcome.route.as_ref().map_or("", |route| route.namespace.name());
    let answered = outcome.cache.is_hit() && sent.error.is_none();
    tracer.looked_up(
        trace,
        &otlp::LookedUp {
            span: lookup.span,
            began: lookup.began,
            took: lookup.ended.since(lookup.began),
            found: lookup.found,
            times: lookup.times,
            namespace,
            tier: answered.then(|| Tier::as_str(outcome.tier)),
        },
    );
}
