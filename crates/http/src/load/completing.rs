//! The loads that complete what is stored of a response (RFC 9111 §3.4).

use super::{Arrived, Load, LoadFacts, Loaded, Reading};
use crate::assembly::{self, Assembly, Stopped};
use crate::failure::Failure;
use crate::head::StoredHead;
use crate::identify::Asking;
use crate::outgoing::Wanted;
use crate::policy::{self, Decision, Plan, Storage};
use crate::{encode, reasons, store};
use http::{HeaderMap, StatusCode, header};
use peregrine_cache::{ByteSpan, Fill, Lease, LoadFailure, Piece};
use peregrine_net::http::Body;
use tokio::sync::oneshot;

impl Load {
    /// Asks the origin for what is missing of what is stored.
    pub(super) async fn fetch_rest(&self, mut assembly: Assembly) -> Result<Arrived, Failure> {
        let Some(gap) = assembly.first_gap() else {
            return self.send(self.wanted()).await;
        };
        let (range, if_range) = (assembly.range(gap), assembly.validator.if_range.clone());
        let mut arrived = self.send(Wanted::Rest(&range, &if_range)).await?;
        if Self::fits(&assembly, gap, &arrived)
            && let Some((head, plan)) = self.joined(&assembly, &arrived)
        {
            assembly.head.headers = head;
            arrived.completing = Some((assembly, plan));
            return Ok(arrived);
        }
        match arrived.response.status() {
            // Another version, another part of it, or what may not be kept: none of it is an answer to what was asked.
            StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::RANGE_NOT_SATISFIABLE => {
                self.send(self.wanted()).await
            }
            _ => Ok(arrived),
        }
    }

    /// Puts what is stored together with what comes, for the client, its followers and the cache.
    pub(super) async fn complete(
        self,
        lease: Lease,
        arrived: Arrived,
        assembly: Assembly,
        plan: Plan,
        give: oneshot::Sender<Loaded>,
    ) {
        let mut facts = LoadFacts {
            exchange: Some(arrived.exchange),
            status: Some(arrived.response.status()),
            decision: Some(plan.decision),
            ..LoadFacts::default()
        };
        let mut tags = policy::tags(&assembly.head.headers);
        // Those of the stored part: an invalidation of it reaches what is put together.
        tags.extend(assembly.held.tags().map(str::to_owned));
        tags.sort_unstable();
        tags.dedup();
        let size = (Some(assembly.span.length()), assembly.part());
        match store::begin(lease, &self.asking, &assembly.head, &plan, tags, size) {
            Ok(fill) => {
                facts.stored = true;
                facts.ttl_s = i64::try_from(plan.fresh_for.as_secs()).ok();
                let mut head = StoredHead::new(assembly.head.status, assembly.head.headers.clone());
                let said = arrived.response.headers();
                head.headers
                    .extend(policy::for_the_asker(said, &self.asking.route.rules));
                let reader = fill.reader();
                let _ = give.send(Loaded::Reading(Reading {
                    head,
                    reader,
                    trailers: None,
                    facts,
                }));
                self.assemble(&assembly, fill, arrived.response.into_body()).await;
            }
            Err(reason) => {
                drop(arrived.response);
                let again = self.send(Wanted::ByClient).await;
                let _ = give.send(match again {
                    Ok(Arrived { response, .. }) => {
                        facts.decision = Some(Decision::new(reasons::of_pass(reason)));
                        Loaded::Direct { response, facts }
                    }
                    Err(failure) => Loaded::Failed(failure, None),
                });
            }
        }
    }

    /// A further gap of what is being put together; nothing when it is not of the same version any more.
    async fn fetch_gap(&self, assembly: &Assembly, gap: ByteSpan) -> Option<Body> {
        let (range, if_range) = (assembly.range(gap), &assembly.validator.if_range);
        let arrived = self.send(Wanted::Rest(&range, if_range)).await.ok()?;
        if !Self::fits(assembly, gap, &arrived) {
            return None;
        }
        if self.joined(assembly, &arrived).is_none() {
            // Its bytes are right, and whoever waits for them gets them; but none of it is kept.
            self.forget();
        }
        Some(arrived.response.into_body())
    }

    /// Whether what `arrived` is what fills `gap`.
    fn fits(assembly: &Assembly, gap: ByteSpan, arrived: &Arrived) -> bool {
        let response = &arrived.response;
        assembly.fits(gap, response.status(), response.headers(), response.body().length())
    }

    /// The stored head after a missing part has `arrived`, and how the whole is kept; nothing when that is not for everybody.
    fn joined(&self, assembly: &Assembly, arrived: &Arrived) -> Option<(HeaderMap, Plan)> {
        let Asking { asked, route, .. } = &*self.asking;
        let (response, rules) = (&arrived.response, &route.rules);
        let kept = policy::headers_to_store(response.headers(), rules, arrived.times.received);
        if kept.contains_key(header::SET_COOKIE) && !rules.allow_set_cookie {
            return None;
        }
        let (status, mut head) = (assembly.head.status, assembly.head.headers.clone());
        let newer = encode::kept_apart(&head, response.headers());
        match policy::decide_update(asked, status, &mut head, &newer, rules, arrived.times) {
            Storage::Store(plan) => {
                let permitted = super::permits(&self.asking, &plan, status, &head);
                permitted.is_ok().then_some((head, plan))
            }
            Storage::Pass(_) => None,
        }
    }

    /// Fills the stretch in order: what is stored, and for each gap what the origin sends, the first of which is there already.
    async fn assemble(&self, assembly: &Assembly, mut fill: Fill, first: Body) {
        let mut first = Some(first);
        for piece in &assembly.pieces {
            let filled = match *piece {
                Piece::Held(span) => assembly.pass_on(&mut fill, span).await,
                Piece::New(gap) => {
                    let body = match first.take() {
                        Some(body) => Some(body),
                        None => self.fetch_gap(assembly, gap).await,
                    };
                    match body {
                        Some(body) => assembly::receive(&mut fill, body, gap.length()).await,
                        None => Err(Stopped::Failed(LoadFailure::Broken)),
                    }
                }
            };
            match filled {
                Ok(()) => {}
                Err(Stopped::Abandoned) => return,
                Err(Stopped::Failed(failure)) => return fill.cut(failure, Some(assembly.validator.text.clone())),
            }
        }
        if let Some(hit) = store::finish(fill) {
            encode::prepare(&self.engine, &self.asking, &hit);
        }
    }
}
