//! Objectives: which part of the answers is to be good, how much of what may be bad is left, and an alert when it is used up
//! too fast.
//!
//! The arithmetic is that of the Site Reliability Workbook (Google, O'Reilly 2018, chapter 5, "Alerting on SLOs", approach 6:
//! multiwindow, multi-burn-rate alerts). The *burn rate* over a window is the part of the answers that was bad, divided by
//! the part that may be: at 1 the budget lasts exactly as long as the objective's window. An alert fires when it is past its
//! factor over a long window, so that it matters, and over a short one too, so that it is still going on; then it also ends
//! soon after the trouble does. The windows are parts of the objective's own, so that each alert stands for the same part of
//! the budget (2%, 5% and 10%) whatever that is; of 30 days they are the workbook's.
//!
//! Where less than half of a short window was seen nothing is decided: alerts stay as they are. Counts come from history
//! through [`Values::counts`]; how a latency between two buckets is counted is said there.

pub mod config;
pub mod parameters;

#[cfg(test)]
mod tests;

pub use config::{SLOS_MAX, SloConfig, objectives};
pub use parameters::PARAMETERS;

use crate::alerts::{Judged, Moment, Verdict};
use crate::model::{AlertRule, Burn, Missing, Severity, SloKind, SloState, SloStatus};
use crate::values::{Counts, Labels, Values};
use peregrine_base::{Instant, Span};
use std::time::Duration;

/// The series that burn rates are shown as.
pub(crate) const METRIC: &str = "slo_burn_rate";
/// An objective is computed so often in its window: every ten seconds of 30 days.
const LOOKS: u32 = 259_200;
/// And never more often, or less often, than that.
const LOOK_TIMES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// A burning alert ends when the rate is below this part of its factor, so that one that swings is one alert.
const CLEAR: f64 = 0.9;

/// When a budget is used up too fast.
struct Pair {
    name: &'static str,
    /// How many times the long window fits into the objective's.
    long: u32,
    /// The same of the short one, a twelfth of it.
    short: u32,
    factor: f64,
    severity: Severity,
}

impl Pair {
    /// Its windows in an objective over `window`, in whole seconds, as history has them.
    fn windows(&self, window: Duration) -> (Duration, Duration) {
        let part = |times| {
            let part = window / times;
            Duration::from_secs(part.as_secs() + u64::from(part.subsec_nanos() > 0)).max(Duration::from_secs(1))
        };
        (part(self.long), part(self.short))
    }
}

/// Of 30 days: 1 h and 5 min, 6 h and 30 min, 3 d and 6 h.
const PAIRS: [Pair; 3] = [
    Pair {
        name: "fast",
        long: 720,
        short: 8640,
        factor: 14.4,
        severity: Severity::Critical,
    },
    Pair {
        name: "steady",
        long: 120,
        short: 1440,
        factor: 6.0,
        severity: Severity::High,
    },
    Pair {
        name: "slow",
        long: 10,
        short: 120,
        factor: 1.0,
        severity: Severity::Medium,
    },
];

/// Whether `rule` is what one of the alerts of the objective `slo` is called.
pub(crate) fn is_rule_of(rule: &str, slo: &str) -> bool {
    let rest = rule.strip_prefix(slo).and_then(|rest| rest.strip_prefix('_'));
    let pair = rest.and_then(|rest| rest.strip_suffix("_burn"));
    pair.is_some_and(|pair| PAIRS.iter().any(|known| known.name == pair))
}

/// The objectives of a node, as they were computed last.
#[derive(Debug, Default)]
pub struct Slos {
    objectives: Vec<Objective>,
}

#[derive(Debug)]
struct Objective {
    config: SloConfig,
    next: Instant,
    status: SloStatus,
    judged: Vec<Judged>,
}

impl Slos {
    /// From now on these are the objectives.
    pub fn configure(&mut self, configs: Vec<SloConfig>) {
        let mut before = std::mem::take(&mut self.objectives);
        let objective = |config: SloConfig| {
            let same = before.iter().position(|old| old.config == config);
            same.map(|same| before.swap_remove(same)).unwrap_or_else(|| Objective {
                status: nothing(&config),
                judged: Vec::new(),
                next: Instant::ZERO,
                config,
            })
        };
        self.objectives = configs.into_iter().map(objective).collect();
    }

