//! Single rules of counting; whole elections are in the simulation.

use super::*;

const NOW: Duration = Duration::from_secs(100);
const CPU: Duration = Duration::from_secs(5);

fn id(n: u32) -> NodeId {
    NodeId::new(n).unwrap()
}

fn version(text: &str) -> FeatureSet {
    text.parse().unwrap()
}

fn election() -> Election {
    let me = Candidate {
        id: id(1),
        name: "b".into(),
        version: version("3.2"),
        timeout: DEFAULT_TIMEOUT,
    };
    let mut election = Election::new(me);
    for n in [1, 2, 3] {
        feed(&mut election, NOW, Input::Joined(id(n)));
    }
    election
}

fn feed(election: &mut Election, now: Duration, input: Input) -> Vec<Output> {
    election.handle(now, CPU, input).unwrap();
    std::iter::from_fn(|| election.poll_output()).collect()
}

fn vote(from: u32, text: &str, age: u64, name: &str) -> Input {
    let kind = Kind::Vote { age: Duration::from_secs(age) };
    let ballot =
        Ballot { kind, owner: id(from), round: 1, name: name.into(), version: version(text) };
    Input::Ballot { from: id(from), ballot }
}

fn no_vote(from: u32, round: u32) -> Input {
    let kind = Kind::NoVote;
    let ballot = Ballot { kind, owner: id(1), round, name: "x".into(), version: version("3.2") };
    Input::Ballot { from: id(from), ballot }
}

#[test]
fn version_then_age_then_name_decide() {
    for (text, age, name, better) in [
        ("3.1", 1, "z", false),
        ("3.10", 9, "a", true),
        ("3.2", 6, "z", false),
        ("3.2", 4, "a", true),
        ("3.2", 5, "a", false),
        ("3.2", 5, "A", false),
        ("3.2", 5, "c", true),
    ] {
        let outputs = feed(&mut election(), NOW, vote(2, text, age, name));
        assert_eq!(outputs == [Output::Restart], better, "{text} {age} {name}: {outputs:?}");
        assert_eq!(outputs.contains(&Output::Lost), !better);
    }
}

#[test]
fn of_two_whose_ages_differ_by_less_than_ballots_tell_one_loses() {
    let mut members: Vec<Election> = [("a", 1), ("b", 2)]
        .map(|(name, n)| {
            let version = version("3.2");
            let me = Candidate { id: id(n), name: name.into(), version, timeout: DEFAULT_TIMEOUT };
            let mut election = Election::new(me);
            for n in [1, 2] {
                feed(&mut election, NOW, Input::Joined(id(n)));
            }
            election
        })
        .into();
    let cpu = |member: usize| CPU + Duration::from_nanos([200, 700][member]);
    let mut heard = Vec::new();
    for (member, election) in members.iter_mut().enumerate() {
        election.handle(NOW, cpu(member), Input::Start).unwrap();
        let Some(Output::Broadcast(ballot)) = election.poll_output() else { panic!("no vote") };
        let attributes = ballot.to_attributes();
        let get = |name: &str| attributes.iter().find(|(n, _)| *n == name).map(|(_, v)| &**v);
        heard.push(Ballot::from_attributes(get).unwrap());
    }
    let mut losers = 0;
    for (member, election) in members.iter_mut().enumerate() {
        let ballot = heard[1 - member].clone();
        let from = id(2 - member as u32);
        election.handle(NOW, cpu(member), Input::Ballot { from, ballot }).unwrap();
        losers += usize::from(election.state() == State::Lost);
    }
    assert_eq!(losers, 1);
}

#[test]
fn all_active_members_must_agree_with_the_present_round() {
    let mut e = election();
    feed(&mut e, NOW, Input::Start);
    feed(&mut e, NOW, Input::Start);
    assert_eq!(e.round(), 2);
    for input in [no_vote(1, 2), no_vote(2, 2), no_vote(3, 1), no_vote(9, 2), Input::Check] {
        assert_eq!(feed(&mut e, NOW, input), []);
    }
    feed(&mut e, NOW, no_vote(3, 2));
    assert_eq!(feed(&mut e, NOW, Input::Check), [Output::Won]);
    assert_eq!(e.state(), State::Won);
}

#[test]
fn a_member_that_leaves_need_not_agree() {
    let mut e = election();
    feed(&mut e, NOW, Input::Start);
    feed(&mut e, NOW, no_vote(1, 1));
    feed(&mut e, NOW, no_vote(2, 1));
    feed(&mut e, NOW, Input::Left { node: id(3), was_controller: false });
    assert_eq!(feed(&mut e, NOW, Input::Check), [Output::Won]);
}

#[test]
fn who_lost_just_now_accepts_losing_again_unless_the_controller_is_gone() {
    let mut e = election();
    feed(&mut e, NOW, vote(2, "3.2", 6, "x"));
    let later = NOW + DAMPENING;
    assert!(feed(&mut e, later, vote(3, "3.2", 4, "x")).contains(&Output::Lost));
    let gone = Input::Left { node: id(2), was_controller: true };
    feed(&mut e, later, gone);
    assert_eq!(feed(&mut e, later, vote(3, "3.2", 4, "x")), [Output::Restart]);
}

