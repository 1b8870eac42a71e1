//! A report as Markdown. What comes from outside (names, keys, texts of alerts) cannot end a cell or begin a heading.

use super::words::{known, percent};
use crate::model::{Confidence, Recommendation, Report};
use std::fmt::Write;

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = write(report, &mut out);
    out
}

/// A text that stays in its line and in its cell.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\r' | '\n' | '\t' => plain.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '!' => {
                plain.push('\\');
                plain.push(c);
            }
            c => plain.push(c),
        }
    }
    plain
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "# {}\n", plain(&report.title))?;
    writeln!(out, "{} to {}\n", report.from, report.to)?;
    for line in &report.headline {
        writeln!(out, "- {}", plain(line))?;
    }
    if !report.changes.is_empty() {
        writeln!(
            out,
            "\n## What changed\n\n| what | before | now | better | confidence |\n|---|---|---|---|---|"
        )?;
        for found in &report.changes {
            let better = match found.better {
                Some(true) => "yes",
                Some(false) => "no",
                None => "",
            };
            let (from, to) = (known(found.from, &found.unit), known(found.to, &found.unit));
            writeln!(
                out,
                "| {} | {from} | {to} | {better} | {} |",
                plain(&found.what),
                word(found.confidence)
            )?;
        }
    }
    if !report.trends.is_empty() {
        writeln!(out, "\n## Where things are going\n")?;
        for trend in &report.trends {
            let sure = trend.confidence.map_or_else(String::new, percent);
            writeln!(out, "- {} ({sure} sure)", plain(&trend.text))?;
        }
    }
    routes(report, out)?;
    saved(report, out)?;
    if !report.slos.is_empty() {
        writeln!(
            out,
            "\n## Objectives\n\n| objective | attained | budget left |\n|---|---|---|"
        )?;
        for slo in &report.slos {
            let (attained, left) = (known(slo.attained, ""), known(slo.budget_left, ""));
            writeln!(out, "| {} | {attained} | {left} |", plain(&slo.name))?;
        }
    }
    if !report.recommendations.is_empty() {
        writeln!(out, "\n## What to do")?;
        for recommendation in &report.recommendations {
            recommend(recommendation, out)?;
        }
    }
    if !report.notes.is_empty() {
        writeln!(out, "\n## What was done meanwhile\n")?;
        for note in &report.notes {
            writeln!(out, "- {} {}", note.at, plain(&note.text))?;
        }
    }
    Ok(())
}

/// The word for a confidence.
pub(super) const fn word(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}

fn routes(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.top_routes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Routes by origin time\n")?;
    writeln!(
        out,
        "| route | origin time | share | requests | hits | p95 | errors |\n|---|---|---|---|---|---|---|"
    )?;
    for route in &report.top_routes {
        let is = &route.figures;
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            plain(&route.route),
            known(is.origin_seconds, "s"),
            known(route.share_of_origin_time, ""),
            is.requests.unwrap_or(0.0),
            known(is.hit_ratio.total, ""),
            known(is.latency_ms.p95, "ms"),
            known(is.error_ratio, ""),
        )?;
    }
    Ok(())
}

fn saved(report: &Report, out: &mut String) -> std::fmt::Result {
    let saved = &report.saved;
    writeln!(out, "\n## What was saved\n")?;
    writeln!(out, "- origin requests: {}", saved.origin_requests)?;
    writeln!(out, "- origin time: {}", known(Some(saved.origin_seconds), "s"))?;
    writeln!(out, "- bytes: {}", known(Some(saved.bytes as f64), "B"))?;
    if let (Some(money), Some(currency)) = (saved.money, &saved.currency) {
        writeln!(out, "- money: {money:.2} {}", plain(currency))?;
    }
    writeln!(out)?;
    for line in &saved.how {
        writeln!(out, "  {}", plain(line))?;
    }
    Ok(())
}

fn recommend(recommendation: &Recommendation, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n### {}\n", plain(&recommendation.title))?;
    writeln!(out, "{}\n", plain(&recommendation.why))?;
    for evidence in &recommendation.evidence {
        let value = known(Some(evidence.value), &evidence.unit);
        writeln!(out, "- {}: {value}", plain(&evidence.what))?;
    }
    // A value in quotes has no line of its own, so the block cannot be left.
    writeln!(out, "\n```toml\n{}\n```\n", recommendation.toml.replace("```", "'''"))?;
    writeln!(
        out,
        "Expected: {} (confidence: {})\n",
        plain(&recommendation.expected),
        word(recommendation.confidence)
    )?;
    writeln!(out, "Risk: {}", plain(&recommendation.risk))
}
