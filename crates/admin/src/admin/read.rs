//! Calls that change nothing.

use super::Admin;
use crate::access::Who;
use crate::answer::Answer;
use crate::api::access::{ApiKeys, Me};
use crate::api::entries::{self, EntriesPage, NamespaceReport, NamespacesReport, TagsPage};
use crate::api::explain::ExplainRequest;
use crate::api::health::Readiness;
use crate::api::strategies;
use crate::audit::read::AuditQuery;
use crate::calls::{CALLS, Call};
use crate::refusal::{Barred, Refusal};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use peregrine_telemetry::Exposition;
use peregrine_telemetry::prometheus::Format;

impl Admin {
    /// A call that changes nothing.
    pub(super) async fn read(&self, call: Call, request: &Parts, who: &Who) -> Result<Answer, Refusal> {
        match call {
            Call::Live => Ok(Answer::text(StatusCode::OK, "ok")),
            Call::Ready => {
                let readiness = self.control.readiness();
                let ready = readiness == Readiness::Ready;
                let status = if ready {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                Ok(Answer::text(status, readiness.as_str()))
            }
            Call::Metrics => Ok(self.metrics(request)),
            Call::Health => Answer::json(&self.control.health()),
            Call::Explain => {
                let asked = ExplainRequest::from_query(request.uri.query())?;
                self.explain(asked, who).await
            }
            Call::Keys => {
                let cursor = crate::api::keys::cursor(request.uri.query())?;
                Answer::json(&self.control.keys(cursor).await?)
            }
            Call::Entries => {
                let asked = entries::entries(request.uri.query(), who)?;
                Answer::json(&EntriesPage::from(self.control.entries(asked).await?))
            }
            Call::Tags => {
                let limit = entries::tags(request.uri.query())?;
                Answer::json(&TagsPage::from(self.control.tags(who.namespaces.clone(), limit).await?))
            }
            Call::Namespaces => {
                let all = self.control.namespaces().into_iter();
                let seen = all.filter(|(name, _)| who.reaches(name));
                let report = |(namespace, statistics)| NamespaceReport { namespace, statistics };
                Answer::json(&NamespacesReport {
                    namespaces: seen.map(report).collect(),
                })
            }
            Call::Strategies => {
                let parameters = self.control.config().await?.parameters;
                let measured = self.insight.metrics().application;
                Answer::json(&strategies::report(parameters, &measured))
            }
            Call::Config => {
                let report = self.control.config().await?;
                let tag = HeaderValue::from_str(&format!("\"{}\"", report.etag));
                let tag = tag.map_err(|_| Refusal::failed("The configuration has no entity tag."))?;
                Ok(Answer::json(&report)?.header(header::ETAG, tag))
            }
            Call::LogLevel => Answer::json(&self.control.log_level()),
            Call::Events => self.events(request, who),
            Call::Traffic => self.traffic(request),
            Call::Applied => self.applied().await,
            Call::Audit => {
                let asked = AuditQuery::from_query(request.uri.query())?;
                Answer::json(&self.audit.page(asked).await?)
            }
            Call::ApiKeys => Answer::json(&ApiKeys {
                keys: self.guard.keys().list(),
            }),
            Call::Me => Answer::json(&Me::from(who)),
            Call::Statistics => self.statistics(who),
            _ => self.measured(call, request),
        }
    }

    /// A route's explanation, which names its namespace, is for those who are let into it. Asking the origin for it would be
    /// done before that is known.
    async fn explain(&self, asked: ExplainRequest, who: &Who) -> Result<Answer, Refusal> {
        if who.namespaces.is_some() && asked.fetch {
            let why = "Who is limited to namespaces asks without `fetch`.";
            return Err(Refusal::barred(Barred::Namespace, why));
        }
        let told = self.control.explain(asked).await?;
        if who.namespaces.is_some() {
            who.check_namespace(told.namespace.as_deref().unwrap_or_default())?;
        }
        Answer::json(&told)
    }

    fn statistics(&self, who: &Who) -> Result<Answer, Refusal> {
        if let Some(tenant) = &who.tenant {
            return Answer::json(&self.control.tenant_report(tenant));
        }
        let report = self.control.statistics();
        match &who.namespaces {
            None => Answer::json(&report),
            Some(names) => Answer::json(&report.within(names)),
        }
    }

    fn metrics(&self, request: &Parts) -> Answer {
        let accept = request
            .headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok());
        let format = Format::negotiate(accept);
        let mut exposition = Exposition::new();
        self.control.metrics(&mut exposition);
        self.expose(&mut exposition);
        for fault in exposition.faults() {
            tracing::error!(%fault, "a metric was left out");
        }
        Answer::of(format.content_type(), exposition.finish(format))
    }

    /// The API's own metrics.
    fn expose(&self, exposition: &mut Exposition) {
        for (row, count) in CALLS.iter().zip(&self.called) {
            exposition.counter("peregrine_admin_calls_total", &[("call", row.word)], count.value());
        }
        for (gate, count) in Barred::ALL.iter().zip(&self.barred) {
            exposition.counter(
                "peregrine_admin_refused_total",
                &[("reason", gate.as_str())],
                count.value(),
            );
        }
        self.audit.expose(exposition);
        self.hub.expose(exposition);
        exposition.gauge("peregrine_admin_sessions", &[], self.guard.sessions() as u64);
    }
}
