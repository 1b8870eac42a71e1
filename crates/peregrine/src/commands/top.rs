//! `peregrine top`: the same numbers as the dashboard, live in a terminal.
//!
//! One loop: keys and answers arrive as messages, change what is shown, and the screen is drawn. A thread reads the keyboard,
//! a task asks the admin API; neither ever waits for the other, so that `q` ends it even while nobody answers. Whatever
//! happens, the terminal is left as it was.

mod feed;
mod screen;
#[cfg(test)]
mod tests;
mod view;

use crate::client::{Address, Client};
use crate::config::Environment;
use crate::{Failure, commands};
use clap::Args;
use feed::{Ask, News};
use peregrine_base::Span;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use screen::{Page, Screen, Then};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How many keys and answers may wait to be taken notice of.
const MESSAGES_MAX: usize = 64;
/// How long the thread of the keyboard waits before it looks whether anybody still wants to know.
const KEY_WAIT: Duration = Duration::from_millis(200);

/// What can be said to `top`.
#[derive(Debug, Args)]
#[command(
    about = "The same live: requests, latency, hit ratio, routes, upstreams and nodes, in this terminal",
    long_about = "Shows a running Peregrine live: requests, errors, latency, hit ratio and what was saved; routes, the cache, \
                  upstreams, nodes, and requests as they end. Press ? for the keys.",
    after_help = "Examples:\n  \
        peregrine top\n  \
        peregrine top --page traffic\n  \
        peregrine top --admin http://10.0.0.7:9180 --token-file admin.token"
)]
pub struct Arguments {
    /// The page to begin with.
    #[arg(long, value_enum, default_value_t = Page::Overview)]
    page: Page,
    /// How often to ask: from 200ms to 1m.
    #[arg(long, value_name = "TIME", default_value = "1s")]
    every: Span,
    #[command(flatten)]
    address: Address,
}

/// What changes the screen.
enum Message {
    /// A key, or a new size.
    Input(Event),
    /// What the admin API answered.
    News(Box<News>),
    /// The keyboard is gone.
    Deaf,
}

/// Runs the command.
///
/// # Errors
/// When there is no terminal, or the address or token cannot be used.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let every = arguments.every.get();
    if !(Duration::from_millis(200)..=Duration::from_mins(1)).contains(&every) {
        let problem = format!("--every {}: it is from 200ms to 1m", arguments.every);
        return Err(Failure::Usage(problem));
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let problem = "`peregrine top` draws in a terminal, and this is none; `peregrine stats --json` and `peregrine report` \
                       write what scripts can read";
        return Err(Failure::Usage(problem.to_owned()));
    }
    let client = Arc::new(Client::new(&arguments.address, environment)?);
    let screen = Screen::new(arguments.page, client.base().to_owned());
    let mut terminal = ratatui::try_init()?;
    let ended = commands::block_on(watch_until_quit(&mut terminal, client, screen, every));
    // Also where it failed: a terminal in raw mode is of no use to anybody.
    let restored = ratatui::try_restore();
    ended??;
    Ok(restored?)
}

async fn watch_until_quit(
    terminal: &mut ratatui::DefaultTerminal,
    client: Arc<Client>,
    mut screen: Screen,
    every: Duration,
) -> Result<(), Failure> {
    let (tell, mut told) = mpsc::channel(MESSAGES_MAX);
    let (want, wanted) = watch::channel(Ask::of(&screen));
    listen_to_keys(tell.clone());
    let asking = tokio::spawn(ask_forever(client, wanted, tell, every));
    loop {
        terminal.draw(|frame| view::draw(frame, &mut screen))?;
        let then = match told.recv().await {
            Some(Message::Input(Event::Key(key))) if key.kind != KeyEventKind::Release => screen.press(key),
            Some(Message::Input(_)) => Then::Stay,
            Some(Message::News(news)) => {
                screen.take(*news);
                Then::Stay
            }
            Some(Message::Deaf) | None => Then::Quit,
        };
        if then == Then::Quit {
            asking.abort();
            return Ok(());
        }
        let ask = Ask::of(&screen);
        want.send_if_modified(|before| {
            let is_news = *before != ask;
            *before = ask;
            is_news
        });
    }
}

/// Asks every `every`, and at once when something else is wanted.
async fn ask_forever(
    client: Arc<Client>,
    mut wanted: watch::Receiver<Ask>,
    tell: mpsc::Sender<Message>,
    every: Duration,
) {
    loop {
        let ask = wanted.borrow_and_update().clone();
        if !ask.paused {
            let news = feed::fetch(&client, &ask).await;
            if tell.send(Message::News(Box::new(news))).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            changed = wanted.changed() => if changed.is_err() { return },
        }
    }
}

/// Reads the keyboard on a thread of its own: reading it blocks.
fn listen_to_keys(tell: mpsc::Sender<Message>) {
    std::thread::spawn(move || {
        while !tell.is_closed() {
            let message = match event::poll(KEY_WAIT) {
                Ok(false) => continue,
                Ok(true) => event::read().map_or(Message::Deaf, Message::Input),
                Err(_) => Message::Deaf,
            };
            let is_last = matches!(message, Message::Deaf);
            if tell.blocking_send(message).is_err() || is_last {
                return;
            }
        }
    });
}
