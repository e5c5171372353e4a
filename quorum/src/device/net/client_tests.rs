//! The state machine against an arbiter written by hand, with time as an input.

use super::super::heuristics::{CheckCommand, Checks};
use super::super::message::Tls;
use super::super::settings::TlsMode;
use super::*;

fn id(n: u32) -> NodeId {
    NodeId::new(n).unwrap()
}

fn ring(sequence: u64) -> RingId {
    RingId { representative: id(1), sequence }
}

/// Heartbeat 8 s, polls every 5 s, connecting within 8 s.
fn settings() -> NetSettings {
    NetSettings::new(id(1), "lab", vec![id(1), id(2)], "arbiter", Duration::from_secs(10))
}

/// The client with everything it said, and the time.
struct Bench {
    client: Client,
    now: Duration,
    sent: Vec<Message>,
    notices: Vec<NetNotice>,
    connects: u32,
    disconnects: u32,
    /// Polls fed to the votes layer.
    polls: Vec<(bool, u64)>,
    /// TLS was asked for, after so many messages in clear.
    secured: Option<usize>,
    /// Checks asked for: number and longest run.
    checks: Vec<(u32, Duration)>,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(settings())
    }

    fn with(settings: NetSettings) -> Bench {
        Bench {
            client: Client::new(settings),
            now: Duration::ZERO,
            sent: Vec::new(),
            notices: Vec::new(),
            connects: 0,
            disconnects: 0,
            polls: Vec::new(),
            secured: None,
            checks: Vec::new(),
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Connect => self.connects += 1,
                Output::Disconnect => self.disconnects += 1,
                Output::Notice(notice) => self.notices.push(notice),
                Output::Secure => self.secured = Some(self.sent.len()),
                Output::Check { round, timeout } => self.checks.push((round, timeout)),
                Output::Send(bytes) => {
                    let mut stream = Stream::default();
                    stream.extend(&bytes);
                    while let Some(message) = stream.next_message().unwrap() {
                        self.sent.push(message);
                    }
                }
            }
        }
    }

    fn feed_polls(&mut self) {
        while let Some(poll) = self.client.poll(self.now) {
            let DeviceRequest::Poll { cast, ring, .. } = poll else { panic!("{poll:?}") };
            self.polls.push((cast, ring.sequence));
            self.drain();
        }
        self.drain();
    }

    fn input(&mut self, input: Input<'_>) {
        self.client.handle(self.now, input);
        self.drain();
    }

    fn says(&mut self, message: &Message) {
        self.input(Input::Received(&message.encode()));
    }

    fn ring(&mut self, sequence: u64, members: &[u32]) {
        let members: Vec<_> = members.iter().map(|n| id(*n)).collect();
        self.client.synchronising(self.now, ring(sequence), &members);
        self.drain();
    }

    fn word(&mut self, sequence: u32, of: u64, verdict: Verdict) {
        self.says(&Message::VoteInfo { sequence, ring: ring(of), verdict });
    }

    /// Passes time with an arbiter that answers signs of life, or is silent.
    fn pass(&mut self, time: Duration, answers: bool) {
        let end = self.now + time;
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Timeout);
            self.feed_polls();
            for message in self.take_sent() {
                if let (Message::Echo { sequence }, true) = (message, answers) {
                    self.says(&Message::EchoReply { sequence });
                }
            }
        }
        self.now = end;
    }

    fn take_sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent)
    }

    fn take_polls(&mut self) -> Vec<(bool, u64)> {
        std::mem::take(&mut self.polls)
    }

    /// Accepted by the arbiter in ring 4, without a word on it.
    fn online() -> Bench {
        Bench::online_with(settings())
    }

    fn online_with(settings: NetSettings) -> Bench {
        let mut bench = Bench::with(settings);
        bench.ring(4, &[1, 2]);
        bench.feed_polls();
        bench.client.verdict(bench.now, true, &[(id(1), NodeState::Member)]);
        bench.input(Input::Connected);
        bench.says(&Message::PreinitReply { tls: Tls::Unsupported });
        bench.says(&Message::InitReply { error: 0, max_request: 32_768 });
        bench.says(&Message::SetOptionReply { sequence: 3 });
        assert!(bench.client.is_online());
        bench
    }

    /// As before, and the votes count.
    fn casting() -> Bench {
        let mut bench = Bench::online();
        bench.word(1, 4, Verdict::Ack);
        bench.feed_polls();
        assert_eq!(bench.polls.last(), Some(&(true, 4)));
        bench.take_polls();
        bench.take_sent();
        bench
    }
}

