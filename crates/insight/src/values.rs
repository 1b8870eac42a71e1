//! What alerts and objectives read: the newest value of each series, and counts of good and bad events over a window.

use std::collections::BTreeMap;
use std::time::Duration;

/// Names and values that tell series of one metric apart, such as `route` = `products`.
pub type Labels = BTreeMap<String, String>;

/// The newest numbers there are.
pub trait Values {
    /// The newest value of the series `metric` with exactly these labels; nothing when it is not known now. Gauges are of
    /// the newest second, rates, ratios and quantiles of the last ten.
    fn value(&self, metric: &str, labels: &Labels) -> Option<f64>;

    /// The labels under which `metric` is known: one empty set for a global series, one set for each route or upstream for
    /// a series of routes or upstreams; both where a name is both.
    fn label_sets(&self, metric: &str) -> Vec<Labels>;

    /// How many requests there were within `window` until now, and how many of them were good: with a `threshold` those
    /// that took at most so long (rounded down to the edge of a bucket of the histogram: by an eighth at most), without one
    /// those that did not end in an answer of class 5xx. Of one route, or of all; and how much of the window was seen at
    /// all. A window of up to an hour is as long as asked for or up to a minute longer, one of up to a day up to 15
    /// minutes, any other up to three hours. Nothing when there is no such route, or none of the window was seen.
    fn counts(&self, route: Option<&str>, window: Duration, threshold: Option<Duration>) -> Option<Counts>;
}

/// Good events and all events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that met the objective.
    pub good: u64,
    /// All of them.
    pub total: u64,
    /// How much of the window was seen: less than all of it after a start, and where the program did not run.
    pub seen: Duration,
}
