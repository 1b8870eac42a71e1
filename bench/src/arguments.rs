//! The command line of the bench.

use crate::http::Floor;
use crate::memory::Who;
use crate::soak::Soak;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Measures Peregrine against its budgets and its peers.
#[derive(Debug, Parser)]
#[command(name = "peregrine-bench", args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// What to measure.
    #[arg(value_enum, default_value_t = Subject::All)]
    pub(crate) subject: Subject,
    /// A short run that shows that everything works; its numbers mean little.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Write JSON: to FILE beside the tables, or without FILE to the standard output in their place.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub(crate) json: Option<PathBuf>,
    /// Print Markdown, as docs/performance.md has it.
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Peregrine's program; otherwise it is built.
    #[arg(long, value_name = "PATH")]
    pub(crate) binary: Option<PathBuf>,
    /// Parts of the bench that run in processes of their own.
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// The engine in process.
    Engine,
    /// Memory per entry.
    Memory,
    /// Hit ratios.
    HitRatio,
    /// Over sockets, beside other caches.
    Http,
    /// Hits of many sizes over few and many connections, beside other caches.
    Matrix,
    /// What idle connections occupy.
    Idle,
    /// What sharing a Redis costs.
    Redis,
    /// What recording a request costs, and what all telemetry together does.
    Telemetry,
    /// Everything.
    All,
}

/// A part of the bench in a process of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// Answer requests as barely as possible.
    Floor(Floor),
    /// Run Peregrine under load and faults for some minutes; fail on a wrong answer or a leak.
    Soak(Soak),
    /// Fill a cache and print, as JSON, what it took.
    #[command(hide = true)]
    MemoryOf {
        /// Which cache.
        who: Who,
    },
}

impl Subject {
    /// The subjects one by one.
    pub(crate) fn each(self) -> &'static [Self] {
        match self {
            Self::Engine => &[Self::Engine],
            Self::Memory => &[Self::Memory],
            Self::HitRatio => &[Self::HitRatio],
            Self::Http => &[Self::Http],
            Self::Matrix => &[Self::Matrix],
            Self::Idle => &[Self::Idle],
            Self::Redis => &[Self::Redis],
            Self::Telemetry => &[Self::Telemetry],
            Self::All => &[
                Self::Engine,
                Self::Memory,
                Self::HitRatio,
                Self::Http,
                Self::Matrix,
                Self::Idle,
                Self::Redis,
                Self::Telemetry,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Arguments {
        Arguments::try_parse_from(line.split(' ')).unwrap()
    }

    #[test]
    fn without_a_word_everything_is_measured() {
        let arguments = parse("bench");
        assert_eq!(
            (arguments.subject, arguments.quick, arguments.json),
            (Subject::All, false, None)
        );
    }

    #[test]
    fn json_goes_to_the_output_or_to_a_file_wherever_it_stands() {
        assert_eq!(parse("bench --json engine --quick").json, Some("-".into()));
        assert_eq!(parse("bench engine --json=a.json").json, Some("a.json".into()));
        assert_eq!(parse("bench hit-ratio").subject, Subject::HitRatio);
    }

    #[test]
    fn the_parts_are_commands() {
        assert!(matches!(
            parse("bench floor --listen 127.0.0.1:0").part,
            Some(Part::Floor(_))
        ));
        assert!(matches!(
            parse("bench memory-of moka").part,
            Some(Part::MemoryOf { who: Who::Moka })
        ));
    }
}
