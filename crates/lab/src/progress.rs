//! How far a run is, on the standard error: a bar on a terminal, a plain line every few seconds elsewhere. This is the only place of
//! the laboratory that prints.

use crate::load::{OnProgress, Progress};
use crate::report::units;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use peregrine_base::{Clock, SystemClock};
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// How often a plain line is printed.
const LINE_INTERVAL: Duration = Duration::from_secs(3);
/// Steps of a bar.
const STEPS: u64 = 1000;

/// Where progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Show {
    /// On the standard error.
    #[default]
    Stderr,
    /// Nowhere.
    Nothing,
}

impl Show {
    /// The callback of a run called `label`; `None` when nothing is shown.
    #[must_use]
    pub fn callback(self, label: &str) -> Option<OnProgress> {
        match self {
            Self::Nothing => None,
            Self::Stderr if std::io::stderr().is_terminal() => Some(bar(label)),
            Self::Stderr => Some(lines(label)),
        }
    }
}

/// A bar that goes away with the callback.
struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn bar(label: &str) -> OnProgress {
    let style = ProgressStyle::with_template("{prefix:>24} {bar:32.cyan/dim} {percent:>3}%  {msg}")
        .expect("the template is well formed")
        .progress_chars("█▉▊▋▌▍▎▏ ");
    let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr());
    let bar = Bar(bar.with_style(style).with_prefix(label.to_owned()));
    Box::new(move |progress| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share from 0 to 1"
        )]
        bar.0.set_position((progress.done * STEPS as f64) as u64);
        bar.0.set_message(describe(progress));
    })
}

fn lines(label: &str) -> OnProgress {
    let label = label.to_owned();
    let last = Mutex::new((SystemClock.now(), 0));
    Box::new(move |progress| {
        let now = SystemClock.now();
        let mut last = last.lock();
        let elapsed = now.since(last.0);
        if elapsed >= LINE_INTERVAL {
            // The rate since the last line; the one since the last call may be that of a bad moment.
            #[expect(clippy::cast_precision_loss, reason = "progress is for people")]
            let requests_per_s = (progress.answers - last.1) as f64 / elapsed.as_secs_f64();
            *last = (now, progress.answers);
            let text = describe(&Progress {
                requests_per_s,
                ..*progress
            });
            let line = format!("{label}: {:.0}%, {text}\n", progress.done * 100.0);
            // Nobody reads it any more: no reason to end a run.
            let _closed = std::io::stderr().write_all(line.as_bytes());
        }
    })
}

/// A progress in words.
fn describe(progress: &Progress) -> String {
    let mut text = format!("{} requests/s", units::rate(progress.requests_per_s));
    if let Some(hit_ratio) = progress.hit_ratio {
        text.push_str(&format!(", {} hits", units::share(hit_ratio)));
    }
    if progress.failures > 0 {
        text.push_str(&format!(", {} failures", units::count(progress.failures)));
    }
    if progress.is_warming_up {
        text.push_str(", warming up");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_reads_well() {
        let progress = Progress {
            done: 0.5,
            is_warming_up: false,
            answers: 5000,
            requests_per_s: 12_345.6,
            failures: 0,
            hit_ratio: Some(0.912),
        };
        assert_eq!(describe(&progress), "12,346 requests/s, 91.2% hits");
        let progress = Progress {
            hit_ratio: None,
            failures: 3,
            is_warming_up: true,
            requests_per_s: 7.3,
            ..progress
        };
        assert_eq!(describe(&progress), "7.3 requests/s, 3 failures, warming up");
    }
}
