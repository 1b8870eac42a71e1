//! The pages that are a table, each with its filter and its marked row.

use super::words::Words;
use super::{ACCENT, BAD, GOOD, QUIET, WARN, draw_empty, falling, number, panel, rising};
use crate::commands::top::feed::{Cache, Held};
use crate::commands::top::screen::{Page, Screen};
use peregrine_insight::model::{NodeReport, RouteFigures, Summary, UpstreamReport};
use peregrine_lab::report::units;
use peregrine_telemetry::tail::RequestEvent;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Row, Table};

/// A table before it is drawn: its columns with their widths (the first ones are text, to the left), and its rows.
struct Sheet {
    title: String,
    columns: Vec<(&'static str, Constraint)>,
    texts: usize,
    rows: Vec<Vec<Cell<'static>>>,
    /// What to say when there are no rows.
    empty: &'static str,
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, screen: &mut Screen) {
    let news = &screen.news;
    let sheet = match screen.page {
        Page::Overview | Page::Routes => news.routes.as_deref().map(|routes| of_routes(routes, screen)),
        Page::Cache => news.cache.as_ref().map(|cache| of_cache(cache, screen)),
        Page::Upstreams => news
            .upstreams
            .as_deref()
            .map(|upstreams| of_upstreams(upstreams, screen)),
        Page::Nodes => news.nodes.as_deref().map(|nodes| of_nodes(nodes, screen)),
        Page::Traffic => news.requests.as_deref().map(|requests| of_traffic(requests, screen)),
    };
    let Some(sheet) = sheet else {
        let words = screen
            .trouble
            .clone()
            .unwrap_or_else(|| "waiting for the first answer".to_owned());
        return draw_empty(frame, area, screen.page.title(), &words);
    };
    if sheet.rows.is_empty() {
        let words = if screen.filter.is_empty() {
            sheet.empty
        } else {
            "nothing has this text"
        };
        return draw_empty(frame, area, &sheet.title, words);
    }
    let title = sheet.title.clone();
    let marked = &mut screen.marked;
    // Rows may have gone since one was marked.
    if marked.selected().is_some_and(|row| row >= sheet.rows.len()) {
        marked.select(Some(sheet.rows.len() - 1));
    }
    frame.render_stateful_widget(table(sheet).block(panel(&title)), area, marked);
}

fn table(sheet: Sheet) -> Table<'static> {
    let texts = sheet.texts;
    let aligned = move |index: usize| {
        if index < texts {
            Alignment::Left
        } else {
            Alignment::Right
        }
    };
    let head = sheet.columns.iter().enumerate().map(|(index, (title, _))| {
        Cell::from(Text::from(*title).alignment(aligned(index))).style(Style::new().fg(QUIET))
    });
    let head = Row::new(head.collect::<Vec<_>>());
    let widths: Vec<Constraint> = sheet.columns.iter().map(|(_, width)| *width).collect();
    Table::new(sheet.rows.into_iter().map(Row::new), widths)
        .header(head)
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
}

/// A number, to the right.
fn right(text: impl Into<String>) -> Cell<'static> {
    Cell::from(Text::from(text.into()).alignment(Alignment::Right))
}

fn coloured(text: impl Into<String>, colour: Color) -> Cell<'static> {
    right(text).style(Style::new().fg(colour))
}

/// The routes that cost their origins most, in the overview.
pub(super) fn draw_top_routes(frame: &mut Frame<'_>, area: Rect, summary: &Summary) {
    let rows = summary.top_routes.iter().map(|route| {
        let figures = &route.figures;
        vec![
            Cell::from(route.route.clone()),
            right(Words::rate(figures.requests_per_s)),
            hit_ratio(figures.hit_ratio.total),
            right(Words::time(figures.latency_ms.p95)),
            right(Words::share(route.share_of_origin_time)),
        ]
    });
    let sheet = Sheet {
        title: "Routes by origin time".to_owned(),
        columns: vec![
            ("route", Constraint::Fill(1)),
            ("req/s", Constraint::Length(8)),
            ("hits", Constraint::Length(6)),
            ("p95", Constraint::Length(8)),
            ("origin", Constraint::Length(6)),
        ],
        texts: 1,
        rows: rows.collect(),
        empty: "no requests yet",
    };
    if sheet.rows.is_empty() {
        return draw_empty(frame, area, &sheet.title, sheet.empty);
    }
    let title = sheet.title.clone();
    frame.render_widget(table(sheet).block(panel(&title)), area);
}

