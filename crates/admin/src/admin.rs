//! The way of a request through the admin API, from top to bottom in [`Admin::answer`].

mod change;
mod live;
mod monitoring;
mod noting;
mod optimization;
mod read;

use crate::access::Who;
use crate::access::keys::Keys;
use crate::answer::{Answer, protect, protect_page, refuse, without_body};
use crate::audit::Audit;
use crate::calls::{CALLS, Call, Need};
use crate::config::AdminConfig;
use crate::control::Control;
use crate::dashboard::Dashboard;
use crate::events::{Hub, Topic};
use crate::guard::Guard;
use crate::openapi::Docs;
use crate::refusal::{Barred, Refusal};
use crate::repeats::{Repeats, Turn};
use crate::state::StateError;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, header};
use noting::{Note, Noting};
use peregrine_base::{Clock, Runtime, Secret};
use peregrine_insight::{Alerting, Insight};
use peregrine_net::drain::DrainWatch;
use peregrine_net::http::{Body, BodyFault, Handler, Peer};
use peregrine_telemetry::Counter;
use peregrine_telemetry::tail::Tail;
use std::path::PathBuf;
use std::sync::Arc;

/// What an admin API is made of.
pub struct AdminParts {
    /// The program.
    pub control: Arc<dyn Control>,
    /// With this token everything may be done.
    pub token: Secret,
    /// Tenants, and the tokens with which less may be done.
    pub tenants: Vec<(String, Secret)>,
    /// What it tells as it happens.
    pub live: Live,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where what is changed is noted.
    pub audit: Arc<Audit>,
    /// What is measured, and what follows from it.
    pub insight: Arc<Insight>,
    /// What is wrong with it.
    pub alerting: Arc<Alerting>,
    /// Where what outlives a restart is kept; nothing for a program that is to leave no trace.
    pub state_dir: Option<PathBuf>,
}

/// Where what happens now comes from.
pub struct Live {
    /// The finished requests.
    pub tail: Arc<Tail>,
    /// What this node is called.
    pub node: String,
    /// Streams end with it.
    pub drain: DrainWatch,
    /// What streams run on.
    pub runtime: Arc<dyn Runtime>,
}

/// The admin API.
pub struct Admin {
    control: Arc<dyn Control>,
    guard: Arc<Guard>,
    live: Live,
    hub: Arc<Hub>,
    clock: Arc<dyn Clock>,
    audit: Arc<Audit>,
    insight: Arc<Insight>,
    alerting: Arc<Alerting>,
    dashboard: Dashboard,
    docs: Docs,
    repeats: Repeats,
    metrics_open: bool,
    body_max: u64,
    /// How often each call was let in, as in [`CALLS`].
    called: [Counter; CALLS.len()],
    /// How often each gate stayed shut, as in [`Barred::ALL`].
    barred: [Counter; Barred::ALL.len()],
}

impl Handler for Admin {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        let path = parts.uri.path();
        let response = if reads && (Dashboard::has(path) || Docs::has(path)) {
            self.page(&parts, &peer)
        } else {
            let answered = self.answer(&parts, body, &peer).await;
            let mut response = match answered {
                Ok(answer) => answer.into_response(),
                Err(refusal) => self.turn_away(refusal, &peer),
            };
            protect(&mut response);
            response
        };
        if parts.method == Method::HEAD {
            without_body(response)
        } else {
            response
        }
    }
}

impl Admin {
    /// An admin API as `config` says.
    ///
    /// # Errors
    /// When a file in `state_dir` cannot be used.
    pub fn new(config: &AdminConfig, parts: AdminParts) -> Result<Self, StateError> {
        let AdminParts {
            control,
            token,
            tenants,
            live,
            clock,
            audit,
            insight,
            alerting,
            state_dir,
        } = parts;
        let hub = Hub::new(&*clock, Arc::clone(&live.runtime), live.drain.clone());
        let heard = Arc::downgrade(&hub);
        audit.tell(Box::new(move |record| {
            if let Some(hub) = heard.upgrade() {
                hub.publish(Topic::Audit, record);
            }
        }));
        let keys = Keys::open(state_dir.as_deref())?;
        Ok(Self {
            control,
            guard: Arc::new(Guard::new(config, token, tenants, keys, Arc::clone(&clock))),
            hub,
            live,
            clock,
            audit,
            insight,
            alerting,
            dashboard: Dashboard::embedded(),
            docs: Docs,
            repeats: Repeats::default(),
            metrics_open: config.metrics_open,
            body_max: config.body_max.as_u64(),
            called: std::array::from_fn(|_| Counter::new()),
            barred: std::array::from_fn(|_| Counter::new()),
        })
    }