    /// Computes what is due. What alerts are to make of it: of every objective, also of those that were not due.
    pub fn look(&mut self, moment: Moment, values: &dyn Values) -> Vec<Judged> {
        for objective in &mut self.objectives {
            if moment.now >= objective.next {
                objective.compute(values);
                let pause = objective.config.window.get() / LOOKS;
                objective.next = moment.now.after(pause.clamp(LOOK_TIMES.0, LOOK_TIMES.1));
            }
        }
        self.objectives
            .iter()
            .flat_map(|objective| objective.judged.iter().cloned())
            .collect()
    }

    /// How every objective stands.
    #[must_use]
    pub fn status(&self) -> Vec<SloStatus> {
        self.objectives
            .iter()
            .map(|objective| objective.status.clone())
            .collect()
    }
}

impl Objective {
    fn compute(&mut self, values: &dyn Values) {
        let config = &self.config;
        let threshold = (config.kind == SloKind::Latency).then(|| config.threshold.get());
        let counts = |window| values.counts(config.route.as_deref(), window, threshold);
        let window = config.window.get();
        let mut status = nothing(config);
        self.judged = Vec::with_capacity(PAIRS.len());
        let mut is_burning = false;
        let mut is_seen = true;
        for pair in &PAIRS {
            let (long, short) = pair.windows(window);
            let (over_long, over_short) = (counts(long), counts(short));
            let judgement = judge(config, pair, short, over_long, over_short);
            is_burning |= judgement.0 == Verdict::Breach;
            // The shortest window says whether anything is measured now.
            is_seen &= pair.name != PAIRS[0].name || judgement.0 != Verdict::Missing;
            let rate = |counts: Option<Counts>| counts.and_then(|counts| burn_rate(counts, config.objective));
            for (window, counts) in [(long, over_long), (short, over_short)] {
                if status
                    .burn
                    .iter()
                    .all(|burn| burn.window_s.total_cmp(&window.as_secs_f64()).is_ne())
                {
                    let window_s = window.as_secs_f64();
                    status.burn.push(Burn {
                        window_s,
                        rate: rate(counts),
                    });
                }
            }
            self.judged
                .push(alert(config, pair, judgement, rate(over_long), rate(over_short)));
        }
        status
            .burn
            .sort_by(|one, other| one.window_s.total_cmp(&other.window_s));
        if let Some(all) = counts(window).filter(|all| all.total > 0) {
            (status.good, status.total) = (all.good, all.total);
            status.attained = Some(part(all.good, all.total));
            let left = 1.0 - burn_rate(all, config.objective).unwrap_or(0.0);
            status.budget_left = Some(left);
            let (hour, _) = PAIRS[0].windows(window);
            let rate = counts(hour).filter(|counts| counts.total >= u64::from(config.min_events));
            status.exhausted_in_s = exhausted_in(
                left,
                rate.and_then(|counts| burn_rate(counts, config.objective)),
                window,
            );
            status.state = match (is_seen, left > 0.0, is_burning) {
                (false, ..) => SloState::Frozen,
                (true, false, _) => SloState::Exhausted,
                (true, true, true) => SloState::Burning,
                (true, true, false) => SloState::Ok,
            };
        }
        self.status = status;
    }
}

/// `count` of `total`.
#[expect(clippy::cast_precision_loss, reason = "a part needs no more digits")]
fn part(count: u64, total: u64) -> f64 {
    count as f64 / total as f64
}

/// How many times as fast as allowed the budget of `objective` is used up; nothing where nothing happened.
#[must_use]
pub fn burn_rate(counts: Counts, objective: f64) -> Option<f64> {
    let bad = counts.total.saturating_sub(counts.good);
    (counts.total > 0).then(|| part(bad, counts.total) / (1.0 - objective))
}

/// In how many seconds nothing is left of a budget of which the part `left` is, at `rate`, if nothing leaves the window; nothing
/// when it lasts at this rate.
fn exhausted_in(left: f64, rate: Option<f64>, window: Duration) -> Option<f64> {
    if left <= 0.0 {
        return Some(0.0);
    }
    rate.filter(|rate| *rate > 1.0)
        .map(|rate| left * window.as_secs_f64() / rate)
}

