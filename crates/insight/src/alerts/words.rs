//! What alerts say: a sentence with the number in a unit that people read, and what to do next. Each series stands in one
//! row, so that a rule on any of them says something useful.

use crate::model::AlertRule;
use crate::values::Labels;

/// A series in words.
struct Series {
    name: &'static str,
    /// The number, as the beginning of a sentence.
    what: &'static str,
    /// Whether it is computed from requests, so that few of them say little.
    of_requests: bool,
    /// What a person does about it.
    next_step: &'static str,
}

const SLOW: &str = "Look at the routes with the most time at the origin (Overview, or `peregrine stats`): if the origin is slow, \
    look there; if it is not, see whether answers that could be stored are not (`peregrine explain URL`).";
const WAITING: &str = "See which upstream's targets have requests waiting (Upstreams): either connections take long to make, or there are as \
    many as `connections_max` of the upstream lets there be.";
const FAILING: &str = "See which upstream fails and how (Upstreams, or `peregrine stats`), and read the origin's log. \
    `stale_if_error` lets Peregrine answer with what it has meanwhile.";
const MISSING: &str = "See why requests miss (Cache, or `peregrine explain URL` for one that should hit): the origin's headers, \
    cookies, `Vary`, short lifetimes, or too little memory.";
const MEMORY: &str =
    "Compare `cache.memory` with the memory that there is: make the cache smaller, or give the process more.";
const CPU: &str = "See whether the traffic grew (Overview). Let it compress less (`compression`), give it more cores, or start \
    another node.";
const AWAY: &str = "See what does not answer (health, Upstreams): start it again, or take it out of the configuration. Peregrine \
    goes on with what it has stored.";
const LOOK: &str = "Look at the history of this number (Metrics), and at what changed when it did.";

const fn row(name: &'static str, what: &'static str, of_requests: bool, next_step: &'static str) -> Series {
    Series {
        name,
        what,
        of_requests,
        next_step,
    }
}

/// The series that have words of their own.
const SERIES: &[Series] = &[
    row("error_ratio", "the share of requests that fail", true, FAILING),
    row("latency_p50_ms", "the median time of an answer", true, SLOW),
    row("latency_p95_ms", "the time in which 95% are answered", true, SLOW),
    row("latency_p99_ms", "the time in which 99% are answered", true, SLOW),
    row("latency_mean_ms", "the mean time of an answer", true, SLOW),
    row(
        "upstream_p50_ms",
        "the origin's median time to its first byte",
        true,
        SLOW,
    ),
    row(
        "upstream_p95_ms",
        "the time in which the origin begins 95% of its answers",
        true,
        SLOW,
    ),
    row(
        "upstream_p99_ms",
        "the time in which the origin begins 99% of its answers",
        true,
        SLOW,
    ),
    row(
        "queue_p50_ms",
        "the median wait for a connection to the origin, of requests that it answered",
        true,
        WAITING,
    ),
    row(
        "queue_p95_ms",
        "the wait for a connection to the origin that 95% of the requests it answered stay below",
        true,
        WAITING,
    ),
    row(
        "queue_p99_ms",
        "the wait for a connection to the origin that 99% of the requests it answered stay below",
        true,
        WAITING,
    ),
    row(
        "hit_ratio",
        "the share of requests that the cache answers",
        true,
        MISSING,
    ),
    row(
        "hit_ratio_memory",
        "the share of requests that memory answers",
        true,
        MISSING,
    ),
    row(
        "hit_ratio_redis",
        "the share of requests that Redis answers",
        true,
        MISSING,
    ),
    row("stale_ratio", "the share of answers that are stale", true, FAILING),
    row(
        "bypass_ratio",
        "the share of requests that pass the cache by",
        true,
        MISSING,
    ),
    row("apdex", "the Apdex", true, SLOW),
    row("score", "the performance score", true, LOOK),
    row("requests_per_s", "the rate of requests", false, LOOK),
    row(
        "dependencies_down",
        "the number of dependencies that do not answer",
        false,
        AWAY,
    ),
    row(
        "targets_unhealthy",
        "the number of targets that are left out",
        false,
        AWAY,
    ),
    row("healthy_ratio", "the share of targets that are well", false, AWAY),
    row(
        "memory_ratio",
        "the share of the memory that the process uses",
        false,
        MEMORY,
    ),
    row(
        "machine_memory_ratio",
        "the share of the machine's memory that is used",
        false,
        MEMORY,
    ),
    row("memory_bytes", "the memory that the process uses", false, MEMORY),
    row(
        "cpu_ratio",
        "the share of its processor time that the process uses",
        false,
        CPU,
    ),
    row(
        "machine_cpu_ratio",
        "the share of the machine's processor time that is used",
        false,
        CPU,
    ),
    row(
        "disk_used_ratio",
        "the share of the disk that is used",
        false,
        "Make room on the disk of `server.state_dir`: history, the audit log and the snapshot lie there.",
    ),
    row(
        "open_files_ratio",
        "the share of the file descriptors that are open",
        false,
        "Raise the limit of open files (`LimitNOFILE`, `ulimit -n`), or lower `server.connections_max`.",
    ),
    row(
        "invalidation_lag_ms",
        "the time since this node last knew that it had missed no invalidation",
        false,
        "See whether Redis answers (health), and how long it takes.",
    ),
    row(
        "cache_used_ratio",
        "the share of the cache's memory that is used",
        false,
        "Nothing, if the hit ratio is well: a full cache is a used one. Otherwise raise `cache.memory`.",
    ),
    row(
        "origin_requests_per_s",
        "the rate of requests to the origin",
        false,
        MISSING,
    ),
    row(
        "retries_per_s",
        "the rate of requests that are sent to the origin again",
        false,
        FAILING,
    ),
    row(
        "errors_per_s",
        "the rate of requests to the origin that fail",
        false,
        FAILING,
    ),
    row("latency_ms", "the recent time to the origin's first byte", false, SLOW),
];

