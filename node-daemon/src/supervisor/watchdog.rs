//! The watchdog of the machine: fed while the subsystems answer and the node may go on, disarmed when it has
//! stopped in order (spec 81 §10).
//!
//! Every sixth of the watchdog's time those subsystems are asked without which the node could neither be led
//! nor fence itself. A node that hangs, whose subsystems end, that wants to be taken down, or that has lost
//! the others who count on its end, is not fed any more.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fencing::watchdog::{
    Feeder, FeederInput, FeederOutput, HardwareWatchdog, Watchdog, WatchdogError,
};

use crate::subsystem::{
    Address, Body, Envelope, HealthAnswer, HealthQuestion, NodeId, Room, Target,
};
use crate::wiring::post::Mailbox;
use crate::wiring::{Clock, Inbox, Mail, NodeSettings, Post};

/// Subsystems that must answer. The scheduler may calculate for long, and the others follow these.
const VITAL: [Room; 5] =
    [Room::Messaging, Room::Cib, Room::Fencer, Room::Executor, Room::Controller];

/// Why a node has no guard.
#[derive(Debug, thiserror::Error)]
pub(super) enum GuardError {
    #[error(transparent)]
    Device(#[from] WatchdogError),
    #[error("the feeder of the watchdog cannot be reached: {0}")]
    System(#[from] io::Error),
}

/// What a [`Vigil`] wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    /// Ask all vital subsystems.
    Ask(u64),
    Feed,
    Disarm,
}

/// Who has answered, and so when to feed.
#[derive(Debug)]
struct Vigil {
    feeder: Feeder,
    pace: Duration,
    round: u64,
    next_round: Duration,
    /// Who has not answered in this round, or is not fit.
    missing: BTreeSet<Room>,
    /// It was said that they are not.
    is_told: bool,
}

impl Vigil {
    fn new(now: Duration, timeout: Duration) -> Vigil {
        let feeder = Feeder::new(now, timeout);
        let missing = BTreeSet::new();
        Vigil { feeder, pace: timeout / 6, round: 0, next_round: now, missing, is_told: false }
    }

    fn tick(&mut self, now: Duration, duties: &mut Vec<Duty>) {
        self.feed(now, FeederInput::Tick, duties);
        if now < self.next_round {
            return;
        }
        if !self.missing.is_empty() && !self.is_told {
            let names: Vec<&str> = self.missing.iter().map(|room| room.name()).collect();
            log::warn!("watchdog: not fed until these are well: {}", names.join(", "));
            self.is_told = true;
        }
        self.round += 1;
        self.missing = BTreeSet::from(VITAL);
        self.next_round = now + self.pace;
        duties.push(Duty::Ask(self.round));
    }

    fn answered(
        &mut self,
        now: Duration,
        room: Room,
        answer: HealthAnswer,
        duties: &mut Vec<Duty>,
    ) {
        let counts = answer.round == self.round && answer.is_fit && self.missing.remove(&room);
        if counts && self.missing.is_empty() {
            if std::mem::take(&mut self.is_told) {
                log::info!("watchdog: fed again");
            }
            self.feed(now, FeederInput::Healthy, duties);
        }
    }

    fn feed(&mut self, now: Duration, input: FeederInput, duties: &mut Vec<Duty>) {
        duties.extend(self.feeder.handle(now, input).map(|output| match output {
            FeederOutput::Feed => Duty::Feed,
            FeederOutput::Disarm => Duty::Disarm,
        }));
    }

    fn poll_timeout(&self) -> Duration {
        self.feeder.poll_timeout().map_or(self.next_round, |at| at.min(self.next_round))
    }
}

/// The thread that feeds the watchdog. One that is dropped has fed it for the last time.
pub(super) struct Guard {
    me: NodeId,
    mailbox: Mailbox,
    thread: Option<thread::JoinHandle<()>>,
}

impl Guard {
    /// Disarms the watchdog.
    pub(super) fn release(mut self) {
        let room = Room::Watchdog;
        let from = Address { node: self.me, room };
        let stop = Envelope { from, to: Target::Here(room), body: Body::Stop };
        self.end(Mail::Envelope(Box::new(stop)));
    }