    /// A code with which a browser logs in once, within ten minutes; nothing when the system gives no random bytes.
    #[must_use]
    pub fn login_code(&self) -> Option<String> {
        self.guard.issue_code().ok()
    }

    /// A file of the dashboard, or of what describes the API.
    fn page(&self, request: &Parts, peer: &Peer) -> Response<Body> {
        match self.guard.screen(request, peer) {
            Ok(()) => {
                let path = request.uri.path();
                let mut response = match Docs::has(path) {
                    true => self.docs.answer(path, request),
                    false => self.dashboard.answer(path, request),
                };
                protect_page(&mut response);
                response
            }
            Err(refusal) => {
                let mut response = self.turn_away(refusal, peer);
                protect(&mut response);
                response
            }
        }
    }

    fn turn_away(&self, refusal: Refusal, peer: &Peer) -> Response<Body> {
        if let Some(gate) = refusal.gate()
            && let Some(index) = Barred::ALL.iter().position(|known| *known == gate)
        {
            self.barred[index].increment();
            tracing::debug!(client = %peer.address, reason = gate.as_str(), "admin request turned away");
        }
        refuse(refusal)
    }

    async fn answer(&self, request: &Parts, body: Body, peer: &Peer) -> Result<Answer, Refusal> {
        let path = request.uri.path();
        let note = |who| move |refusal: &Refusal| noting::refused(&self.audit, refusal, request, peer, who);
        let call = Call::find(path, &request.method);
        if !Call::is_probe(path) {
            self.guard.screen(request, peer).inspect_err(note(None))?;
        }
        let open = call.as_ref().is_ok_and(|call| call.need() == Need::Nothing)
            || Call::is_probe(path)
            || (self.metrics_open && path == "/metrics");
        let who = match open {
            true => Who::anybody(),
            // Who is not known learns not even which paths there are.
            false => self.guard.authenticate(request, peer).inspect_err(note(None))?,
        };
        let call = call?;
        who.allow(call).inspect_err(note(Some(&who)))?;
        self.called[call.index()].increment();
        if !call.changes() {
            return self.read(call, request, &who).await;
        }
        check_content_type(request)?;
        let body = self.take_body(body).await?;
        let underway = match self.repeatable(call, request, &body, &who)? {
            Turn::Again(answer) => return Ok(answer),
            Turn::First(underway) => underway,
        };
        let answered = self.carry_out(call, request, &body, &who, peer).await;
        if let (Some(underway), Ok(answer)) = (underway, &answered) {
            underway.done(answer);
        }
        let status = answered.as_ref().map_or_else(Refusal::status, |answer| answer.status);
        let (word, client, status) = (call.as_str(), peer.address, status.as_u16());
        if call == Call::Operation {
            // A program that uses the cache as a store would fill the log.
            tracing::debug!(call = word, %client, status, "admin call");
        } else {
            tracing::info!(call = word, %client, status, who = who.name, tenant = who.tenant, "admin call");
        }
        answered
    }

    /// Whether a call is carried out, or was before.
    fn repeatable(&self, call: Call, request: &Parts, body: &[u8], who: &Who) -> Result<Turn<'_>, Refusal> {
        if !call.is_repeatable() {
            return Ok(Turn::First(None));
        }
        self.repeats.turn(request, body, &who.name, self.clock.now())
    }

    /// Carries out a call that changes something, and notes it.
    async fn carry_out(
        &self,
        call: Call,
        request: &Parts,
        body: &[u8],
        who: &Who,
        peer: &Peer,
    ) -> Result<Answer, Refusal> {
        let noting = Noting::begin(&self.audit, call, who, peer);
        let mut note = Note::default();
        let answered = self.change(call, request, body, who, peer, &mut note).await;
        let outcome = answered.as_ref().map_or_else(Refusal::kind, |_| "done");
        if call == Call::Operation && note.target.is_empty() {
            noting.unneeded();
        } else {
            noting.end(note, outcome);
        }
        answered
    }

    async fn take_body(&self, body: Body) -> Result<Bytes, Refusal> {
        let limit = usize::try_from(self.body_max).unwrap_or(usize::MAX);
        body.collect(limit).await.map_err(|error| match error.fault {
            BodyFault::TooLarge => Refusal::too_large(self.body_max),
            _ => Refusal::body_failed(error),
        })
    }
}

/// A form on some page can send neither this type nor DELETE without asking first.
fn check_content_type(request: &Parts) -> Result<(), Refusal> {
    let mut types = request.headers.get_all(header::CONTENT_TYPE).iter();
    let (first, more) = (types.next().and_then(|value| value.to_str().ok()), types.next());
    let essence = first.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if more.is_none() && essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::wrong_content_type())
}
