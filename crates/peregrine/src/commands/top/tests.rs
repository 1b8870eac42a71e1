//! What a person sees and what the keys do, drawn into a terminal that is only a buffer.

use super::feed::News;
use super::screen::{Page, Screen, Then};
use super::view;
use peregrine_insight::model::{
    Alert, AlertState, Figures, History, HitRatio, Latency, RouteFigures, Severity, Status, Summary, TargetReport,
    UpstreamReport,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::BTreeMap;

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

fn press(screen: &mut Screen, keys: &str) -> Then {
    let mut then = Then::Stay;
    for character in keys.chars() {
        let code = match character {
            '\n' => KeyCode::Enter,
            other => KeyCode::Char(other),
        };
        then = screen.press(key(code));
    }
    then
}

/// What `screen` shows, line by line.
fn shown(screen: &mut Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, screen)).unwrap();
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(width).max(1));
    let text = |line: &[ratatui::buffer::Cell]| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    lines.map(|line| text(line) + "\n").collect()
}

#[track_caller]
fn assert_shows(screen: &mut Screen, expected: &[&str]) {
    let text = shown(screen, 120, 32);
    for words in expected {
        assert!(text.contains(words), "`{words}` is not on\n{text}");
    }
}

fn figures() -> Figures {
    Figures {
        requests_per_s: Some(1234.0),
        error_ratio: Some(0.012),
        latency_ms: Latency {
            p50: Some(0.8),
            p95: Some(12.5),
            p99: Some(250.0),
            mean: None,
        },
        hit_ratio: HitRatio {
            total: Some(0.934),
            memory: Some(0.9),
            redis: None,
        },
        ..Figures::default()
    }
}

fn route(name: &str) -> RouteFigures {
    RouteFigures {
        route: name.to_owned(),
        strategy: "pages".to_owned(),
        share_of_origin_time: Some(0.5),
        figures: figures(),
        ..RouteFigures::default()
    }
}

fn screen() -> Screen {
    let mut screen = Screen::new(Page::Overview, "http://127.0.0.1:9180".to_owned());
    let alert = Alert {
        id: "1".to_owned(),
        rule: "errors".to_owned(),
        severity: Severity::Critical,
        state: AlertState::Firing,
        metric: "error_ratio".to_owned(),
        labels: BTreeMap::new(),
        value: Some(0.2),
        threshold: 0.05,
        text: "20.0% of requests end in an error".to_owned(),
        since: "2026-01-01T00:00:00Z".parse_time(),
        fired: None,
        resolved: None,
        acknowledged: None,
        silenced_by: None,
        next_step: String::new(),
    };
    let summary = Summary {
        node: "edge-1".to_owned(),
        version: "0.1.0".to_owned(),
        uptime_s: 3_900,
        status: Status::Degraded,
        now: figures(),
        alerts: vec![alert],
        top_routes: vec![route("products")],
        ..Summary::default()
    };
    let history = History {
        resolution_s: 1,
        at: vec![1, 2, 3],
        series: BTreeMap::from([("requests_per_s".to_owned(), vec![Some(1.0), None, Some(8.0)])]),
        heat: None,
    };
    screen.take(News {
        summary: Some(summary),
        history: Some(history),
        routes: Some(vec![route("products"), route("search")]),
        ..News::default()
    });
    screen
}

/// Times in tests, as people write them.
trait ParseTime {
    fn parse_time(&self) -> peregrine_insight::Time;
}

impl ParseTime for str {
    fn parse_time(&self) -> peregrine_insight::Time {
        peregrine_insight::Time::parse(self).unwrap()
    }
}

#[test]
fn the_overview_tells_state_numbers_alerts_and_routes() {
    assert_shows(
        &mut screen(),
        &[
            "● degraded",
            "edge-1",
            "up 1h5m",
            "1,234",
            "1.2%",
            "12.5 ms",
            "93.4%",
            "redis –",
            "requests/s, 5 min, at most 8.0",
            "1 alert",
            "critical 20.0% of requests end in an error",
            "products",
        ],
    );
}

#[test]
fn before_the_first_answer_it_says_whom_it_asks_and_why_nothing_comes() {
    let mut screen = Screen::new(Page::Overview, "http://127.0.0.1:9180".to_owned());
    assert_shows(
        &mut screen,
        &["asking http://127.0.0.1:9180", "waiting for the first answer"],
    );
    screen.take(News {
        trouble: Some("no Peregrine answers at http://127.0.0.1:9180".to_owned()),
        ..News::default()
    });
    assert_shows(&mut screen, &["no Peregrine answers at http://127.0.0.1:9180"]);
}

