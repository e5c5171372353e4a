//! The loop of messaging: the ring on its sockets, and the mailboxes of the node.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cpg::driver::{Driver, DriverConfiguration, DriverError, FIRST_FREE_TOKEN};
use cpg::node::NodeEvent;
use cpg::security::{Key, KeyId};
use mio::{Token, Waker};
use quorum::Votes;
use quorum::device::net::{NetDevice, NetDeviceError, NetNotice, NetSettings};
use quorum::options::{NodeVotes, Section};
use quorum::store::{FileDirectory, Persistent, Store};
use quorum::votes::Request;

use super::orders::{Answer, Caller, Code, Order, OrderDesk};
use super::post::{Inbox, Mail, Mailbox, Postmaster};
use super::reload::check_reach;
use super::window::Window;
use super::{Clock, NodeSettings, Post, SettingsError};
use crate::logging;
use crate::messaging::{DeviceChange, Messaging, RingReport, VotesStore};
use crate::subsystem::{Address, Body, Ending, Room};

/// How long an orderly leave may take.
const FAREWELL: Duration = Duration::from_millis(200);
/// Pieces of mail taken before the ring is looked at again.
const BATCH: usize = 512;
/// Somebody wants to look at the ring.
const WINDOW: Token = Token(FIRST_FREE_TOKEN + 1);
/// The connection of the quorum device.
const DEVICE: Token = Token(FIRST_FREE_TOKEN + 2);

/// Somebody orders something; more tokens after it are those of the connections.
const ORDERS: Token = Token(FIRST_FREE_TOKEN + 3);

/// The configuration as it was read again.
struct Fresh {
    node: NodeSettings,
    answer: Answer,
    section: Section,
    nodes: Vec<NodeVotes>,
    net: Option<NetSettings>,
    key: Option<Key>,
}

struct VotesFile(Store<FileDirectory>);

impl VotesStore for VotesFile {
    fn save(&mut self, value: &Persistent) -> Result<(), String> {
        self.0.save(value).map_err(|error| error.to_string())
    }
}

/// The quorum device of model `net`; it connects with the first ring.
fn connect(
    settings: NetSettings,
    driver: &Driver,
    waker: Arc<Waker>,
    resolved: Arc<AtomicBool>,
) -> Result<NetDevice, NetDeviceError> {
    let host = format!("{}:{}", settings.host, settings.port);
    let wake = move || {
        resolved.store(true, Ordering::Release);
        if let Err(error) = waker.wake() {
            log::error!("wiring: {error}");
        }
    };
    let tell = move |notice| match notice {
        NetNotice::Connected { encrypted } => {
            let how = if encrypted { "over TLS" } else { "in clear" };
            log::info!("quorum device: {host} has accepted this node, {how}");
        }
        NetNotice::Checked { passed } => {
            let result = if passed { "pass" } else { "fail" };
            log::info!("quorum device: this node's checks {result}");
        }
        NetNotice::Apart(problem) => log::warn!("quorum device: {host}: {problem}"),
        NetNotice::Word { ring, cast } => {
            let counts = if cast { "count" } else { "do not count" };
            log::info!("quorum device: its votes {counts} in ring {ring}");
        }
    };
    NetDevice::new(settings, driver.registry(), DEVICE, Arc::new(wake), tell)
}

/// Messaging on real sockets.
pub struct RingLoop {
    node: NodeSettings,
    driver: Driver,
    messaging: Messaging,
    /// What the quorum device runs with.
    net: Option<NetSettings>,
    /// The key to which the ring is about to change.
    new_key: Option<KeyId>,
    window: Window,
    desk: OrderDesk,
    /// Who waits for a reload.
    reloading: Vec<Caller>,
    waker: Arc<Waker>,
    inbox: Inbox,
    mailbox: Mailbox,
    clock: Clock,
    /// The name of the quorum device's host has been resolved.
    resolved: Arc<AtomicBool>,
    /// Whom to tell what messaging cannot do itself.
    tell: Box<dyn Fn(Wish) + Send>,
}