    fn end(&mut self, word: Mail) {
        self.mailbox.put(word);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("watchdog: its feeder has failed");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.thread.is_some() {
            log::error!("watchdog: armed and not fed any more; it resets this machine");
            self.end(Mail::Detach(Room::Messaging));
        }
    }
}

/// Arms the watchdog of a node, if it has one, and feeds it from then on. `connect` says where the
/// subsystems are asked, and makes their answers come into the mailbox.
///
/// # Errors
/// When the device does not do as it should; then it is not armed.
pub(super) fn guard(
    node: &NodeSettings,
    connect: impl FnOnce(Mailbox) -> io::Result<Arc<dyn Post>>,
) -> Result<Option<Guard>, GuardError> {
    let Some(settings) = &node.watchdog else { return Ok(None) };
    let (mailbox, inbox) = Mailbox::new(None);
    let post = connect(mailbox.clone())?;
    let watchdog = HardwareWatchdog::arm(&settings.device, settings.timeout)?;
    let (device, seconds) = (settings.device.display(), settings.timeout.as_secs());
    log::info!("watchdog: {device} is armed with {seconds}s");
    begin(node.id, settings.timeout, watchdog, post, (mailbox, inbox)).map(Some)
}

fn begin(
    me: NodeId,
    timeout: Duration,
    watchdog: impl Watchdog + Send + 'static,
    post: Arc<dyn Post>,
    (mailbox, inbox): (Mailbox, Inbox),
) -> Result<Guard, GuardError> {
    let thread = thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        if let Err(error) = lrm::driver::run_first() {
            log::info!("watchdog: its feeder has no precedence: {error}");
        }
        if let Err(error) = keep(me, timeout, watchdog, &*post, &inbox) {
            log::error!("watchdog: {error}");
        }
    })?;
    Ok(Guard { me, mailbox, thread: Some(thread) })
}

