//! Calls about what is measured and what follows from it. Insight answers; here only who asks and how it is written is
//! decided.

use super::Admin;
use super::noting::Note;
use crate::access::Who;
use crate::answer::Answer;
use crate::api::monitoring::{
    AcknowledgeRequest, Dashboard, Forgotten, MetricsReset, NodesReport, RecommendationsReport, ReportQuery,
    RoutesReport, RulesRequest, SilenceRequest, SlosReport, UpstreamsReport, first_history, history, range, report,
    reports,
};
use crate::calls::Call;
use crate::json;
use crate::refusal::{Refusal, fault};
use http::request::Parts;
use http::{HeaderValue, header};
use peregrine_insight::Time;
use peregrine_insight::alerts::{Moment, Refused};
use peregrine_insight::model::{ChangeKind, ChangeNote, Metrics, Summary};
use peregrine_insight::report::{ReportFormat, render, style_hash};
use std::time::Duration;

impl Admin {
    /// Everything that is measured.
    fn metrics_and_tenants(&self) -> Metrics {
        let mut metrics = self.insight.metrics();
        metrics.application.tenants = self.control.tenants();
        metrics
    }

    /// A call about measurements that changes nothing.
    pub(super) fn measured(&self, call: Call, request: &Parts) -> Result<Answer, Refusal> {
        let query = request.uri.query();
        let insight = &self.insight;
        match call {
            Call::Summary => Answer::json(&self.summary(range(query)?)),
            Call::History => Answer::json(&insight.history(&history(query, self.seconds())?)),
            Call::DashboardData => Answer::json(&Dashboard {
                summary: self.summary(range(query)?),
                history: insight.history(&first_history(self.seconds())),
            }),
            Call::AllMetrics => Answer::json(&self.metrics_and_tenants()),
            Call::SystemMetrics => Answer::json(&insight.system()),
            Call::ApplicationMetrics => Answer::json(&self.metrics_and_tenants().application),
            Call::CacheMetrics => Answer::json(&insight.metrics().cache),
            Call::Routes => {
                let range = range(query)?;
                Answer::json(&RoutesReport {
                    range_s: range.as_secs(),
                    routes: insight.routes_within(range),
                    without_history: insight.routes_without_history(),
                })
            }
            Call::Upstreams => Answer::json(&UpstreamsReport {
                upstreams: insight.upstreams(),
            }),
            Call::Nodes => Answer::json(&NodesReport { nodes: insight.nodes() }),
            Call::Report => self.report(query),
            Call::Reports => Answer::json(&insight.reports(reports(query)?)),
            Call::Recommendations => Answer::json(&RecommendationsReport {
                at: insight.at(),
                recommendations: insight.recommendations(),
            }),
            Call::Slos => Answer::json(&SlosReport {
                slos: self.alerting.slos(),
            }),
            _ => Answer::json(&self.alerting.alerts()),
        }
    }

    /// The newest report, or the one with an id, as it is asked for. The first is made when somebody asks before it is due.
    fn report(&self, query: Option<&str>) -> Result<Answer, Refusal> {
        let ReportQuery { id, format } = report(query)?;
        if id.is_none() && self.insight.report(None).is_none() {
            let watched = (self.alerting.slos(), self.alerting.firing());
            self.insight.report_now(self.control.configured(), watched);
        }
        let found = self.insight.report(id.as_deref()).ok_or_else(|| match id {
            Some(id) => Refusal::not_found(format!(
                "There is no report `{id}`; `reports` lists those that are kept."
            )),
            None => Refusal::unavailable("Nothing was measured yet; ask again in a second."),
        })?;
        match format {
            None => Answer::json(&found),
            Some(ReportFormat::Markdown) => Ok(Answer::of(
                "text/markdown; charset=utf-8",
                render(&found, ReportFormat::Markdown),
            )),
            Some(ReportFormat::Html) => {
                let policy = format!("default-src 'none'; style-src {}; frame-ancestors 'none'", style_hash());
                let policy = HeaderValue::from_str(&policy).expect("a hash is visible ASCII");
                let page = Answer::of("text/html; charset=utf-8", render(&found, ReportFormat::Html));
                Ok(page.header(header::CONTENT_SECURITY_POLICY, policy))
            }
        }
    }

