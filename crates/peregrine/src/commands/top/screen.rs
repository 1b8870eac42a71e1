//! What is on the screen and what a key does to it. Knows neither the terminal nor the network.

use super::feed::News;
use clap::ValueEnum;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::widgets::TableState;

/// The longest filter that can be typed.
const FILTER_MAX: usize = 80;

/// The pages, in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Page {
    /// Everything at a glance.
    Overview,
    /// What each route does.
    Routes,
    /// What the cache holds, by namespace.
    Cache,
    /// The targets of the upstreams.
    Upstreams,
    /// The nodes that share a Redis.
    Nodes,
    /// Requests as they end.
    Traffic,
}

impl Page {
    pub(super) const ALL: [Self; 6] = [
        Self::Overview,
        Self::Routes,
        Self::Cache,
        Self::Upstreams,
        Self::Nodes,
        Self::Traffic,
    ];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Routes => "Routes",
            Self::Cache => "Cache",
            Self::Upstreams => "Upstreams",
            Self::Nodes => "Nodes",
            Self::Traffic => "Traffic",
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }

    fn stepped(self, by: usize) -> Self {
        Self::ALL[(self.index() + by) % Self::ALL.len()]
    }
}

/// What a key means for the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Stay,
    Quit,
}

/// Everything that is drawn.
pub(super) struct Screen {
    pub(super) page: Page,
    /// The address of the admin API.
    pub(super) base: String,
    /// What was answered last, by page.
    pub(super) news: News,
    /// Why the last question was not answered.
    pub(super) trouble: Option<String>,
    pub(super) paused: bool,
    pub(super) help: bool,
    /// Only rows that hold this text are shown.
    pub(super) filter: String,
    /// Whether keys go into the filter.
    pub(super) typing: bool,
    /// Which row of the page's table is marked.
    pub(super) marked: TableState,
}

impl Screen {
    pub(super) fn new(page: Page, base: String) -> Self {
        Self {
            page,
            base,
            news: News::default(),
            trouble: None,
            paused: false,
            help: false,
            filter: String::new(),
            typing: false,
            marked: TableState::default(),
        }
    }

    /// Takes over what was answered; what was not asked for stays as it was.
    pub(super) fn take(&mut self, news: News) {
        // An answer may have been on its way when the pause began.
        if self.paused {
            return;
        }
        self.trouble = news.trouble.clone();
        self.news.update(news);
    }

    /// Whether a row with these words is to be shown.
    pub(super) fn shows<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> bool {
        let wanted = self.filter.to_lowercase();
        wanted.is_empty() || words.into_iter().any(|word| word.to_lowercase().contains(&wanted))
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Then {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Then::Quit;
        }
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return Then::Stay;
        }
        if self.typing {
            self.type_into_filter(key.code);
            return Then::Stay;
        }
        if self.help {
            self.help = false;
            return Then::Stay;
        }
        match key.code {
            KeyCode::Char('q') => return Then::Quit,
            // Takes back one thing at a time, then leaves.
            KeyCode::Esc if self.filter.is_empty() => return Then::Quit,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char(digit @ '1'..='6') => {
                let index = digit.to_digit(10).map_or(0, |digit| digit as usize - 1);
                self.open(Page::ALL[index]);
            }
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => self.open(self.page.stepped(1)),
            KeyCode::BackTab | KeyCode::Left => self.open(self.page.stepped(Page::ALL.len() - 1)),
            KeyCode::Down | KeyCode::Char('j') => self.marked.select_next(),
            KeyCode::Up | KeyCode::Char('k') => self.marked.select_previous(),
            KeyCode::PageDown => self.marked.scroll_down_by(10),
            KeyCode::PageUp => self.marked.scroll_up_by(10),
            KeyCode::Home | KeyCode::Char('g') => self.marked.select_first(),
            KeyCode::End | KeyCode::Char('G') => self.marked.select_last(),
            _ => {}
        }
        Then::Stay
    }

    fn open(&mut self, page: Page) {
        self.page = page;
        self.marked = TableState::default();
    }

    fn type_into_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char(character) if self.filter.len() < FILTER_MAX => self.filter.push(character),
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Esc => {
                self.filter.clear();
                self.typing = false;
            }
            KeyCode::Enter => self.typing = false,
            _ => {}
        }
        self.marked = TableState::default();
    }
}