/// Feeds the watchdog until told otherwise.
fn keep<W: Watchdog>(
    me: NodeId,
    timeout: Duration,
    mut watchdog: W,
    post: &dyn Post,
    inbox: &Inbox,
) -> Result<(), WatchdogError> {
    let clock = Clock::start();
    let now = || clock.now().elapsed;
    let own = Address { node: me, room: Room::Watchdog };
    let mut vigil = Vigil::new(now(), timeout);
    let mut duties = Vec::new();
    loop {
        vigil.tick(now(), &mut duties);
        for duty in duties.drain(..) {
            match duty {
                Duty::Feed => watchdog.feed()?,
                Duty::Disarm => return watchdog.disarm(),
                Duty::Ask(round) => {
                    for room in VITAL {
                        let body = HealthQuestion { round }.into();
                        post.post(Envelope { from: own, to: Target::Here(room), body });
                    }
                }
            }
        }
        match inbox.wait_for(vigil.poll_timeout().saturating_sub(now())) {
            Ok(Some(Mail::Envelope(envelope))) => match envelope.body {
                Body::HealthAnswer(answer) if envelope.from.node == me => {
                    vigil.answered(now(), envelope.from.room, answer, &mut duties);
                }
                Body::Stop if envelope.from == own => {
                    vigil.feed(now(), FeederInput::Stop, &mut duties);
                }
                _ => {}
            },
            Ok(Some(Mail::Detach(_))) | Err(_) => return Ok(()),
            Ok(Some(Mail::Sealed(_) | Mail::Attach(_)) | None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use super::*;

    fn at(tenths: u64) -> Duration {
        Duration::from_millis(tenths * 100)
    }

    /// A vigil of 6 s, whose rounds are one second apart.
    fn vigil() -> Vigil {
        Vigil::new(at(0), Duration::from_secs(6))
    }

    fn ask(vigil: &mut Vigil, now: Duration) -> Vec<Duty> {
        let mut duties = Vec::new();
        vigil.tick(now, &mut duties);
        duties
    }

    fn answer(vigil: &mut Vigil, now: Duration, round: u64, rooms: &[Room]) -> Vec<Duty> {
        let mut duties = Vec::new();
        for room in rooms {
            vigil.answered(now, *room, HealthAnswer { round, is_fit: true }, &mut duties);
        }
        duties
    }

    #[test]
    fn fed_while_all_answer() {
        let mut vigil = vigil();
        assert_eq!(ask(&mut vigil, at(0)), [Duty::Feed, Duty::Ask(1)]);
        assert_eq!(answer(&mut vigil, at(1), 1, &VITAL), []);
        assert_eq!(ask(&mut vigil, at(10)), [Duty::Ask(2)]);
        assert_eq!(answer(&mut vigil, at(11), 2, &VITAL), []);
        assert_eq!(ask(&mut vigil, at(20)), [Duty::Feed, Duty::Ask(3)], "a third of the time");
    }

    #[test]
    fn not_fed_while_one_is_silent_unfit_or_late() {
        for answers in 0..3 {
            let mut vigil = vigil();
            let (mut fed, mut duties) = (0, Vec::new());
            for second in 0..20 {
                duties.extend(ask(&mut vigil, at(second * 10)));
                duties.extend(answer(&mut vigil, at(second * 10 + 1), second + 1, &VITAL[..4]));
                let last = match answers {
                    0 => None,
                    1 => Some(HealthAnswer { round: second + 1, is_fit: false }),
                    _ => Some(HealthAnswer { round: second, is_fit: true }),
                };
                if let Some(last) = last {
                    vigil.answered(at(second * 10 + 2), VITAL[4], last, &mut duties);
                }
                fed += duties.drain(..).filter(|duty| *duty == Duty::Feed).count();
            }
            assert!(fed <= 2, "fed {fed} times");
        }
    }

    #[test]
    fn somebody_else_is_no_replacement() {
        let mut vigil = vigil();
        ask(&mut vigil, at(0));
        answer(&mut vigil, at(1), 1, &VITAL[..4]);
        answer(&mut vigil, at(1), 1, &[Room::Scheduler, Room::Cib]);
        assert_eq!(vigil.missing, BTreeSet::from([VITAL[4]]));
    }

    /// A device that notes what is done to it.
    #[derive(Clone, Default)]
    struct Noted(Arc<Mutex<String>>);

    impl Noted {
        fn add(&self, letter: char) {
            self.0.lock().unwrap().push(letter);
        }

        fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl Watchdog for Noted {
        fn feed(&mut self) -> Result<(), WatchdogError> {
            self.add('f');
            Ok(())
        }

        fn disarm(self) -> Result<(), WatchdogError> {
            self.add('V');
            Ok(())
        }
    }

    /// Subsystems that answer at once.
    struct Well(Mailbox);

    impl Post for Well {
        fn post(&self, envelope: Envelope) {
            let Body::HealthQuestion(asked) = envelope.body else { return };
            let from = Address { room: envelope.to.room(), ..envelope.from };
            let body = HealthAnswer { round: asked.round, is_fit: true }.into();
            let to = Target::Here(Room::Watchdog);
            self.0.put(Mail::Envelope(Box::new(Envelope { from, to, body })));
        }
    }

    fn guarded() -> (Guard, Noted, Mailbox) {
        let (mailbox, inbox) = Mailbox::new(None);
        let (noted, me) = (Noted::default(), NodeId::new(1).unwrap());
        let post = Arc::new(Well(mailbox.clone()));
        let mailboxes = (mailbox.clone(), inbox);
        let guard = begin(me, Duration::from_millis(300), noted.clone(), post, mailboxes).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while noted.text().len() < 3 {
            assert!(Instant::now() < end, "fed {} times", noted.text().len());
            thread::sleep(Duration::from_millis(5));
        }
        (guard, noted, mailbox)
    }

    #[test]
    fn an_orderly_end_disarms_and_any_other_does_not() {
        let (guard, noted, _) = guarded();
        guard.release();
        assert!(noted.text().ends_with("fV"), "{}", noted.text());
        let (guard, noted, _) = guarded();
        drop(guard);
        let fed = noted.text();
        thread::sleep(Duration::from_millis(300));
        assert_eq!(noted.text(), fed);
        assert!(!fed.contains('V'));
    }

    #[test]
    fn nobody_else_can_have_it_disarmed() {
        let (guard, noted, mailbox) = guarded();
        let me = Address { node: NodeId::new(1).unwrap(), room: Room::Watchdog };
        for from in
            [Address { node: NodeId::new(2).unwrap(), ..me }, Address { room: Room::Clients, ..me }]
        {
            let to = Target::Here(Room::Watchdog);
            mailbox.put(Mail::Envelope(Box::new(Envelope { from, to, body: Body::Stop })));
        }
        thread::sleep(Duration::from_millis(100));
        assert!(!noted.text().contains('V'));
        guard.release();
        assert!(noted.text().ends_with('V'));
    }
}
