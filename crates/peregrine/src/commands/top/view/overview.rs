//! Everything at a glance: the numbers that matter, how they went over the last minutes, what is wrong, and who costs most.

use super::words::{Words, whole};
use super::{ACCENT, BAD, GOOD, QUIET, WARN, draw_empty, falling, panel, rising, tables};
use crate::commands::top::screen::Screen;
use peregrine_insight::model::{Alert, AlertState, History, Severity, SloState, SloStatus, Summary};
use peregrine_lab::report::units;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};
use std::time::Duration;

/// How much finer than the numbers themselves the little charts are drawn: they take whole numbers.
const FINENESS: f64 = 1000.0;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, screen: &mut Screen) {
    let Some(summary) = &screen.news.summary else {
        let words = match &screen.trouble {
            Some(trouble) => trouble.clone(),
            None => "waiting for the first answer".to_owned(),
        };
        return draw_empty(frame, area, "Overview", &words);
    };
    let rows = Layout::vertical([
        Constraint::Length(4),
        Constraint::Length(5),
        Constraint::Fill(1),
        Constraint::Length(6),
    ]);
    let [tiles, charts, middle, notes] = rows.areas(area);
    draw_tiles(frame, tiles, summary);
    draw_charts(frame, charts, screen.news.history.as_ref());
    let [routes, troubles] = Layout::horizontal([Constraint::Percentage(58), Constraint::Fill(1)]).areas(middle);
    tables::draw_top_routes(frame, routes, summary);
    draw_troubles(frame, troubles, summary);
    draw_notes(frame, notes, summary);
}

fn draw_tiles(frame: &mut Frame<'_>, area: Rect, summary: &Summary) {
    let now = &summary.now;
    let saved = Duration::from_secs_f64(summary.saved.origin_seconds.clamp(0.0, 1e12));
    let latency = &now.latency_ms;
    let tiles: [(&str, String, Color, String); 6] = [
        (
            "requests/s",
            Words::rate(now.requests_per_s),
            ACCENT,
            format!("{} open", Words::count(now.connections_open)),
        ),
        (
            "errors",
            Words::share(now.error_ratio),
            rising(now.error_ratio, 0.01, 0.05),
            format!("{} in 15m", Words::share(summary.range.error_ratio)),
        ),
        (
            "p95",
            Words::time(latency.p95),
            rising(latency.p95, 500.0, 1000.0),
            format!("{} · {}", Words::time(latency.p50), Words::time(latency.p99)),
        ),
        (
            "hit ratio",
            Words::share(now.hit_ratio.total),
            falling(now.hit_ratio.total, 0.7, 0.4),
            format!("redis {}", Words::share(now.hit_ratio.redis)),
        ),
        (
            "origin saved",
            crate::print::time(saved),
            GOOD,
            format!("{} requests", units::count(summary.saved.origin_requests)),
        ),
        (
            "cpu",
            Words::share(now.cpu_ratio),
            rising(now.cpu_ratio, 0.6, 0.8),
            Words::bytes(now.memory_bytes),
        ),
    ];
    let areas = Layout::horizontal([Constraint::Fill(1); 6]).split(area);
    for ((title, value, colour, below), area) in tiles.into_iter().zip(areas.iter()) {
        let lines = vec![
            Line::from(Span::from(value).fg(colour).bold()),
            Line::from(Span::from(below).fg(QUIET)),
        ];
        frame.render_widget(Paragraph::new(lines).centered().block(panel(title)), *area);
    }
}

fn draw_charts(frame: &mut Frame<'_>, area: Rect, history: Option<&History>) {
    let [requests, latency, hits] = Layout::horizontal([Constraint::Fill(1); 3]).areas(area);
    let points = |series: &str| {
        history
            .and_then(|history| history.series.get(series))
            .map(Vec::as_slice)
    };
    let chart = |title, points: Option<&[Option<f64>]>, word: fn(Option<f64>) -> String| {
        let points = points.unwrap_or_default();
        let most = points.iter().flatten().copied().reduce(f64::max);
        let title = most.map_or_else(
            || format!("{title}, 5 min"),
            |_| format!("{title}, 5 min, at most {}", word(most)),
        );
        (title, most, points.to_vec())
    };
    let charts = [
        (
            requests,
            ACCENT,
            chart("requests/s", points("requests_per_s"), Words::rate),
        ),
        (latency, WARN, chart("p95", points("latency_p95_ms"), Words::time)),
        (hits, GOOD, chart("hit ratio", points("hit_ratio"), Words::share)),
    ];
    for (area, colour, (title, most, points)) in charts {
        // The newest points, as many as there is room for.
        let room = usize::from(area.width.saturating_sub(2));
        let newest = points.into_iter().rev().take(room).rev();
        let bars = newest.map(|point| point.map(|point| whole(point * FINENESS)));
        let chart = Sparkline::default()
            .data(bars.collect::<Vec<_>>())
            .max(whole(most.unwrap_or(0.0) * FINENESS).max(1))
            .style(Style::new().fg(colour))
            .absent_value_style(Style::new().fg(QUIET))
            .block(panel(&title));
        frame.render_widget(chart, area);
    }
}

/// What fires, what burns, and what the health check complains about: the worst first.
fn draw_troubles(frame: &mut Frame<'_>, area: Rect, summary: &Summary) {
    let mut lines: Vec<Line<'_>> = summary.alerts.iter().map(alert).collect();
    lines.extend(
        summary
            .complaints
            .iter()
            .map(|complaint| Line::from(format!("! {complaint}").fg(WARN))),
    );
    lines.extend(summary.slos.iter().map(objective));
    let title = match summary
        .alerts
        .iter()
        .filter(|alert| alert.state == AlertState::Firing)
        .count()
    {
        0 => "No alerts".to_owned(),
        1 => "1 alert".to_owned(),
        count => format!("{count} alerts"),
    };
    if lines.is_empty() {
        lines.push(Line::from("nothing is wrong".fg(QUIET)));
    }
    frame.render_widget(Paragraph::new(lines).block(panel(&title)), area);
}

fn alert(alert: &Alert) -> Line<'_> {
    let colour = match alert.severity {
        Severity::Critical | Severity::High => BAD,
        Severity::Medium => WARN,
        Severity::Low => QUIET,
    };
    let severity = Span::from(format!("{} ", alert.severity.as_str())).fg(colour).bold();
    Line::from(vec![severity, Span::from(alert.text.as_str())])
}

fn objective(slo: &SloStatus) -> Line<'_> {
    let colour = match slo.state {
        SloState::Ok => GOOD,
        SloState::Burning => WARN,
        SloState::Exhausted => BAD,
        SloState::NoData | SloState::Frozen => QUIET,
    };
    let left = Words::share(slo.budget_left);
    let until = slo
        .exhausted_in_s
        .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
        .map(|seconds| {
            format!(
                ", used up in {}",
                crate::print::time(Duration::from_secs(whole(seconds)))
            )
        })
        .unwrap_or_default();
    Line::from(vec![
        Span::from("◆ ").fg(colour),
        Span::from(format!("{}: {left} of the error budget left{until}", slo.name)),
    ])
}

fn draw_notes(frame: &mut Frame<'_>, area: Rect, summary: &Summary) {
    let lines: Vec<Line<'_>> = summary
        .changes
        .iter()
        .map(|note| {
            let time = note.at.to_string();
            // The time of day is enough.
            let time = time.get(11..19).unwrap_or_default().to_owned();
            Line::from(vec![
                Span::from(format!("{time} ")).fg(QUIET),
                Span::from(note.text.as_str()),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(panel("What changed (UTC)")), area);
}