fn series(name: &str) -> Option<&'static Series> {
    SERIES.iter().find(|series| series.name == name)
}

/// Whether `metric` of what `labels` name is computed from requests that are counted.
pub(crate) fn is_of_requests(metric: &str, labels: &Labels) -> bool {
    !labels.contains_key("upstream") && series(metric).is_some_and(|series| series.of_requests)
}

/// What to do about an alert of `rule`.
pub(crate) fn next_step(rule: &AlertRule) -> String {
    let own = rule.next_step.clone();
    own.unwrap_or_else(|| series(&rule.metric).map_or(LOOK, |series| series.next_step).to_owned())
}

/// What is the matter. In a text of the rule's own, `{value}`, `{threshold}` and `{labels}` are replaced.
pub(crate) fn text(rule: &AlertRule, labels: &Labels, value: Option<f64>) -> String {
    let threshold = rule.threshold(value);
    let number = |number: f64| readable(&rule.metric, number);
    let shown = value.map_or_else(|| "unknown".to_owned(), number);
    let of: Vec<String> = labels.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let of = of.join(", ");
    if let Some(own) = &rule.text {
        return own
            .replace("{value}", &shown)
            .replace("{threshold}", &number(threshold))
            .replace("{labels}", &of);
    }
    let what = series(&rule.metric).map_or(rule.metric.as_str(), |series| series.what);
    let is_below = rule.below == Some(threshold) && rule.above != Some(threshold);
    let side = if is_below { "below" } else { "above" };
    // An alert is told of while it lasts and when it is over.
    let is_past = value.is_none_or(|value| if is_below { value < threshold } else { value > threshold });
    let yet = if is_past { "" } else { "no longer " };
    let begin = if of.is_empty() {
        String::new()
    } else {
        format!("{of}: ")
    };
    let sentence = format!("{begin}{what} is {shown}, {yet}{side} {}", number(threshold));
    let mut letters = sentence.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `number` of the series `metric` in a unit that people read.
pub(crate) fn readable(metric: &str, number: f64) -> String {
    if metric.contains("ratio") {
        return format!("{}%", short(number * 100.0));
    }
    if metric.ends_with("_ms") {
        return if number.abs() >= 1000.0 {
            format!("{} s", short(number / 1000.0))
        } else if number.abs() < 1.0 && number != 0.0 {
            format!("{} µs", short(number * 1000.0))
        } else {
            format!("{} ms", short(number))
        };
    }
    if metric.contains("bytes") {
        let units = [
            ("GiB", 1024.0 * 1024.0 * 1024.0),
            ("MiB", 1024.0 * 1024.0),
            ("KiB", 1024.0),
        ];
        let unit = units.iter().find(|(_, size)| number.abs() >= *size);
        let per = if metric.ends_with("_per_s") { "/s" } else { "" };
        return unit.map_or_else(
            || format!("{} B{per}", short(number)),
            |(unit, size)| format!("{} {unit}{per}", short(number / size)),
        );
    }
    if metric.ends_with("_per_s") {
        return format!("{}/s", short(number));
    }
    short(number)
}

/// Two digits behind the point at most, none that say nothing.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
