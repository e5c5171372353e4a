//! Three processes on the loopback interface: messages per second, bytes per second, latency.
//!
//! `cargo run --release -p cpg --example throughput -- [--sizes 64,1024,8192,61440,256000]
//! [--seconds 3] [--senders 1|all] [--clear] [--netns a,b,c --addresses 10.0.0.1,10.0.0.2,10.0.0.3]`
//!
//! The latency shown is from handing a message in to its own delivery in the total order.
#![allow(clippy::disallowed_methods)]

use cpg::driver::{Driver, DriverConfiguration, LinkBind};
use cpg::endpoint::EndpointConfiguration;
use cpg::group::{Event, GroupName, ProcessId, Refusal};
use cpg::link::{LinkAddress, LinkConfiguration, Peer};
use cpg::node::NodeEvent;
use cpg::ring::{RingConfiguration, Timing};
use cpg::security::{Cipher, Key, Keyring};
use cpg::{Guarantee, NodeId};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

struct Options {
    sizes: Vec<usize>,
    seconds: u64,
    all: bool,
    clear: bool,
    netns: Vec<String>,
    addresses: Vec<IpAddr>,
    token: u64,
}

fn options() -> Result<Options, Failure> {
    let mut options = Options {
        sizes: vec![64, 1024, 8192, 61_440, 256_000],
        seconds: 3,
        all: false,
        clear: false,
        netns: vec![],
        addresses: vec!["127.0.0.1".parse()?; 3],
        token: 1000,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--sizes" => {
                options.sizes = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            "--seconds" => options.seconds = value()?.parse()?,
            "--senders" => options.all = value()? == "all",
            "--token" => options.token = value()?.parse()?,
            "--clear" => options.clear = true,
            "--netns" => options.netns = value()?.split(',').map(str::to_owned).collect(),
            "--addresses" => {
                options.addresses =
                    value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            "--node" => {
                value()?;
            }
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    Ok(options)
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let node = arguments.iter().position(|argument| argument == "--node");
    match node.and_then(|at| arguments.get(at + 1)) {
        Some(node) => run_node(node.parse()?, &options),
        None => run_parent(&options, &arguments),
    }
}

/// Starts the three processes; the first one reports.
fn run_parent(options: &Options, arguments: &[String]) -> Result<(), Failure> {
    let program = std::env::current_exe()?;
    let mut children: Vec<Child> = Vec::new();
    for node in (1..=3).rev() {
        let mut command = match options.netns.get(node - 1) {
            Some(netns) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", netns]).arg(&program);
                command
            }
            None => Command::new(&program),
        };
        command.args(arguments).args(["--node", &node.to_string()]).stdin(Stdio::null());
        children.push(command.spawn()?);
    }
    let reporter = children.pop().ok_or("no process")?.wait()?;
    for child in &mut children {
        child.kill()?;
        child.wait()?;
    }
    if reporter.success() { Ok(()) } else { Err("the reporting process failed".into()) }
}

fn configuration(me: u32, options: &Options) -> Result<DriverConfiguration, Failure> {
    let ids: Vec<NodeId> = (1..=3).filter_map(NodeId::new).collect();
    let node = NodeId::new(me).ok_or("node 0")?;
    let address = |id: NodeId| {
        let ip = options.addresses[id.get() as usize - 1];
        SocketAddr::new(ip, 5600 + if options.netns.is_empty() { id.get() as u16 } else { 0 })
    };
    let peers = ids
        .iter()
        .map(|id| Peer {
            node: *id,
            addresses: vec![LinkAddress { link: 0, address: address(*id) }],
        })
        .collect();
    let token = Duration::from_millis(options.token);
    let mut ring = RingConfiguration::new(node, ids.clone());
    ring.timing = Timing::from_token(token);
    let keyring = if options.clear {
        None
    } else {
        Some(Keyring::new(Key::new(&[42; 256], Cipher::Aes256Gcm)?))
    };
    let state_directory =
        std::env::temp_dir().join(format!("cpg-throughput-{}-{me}", std::process::id()));
    std::fs::create_dir_all(&state_directory)?;
    Ok(DriverConfiguration {
        endpoint: EndpointConfiguration {
            ring,
            links: LinkConfiguration::new(node, peers, token),
            keyring,
        },
        binds: vec![LinkBind::unicast(0, address(node))],
        state_directory,
        socket_buffer: 8 << 20,
    })
}

/// What one process does with its connection.
struct Load {
    driver: Driver,
    client: cpg::group::ClientId,
    me: NodeId,
    start: Instant,
    received: u64,
    received_bytes: u64,
    latencies: Vec<u64>,
    own_delivered: u64,
    control: Vec<u8>,
}

impl Load {
    fn turn(&mut self, wait: Duration) -> Result<(), Failure> {
        self.driver.turn(Some(wait))?;
        let now = self.start.elapsed().as_nanos() as u64;
        while let Some(event) = self.driver.poll_event() {
            let NodeEvent::Client(_, Event::Message(message)) = event else { continue };
            if message.payload.len() < 9 {
                self.control = message.payload.to_vec();
                continue;
            }
            self.received += 1;
            self.received_bytes += message.payload.len() as u64;
            if message.sender.node == self.me {
                self.own_delivered += 1;
                if let Ok(stamp) = message.payload[..8].try_into() {
                    self.latencies.push(now.saturating_sub(u64::from_be_bytes(stamp)));
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, size: usize) -> Result<bool, Failure> {
        let mut payload = vec![0; size.max(9)];
        payload[..8].copy_from_slice(&(self.start.elapsed().as_nanos() as u64).to_be_bytes());
        let client = self.client;
        let sent = self
            .driver
            .act(|node, now| node.multicast(client, Guarantee::Agreed, payload.into(), now))?;
        match sent {
            Ok(()) => Ok(true),
            Err(Refusal::TryAgain) => Ok(false),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn say(&mut self, command: &[u8]) -> Result<(), Failure> {
        let client = self.client;
        loop {
            let payload = command.to_vec();
            let said = self
                .driver
                .act(|node, now| node.multicast(client, Guarantee::Agreed, payload.into(), now))?;
            if said.is_ok() {
                return Ok(());
            }
            self.turn(Duration::from_millis(1))?;
        }
    }

    fn forget(&mut self) {
        (self.received, self.received_bytes) = (0, 0);
        self.latencies.clear();
    }

    /// One message at a time.
    fn idle(&mut self, count: u32) -> Result<(), Failure> {
        self.forget();
        for _ in 0..count {
            let before = self.own_delivered;
            while !self.send(64)? {
                self.turn(Duration::from_millis(1))?;
            }
            while self.own_delivered == before {
                self.turn(Duration::from_millis(100))?;
            }
        }
        Ok(())
    }

    fn flood(&mut self, size: usize, seconds: u64) -> Result<(f64, f64), Failure> {
        let warm = Instant::now();
        while warm.elapsed() < Duration::from_millis(300) {
            self.feed(size)?;
        }
        self.forget();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(seconds) {
            self.feed(size)?;
        }
        let passed = begin.elapsed().as_secs_f64();
        Ok((self.received as f64 / passed, self.received_bytes as f64 / passed / 1e6))
    }

    /// Keeps about a rotation's worth of messages waiting, no more: more adds latency only.
    fn feed(&mut self, size: usize) -> Result<(), Failure> {
        let mut full = 0;
        while self.driver.endpoint().node().protocol().queued_bytes() < 600_000 && full < 64 {
            if !self.send(size)? {
                break;
            }
            full += 1;
        }
        self.turn(Duration::from_millis(1))
    }
}

fn percentile(sorted: &[u64], part: f64) -> f64 {
    let at = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |nanos| *nanos as f64 / 1000.0)
}

fn run_node(me: u32, options: &Options) -> Result<(), Failure> {
    let mut driver = Driver::start(configuration(me, options)?)?;
    let client = driver.act(|node, _| node.connect(ProcessId(me)))??;
    let group = GroupName::new("throughput")?;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        driver.turn(Some(Duration::from_millis(10)))?;
        while driver.poll_event().is_some() {}
        let together =
            driver.endpoint().node().protocol().ring().is_some_and(|(_, all)| all.len() == 3);
        if together && driver.endpoint().node().is_ready() {
            break;
        }
        if Instant::now() > deadline {
            return Err("the three nodes did not form a ring within 20 s".into());
        }
    }
    driver.act(|node, now| node.join(client, group, now))??;
    let mut load = Load {
        driver,
        client,
        me: NodeId::new(me).ok_or("node 0")?,
        start: Instant::now(),
        received: 0,
        received_bytes: 0,
        latencies: vec![],
        own_delivered: 0,
        control: vec![],
    };
    if me == 1 { report(&mut load, options) } else { follow(&mut load) }
}

/// The other processes receive, and send when told to.
fn follow(load: &mut Load) -> Result<(), Failure> {
    loop {
        match load.control.split_first() {
            Some((b'f', size)) => {
                let size = size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
                load.feed(size)?;
            }
            _ => load.turn(Duration::from_millis(100))?,
        }
        load.latencies.clear();
    }
}

/// Processor time this process has used, to the nanosecond as the scheduler counts it.
fn processor_time() -> Result<Duration, Failure> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanos = text.split_whitespace().next().ok_or("schedstat is empty")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

fn report(load: &mut Load, options: &Options) -> Result<(), Failure> {
    let settle = Instant::now();
    while settle.elapsed() < Duration::from_millis(700) {
        load.turn(Duration::from_millis(10))?;
    }
    let quiet = Instant::now();
    while quiet.elapsed() < Duration::from_secs(1) {
        load.turn(Duration::from_millis(100))?;
    }
    let (quiet, used) = (Instant::now(), processor_time()?);
    while quiet.elapsed() < Duration::from_secs(options.seconds) {
        load.turn(Duration::from_secs(1))?;
    }
    let used = processor_time()?.saturating_sub(used);
    println!(
        "quiet: {:.2} % of a processor",
        used.as_secs_f64() / quiet.elapsed().as_secs_f64() * 100.0
    );
    load.idle(50)?;
    load.idle(2000)?;
    load.latencies.sort_unstable();
    println!(
        "idle       64 B: p50 {:8.1} us  p99 {:8.1} us",
        percentile(&load.latencies, 0.5),
        percentile(&load.latencies, 0.99)
    );
    for size in &options.sizes {
        let mut command = vec![if options.all { b'f' } else { b'q' }];
        command.extend_from_slice(&(*size as u32).to_be_bytes()[1..]);
        load.say(&command)?;
        let (rate, megabytes) = load.flood(*size, options.seconds)?;
        load.say(b"q")?;
        load.latencies.sort_unstable();
        println!(
            "{:>8} B: {rate:9.0} msg/s {megabytes:8.1} MB/s  p50 {:8.1} us  p99 {:8.1} us",
            size,
            percentile(&load.latencies, 0.5),
            percentile(&load.latencies, 0.99)
        );
        let settle = Instant::now();
        while settle.elapsed() < Duration::from_millis(300) {
            load.turn(Duration::from_millis(10))?;
        }
    }
    println!("{:?}", load.driver.endpoint().node().protocol().statistics());
    println!("{:?}", load.driver.endpoint().link_statistics());
    Ok(())
}