    /// Looks for what would make things better.
    pub(super) fn recommend(&self) -> RecommendationsReport {
        RecommendationsReport {
            recommendations: self.insight.recommend(&self.control.configured()),
            at: self.insight.at(),
        }
    }

    /// Forgets the history, and leaves on the ribbon of changes who did.
    pub(super) fn reset_metrics(&self, who: &Who, note: &mut Note) -> Result<Answer, Refusal> {
        // Before the first reading the history of before may still be on its way out of the file.
        if self.insight.at() == Time::default() {
            return Err(Refusal::unavailable("Nothing was measured yet; ask again in a second."));
        }
        let since = Time::from_millis(self.clock.wall().as_millis());
        let reset = MetricsReset {
            forgotten_points: self.insight.forget(),
            since,
        };
        self.insight.note(ChangeNote {
            at: since,
            kind: ChangeKind::Config,
            text: "the history was forgotten: figures begin anew".to_owned(),
            by: Some(who.name.clone()),
            id: None,
        });
        note.after(&reset);
        Answer::json(&reset)
    }

    /// Insight knows the figures, the desk what is wrong with them.
    fn summary(&self, range: Duration) -> Summary {
        Summary {
            slos: self.alerting.slos(),
            alerts: self.alerting.firing(),
            ..self.insight.summary(range)
        }
    }

    /// A call that changes something about alerts.
    pub(super) fn change_alerts(
        &self,
        call: Call,
        request: &Parts,
        body: &[u8],
        who: &Who,
        note: &mut Note,
    ) -> Result<Answer, Refusal> {
        let alerting = &self.alerting;
        match call {
            Call::SetRules => {
                let asked: RulesRequest = json::read(body)?;
                note.before(&alerting.alerts().rules);
                let report = alerting.set_rules(asked.rules).map_err(refused)?;
                note.after(&report.rules);
                Answer::json(&report)
            }
            Call::Silence => {
                let asked: SilenceRequest = json::read(body)?;
                let span = Duration::try_from_secs_f64(asked.for_s).unwrap_or_default();
                let about = (asked.rule, asked.labels);
                let silence = alerting.silence(self.moment(), about, span, (&who.name, &asked.reason));
                let silence = silence.map_err(refused)?;
                note.target(&silence.rule.as_deref().unwrap_or("*"));
                note.after(&silence);
                Answer::json(&silence)
            }
            Call::EndSilence => {
                let id = crate::api::access::id(request.uri.query())?;
                note.target(&id);
                let ended = alerting.end_silence(&id).map_err(refused)?;
                note.before(&ended);
                Answer::json(&ended)
            }
            Call::Acknowledge => {
                let asked: AcknowledgeRequest = json::read(body)?;
                note.target(&asked.id);
                let words = asked.note.as_deref();
                let alert = alerting.acknowledge(self.moment(), &asked.id, &who.name, words);
                let alert = alert.map_err(refused)?;
                note.after(&alert.acknowledged);
                Answer::json(&alert)
            }
            _ => {
                let forgotten = alerting.forget();
                note.after(&forgotten);
                Answer::json(&Forgotten { forgotten })
            }
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.clock.now(),
            wall: self.clock.wall(),
        }
    }

    /// Seconds since 1970.
    fn seconds(&self) -> u64 {
        self.clock.wall().as_secs()
    }
}

fn refused(refused: Refused) -> Refusal {
    match refused {
        Refused::Unknown(what) => Refusal::not_found(what),
        Refused::Full(what) => Refusal::conflict(what),
        Refused::Unusable(complaints) => {
            let faults = complaints
                .into_iter()
                .map(|one| fault(&one.field, format!("{} ({})", one.problem, one.help)));
            Refusal::invalid(faults.collect())
        }
    }
}
