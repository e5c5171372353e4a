//! Whatever the arbiter, TLS and the node's own checks do in whatever order: the client keeps to what was
//! configured, asks for nothing twice, and its votes count only on the arbiter's word.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use quorum::device::QuorumDevice;
use quorum::device::net::{
    CheckCommand, Checks, Client, Input, Message, NetSettings, Output, Stream, Tls, TlsMode,
    Verdict,
};
use quorum::votes::DeviceRequest;
use quorum::{NodeId, RingId};

const TLS: [TlsMode; 3] = [TlsMode::Off, TlsMode::On, TlsMode::Required];
const OFFERS: [Tls; 3] = [Tls::Unsupported, Tls::Supported, Tls::Required];
const VERDICTS: [Verdict; 4] =
    [Verdict::Ack, Verdict::Nack, Verdict::AskLater, Verdict::WaitForReply];

fn id(number: u8) -> NodeId {
    NodeId::new(u32::from(number % 3) + 1).expect("not zero")
}

fn ring(number: u8) -> RingId {
    RingId { sequence: u64::from(number % 4), representative: id(0) }
}

fn settings(setup: u8) -> NetSettings {
    let nodes = vec![id(0), id(1), id(2)];
    let settings = NetSettings::new(id(0), "lab", nodes, "arbiter", Duration::from_secs(10));
    let command = CheckCommand {
        name: "a".to_owned(),
        program: "/bin/true".to_owned(),
        arguments: Vec::new(),
    };
    let checks = Checks {
        commands: vec![command],
        timeout: Duration::from_secs(5),
        sync_timeout: Duration::from_secs(15),
        interval: (setup & 8 != 0).then_some(Duration::from_secs(30)),
    };
    let tls = TLS[usize::from(setup) % TLS.len()];
    NetSettings { tls, checks: (setup & 4 != 0).then_some(checks), ..settings }
}

/// What the world around the client knows of it.
#[derive(Default)]
struct World {
    /// A connection was asked for.
    wanted: bool,
    connected: bool,
    /// TLS was asked for, and has not begun.
    handshake: bool,
    secured: bool,
    /// The checks that run.
    check: Option<u32>,
    ring: Option<RingId>,
    /// "Yes" was said of the present ring on this connection.
    acknowledged: bool,
    /// Requests for a sign of life.
    echoes: Vec<u32>,
}

impl World {
    fn drain(&mut self, client: &mut Client, tls: TlsMode) {
        let mut outputs = 0;
        while let Some(output) = client.poll_output() {
            outputs += 1;
            assert!(outputs < 64, "outputs without end");
            match output {
                Output::Connect => {
                    assert!(!self.connected, "connected already");
                    self.wanted = true;
                }
                Output::Secure => {
                    assert!(self.connected && !self.handshake && !self.secured);
                    assert_ne!(tls, TlsMode::Off);
                    self.handshake = true;
                }
                Output::Send(bytes) => {
                    assert!(self.connected, "nobody to send to");
                    assert!(!self.handshake, "in the middle of the handshake");
                    let mut stream = Stream::default();
                    stream.extend(&bytes);
                    let message = stream.next_message().expect("its own bytes").expect("whole");
                    if tls == TlsMode::Required && !self.secured {
                        let clear =
                            matches!(message, Message::Preinit { .. } | Message::StartTls { .. });
                        assert!(clear, "{message:?} in clear");
                    }
                    if let Message::Echo { sequence } = message {
                        self.echoes.push(sequence);
                    }
                }
                Output::Check { round, .. } => self.check = Some(round),
                Output::Disconnect => {
                    let ring = self.ring;
                    *self = World { ring, ..World::default() };
                }
                Output::Notice(_) => {}
            }
        }
    }
}

/// The steps from nothing to an arbiter that has accepted the node: a ring, the connection, its greeting, TLS
/// where it is wanted, and its answers.
const INTRODUCTION: [(u8, u8); 6] = [(0, 1), (1, 0), (8, 1), (3, 0), (9, 0), (10, 0)];

struct Run {
    client: Client,
    world: World,
    tls: TlsMode,
    now: Duration,
}