/// What the two windows of a pair say.
fn judge(
    config: &SloConfig,
    pair: &Pair,
    short: Duration,
    over: Option<Counts>,
    lately: Option<Counts>,
) -> (Verdict, f64) {
    let (Some(over), Some(lately)) = (over, lately) else {
        return (Verdict::Missing, 0.0);
    };
    if lately.seen < short / 2 {
        return (Verdict::Missing, 0.0);
    }
    if over.total < u64::from(config.min_events) {
        return (Verdict::TooFew, 0.0);
    }
    // Without a request lately, nothing goes wrong any more.
    let rate = |counts| burn_rate(counts, config.objective).unwrap_or(0.0);
    let least = rate(over).min(rate(lately));
    let verdict = if least > pair.factor {
        Verdict::Breach
    } else if least > pair.factor * CLEAR {
        Verdict::Between
    } else {
        Verdict::Clear
    };
    (verdict, rate(over))
}

/// What alerts are to make of a pair.
fn alert(
    config: &SloConfig,
    pair: &Pair,
    (verdict, rate): (Verdict, f64),
    over: Option<f64>,
    lately: Option<f64>,
) -> Judged {
    let window = config.window.get();
    let (long, short) = pair.windows(window);
    let mut labels = Labels::from([("slo".to_owned(), config.name.clone())]);
    if let Some(route) = &config.route {
        labels.insert("route".to_owned(), route.clone());
    }
    let shown = |rate: Option<f64>| rate.map_or_else(|| "an unknown number of".to_owned(), |rate| format!("{rate:.1}"));
    let (over_words, lately_words) = (shown(over), shown(lately));
    let (long_words, short_words) = (whole(long), whole(short));
    let text = format!(
        "The error budget of {} is used up {over_words} times as fast as allowed over {long_words} and {lately_words} times over \
         {short_words}, more than {}: enough for the whole of it in {}",
        config.name,
        pair.factor,
        whole(window.div_f64(rate.max(pair.factor))),
    );
    let of = config
        .route
        .as_ref()
        .map_or_else(|| "the routes".to_owned(), |route| format!("the route {route}"));
    let next_step = match config.kind {
        SloKind::Latency => format!(
            "See which of {of} answers slowly (SLOs, Overview): whether the origin is slow, or the cache misses."
        ),
        SloKind::Availability => {
            format!("See which errors {of} answers with (SLOs, Overview), and read the origin's log.")
        }
    };
    Judged {
        rule: AlertRule {
            name: format!("{}_{}_burn", config.name, pair.name),
            metric: METRIC.to_owned(),
            labels: labels.clone(),
            above: Some(pair.factor),
            below: None,
            clear: Some(pair.factor * CLEAR),
            for_s: 0.0,
            keep_firing_s: 0.0,
            severity: pair.severity,
            min_events: f64::from(config.min_events),
            missing: Missing::Keep,
            group: Some(format!("{}_burn", config.name)),
            notify: config.notify.clone(),
            text: None,
            next_step: Some(next_step),
            enabled: true,
            is_default: false,
        },
        labels,
        verdict,
        value: over.filter(|_| verdict != Verdict::Missing),
        text,
    }
}

/// A time for people, without parts that say nothing.
fn whole(time: Duration) -> Span {
    let seconds = match time.as_secs() {
        short @ 0..60 => short.max(1),
        middle @ 60..7200 => middle / 60 * 60,
        long => long / 3600 * 3600,
    };
    Span::new(Duration::from_secs(seconds))
}

/// An objective of which nothing is known.
fn nothing(config: &SloConfig) -> SloStatus {
    SloStatus {
        name: config.name.clone(),
        route: config.route.clone(),
        kind: config.kind,
        objective: config.objective,
        threshold_ms: config.threshold_ms(),
        window_s: config.window.get().as_secs_f64(),
        good: 0,
        total: 0,
        attained: None,
        budget_left: None,
        burn: Vec::new(),
        exhausted_in_s: None,
        state: SloState::NoData,
        alerts: Vec::new(),
    }
}