#[test]
fn it_connects_with_the_first_ring_and_introduces_itself_step_by_step() {
    let mut bench = Bench::new();
    assert_eq!(bench.client.poll_timeout(), None, "nothing to do without a ring");
    bench.ring(4, &[1, 2]);
    assert_eq!((bench.connects, bench.sent.len()), (1, 0));
    bench.feed_polls();
    assert_eq!(bench.take_polls(), [(false, 4)], "no votes without the arbiter");
    bench.client.verdict(bench.now, false, &[(id(1), NodeState::Member)]);

    bench.input(Input::Connected);
    assert!(matches!(bench.take_sent()[..], [Message::Preinit { .. }]));
    bench.says(&Message::PreinitReply { tls: Tls::Supported });
    let sent = bench.take_sent();
    assert!(matches!(sent[..], [Message::Init { heartbeat: 8000, .. }]), "{sent:?}");
    bench.says(&Message::InitReply { error: 0, max_request: 32_768 });
    assert!(matches!(bench.take_sent()[..], [Message::SetOption { keep_active: true, .. }]));
    bench.says(&Message::SetOptionReply { sequence: 3 });
    let kinds: Vec<_> = bench
        .take_sent()
        .into_iter()
        .map(|message| match message {
            Message::NodeList { kind, ring, quorate, nodes, .. } => {
                (kind, ring.map(|ring| ring.sequence), quorate, nodes.len())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            (ListKind::Configured, None, None, 2),
            (ListKind::Members, Some(4), None, 2),
            (ListKind::Quorum, None, Some(false), 1),
        ]
    );
    assert_eq!(bench.notices, [NetNotice::Connected { encrypted: false }]);
}

#[test]
fn a_yes_counts_at_once_and_is_told_again_every_interval() {
    let mut bench = Bench::online();
    bench.take_polls();
    bench.word(1, 4, Verdict::Ack);
    bench.feed_polls();
    assert_eq!(bench.polls, [(true, 4)]);
    assert!(bench.sent.contains(&Message::VoteInfoReply { sequence: 1 }));
    bench.pass(Duration::from_secs(21), true);
    assert_eq!(bench.polls, [(true, 4); 5], "every 5 s");
    assert_eq!(bench.disconnects, 0);
}

#[test]
fn a_new_ring_waits_for_its_own_word() {
    let mut bench = Bench::casting();
    bench.ring(8, &[1]);
    bench.feed_polls();
    assert!(matches!(bench.take_sent()[..], [Message::NodeList { kind: ListKind::Members, .. }]));
    bench.says(&Message::NodeListReply {
        kind: ListKind::Members,
        ring: ring(8),
        verdict: Verdict::WaitForReply,
    });
    bench.word(2, 4, Verdict::Ack); // a late word on the ring before
    bench.feed_polls();
    assert_eq!(bench.take_polls(), [], "neither yes nor no");
    bench.word(3, 8, Verdict::Ack);
    bench.feed_polls();
    assert_eq!(bench.take_polls(), [(true, 8)]);
}

#[test]
fn an_arbiter_that_does_not_decide_on_a_ring_is_told_of_it_again() {
    /// The rings whose members the arbiter, which answers signs of life, is told in so many seconds.
    fn told(bench: &mut Bench, seconds: u32) -> Vec<u64> {
        let mut rings = Vec::new();
        for _ in 0..seconds {
            bench.now += Duration::from_secs(1);
            bench.input(Input::Timeout);
            for message in bench.take_sent() {
                match message {
                    Message::Echo { sequence } => bench.says(&Message::EchoReply { sequence }),
                    Message::NodeList { kind: ListKind::Members, ring: Some(ring), .. } => {
                        rings.push(ring.sequence);
                    }
                    _ => {}
                }
            }
        }
        rings
    }
    let mut bench = Bench::casting();
    assert_eq!(told(&mut bench, 20), [], "it has decided");
    bench.ring(8, &[1]);
    // A word on an older ring decides nothing.
    bench.word(2, 4, Verdict::Ack);
    assert_eq!(told(&mut bench, 20), [8, 8, 8], "at once, and once per heartbeat of 8 s");
    bench.word(3, 8, Verdict::Ack);
    bench.feed_polls();
    assert_eq!(bench.take_polls().last(), Some(&(true, 8)));
    assert_eq!(told(&mut bench, 20), [], "it has decided");
}

#[test]
fn a_no_is_confirmed_only_after_the_votes_layer_was_told() {
    let mut bench = Bench::casting();
    bench.word(2, 4, Verdict::Nack);
    assert_eq!(bench.take_sent(), [], "not told yet");
    let poll = bench.client.poll(bench.now);
    bench.drain();
    assert!(matches!(poll, Some(DeviceRequest::Poll { cast: false, .. })));
    assert_eq!(bench.take_sent(), [], "told, but whether it was fed is not known");
    assert_eq!(bench.client.poll(bench.now), None);
    bench.drain();
    assert_eq!(bench.take_sent(), [Message::VoteInfoReply { sequence: 2 }]);
}

#[test]
fn a_no_about_an_older_ring_still_takes_the_votes_back() {
    let mut bench = Bench::casting();
    bench.ring(8, &[1]);
    bench.take_sent();
    bench.word(2, 4, Verdict::Nack);
    bench.feed_polls();
    assert_eq!(bench.take_polls(), [(false, 8)]);
    assert_eq!(bench.take_sent(), [Message::VoteInfoReply { sequence: 2 }]);
    // The same, but the ring changes before the votes layer could be told.
    let mut bench = Bench::casting();
    bench.word(2, 4, Verdict::Nack);
    bench.ring(8, &[1]);
    bench.feed_polls();
    assert_eq!(bench.take_polls(), [(false, 8)]);
    assert!(bench.take_sent().contains(&Message::VoteInfoReply { sequence: 2 }));
}

#[test]
fn an_arbiter_that_falls_silent_loses_its_say_before_it_gives_the_node_up() {
    let mut bench = Bench::casting();
    bench.pass(Duration::from_secs(30), true);
    bench.take_polls();
    // The newest answered sign of life is at most 4 s old, so the word holds for 4 to 8 s more; the
    // arbiter has heard it and would wait 12 s from there.
    let silent = bench.now;
    bench.pass(Duration::from_millis(3_999), false);
    assert!(bench.take_polls().iter().all(|(cast, _)| *cast));
    let before = bench.disconnects;
    bench.pass(Duration::from_millis(4_001), false);
    assert_eq!(bench.take_polls().last(), Some(&(false, 4)));
    assert_eq!(bench.disconnects, before + 1);
    assert!(bench.now - silent <= Duration::from_secs(8));
    assert_eq!(
        bench.notices.last(),
        Some(&NetNotice::Apart(Problem::Silent(Duration::from_secs(8))))
    );
}

#[test]
fn the_lease_runs_from_the_question_not_from_a_late_answer() {
    let mut bench = Bench::casting();
    bench.now += Duration::from_secs(4);
    bench.input(Input::Timeout);
    let sent = bench.take_sent();
    let [Message::Echo { sequence }] = sent[..] else { panic!("{sent:?}") };
    bench.now += Duration::from_millis(3_900);
    bench.says(&Message::EchoReply { sequence });
    bench.pass(Duration::from_millis(4_099), false);
    assert_eq!(bench.disconnects, 0, "asked 8 s ago, nearly");
    bench.pass(Duration::from_millis(1), false);
    assert_eq!((bench.disconnects, bench.take_polls().last()), (1, Some(&(false, 4))));
}

#[test]
fn after_a_pause_the_lease_is_over_whatever_waits_to_be_read() {
    let mut bench = Bench::casting();
    bench.now += Duration::from_secs(60);
    bench.word(2, 4, Verdict::Ack);
    bench.feed_polls();
    assert_eq!(bench.take_polls(), [(false, 4)]);
}

#[test]
fn a_lost_connection_withdraws_the_votes_and_is_made_again() {
    let mut bench = Bench::casting();
    bench.input(Input::Closed("connection reset".to_owned()));
    bench.feed_polls();
    assert_eq!(bench.take_polls(), [(false, 4)]);
    let connects = bench.connects;
    bench.pass(Duration::from_secs(2), false);
    assert_eq!(bench.connects, connects + 1, "within two seconds");
    // It stays out of reach: told once, and tried again and again, voting no.
    for _ in 0..5 {
        bench.input(Input::Closed("connection refused".to_owned()));
        bench.pass(Duration::from_secs(2), false);
    }
    assert_eq!(bench.connects, connects + 6);
    let apart = bench.notices.iter().filter(|n| matches!(n, NetNotice::Apart(_))).count();
    assert_eq!(apart, 2, "{:?}", bench.notices);
    assert!(bench.take_polls().iter().all(|poll| *poll == (false, 4)));
    // A new ring meanwhile, then the arbiter is back.
    bench.ring(8, &[1, 2]);
    bench.input(Input::Connected);
    bench.says(&Message::PreinitReply { tls: Tls::Unsupported });
    bench.says(&Message::InitReply { error: 0, max_request: 32_768 });
    bench.says(&Message::SetOptionReply { sequence: 9 });
    bench.word(1, 8, Verdict::Ack);
    bench.feed_polls();
    assert_eq!(bench.take_polls().last(), Some(&(true, 8)));
}

#[test]
fn an_arbiter_that_accepts_the_connection_and_says_nothing_is_given_up() {
    let mut bench = Bench::new();
    bench.ring(4, &[1]);
    bench.input(Input::Connected);
    bench.pass(Duration::from_secs(8), false);
    assert_eq!(bench.disconnects, 1);
    let problem = Problem::TimedOut(Duration::from_secs(8));
    assert_eq!(bench.notices, [NetNotice::Apart(problem)]);
}

#[test]
fn refusals_are_told_with_their_reason() {
    let greeting = Message::PreinitReply { tls: Tls::Unsupported };
    for (said, expected) in [
        (vec![Message::PreinitReply { tls: Tls::Required }], Problem::TlsRequired),
        (
            vec![greeting.clone(), Message::InitReply { error: 15, max_request: 32_768 }],
            Problem::Refused(Complaint::TieBreakerDiffers),
        ),
        (
            vec![greeting.clone(), Message::InitReply { error: 17, max_request: 32_768 }],
            Problem::Refused(Complaint::DuplicateNode),
        ),
        (vec![Message::ServerError { error: 4 }], Problem::Refused(Complaint::Other(4))),
        (
            vec![
                greeting.clone(),
                Message::InitReply { error: 0, max_request: 20 },
                Message::SetOptionReply { sequence: 3 },
            ],
            Problem::TooManyNodes { limit: 20, needed: 37 },
        ),
        (vec![greeting.clone(), greeting], Problem::OutOfTurn),
    ] {
        let mut bench = Bench::new();
        bench.ring(4, &[1, 2]);
        bench.input(Input::Connected);
        for message in &said {
            bench.says(message);
        }
        assert_eq!(bench.notices.last(), Some(&NetNotice::Apart(expected)), "{said:?}");
        assert_eq!(bench.disconnects, 1);
    }
}

#[test]
fn malformed_bytes_close_the_connection_and_withdraw_the_votes() {
    for bytes in [
        &[0, 14, 0, 0, 0x80, 1][..],                 // longer than any message
        &[0, 14, 0xff, 0xff, 0xff, 0xff],            // far longer
        &[0, 77, 0, 0, 0, 0],                        // a type that does not exist
        &[0, 14, 0, 0, 0, 5, 0, 0, 0, 9, 1],         // an option longer than its message
        &[0, 9, 0, 0, 0, 8, 0, 0, 0, 4, 9, 9, 9, 9], // an answer nobody asked for
    ] {
        let mut bench = Bench::casting();
        bench.input(Input::Received(bytes));
        bench.feed_polls();
        assert_eq!(bench.disconnects, 1, "{bytes:?}");
        assert_eq!(bench.take_polls(), [(false, 4)]);
        bench.input(Input::Received(bytes));
        assert_eq!(bench.disconnects, 1, "what still arrives is not looked at");
    }
}

#[test]
fn decisions_nobody_feeds_do_not_pile_up() {
    let mut bench = Bench::casting();
    for sequence in 0..=MAX_UNCONFIRMED as u32 {
        assert_eq!(bench.disconnects, 0);
        bench.word(sequence, 4, Verdict::Nack);
    }
    assert_eq!(bench.disconnects, 1);
}

#[test]
fn an_undecided_arbiter_takes_back_what_it_gave_for_this_ring() {
    for verdict in [Verdict::WaitForReply, Verdict::AskLater] {
        let mut bench = Bench::casting();
        bench.says(&Message::NodeListReply { kind: ListKind::Quorum, ring: ring(4), verdict });
        bench.feed_polls();
        assert_eq!(bench.take_polls(), [(false, 4)]);
    }
    let mut bench = Bench::casting();
    let verdict = Verdict::NoChange;
    bench.says(&Message::NodeListReply { kind: ListKind::Quorum, ring: ring(4), verdict });
    bench.feed_polls();
    assert_eq!(bench.take_polls(), []);
}

#[test]
fn own_checks_are_reported_when_they_change() {
    let mut bench = Bench::casting();
    bench.client.set_heuristics(Heuristics::Fail);
    bench.client.set_heuristics(Heuristics::Fail);
    bench.drain();
    let sent = bench.take_sent();
    assert!(
        matches!(sent[..], [Message::HeuristicsChange { heuristics: Heuristics::Fail, .. }]),
        "{sent:?}"
    );
}

fn over_tls(tls: TlsMode, offer: Tls) -> Bench {
    let mut bench = Bench::with(NetSettings { tls, ..settings() });
    bench.ring(4, &[1, 2]);
    bench.input(Input::Connected);
    bench.says(&Message::PreinitReply { tls: offer });
    bench
}

#[test]
fn tls_is_begun_where_both_want_it_and_the_node_introduces_itself_only_then() {
    use Tls::{Required, Supported, Unsupported};
    for (mode, offer) in [
        (TlsMode::On, Supported),
        (TlsMode::On, Required),
        (TlsMode::Required, Supported),
        (TlsMode::Required, Required),
    ] {
        let mut bench = over_tls(mode, offer);
        let sent = bench.take_sent();
        assert!(
            matches!(sent[..], [Message::Preinit { .. }, Message::StartTls { .. }]),
            "{sent:?}"
        );
        assert_eq!(bench.secured, Some(2), "begun behind both");
        bench.input(Input::Secured);
        assert!(matches!(bench.take_sent()[..], [Message::Init { .. }]));
        bench.says(&Message::InitReply { error: 0, max_request: 32_768 });
        bench.says(&Message::SetOptionReply { sequence: 4 });
        assert_eq!(bench.notices, [NetNotice::Connected { encrypted: true }]);
    }
    for (mode, offer) in
        [(TlsMode::Off, Unsupported), (TlsMode::Off, Supported), (TlsMode::On, Unsupported)]
    {
        let mut bench = over_tls(mode, offer);
        assert!(matches!(bench.take_sent()[..], [Message::Preinit { .. }, Message::Init { .. }]));
        assert_eq!(bench.secured, None);
    }
    for (mode, offer, problem) in [
        (TlsMode::Off, Required, Problem::TlsRequired),
        (TlsMode::Required, Unsupported, Problem::TlsMissing),
    ] {
        let bench = over_tls(mode, offer);
        assert_eq!(bench.notices, [NetNotice::Apart(problem)]);
        assert!(bench.sent.iter().all(|message| !matches!(message, Message::Init { .. })));
    }
}

#[test]
fn what_is_sent_ahead_of_tls_in_clear_is_not_taken_for_what_is_encrypted() {
    let mut bench = Bench::with(NetSettings { tls: TlsMode::On, ..settings() });
    bench.ring(4, &[1, 2]);
    bench.input(Input::Connected);
    let mut bytes = Message::PreinitReply { tls: Tls::Supported }.encode();
    bytes.extend(Message::InitReply { error: 0, max_request: 32_768 }.encode());
    bench.input(Input::Received(&bytes));
    assert_eq!((bench.notices, bench.disconnects), (vec![NetNotice::Apart(Problem::OutOfTurn)], 1));
}

fn checking(interval: Option<u64>) -> NetSettings {
    let command = CheckCommand {
        name: "ping".to_owned(),
        program: "/bin/true".to_owned(),
        arguments: vec![],
    };
    let checks = Checks {
        commands: vec![command],
        timeout: Duration::from_secs(5),
        sync_timeout: Duration::from_secs(15),
        interval: interval.map(Duration::from_secs),
    };
    NetSettings { checks: Some(checks), ..settings() }
}

/// Heuristics of the lists of members among the messages, and of changes told alone.
fn results(sent: Vec<Message>) -> Vec<(bool, Heuristics)> {
    let result = |message| match message {
        Message::NodeList { kind: ListKind::Members, heuristics, .. } => Some((true, heuristics)),
        Message::HeuristicsChange { heuristics, .. } => Some((false, heuristics)),
        _ => None,
    };
    sent.into_iter().filter_map(result).collect()
}

#[test]
fn members_are_reported_with_the_result_of_checks_made_for_them() {
    let mut bench = Bench::online_with(checking(None));
    assert_eq!(bench.checks, [(1, Duration::from_secs(15))], "on connecting");
    assert_eq!(results(bench.take_sent()), [], "not before the result");
    bench.input(Input::Checked { round: 1, passed: true });
    assert_eq!(results(bench.take_sent()), [(true, Heuristics::Pass)]);
    bench.ring(8, &[1]);
    assert_eq!(bench.checks.len(), 2, "at a change");
    bench.ring(12, &[1, 2]);
    bench.input(Input::Checked { round: 2, passed: true });
    assert_eq!(results(bench.take_sent()), [], "those are history");
    bench.pass(Duration::from_secs(9), true);
    assert_eq!(results(bench.take_sent()), [], "nor when it is time to remind");
    bench.input(Input::Checked { round: 3, passed: false });
    assert_eq!(results(bench.take_sent()), [(true, Heuristics::Fail)]);
    assert!(bench.notices.ends_with(&[NetNotice::Checked { passed: false }]));
    bench.pass(Duration::from_secs(300), true);
    assert_eq!(bench.checks.len(), 3, "never regularly");
}

#[test]
fn regular_checks_tell_only_changes_and_only_while_connected() {
    let mut bench = Bench::online_with(checking(Some(30)));
    bench.input(Input::Checked { round: 1, passed: true });
    bench.word(1, 4, Verdict::Ack);
    bench.take_sent();
    for (round, passed, told) in
        [(2, true, None), (3, false, Some(Heuristics::Fail)), (4, false, None)]
    {
        bench.pass(Duration::from_secs(31), true);
        assert_eq!(bench.checks.last(), Some(&(round, Duration::from_secs(5))));
        bench.take_sent();
        bench.input(Input::Checked { round, passed });
        let told: Vec<_> = told.into_iter().map(|result| (false, result)).collect();
        assert_eq!(results(bench.take_sent()), told);
    }
    bench.input(Input::Closed("gone".to_owned()));
    bench.pass(Duration::from_secs(100), false);
    assert_eq!(bench.checks.len(), 4);
}
