//! Tables.

use crate::drive::Comparison;
use crate::load::LoadReport;
use crate::report::{Look, units};
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle,
};

/// One line below the header, none between rows.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::new('╭', '─', '┬', '╮'))
    .header_lines(ContentLineStyle::new('│', '│', '│'))
    .header_separator(LineStyle::new('├', '─', '┼', '┤'))
    .content_lines(ContentLineStyle::new('│', '│', '│'))
    .bottom_border(LineStyle::new('╰', '─', '┴', '╯'));

/// Something to read off a report: its name, and how.
type Row = (&'static str, fn(&LoadReport) -> String);

/// The rows that every run has.
const COMMON: [Row; 4] = [
    ("p50", |report| units::micros(report.latency.p50_us)),
    ("p95", |report| units::micros(report.latency.p95_us)),
    ("p99", |report| units::micros(report.latency.p99_us)),
    ("requests/s", |report| units::rate(report.requests_per_s)),
];

/// The demo's table.
pub(crate) fn comparison(comparison: &Comparison, look: &Look) -> String {
    let Comparison { direct, proxied, .. } = comparison;
    let mut table = table(look);
    table.set_header(header(["", &direct.load.name, &proxied.load.name, ""], look));
    let (before, after) = (&direct.load.latency, &proxied.load.latency);
    let gains = [
        gain(before.p50_us, after.p50_us, "faster", "slower"),
        gain(before.p95_us, after.p95_us, "faster", "slower"),
        gain(before.p99_us, after.p99_us, "faster", "slower"),
        gain(proxied.load.requests_per_s, direct.load.requests_per_s, "more", "fewer"),
    ];
    for ((name, read), gain) in COMMON.iter().zip(gains) {
        table.add_row([name.to_string(), read(&direct.load), read(&proxied.load), gain]);
    }
    let hits = |report: &LoadReport| report.hit_ratio().map_or_else(|| "-".to_owned(), units::share);
    table.add_row([
        "hit ratio".to_owned(),
        hits(&direct.load),
        hits(&proxied.load),
        String::new(),
    ]);
    let avoided = |count: String, share: Option<f64>, word: &str| match share {
        Some(share) => format!("{count} ({}) {word}", units::share(share)),
        None => String::new(),
    };
    table.add_row([
        "origin requests".to_owned(),
        units::count(direct.origin.requests),
        units::count(proxied.origin.requests),
        avoided(
            units::count(comparison.origin_requests_avoided),
            comparison.origin_requests_avoided_share,
            "avoided",
        ),
    ]);
    table.add_row([
        "origin bytes".to_owned(),
        units::bytes(direct.origin.body_bytes),
        units::bytes(proxied.origin.body_bytes),
        avoided(
            units::bytes(comparison.bytes_saved),
            comparison.bytes_saved_share,
            "saved",
        ),
    ]);
    let errors = [direct, proxied].map(|leg| leg.load.errors());
    table.add_row(verdict(
        "errors",
        errors,
        [direct, proxied].map(|leg| leg.load.answers),
        "answers",
        look,
    ));
    let wrong = [direct, proxied].map(|leg| leg.findings.wrong_total());
    table.add_row(verdict(
        "wrong answers",
        wrong,
        [direct, proxied].map(|leg| leg.findings.checked),
        "checked",
        look,
    ));
    align(&mut table);
    table.trim_fmt()
}

/// How many times `larger` is `smaller`, said with the word that fits.
fn gain(larger: f64, smaller: f64, word: &str, opposite: &str) -> String {
    let (times, word) = if larger < smaller {
        (units::times(smaller, larger), opposite)
    } else {
        (units::times(larger, smaller), word)
    };
    times.map_or_else(String::new, |times| format!("{times} {word}"))
}

/// A row of counts that should be 0: green when they are, red otherwise. Of how many they are is said at the end.
fn verdict(name: &str, counts: [u64; 2], of: [u64; 2], word: &str, look: &Look) -> Vec<Cell> {
    let cell = |count: u64| {
        let cell = Cell::new(units::count(count));
        if look.has_colour {
            cell.fg(if count == 0 { Color::Green } else { Color::Red })
        } else {
            cell
        }
    };
    let of = Cell::new(format!("of {} {word}", units::count(of.iter().sum())));
    vec![Cell::new(name), cell(counts[0]), cell(counts[1]), of]
}

/// The table of `bench`: a column per run.
pub(crate) fn runs(reports: &[&LoadReport], look: &Look) -> String {
    let mut table = table(look);
    let names = std::iter::once("").chain(reports.iter().map(|report| report.name.as_str()));
    table.set_header(header(names, look));
    let mut row = |name: &str, read: &dyn Fn(&LoadReport) -> String| {
        let cells: Vec<String> = reports.iter().map(|report| read(report)).collect();
        // What no run has is not shown.
        if cells.iter().any(|cell| !cell.is_empty()) {
            table.add_row(std::iter::once(name.to_owned()).chain(cells));
        }
    };
    row("connections", &|report| units::count(report.connections as u64));
    row("loop", &|report| match report.rate_per_s {
        Some(rate) => format!("open, {} arrivals/s", units::rate(rate)),
        None => report.pace.to_owned(),
    });
    row("requests", &|report| units::count(report.answers));
    for (name, read) in COMMON.iter().rev().take(1).chain(COMMON.iter().take(3)) {
        row(name, read);
    }
    row("p99.9", &|report| units::micros(report.latency.p999_us));
    row("slowest", &|report| units::micros(report.latency.max_us));
    row("p99, corrected", &|report| {
        report
            .latency_corrected
            .map_or_else(String::new, |latency| units::micros(latency.p99_us))
    });
    row("received", &|report| {
        format!(
            "{}, {} of bodies",
            units::bytes(report.bytes_in),
            units::bytes(report.body_bytes_in)
        )
    });
    row("hit ratio", &|report| {
        report.hit_ratio().map_or_else(String::new, units::share)
    });
    row("status", &|report| {
        let list = report
            .statuses
            .iter()
            .map(|(status, count)| format!("{status}: {}", units::count(*count)));
        list.collect::<Vec<_>>().join(", ")
    });
    row("errors", &|report| match report.failures.is_empty() {
        true => units::count(report.errors()),
        false => {
            let list = report
                .failures
                .iter()
                .map(|(kind, count)| format!("{kind}: {}", units::count(*count)));
            format!(
                "{} ({})",
                units::count(report.errors()),
                list.collect::<Vec<_>>().join(", ")
            )
        }
    });
    row("never sent", &|report| {
        if report.unsent == 0 {
            String::new()
        } else {
            units::count(report.unsent)
        }
    });
    align(&mut table);
    table.trim_fmt()
}

pub(super) fn table(look: &Look) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(look.width);
    if look.has_colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

pub(super) fn header<'a>(names: impl IntoIterator<Item = &'a str>, look: &Look) -> Vec<Cell> {
    let cell = |name: &str| {
        if look.has_colour {
            Cell::new(name).add_attribute(Attribute::Bold)
        } else {
            Cell::new(name)
        }
    };
    names.into_iter().map(cell).collect()
}

/// Numbers stand to the right.
pub(super) fn align(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}
