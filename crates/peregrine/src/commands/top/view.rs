//! How the screen looks: a head with how things are, the page, and a line with the keys. Everything fits into 80 by 24.

mod overview;
mod tables;
mod words;

use super::screen::{Page, Screen};
use peregrine_insight::model::Status;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Tabs, Wrap};
use words::Words;

/// What is as it should be.
const GOOD: Color = Color::Green;
/// What somebody should look at.
const WARN: Color = Color::Yellow;
/// What is broken.
const BAD: Color = Color::Red;
/// What frames the rest.
const QUIET: Color = Color::DarkGray;
/// What is marked.
const ACCENT: Color = Color::Cyan;

const HELP: [(&str, &str); 9] = [
    ("1 … 6", "a page: overview, routes, cache, upstreams, nodes, traffic"),
    ("Tab ← →", "the next page, the one before"),
    ("↑ ↓ j k", "mark a row; PgUp, PgDn, Home and End too"),
    ("/", "show only rows with this text; Enter keeps it, Esc drops it"),
    ("p, space", "pause: the numbers stay as they are"),
    ("?", "this page"),
    ("Esc", "drop the filter, or leave"),
    ("q, Ctrl-C", "leave"),
    ("", "press any key to go on"),
];

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &mut Screen) {
    let rows = Layout::vertical([Constraint::Length(2), Constraint::Fill(1), Constraint::Length(1)]);
    let [head, page, foot] = rows.areas(frame.area());
    draw_head(frame, head, screen);
    match screen.page {
        Page::Overview => overview::draw(frame, page, screen),
        _ => tables::draw(frame, page, screen),
    }
    draw_foot(frame, foot, screen);
    if screen.help {
        draw_help(frame);
    }
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let [state, pages] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
    let mut spans = vec![Span::from(" peregrine ").bold().fg(ACCENT)];
    if let Some(summary) = &screen.news.summary {
        let (word, colour) = match summary.status {
            Status::Ok => ("● ok", GOOD),
            Status::Degraded => ("● degraded", WARN),
            Status::Failing => ("● failing", BAD),
        };
        spans.push(Span::from(word).fg(colour).bold());
        let score = Words::of(summary.score.value, |score| {
            format!("{score:.0} {}", summary.score.grade.as_deref().unwrap_or_default())
        });
        spans.push(format!("  score {score}").into());
        spans.push(Span::from(format!("  {}", summary.node)));
        let up = crate::print::time(std::time::Duration::from_secs(summary.uptime_s));
        spans.push(Span::from(format!("  {}  up {up}", summary.version)).fg(QUIET));
    } else {
        spans.push(Span::from(format!("asking {} …", screen.base)).fg(QUIET));
    }
    if screen.paused {
        spans.push(Span::from("  paused ").fg(Color::Black).bg(WARN));
    }
    frame.render_widget(Line::from(spans), state);
    let titles = Page::ALL.map(|page| format!("{} {}", page.index() + 1, page.title()));
    let tabs = Tabs::new(titles)
        .select(screen.page.index())
        .style(Style::new().fg(QUIET))
        .highlight_style(
            Style::new()
                .fg(ACCENT)
                .add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        )
        .divider(" ");
    frame.render_widget(tabs, pages);
}

fn draw_foot(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let line = if screen.typing {
        Line::from(vec![
            Span::from(" / ").fg(ACCENT).bold(),
            Span::from(screen.filter.clone()),
            Span::from("▏").fg(ACCENT),
            Span::from("  Enter keeps it, Esc drops it").fg(QUIET),
        ])
    } else if let Some(trouble) = &screen.trouble {
        let trouble = trouble.lines().next().unwrap_or_default();
        Line::from(Span::from(format!(" {trouble}")).fg(BAD))
    } else {
        let keys = " ? help  / filter  p pause  1-6 pages  q leave";
        let mut spans = vec![Span::from(keys).fg(QUIET)];
        if !screen.filter.is_empty() {
            spans.push(Span::from(format!("   only with \"{}\"", screen.filter)).fg(WARN));
        }
        Line::from(spans)
    };
    frame.render_widget(line, area);
}

fn draw_help(frame: &mut Frame<'_>) {
    let lines: Vec<Line<'_>> = HELP
        .iter()
        .map(|(keys, what)| {
            Line::from(vec![
                Span::from(format!(" {keys:<11}")).fg(ACCENT).bold(),
                (*what).into(),
            ])
        })
        .collect();
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = frame
        .area()
        .centered(Constraint::Length(76), Constraint::Length(height));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(panel("Keys")), area);
}

/// A frame with a title.
fn panel(title: &str) -> Block<'_> {
    Block::bordered()
        .border_type(ratatui::widgets::BorderType::Rounded)
        .border_style(Style::new().fg(QUIET))
        .title(Span::from(format!(" {title} ")).fg(ACCENT))
}

/// Says in the middle of `area` why nothing else is there.
fn draw_empty(frame: &mut Frame<'_>, area: Rect, title: &str, words: &str) {
    let paragraph = Paragraph::new(words)
        .style(Style::new().fg(QUIET))
        .centered()
        .wrap(Wrap { trim: true })
        .block(panel(title));
    frame.render_widget(paragraph, area);
}

/// The colour of a number that is bad above `bad` and worth a look above `warn`.
fn rising(value: Option<f64>, warn: f64, bad: f64) -> Color {
    match value {
        None => QUIET,
        Some(value) if value > bad => BAD,
        Some(value) if value > warn => WARN,
        Some(_) => GOOD,
    }
}

/// The colour of a number that is bad below `bad` and worth a look below `warn`.
fn falling(value: Option<f64>, warn: f64, bad: f64) -> Color {
    rising(value.map(|value| -value), -warn, -bad)
}

/// A cell of a number in its unit.
fn number(value: Option<f64>, word: impl Fn(f64) -> String) -> String {
    Words::of(value, word)
}