impl Run {
    fn step(&mut self, kind: u8, number: u8, bytes: &[u8]) {
        let message = self.act(kind, number, bytes);
        if let (Some(message), true) = (message, self.world.connected) {
            if let Message::VoteInfo { ring, verdict: Verdict::Ack, .. } = &message {
                self.world.acknowledged |= Some(*ring) == self.world.ring;
            }
            self.client.handle(self.now, Input::Received(&message.encode()));
        }
        self.world.drain(&mut self.client, self.tls);
        let mut polls = 0;
        while let Some(request) = self.client.poll(self.now) {
            polls += 1;
            assert!(polls < 3, "polls without end");
            let DeviceRequest::Poll { cast, ring, .. } = request else { panic!("{request:?}") };
            assert_eq!(Some(ring), self.world.ring);
            let may = self.client.is_online() && self.world.acknowledged;
            assert!(!cast || may, "nobody said yes");
            self.world.drain(&mut self.client, self.tls);
        }
        self.world.drain(&mut self.client, self.tls);
        if self.client.is_online() {
            assert!(self.world.connected && !self.world.handshake);
            assert!(self.tls != TlsMode::Required || self.world.secured);
        }
    }

    /// Something happens; perhaps the arbiter says something sensible.
    fn act(&mut self, kind: u8, number: u8, bytes: &[u8]) -> Option<Message> {
        let Run { client, world, now, .. } = self;
        match kind % 16 {
            0 => {
                world.ring = Some(ring(number));
                world.acknowledged = false;
                client.synchronising(*now, ring(number), &[id(0), id(number)]);
            }
            1 if world.wanted => {
                (world.wanted, world.connected) = (false, true);
                client.handle(*now, Input::Connected);
            }
            2 if world.connected || world.wanted => {
                *world = World { ring: world.ring, ..World::default() };
                client.handle(*now, Input::Closed("gone".to_owned()));
            }
            3 if world.handshake => {
                (world.handshake, world.secured) = (false, true);
                client.handle(*now, Input::Secured);
            }
            4 => {
                let round = world.check.take().unwrap_or(u32::from(number));
                client.handle(*now, Input::Checked { round, passed: number & 1 == 0 });
            }
            5 => {
                *now = client.poll_timeout().unwrap_or(*now).max(*now);
                client.handle(*now, Input::Timeout);
            }
            6 => {
                *now += Duration::from_millis(u64::from(number) * 100);
                client.handle(*now, Input::Timeout);
            }
            7 => client.verdict(*now, number & 1 == 0, &[]),
            8 => {
                let tls = OFFERS[usize::from(number) % OFFERS.len()];
                return Some(Message::PreinitReply { tls });
            }
            9 => {
                let error = u16::from(number == 255);
                return Some(Message::InitReply { error, max_request: 32_768 });
            }
            10 => return Some(Message::SetOptionReply { sequence: 3 }),
            11 => {
                let sequence = world.echoes.pop().unwrap_or(u32::from(number));
                return Some(Message::EchoReply { sequence });
            }
            about @ (12 | 13) => {
                let verdict = VERDICTS[usize::from(number) % VERDICTS.len()];
                let present = world.ring.filter(|_| about == 12);
                let ring = present.unwrap_or(ring(number / 4));
                return Some(Message::VoteInfo { sequence: u32::from(number), ring, verdict });
            }
            // Any bytes: in clear, while TLS is not there yet, or inside of it.
            14 | 15 if world.connected => {
                for piece in bytes.chunks(usize::from(number).max(1)) {
                    client.handle(*now, Input::Received(piece));
                }
                world.acknowledged = true; // they may say anything
            }
            _ => {}
        }
        None
    }
}

fuzz_target!(|input: (u8, Vec<(u8, u8, &[u8])>)| {
    let (setup, steps) = input;
    let settings = settings(setup);
    let tls = settings.tls;
    let client = Client::new(settings);
    let mut run = Run { client, world: World::default(), tls, now: Duration::ZERO };
    let introduced = usize::from(setup >> 4) % (INTRODUCTION.len() + 1);
    for (kind, number) in &INTRODUCTION[..introduced] {
        run.step(*kind, *number, &[]);
    }
    for (kind, number, bytes) in steps.into_iter().take(256) {
        run.step(kind, number, bytes);
    }
});
