//! The status in a terminal, as it changes.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use cib_model::Document;
use clap::ArgMatches;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, execute, queue, style};
use node_daemon::ipc::client::{Client, ClientError};
use node_daemon::ipc::{Endpoint, Place};

use super::{Look, View, listing};
use crate::tools::commands::text;
use crate::tools::{exit, node};

/// How often to look when nothing is said, and how often to try again.
const INTERVAL: Duration = Duration::from_secs(5);
/// Changes within this time are shown together.
const TOGETHER: Duration = Duration::from_millis(50);

/// What makes the screen change.
enum News {
    /// The cluster has changed, or may have.
    Changed,
    /// The screen has another size.
    Resized,
    /// The user, or a signal, wants an end.
    Quit,
}

/// The terminal while it is ours; it becomes again what it was when this is dropped.
struct Screen;

impl Screen {
    fn open() -> io::Result<Screen> {
        terminal::enable_raw_mode()?;
        let screen = Screen;
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }

    /// Shows text from its beginning, as much as there is room for.
    fn show(&self, text: &str) -> io::Result<()> {
        let (columns, rows) = terminal::size()?;
        let mut out = io::stdout().lock();
        queue!(out, cursor::MoveTo(0, 0))?;
        for (row, line) in text.lines().take(usize::from(rows)).enumerate() {
            if row > 0 {
                queue!(out, style::Print("\r\n"))?;
            }
            let line: String = expanded(line).chars().take(usize::from(columns)).collect();
            queue!(out, style::Print(line), Clear(ClearType::UntilNewLine))?;
        }
        queue!(out, Clear(ClearType::FromCursorDown))?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // With the terminal gone nobody minds.
        let _ = execute!(io::stdout(), cursor::Show, LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

/// A line with blanks in place of tabs.
fn expanded(line: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for c in line.chars() {
        let width = if c == '\t' { 8 - column % 8 } else { 1 };
        column += width;
        match c {
            '\t' => out.extend(std::iter::repeat_n(' ', width)),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

/// Shows the status until the user types q or Ctrl-C, or a signal comes.
pub fn run(view: &View, matches: &ArgMatches) -> u8 {
    let interval = text(matches, "interval")
        .and_then(|text| cib_model::scalar::parse_interval_ms(text).ok())
        .map_or(INTERVAL, |ms| Duration::from_millis(ms.max(100)));
    match Screen::open().and_then(|screen| follow(view, interval, &screen)) {
        Ok(()) => exit::OK,
        Err(error) => {
            eprintln!("crm_mon: {error}");
            exit::OS
        }
    }
}

fn follow(view: &View, interval: Duration, screen: &Screen) -> io::Result<()> {
    let (sender, news) = channel();
    listen_to_user(sender.clone());
    listen_to_signals(sender.clone())?;
    listen_to_cluster(sender, interval);
    loop {
        let shown = match Look::take(view) {
            Ok(look) => listing(view, &look),
            Err((text, _)) => format!("{text}\n"),
        };
        screen.show(&shown)?;
        loop {
            match news.recv_timeout(interval) {
                Ok(News::Quit) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(News::Resized) => screen.show(&shown)?,
                Ok(News::Changed) if !gather(&news) => return Ok(()),
                Ok(News::Changed) | Err(RecvTimeoutError::Timeout) => break,
            }
        }
    }
}

/// Takes the changes that follow at once; false if the user wants an end.
fn gather(news: &Receiver<News>) -> bool {
    thread::sleep(TOGETHER);
    !news.try_iter().any(|news| matches!(news, News::Quit))
}

fn listen_to_user(news: Sender<News>) {
    thread::spawn(move || {
        loop {
            let said = match crossterm::event::read() {
                Ok(Event::Key(key)) if ends(key) => News::Quit,
                Ok(Event::Resize(..)) => News::Resized,
                Ok(_) => continue,
                // The terminal is gone.
                Err(_) => News::Quit,
            };
            if news.send(said).is_err() {
                return;
            }
        }
    });
}

fn ends(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    matches!((key.code, control), (KeyCode::Char('q' | 'Q'), false) | (KeyCode::Char('c'), true))
}

fn listen_to_signals(news: Sender<News>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if news.send(News::Quit).is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn listen_to_cluster(news: Sender<News>, interval: Duration) {
    thread::spawn(move || {
        let mut changes = subscribe().ok();
        loop {
            match changes.as_mut().map(|client| client.event(Duration::from_secs(3_600))) {
                Some(Ok(_)) if news.send(News::Changed).is_err() => return,
                Some(Ok(_) | Err(ClientError::Timeout(_))) => {}
                Some(Err(_)) | None => {
                    thread::sleep(interval.min(Duration::from_secs(1)));
                    changes = subscribe().ok();
                    if changes.is_some() && news.send(News::Changed).is_err() {
                        return;
                    }
                }
            }
        }
    });
}

/// Asks to be told of changes.
fn subscribe() -> Result<Client, ClientError> {
    let mut client = Client::connect(&Place::from_environment(), Endpoint::CibRead)?;
    for attributes in [
        &[("t", "cib"), ("cib_op", "register"), ("cib_clientname", "crm_mon")][..],
        &[
            ("cib_op", "cib_notify"),
            ("cib_notify_type", "cib_diff_notify"),
            ("cib_notify_activate", "1"),
        ],
    ] {
        let mut message = Document::new("cib_command");
        let root = message.root_id();
        for (name, value) in attributes {
            message.set_attribute(root, name, value);
        }
        client.ask(&message.root().to_xml_compact(), node::TIMEOUT)?;
    }
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_take_the_room_they_have_in_a_terminal() {
        assert_eq!(expanded("web\t(x):\t Started"), "web     (x):     Started");
        assert_eq!(expanded("a\u{1b}[2J"), "a?[2J");
    }
}
