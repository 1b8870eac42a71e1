//! A report as a page that stands for itself: one `<style>`, whose hash a Content-Security-Policy can name, no script, no
//! picture, nothing from elsewhere. Everything that comes from outside is escaped.

use super::markdown::word;
use super::words::{known, percent};
use crate::model::{Recommendation, Report};
use std::fmt::Write;
use std::sync::LazyLock;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}h3{font-size:1rem}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid var(--line)}\
pre{padding:.75rem;border:1px solid var(--line);overflow:auto}\
.worse{font-weight:600}.small{font-size:.875rem}\
@media print{:root{color-scheme:light}body{font-size:10pt;margin:0;max-width:none}\
h2,h3{break-after:avoid}tr,pre,section.advice{break-inside:avoid}pre{white-space:pre-wrap}}";

/// `'sha256-…'` of the style.
pub(super) fn style_hash() -> &'static str {
    static HASH: LazyLock<String> = LazyLock::new(|| {
        let digest = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
        format!("'sha256-{}'", base64(digest.as_ref()))
    });
    &HASH
}

/// Base64 with padding (RFC 4648 §4), for this one digest.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| char::from(LETTERS[(bits & 63) as usize]);
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        text.push(letter(bits >> 18));
        text.push(letter(bits >> 12));
        text.push(if three.len() > 1 { letter(bits >> 6) } else { '=' });
        text.push(if three.len() > 2 { letter(bits) } else { '=' });
    }
    text
}

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = write(report, &mut out);
    out
}

/// A text that is no markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> std::fmt::Result {
    write!(out, "<table><thead><tr>")?;
    for head in heads {
        write!(out, "<th scope=\"col\">{head}</th>")?;
    }
    write!(out, "</tr></thead><tbody>")?;
    for row in rows {
        write!(out, "<tr>")?;
        for cell in row {
            write!(out, "<td>{}</td>", escaped(&cell))?;
        }
        write!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table>")
}

fn list(out: &mut String, lines: impl Iterator<Item = String>) -> std::fmt::Result {
    write!(out, "<ul>")?;
    for line in lines {
        write!(out, "<li>{}</li>", escaped(&line))?;
    }
    writeln!(out, "</ul>")
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    let title = escaped(&report.title);
    write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>"
    )?;
    write!(
        out,
        "<meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body><main>"
    )?;
    writeln!(
        out,
        "<h1>{title}</h1><p class=\"small\">{} to {}</p>",
        report.from, report.to
    )?;
    list(out, report.headline.iter().cloned())?;
    changes(report, out)?;
    if !report.trends.is_empty() {
        writeln!(out, "<h2>Where things are going</h2>")?;
        let sure = |confidence: Option<f64>| confidence.map_or_else(String::new, percent);
        list(
            out,
            report
                .trends
                .iter()
                .map(|trend| format!("{} ({} sure)", trend.text, sure(trend.confidence))),
        )?;
    }
    routes(report, out)?;
    saved(report, out)?;
    if !report.slos.is_empty() {
        writeln!(out, "<h2>Objectives</h2>")?;
        let rows = report.slos.iter();
        let rows = rows.map(|slo| vec![slo.name.clone(), known(slo.attained, ""), known(slo.budget_left, "")]);
        table(out, &["objective", "attained", "budget left"], rows)?;
    }
    if !report.recommendations.is_empty() {
        writeln!(out, "<h2>What to do</h2>")?;
        for recommendation in &report.recommendations {
            recommend(recommendation, out)?;
        }
    }
    if !report.notes.is_empty() {
        writeln!(out, "<h2>What was done meanwhile</h2>")?;
        list(
            out,
            report.notes.iter().map(|note| format!("{} {}", note.at, note.text)),
        )?;
    }
    writeln!(out, "</main></body></html>")
}

fn changes(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.changes.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>What changed</h2>")?;
    let rows = report.changes.iter().map(|found| {
        let better = match found.better {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        let (from, to) = (known(found.from, &found.unit), known(found.to, &found.unit));
        vec![
            found.what.clone(),
            from,
            to,
            better.to_owned(),
            word(found.confidence).to_owned(),
        ]
    });
    table(out, &["what", "before", "now", "better", "confidence"], rows)
}

fn routes(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.top_routes.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>Routes by origin time</h2>")?;
    let rows = report.top_routes.iter().map(|route| {
        let is = &route.figures;
        vec![
            route.route.clone(),
            known(is.origin_seconds, "s"),
            known(route.share_of_origin_time, ""),
            format!("{}", is.requests.unwrap_or(0.0)),
            known(is.hit_ratio.total, ""),
            known(is.latency_ms.p95, "ms"),
            known(is.error_ratio, ""),
        ]
    });
    table(
        out,
        &["route", "origin time", "share", "requests", "hits", "p95", "errors"],
        rows,
    )
}

fn saved(report: &Report, out: &mut String) -> std::fmt::Result {
    let saved = &report.saved;
    writeln!(out, "<h2>What was saved</h2>")?;
    let mut lines = vec![
        format!("origin requests: {}", saved.origin_requests),
        format!("origin time: {}", known(Some(saved.origin_seconds), "s")),
        format!("bytes: {}", known(Some(saved.bytes as f64), "B")),
    ];
    if let (Some(money), Some(currency)) = (saved.money, &saved.currency) {
        lines.push(format!("money: {money:.2} {currency}"));
    }
    list(out, lines.into_iter())?;
    for line in &saved.how {
        writeln!(out, "<p class=\"small\">{}</p>", escaped(line))?;
    }
    Ok(())
}

fn recommend(recommendation: &Recommendation, out: &mut String) -> std::fmt::Result {
    write!(
        out,
        "<section class=\"advice\"><h3>{}</h3>",
        escaped(&recommendation.title)
    )?;
    writeln!(out, "<p>{}</p>", escaped(&recommendation.why))?;
    let evidence = recommendation.evidence.iter();
    list(
        out,
        evidence.map(|of| format!("{}: {}", of.what, known(Some(of.value), &of.unit))),
    )?;
    writeln!(out, "<pre>{}</pre>", escaped(&recommendation.toml))?;
    let sure = word(recommendation.confidence);
    writeln!(
        out,
        "<p>Expected: {} (confidence: {sure})</p>",
        escaped(&recommendation.expected)
    )?;
    writeln!(out, "<p>Risk: {}</p></section>", escaped(&recommendation.risk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_examples_of_the_rfc() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert!(style_hash().starts_with("'sha256-") && style_hash().len() == "'sha256-'".len() + 44);
    }
}
