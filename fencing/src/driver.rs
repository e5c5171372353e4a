//! The driver: a [`Fencer`] on real time, with real agents, inside a program's own `mio` loop.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::event::Event;
use mio::{Events, Poll, Registry, Token};

use crate::agent::Action;
use crate::clock::Moment;
use crate::executor::CallId;
use crate::fencer::{Fencer, Input, Notification, Output, Response};
use crate::name::NodeName;
use crate::process::{Finished, ProcessDriver};

/// What the program around the driver does for it.
pub trait Host {
    /// Sends a message to one fencer or, in total order, to all including this one.
    fn send(&mut self, to: Option<&NodeName>, message: Vec<u8>);

    /// Answers a client.
    fn reply(&mut self, call: CallId, response: Response);

    /// Tells subscribers.
    fn notify(&mut self, notification: Notification);

    /// Takes this host down at once, by the watchdog or the kernel.
    fn self_fence(&mut self, action: Action);
}

/// A fencer with its agents.
///
/// Hand it every `mio` event whose token is at or above the first one given to
/// [`ProcessDriver::new`], call [`Driver::tick`] after each wait, and wait no longer than
/// [`Driver::poll_timeout`].
pub struct Driver {
    fencer: Fencer,
    processes: ProcessDriver,
    started: Instant,
}

impl Driver {
    /// A driver for a fencer.
    pub fn new(fencer: Fencer, processes: ProcessDriver) -> Self {
        Self { fencer, processes, started: Instant::now() }
    }

    /// The fencer, to be looked at.
    pub fn fencer(&self) -> &Fencer {
        &self.fencer
    }

    fn now(&self) -> Moment {
        // A clock before 1970 dates records at 1970; nothing waits on it.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { elapsed: self.started.elapsed(), wall }
    }

    /// Takes one input.
    pub fn handle(&mut self, registry: &Registry, host: &mut impl Host, input: Input) {
        let now = self.now();
        self.fencer.handle(now, input);
        self.drain(registry, host);
    }

    /// Takes a message of another fencer, or one of its own broadcasts.
    pub fn handle_message(
        &mut self,
        registry: &Registry,
        host: &mut impl Host,
        from: NodeName,
        bytes: &[u8],
    ) {
        let now = self.now();
        self.fencer.handle_bytes(now, from, bytes);
        self.drain(registry, host);
    }

    /// Takes an event of an agent.
    pub fn handle_event(&mut self, registry: &Registry, host: &mut impl Host, event: &Event) {
        self.processes.handle_event(registry, event);
        self.drain(registry, host);
    }

    /// Lets due timers act.
    pub fn tick(&mut self, registry: &Registry, host: &mut impl Host) {
        let now = self.now();
        self.processes.handle_time(registry, now.elapsed);
        self.fencer.handle(now, Input::Tick);
        self.drain(registry, host);
    }

    /// How long to wait for events at most; none for as long as it takes.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let wakes = [self.fencer.poll_timeout(), self.processes.poll_timeout()];
        let wake = wakes.into_iter().flatten().min()?;
        Some(wake.saturating_sub(self.started.elapsed()))
    }

    fn drain(&mut self, registry: &Registry, host: &mut impl Host) {
        loop {
            while let Some(output) = self.fencer.poll_output() {
                self.carry_out(registry, host, output);
            }
            let finished = self.processes.take_finished();
            if finished.is_empty() {
                return;
            }
            let now = self.now();
            for end in finished {
                self.fencer.handle(
                    now,
                    match end {
                        Finished::Run(run, report) => Input::AgentEnded { run, report },
                        Finished::Metadata(agent, answer) => Input::MetadataRead { agent, answer },
                    },
                );
            }
        }
    }

    fn carry_out(&mut self, registry: &Registry, host: &mut impl Host, output: Output) {
        let now = self.started.elapsed();
        match output {
            Output::Send { to, message } => host.send(to.as_ref(), message.encode()),
            Output::Run(run) => self.processes.run(registry, now, run),
            Output::ReadMetadata(agent) => self.processes.read_metadata(registry, now, agent),
            Output::Reply { call, response } => host.reply(call, response),
            Output::Notify(notification) => host.notify(notification),
            Output::SelfFence { action } => host.self_fence(action),
            Output::Log(line) => log::log!(line.level, "{}", line.text),
        }
    }
}

/// A fencer that stands alone: no peers, its own loop. For tools, tests and demonstrations.
pub struct Standalone {
    driver: Driver,
    poll: Poll,
    events: Events,
    host: Alone,
}

/// Takes what a lone fencer says: messages go back to it, answers are kept.
#[derive(Default)]
struct Alone {
    to_self: Vec<Vec<u8>>,
    replies: Vec<(CallId, Response)>,
    news: Vec<Notification>,
    self_fence: Option<Action>,
}

impl Host for Alone {
    fn send(&mut self, to: Option<&NodeName>, message: Vec<u8>) {
        // There is nobody else to send to.
        if to.is_none() {
            self.to_self.push(message);
        }
    }

    fn reply(&mut self, call: CallId, response: Response) {
        self.replies.push((call, response));
    }

    fn notify(&mut self, notification: Notification) {
        self.news.push(notification);
    }

    fn self_fence(&mut self, action: Action) {
        self.self_fence = Some(action);
    }
}

impl Standalone {
    /// A lone fencer; `processes` must use tokens from [`Standalone::FIRST_TOKEN`].
    pub fn new(fencer: Fencer, processes: ProcessDriver) -> io::Result<Self> {
        Ok(Self {
            driver: Driver::new(fencer, processes),
            poll: Poll::new()?,
            events: Events::with_capacity(256),
            host: Alone::default(),
        })
    }

    /// The first token for agents.
    pub const FIRST_TOKEN: usize = 16;

    /// Takes one input.
    pub fn handle(&mut self, input: Input) {
        self.driver.handle(self.poll.registry(), &mut self.host, input);
        self.hear_itself();
    }

    fn hear_itself(&mut self) {
        while !self.host.to_self.is_empty() {
            let local = self.driver.fencer().local().clone();
            for bytes in std::mem::take(&mut self.host.to_self) {
                let registry = self.poll.registry();
                self.driver.handle_message(registry, &mut self.host, local.clone(), &bytes);
            }
        }
    }

    /// Waits for whatever comes next, at most so long.
    pub fn turn(&mut self, longest: Duration) -> io::Result<()> {
        let wait = self.driver.poll_timeout().map_or(longest, |wait| wait.min(longest));
        // mio waits whole milliseconds; rounding up keeps it from waking just before a timer.
        let wait = wait + Duration::from_micros(999);
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => other?,
        }
        for event in &self.events {
            if event.token() >= Token(Self::FIRST_TOKEN) {
                self.driver.handle_event(self.poll.registry(), &mut self.host, event);
            }
        }
        self.driver.tick(self.poll.registry(), &mut self.host);
        self.hear_itself();
        Ok(())
    }

    /// Answers since the last call.
    pub fn take_replies(&mut self) -> Vec<(CallId, Response)> {
        std::mem::take(&mut self.host.replies)
    }

    /// News since the last call.
    pub fn take_news(&mut self) -> Vec<Notification> {
        std::mem::take(&mut self.host.news)
    }

    /// Whether the fencer wants this host taken down.
    pub fn wants_self_fence(&self) -> Option<Action> {
        self.host.self_fence
    }

    /// The fencer, to be looked at.
    pub fn fencer(&self) -> &Fencer {
        self.driver.fencer()
    }
}