/// What messaging wants of those who started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A reload has changed the log: the other processes of the node have to follow.
    FollowLog,
    /// The node is to stop in order.
    ShutDown,
}

/// Why messaging cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The ring's driver.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What the votes must remember.
    #[error("votes: {0}")]
    Votes(String),
    /// The quorum device.
    #[error("quorum device: {0}")]
    Device(#[from] NetDeviceError),
    /// The system.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl RingLoop {
    /// Opens sockets and stores.
    ///
    /// # Errors
    /// When that fails.
    pub fn start(node: &NodeSettings, clock: Clock) -> Result<RingLoop, RingError> {
        let directory = node.state.join("ring");
        super::rooms::make_private(&directory)?;
        let mut store = Store::open(&directory);
        let remembered = store.load().map_err(|error| RingError::Votes(error.to_string()))?;
        let (settings, net) = node.votes()?;
        let votes = Votes::new(settings, remembered);
        let mut messaging =
            Messaging::new(node.id, node.node_names(), votes, Box::new(VotesFile(store)));
        let driver = Driver::start(node.driver(directory)?)?;
        let waker = Arc::new(Waker::new(driver.registry(), Token(FIRST_FREE_TOKEN))?);
        let window = Window::open(&node.state, driver.registry(), WINDOW)?;
        let desk = OrderDesk::open(&node.state, driver.registry(), ORDERS)?;
        let resolved = Arc::new(AtomicBool::new(false));
        if let Some(net) = &net {
            let device = connect(net.clone(), &driver, waker.clone(), resolved.clone())?;
            messaging = messaging.with_device(Box::new(device));
        }
        let (mailbox, inbox) = Mailbox::new(Some(waker.clone()));
        let (node, new_key) = (node.clone(), None);
        Ok(RingLoop {
            node,
            driver,
            messaging,
            net,
            new_key,
            window,
            desk,
            reloading: Vec::new(),
            waker,
            inbox,
            mailbox,
            clock,
            resolved,
            tell: Box::new(|_| {}),
        })
    }

    /// Tells these what it cannot do itself.
    #[must_use]
    pub fn telling(self, tell: Box<dyn Fn(Wish) + Send>) -> RingLoop {
        RingLoop { tell, ..self }
    }

    /// Where to send what is for messaging.
    pub fn mailbox(&self) -> Mailbox {
        self.mailbox.clone()
    }

    /// Runs until it is told to stop, then leaves the ring in order.
    ///
    /// # Errors
    /// When the ring cannot go on.
    pub fn run(mut self, post: &Postmaster) -> Result<Ending, RingError> {
        let mut more = false;
        loop {
            let now = self.clock.now();
            let timer = self.messaging.poll_timeout().map(|at| at.saturating_sub(now.elapsed));
            let wait = if more || self.driver.is_behind() { Some(Duration::ZERO) } else { timer };
            let ready = self.driver.turn(wait)?;
            if ready.contains(&DEVICE) || self.resolved.swap(false, Ordering::Acquire) {
                self.messaging.device_ready(self.clock.now());
            }
            if ready.contains(&WINDOW) {
                let date = jiff::Zoned::now().strftime("%a %b %e %H:%M:%S %Y").to_string();
                self.window.serve(&|| {
                    RingReport::of(
                        &self.messaging,
                        self.driver.endpoint(),
                        self.driver.now(),
                        &date,
                    )
                    .with_misses(self.driver.schedule_misses())
                    .with_configuration(&self.node.cluster, &self.node.map)
                });
            }
            if !ready.is_empty() {
                self.take_orders(&ready);
            }
            self.messaging.handle_timeout(self.clock.now());
            more = true;
            for _ in 0..BATCH {
                match self.inbox.next() {
                    Ok(Some(mail)) => {
                        if self.take(mail, post)? {
                            return self.leave();
                        }
                    }
                    Ok(None) => {
                        more = false;
                        break;
                    }
                    Err(_) => return self.leave(),
                }
            }
            self.carry(post)?;
            if let Some(error) = self.messaging.failed() {
                return Err(RingError::Votes(error.to_owned()));
            }
        }
    }

    /// Takes mail. True when it says to stop.
    fn take(&mut self, mail: Mail, post: &Postmaster) -> Result<bool, RingError> {
        match mail {
            Mail::Attach(room) => self.messaging.attach(room),
            Mail::Detach(room) => {
                let messaging = &mut self.messaging;
                self.driver.act(|node, time| messaging.detach(room, node, time))?;
            }
            Mail::Sealed(sealed) => self.messaging.send_sealed(&sealed),
            Mail::Envelope(envelope) => match envelope.body {
                Body::Stop if envelope.to.room() == Room::Messaging => return Ok(true),
                Body::HealthQuestion(asked) if envelope.to.room() == Room::Messaging => {
                    let from = Address { node: envelope.from.node, room: Room::Messaging };
                    post.post(super::room::health(from, asked.round, true));
                }
                _ => self.messaging.send(&envelope),
            },
        }
        Ok(false)
    }

    /// Carries what waits to the ring, and what the ring delivers to the mailboxes.
    fn carry(&mut self, post: &Postmaster) -> Result<(), RingError> {
        loop {
            let messaging = &mut self.messaging;
            self.driver.act(|node, time| messaging.flush(node, time))?;
            let mut idle = true;
            while let Some(event) = self.driver.poll_event() {
                idle = false;
                if let NodeEvent::ActivateKey(key) = event {
                    self.retire_old_keys(key)?;
                }
                self.messaging.event(self.clock.now(), event);
                if self.messaging.take_reload() {
                    self.reload()?;
                }
            }
            while let Some(parcel) = self.messaging.poll_parcel() {
                post.pass_on(parcel);
            }
            while let Some((caller, result)) = self.messaging.poll_reply() {
                self.desk.answer(Caller(caller), &result.into());
            }
            if idle {
                return Ok(());
            }
        }
    }

    fn take_orders(&mut self, ready: &[Token]) {
        for (caller, order) in self.desk.take(ready) {
            let request = match order {
                Order::Reload => {
                    self.ask_for_reload(caller);
                    continue;
                }
                Order::ShutDown => {
                    self.desk.answer(caller, &Answer::default());
                    (self.tell)(Wish::ShutDown);
                    continue;
                }
                Order::Expected(expected) => Request::SetExpected(expected),
                Order::CancelWaiting => Request::CancelWaiting,
                Order::Votes { node, votes } => match self.messaging.node_of(&node) {
                    Some(id) => Request::SetVotes { node: Some(id.into()), votes },
                    None => {
                        let reason = format!("node {node} is not known");
                        self.desk.answer(caller, &Answer::refused(Code::NameNotFound, &reason));
                        continue;
                    }
                },
            };
            self.messaging.ask(self.clock.now(), caller.0, request);
        }
    }

    /// Somebody asks: the order goes round if this node's own file can be used.
    fn ask_for_reload(&mut self, caller: Caller) {
        let usable = self.look_again().and_then(|fresh| {
            check_reach(self.driver.endpoint(), self.node.cluster(), fresh.node.cluster())
        });
        match usable {
            Ok(()) => {
                self.reloading.push(caller);
                self.messaging.order_reload();
            }
            Err(error) => {
                log::error!("Unable to reload config file: {error}");
                self.desk.answer(caller, &Answer::refused(Code::InvalidParam, &error));
            }
        }
    }

    fn answer_reload(&mut self, answer: &Answer) {
        for caller in self.reloading.drain(..) {
            self.desk.answer(caller, answer);
        }
    }

    /// The file as it is now, and what it would make of the quorum device.
    fn look_again(&self) -> Result<Fresh, SettingsError> {
        let (node, answer) = self.node.reread()?;
        let (section, nodes) = node.quorum_section()?;
        let settings = self.messaging.votes().settings_after(&section, &nodes);
        let usable = settings.device.as_ref().is_some_and(|device| device.enabled);
        let net = if usable { node.device(&section, &nodes, &settings)? } else { None };
        let key = node.key()?;
        Ok(Fresh { node, answer, section, nodes, net, key })
    }

    /// All nodes are at this point of the order: the configuration is read again, and taken over if it can
    /// be used.
    fn reload(&mut self) -> Result<(), RingError> {
        let fresh = match self.look_again() {
            Ok(fresh) => fresh,
            Err(error) => {
                log::error!("Unable to reload config file: {error}");
                self.answer_reload(&Answer::refused(Code::InvalidParam, &error));
                return Ok(());
            }
        };
        let Fresh { node, mut answer, section, nodes, net, key } = fresh;
        let device = match (net == self.net, &net) {
            (true, _) => DeviceChange::Keep,
            (false, None) => DeviceChange::Replace(None),
            (false, Some(new)) => {
                let parts = (self.waker.clone(), self.resolved.clone());
                match connect(new.clone(), &self.driver, parts.0, parts.1) {
                    Ok(device) => DeviceChange::Replace(Some(Box::new(device))),
                    Err(error) => {
                        log::error!("quorum device: {error}");
                        answer.errors.push(format!("the quorum device is off: {error}"));
                        DeviceChange::Replace(None)
                    }
                }
            }
        };
        let cluster = node.cluster();
        let binds = DriverConfiguration::binds_of(cluster);
        for error in self.driver.reconfigure(cluster.ring(), cluster.links(), &binds)? {
            log::error!("{error}");
            answer.errors.push(error.to_string());
        }
        if let Some(key) = key {
            self.change_key(key, &mut answer)?;
        }
        self.messaging.reload(self.clock.now(), node.node_names(), section, nodes, device);
        log::info!("the configuration was read again; changed: {:?}", answer.changed);
        for notice in &answer.notices {
            log::warn!("{notice}");
        }
        if answer.changed.iter().any(|key| key.starts_with("logging.")) {
            match logging::configure(&node.cluster().logging) {
                Ok(()) => (self.tell)(Wish::FollowLog),
                Err(error) => {
                    log::error!("{error}");
                    answer.errors.push(error.to_string());
                }
            }
        }
        (self.node, self.net) = (node, net);
        self.answer_reload(&answer);
        Ok(())
    }

    /// Every node has the new key from here on, as all are at this point; then all begin to send with it,
    /// and then the old one is dropped. Every node orders both, so that it does not hang on one.
    fn change_key(&mut self, key: Key, answer: &mut Answer) -> Result<(), RingError> {
        let loaded = self.driver.act_on_endpoint(|endpoint, _| {
            let before = endpoint.active_key();
            endpoint.load_key(key).map(|new| (before != Some(new)).then_some(new))
        })?;
        match loaded {
            Ok(None) => {}
            Ok(Some(new)) => {
                self.new_key = Some(new);
                self.driver.act(|node, now| node.activate_key(new, now))?;
            }
            Err(error) => {
                log::error!("the new key: {error}");
                answer.errors.push(format!("the new key: {error}"));
            }
        }
        Ok(())
    }

    fn retire_old_keys(&mut self, key: KeyId) -> Result<(), RingError> {
        if self.new_key.take_if(|new| *new == key).is_some() {
            log::info!("crypto reconfigured: the new key is in use");
            self.driver.act(|node, now| node.retire_keys_except(key, now))?;
        }
        Ok(())
    }

    fn leave(mut self) -> Result<Ending, RingError> {
        self.driver.act(|node, time| node.shut_down(time))?;
        let end = Instant::now() + FAREWELL;
        while let Some(left) =
            end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            self.driver.turn(Some(left))?;
            while self.driver.poll_event().is_some() {}
            if self.driver.endpoint().node().protocol().phase() == cpg::protocol::PhaseName::Left {
                break;
            }
        }
        Ok(Ending::Done)
    }
}