#[test]
fn numbers_stay_while_nobody_answers() {
    let mut screen = screen();
    screen.take(News {
        trouble: Some("no Peregrine answers".to_owned()),
        ..News::default()
    });
    assert_shows(&mut screen, &["no Peregrine answers", "1,234", "products"]);
}

#[test]
fn a_pause_keeps_what_is_shown() {
    let mut screen = screen();
    press(&mut screen, "p");
    screen.take(News {
        summary: Some(Summary::default()),
        ..News::default()
    });
    assert_shows(&mut screen, &["paused", "edge-1", "1,234"]);
    press(&mut screen, "p");
    screen.take(News {
        summary: Some(Summary::default()),
        ..News::default()
    });
    assert!(!shown(&mut screen, 120, 32).contains("edge-1"));
}

#[test]
fn a_filter_leaves_the_rows_that_have_its_text() {
    let mut screen = screen();
    press(&mut screen, "2/SEA");
    assert_shows(&mut screen, &[" / SEA▏", "search"]);
    assert!(!shown(&mut screen, 120, 32).contains("products"));
    press(&mut screen, "q\n");
    assert_shows(&mut screen, &["only with \"SEAq\"", "nothing has this text"]);
    assert_eq!(
        screen.press(key(KeyCode::Esc)),
        Then::Stay,
        "Esc drops the filter first"
    );
    assert_shows(&mut screen, &["products", "search"]);
    assert_eq!(screen.press(key(KeyCode::Esc)), Then::Quit);
}

#[test]
fn keys_open_pages_and_help_and_leave() {
    let mut screen = screen();
    for (digit, page) in ('1'..='6').zip(Page::ALL) {
        press(&mut screen, &digit.to_string());
        assert_eq!(screen.page, page);
    }
    screen.press(key(KeyCode::Tab));
    assert_eq!(screen.page, Page::Overview, "after the last comes the first");
    screen.press(key(KeyCode::BackTab));
    assert_eq!(screen.page, Page::Traffic);
    press(&mut screen, "?");
    assert_shows(&mut screen, &["Keys", "show only rows with this text"]);
    assert_eq!(press(&mut screen, "q"), Then::Stay, "any key closes the help");
    assert_eq!(press(&mut screen, "q"), Then::Quit);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(screen.press(interrupt), Then::Quit);
}

#[test]
fn targets_and_requests_are_rows() {
    let mut screen = screen();
    let target = TargetReport {
        url: "http://10.0.0.2:3000".to_owned(),
        health: "unhealthy".to_owned(),
        errors: 1_500,
        ..TargetReport::default()
    };
    let request = serde_json::json!({
        "at": "2026-01-01T09:05:00.250Z", "request_id": "r1", "client": "192.0.2.7", "method": "GET", "scheme": "http",
        "host": "shop.example", "target": "/cart", "status": 503, "duration_ms": 1.5, "cache": "bypass", "sent_bytes": 9,
    });
    screen.take(News {
        upstreams: Some(vec![UpstreamReport {
            name: "api".to_owned(),
            targets: vec![target],
            ..UpstreamReport::default()
        }]),
        requests: Some(vec![serde_json::from_value(request).unwrap()]),
        nodes: Some(Vec::new()),
        ..News::default()
    });
    press(&mut screen, "4");
    assert_shows(&mut screen, &["http://10.0.0.2:3000", "unhealthy", "1,500"]);
    press(&mut screen, "5");
    assert_shows(&mut screen, &["This Peregrine is alone"]);
    press(&mut screen, "6");
    assert_shows(
        &mut screen,
        &["09:05:00.250", "shop.example/cart", "503", "1.5 ms", "bypass"],
    );
    screen.press(key(KeyCode::Down));
    screen.press(key(KeyCode::Down));
    shown(&mut screen, 120, 32);
    assert_eq!(screen.marked.selected(), Some(0), "the mark stays on a row");
}

#[test]
fn it_draws_in_any_terminal() {
    for (width, height) in [(1, 1), (10, 3), (40, 12), (80, 24), (300, 90)] {
        for page in Page::ALL {
            let mut screen = screen();
            screen.page = page;
            screen.help = true;
            shown(&mut screen, width, height);
        }
    }
    let text = shown(&mut screen(), 80, 24);
    for words in ["1,234", "93.4%", "products", "critical", "? help"] {
        assert!(text.contains(words), "`{words}` does not fit into 80 by 24:\n{text}");
    }
}