#[test]
fn who_may_not_win_agrees_with_everybody() {
    let mut e = election();
    feed(&mut e, NOW, Input::Eligible(false));
    assert!(feed(&mut e, NOW, vote(2, "3.10", 1, "z")).contains(&Output::Lost));
}

#[test]
fn silence_makes_the_winner_in_the_end() {
    let mut e = election();
    feed(&mut e, NOW, Input::Start);
    let at = e.poll_timeout().unwrap();
    assert_eq!(at, NOW + DEFAULT_TIMEOUT);
    assert_eq!(feed(&mut e, at - Duration::from_nanos(1), Input::Timeout), []);
    assert_eq!(feed(&mut e, at, Input::Timeout), [Output::Won]);
    assert_eq!(e.poll_timeout(), None);
}

#[test]
fn agreement_with_another_s_round_is_an_error() {
    let Input::Ballot { from, mut ballot } = no_vote(2, 1) else { unreachable!() };
    ballot.owner = id(3);
    let input = Input::Ballot { from, ballot };
    assert_eq!(election().handle(NOW, CPU, input), Err(CountError::NotOurs(id(3))));
}

#[test]
fn ballots_survive_their_attributes_and_bad_ones_are_refused() {
    let Input::Ballot { ballot, .. } = vote(2, "3.19.7", 7, "alpha") else { unreachable!() };
    let attributes = ballot.to_attributes();
    let read = |attributes: &[(&'static str, String)]| {
        Ballot::from_attributes(|name| {
            attributes.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
        })
    };
    assert_eq!(read(&attributes), Ok(ballot));
    for (at, (name, _)) in attributes.iter().enumerate() {
        let mut fewer = attributes.clone();
        fewer.remove(at);
        assert_eq!(read(&fewer), Err(BallotError::Missing(name)));
        if *name != "src" {
            let mut bad = attributes.clone();
            bad[at].1 = "-1".into();
            assert!(matches!(read(&bad), Err(BallotError::Invalid { .. })), "{name}");
        }
    }
}

/// Spec 60 §4.2, rows 2 and 4.
#[test]
fn who_is_not_active_neither_wins_nor_is_heard() {
    let mut e = election();
    assert_eq!(feed(&mut e, NOW, vote(9, "3.2", 1, "z")), [], "a stranger is better, and ignored");
    feed(&mut e, NOW, Input::Left { node: id(1), was_controller: false });
    assert_eq!(feed(&mut e, NOW, Input::Start), [], "no round of its own");
    assert!(feed(&mut e, NOW, vote(2, "3.10", 1, "z")).contains(&Output::Lost));
    assert_eq!(e.round(), 0);
}

/// Spec 60 §4.2, rows 3 and 5.
#[test]
fn the_own_vote_counts_as_agreement_with_the_present_round_alone() {
    let own = |round| {
        let Input::Ballot { from, mut ballot } = vote(1, "3.2", 5, "b") else { unreachable!() };
        ballot.round = round;
        Input::Ballot { from, ballot }
    };
    let mut e = election();
    assert_eq!(feed(&mut e, NOW, own(0)), [], "no election goes on");
    feed(&mut e, NOW, Input::Left { node: id(2), was_controller: false });
    feed(&mut e, NOW, Input::Left { node: id(3), was_controller: false });
    for round in 1..=2 {
        feed(&mut e, NOW, Input::Start);
        assert_eq!(feed(&mut e, NOW, own(round - 1)), [], "superseded");
        assert_eq!(feed(&mut e, NOW, Input::Check), []);
    }
    feed(&mut e, NOW, own(2));
    assert_eq!(feed(&mut e, NOW, Input::Check), [Output::Won], "alone its own vote is enough");
}

/// Spec 60 §4.1: used CPU time is looked at anew when nobody asked for it for two seconds.
#[test]
fn the_age_is_kept_while_it_is_asked_for() {
    let mut e = election();
    let mut age = |now: Duration, cpu: u64| {
        e.handle(now, Duration::from_secs(cpu), Input::Start).unwrap();
        match e.poll_output() {
            Some(Output::Broadcast(Ballot { kind: Kind::Vote { age }, .. })) => age.as_secs(),
            other => panic!("{other:?}"),
        }
    };
    let ms = Duration::from_millis;
    assert_eq!(age(NOW, 5), 5);
    assert_eq!(age(NOW + ms(1900), 6), 5);
    assert_eq!(age(NOW + ms(3800), 7), 5, "asked for again within two seconds");
    assert_eq!(age(NOW + ms(5800), 8), 8);
}

/// Spec 60 §4.2: three peers are allowed sixteen wins in two seconds.
#[test]
fn more_wins_than_members_explain_are_told_once() {
    let mut e = election();
    let mut storms = |from: Duration, wins: usize| -> usize {
        let worse = |_| feed(&mut e, from, vote(2, "3.2", 4, "x"));
        (0..wins).map(worse).filter(|outputs| outputs.contains(&Output::Storm)).count()
    };
    assert_eq!(storms(NOW, 16), 0);
    assert_eq!(storms(NOW + STORM_WINDOW, 1), 1);
    assert_eq!(storms(NOW + STORM_WINDOW, 16), 0, "counted anew");
    assert_eq!(storms(NOW + 3 * STORM_WINDOW, 16), 0, "after the window, too");
}