fn hit_ratio(ratio: Option<f64>) -> Cell<'static> {
    coloured(Words::share(ratio), falling(ratio, 0.7, 0.4))
}

fn of_routes(routes: &[RouteFigures], screen: &Screen) -> Sheet {
    let shown = routes
        .iter()
        .filter(|route| screen.shows([&*route.route, &*route.strategy, &*route.upstream, &*route.namespace]));
    let rows = shown.map(|route| {
        let figures = &route.figures;
        vec![
            Cell::from(route.route.clone()),
            Cell::from(route.strategy.clone()).style(Style::new().fg(QUIET)),
            right(Words::rate(figures.requests_per_s)),
            coloured(
                Words::share(figures.error_ratio),
                rising(figures.error_ratio, 0.01, 0.05),
            ),
            hit_ratio(figures.hit_ratio.total),
            right(Words::time(figures.latency_ms.p50)),
            right(Words::time(figures.latency_ms.p95)),
            right(Words::time(figures.latency_ms.p99)),
            right(Words::time(figures.upstream_ms.p95)),
            right(Words::share(route.share_of_origin_time)),
        ]
    });
    Sheet {
        title: "Routes".to_owned(),
        columns: vec![
            ("route", Constraint::Fill(2)),
            ("strategy", Constraint::Fill(1)),
            ("req/s", Constraint::Length(8)),
            ("errors", Constraint::Length(6)),
            ("hits", Constraint::Length(6)),
            ("p50", Constraint::Length(8)),
            ("p95", Constraint::Length(8)),
            ("p99", Constraint::Length(8)),
            ("upstream", Constraint::Length(8)),
            ("origin", Constraint::Length(6)),
        ],
        texts: 2,
        rows: rows.collect(),
        empty: "there are no routes",
    }
}

fn of_cache(cache: &Cache, screen: &Screen) -> Sheet {
    let mut held: Vec<(&str, &Held)> = cache
        .namespaces
        .iter()
        .map(|(name, held)| (name.as_str(), held))
        .filter(|(name, _)| screen.shows([*name]))
        .collect();
    if cache.namespaces.len() > 1 && screen.filter.is_empty() {
        held.push(("all", &cache.total));
    }
    let rows = held.into_iter().map(|(name, held)| {
        let (answered, all) = held.answered();
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let ratio = (all > 0).then(|| answered as f64 / all as f64);
        vec![
            Cell::from(name.to_owned()),
            hit_ratio(ratio),
            right(units::count(held.hits)),
            right(units::count(held.stale_served)),
            right(units::count(held.coalesced)),
            right(units::count(held.misses)),
            right(units::count(held.bypassed)),
            right(units::count(held.evictions_by_cause.values().sum())),
            right(units::count(held.entries)),
            right(units::bytes(held.bytes)),
        ]
    });
    let (used, most) = (units::bytes(cache.total.bytes), units::bytes(cache.memory_max));
    Sheet {
        title: format!("Cache: {used} of {most}, {} entries", units::count(cache.total.entries)),
        columns: vec![
            ("namespace", Constraint::Fill(1)),
            ("hit ratio", Constraint::Length(9)),
            ("hits", Constraint::Length(10)),
            ("stale", Constraint::Length(8)),
            ("coalesced", Constraint::Length(9)),
            ("misses", Constraint::Length(9)),
            ("bypassed", Constraint::Length(8)),
            ("evicted", Constraint::Length(8)),
            ("entries", Constraint::Length(9)),
            ("bytes", Constraint::Length(9)),
        ],
        texts: 1,
        rows: rows.collect(),
        empty: "there are no namespaces",
    }
}

fn of_upstreams(upstreams: &[UpstreamReport], screen: &Screen) -> Sheet {
    let targets = upstreams
        .iter()
        .flat_map(|upstream| upstream.targets.iter().map(move |target| (upstream, target)))
        .filter(|(upstream, target)| screen.shows([&*upstream.name, &*target.url, &*target.health]));
    let rows = targets.map(|(upstream, target)| {
        let colour = match target.health.as_str() {
            "healthy" => GOOD,
            "unknown" => QUIET,
            _ => BAD,
        };
        vec![
            Cell::from(upstream.name.clone()),
            Cell::from(target.url.clone()),
            Cell::from(target.health.clone()).style(Style::new().fg(colour)),
            right(Words::share(target.share)),
            right(Words::time(target.latency_ms)),
            right(units::count(target.in_flight)),
            right(units::count(target.requests)),
            coloured(
                units::count(target.errors),
                if target.errors > 0 { WARN } else { QUIET },
            ),
            right(units::count(target.retries)),
        ]
    });
    Sheet {
        title: "Upstreams".to_owned(),
        columns: vec![
            ("upstream", Constraint::Fill(1)),
            ("target", Constraint::Fill(2)),
            ("health", Constraint::Length(9)),
            ("share", Constraint::Length(6)),
            ("latency", Constraint::Length(8)),
            ("open", Constraint::Length(5)),
            ("requests", Constraint::Length(11)),
            ("errors", Constraint::Length(8)),
            ("retries", Constraint::Length(8)),
        ],
        texts: 3,
        rows: rows.collect(),
        empty: "there are no upstreams",
    }
}

fn of_nodes(nodes: &[NodeReport], screen: &Screen) -> Sheet {
    let shown = nodes.iter().filter(|node| screen.shows([&*node.name, &*node.state]));
    let rows = shown.map(|node| {
        let name = if node.own {
            format!("{} (this one)", node.name)
        } else {
            node.name.clone()
        };
        vec![
            Cell::from(name),
            Cell::from(node.state.clone()),
            right(Words::count(node.behind)),
            right(number(node.silent_s, |seconds| units::micros(seconds * 1e6))),
            right(Words::time(node.verified_age_ms)),
        ]
    });
    Sheet {
        title: "Nodes".to_owned(),
        columns: vec![
            ("node", Constraint::Fill(2)),
            ("state", Constraint::Fill(1)),
            ("behind", Constraint::Length(10)),
            ("silent for", Constraint::Length(10)),
            ("verified", Constraint::Length(10)),
        ],
        texts: 2,
        rows: rows.collect(),
        empty: "This Peregrine is alone. With a [redis] in the configuration several share one cache.",
    }
}

fn of_traffic(requests: &[RequestEvent], screen: &Screen) -> Sheet {
    let shown = requests.iter().filter(|request| {
        let status = request.status.to_string();
        let route = request.route.as_deref().unwrap_or_default();
        screen.shows([
            &*request.method,
            &*request.host,
            &*request.target,
            &*request.cache,
            &*status,
            route,
        ])
    });
    let rows = shown.map(|request| {
        let colour = match request.status {
            500.. => BAD,
            400..500 => WARN,
            _ => GOOD,
        };
        let cache = match request.cache.as_str() {
            "hit" => GOOD,
            "miss" | "bypass" => WARN,
            _ => ACCENT,
        };
        let time = request.at.to_string();
        vec![
            Cell::from(Line::from(time.get(11..23).unwrap_or_default().to_owned()).fg(QUIET)),
            Cell::from(request.method.clone()),
            Cell::from(format!("{}{}", request.host, request.target)),
            Cell::from(request.cache.clone()).style(Style::new().fg(cache)),
            coloured(request.status.to_string(), colour),
            right(Words::time(Some(request.duration_ms))),
            right(Words::time(request.upstream_ms)),
            right(units::bytes(request.sent_bytes)),
        ]
    });
    Sheet {
        title: "Traffic, newest first".to_owned(),
        columns: vec![
            ("time", Constraint::Length(12)),
            ("method", Constraint::Length(7)),
            ("url", Constraint::Fill(1)),
            ("cache", Constraint::Length(11)),
            ("status", Constraint::Length(6)),
            ("took", Constraint::Length(8)),
            ("upstream", Constraint::Length(8)),
            ("bytes", Constraint::Length(8)),
        ],
        texts: 4,
        rows: rows.collect(),
        empty: "no requests yet",
    }
}
