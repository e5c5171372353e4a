//! Groups as a program uses them, on the in-memory cluster.

use cpg::group::{ChangeReason, Event, MAX_MESSAGE, Refusal};
use cpg::memory::{Cluster, Group};
use cpg::{GroupName, Guarantee, NodeId};
use std::time::Duration;

fn id(number: u32) -> NodeId {
    NodeId::new(number).unwrap()
}

fn together(nodes: u32) -> Cluster {
    let mut cluster = Cluster::new(nodes);
    cluster.run_for(Duration::from_secs(2));
    assert_eq!(cluster.ring(id(1)).unwrap().1.len(), nodes as usize);
    cluster
}

fn joined(cluster: &mut Cluster, nodes: u32) -> Vec<Group> {
    let name = GroupName::new("g").unwrap();
    let groups: Vec<Group> =
        (1..=nodes).map(|node| cluster.join(id(node), 1, name.clone()).unwrap()).collect();
    cluster.run_for(Duration::from_secs(1));
    for group in &groups {
        while cluster.next_event(*group).is_some() {}
    }
    groups
}

fn messages(cluster: &mut Cluster, group: Group) -> Vec<Vec<u8>> {
    let mut messages = vec![];
    while let Some(event) = cluster.next_event(group) {
        if let Event::Message(message) = event {
            messages.push(message.payload.to_vec());
        }
    }
    messages
}

#[test]
fn messages_up_to_the_limit_arrive_whole_everywhere_and_larger_ones_are_refused() {
    let mut cluster = together(3);
    let groups = joined(&mut cluster, 3);
    let sizes = [0, 1, 1000, 1336, 60_000, 500_000, MAX_MESSAGE];
    let expected: Vec<Vec<u8>> =
        sizes.iter().map(|size| (0..*size).map(|at| (at * 7 + size) as u8).collect()).collect();
    for (turn, message) in expected.iter().enumerate() {
        cluster.multicast(groups[turn % 3], Guarantee::Agreed, message.clone()).unwrap();
        cluster.run_for(Duration::from_millis(500));
    }
    for group in groups.clone() {
        assert!(messages(&mut cluster, group) == expected);
    }
    let refusal = cluster.multicast(groups[0], Guarantee::Agreed, vec![0; MAX_MESSAGE + 1]);
    assert_eq!(refusal, Err(Refusal::TooBig(MAX_MESSAGE + 1)));
    assert_eq!(refusal.unwrap_err().code(), 26);
}

#[test]
fn a_full_queue_says_try_again_and_empties() {
    let mut cluster = together(2);
    let groups = joined(&mut cluster, 2);
    let mut accepted = 0;
    let refusal = loop {
        match cluster.multicast(groups[1], Guarantee::Agreed, vec![accepted as u8; 100_000]) {
            Ok(()) => accepted += 1,
            Err(refusal) => break refusal,
        }
        assert!(accepted < 1000, "the queue has no bound");
    };
    assert_eq!(refusal, Refusal::TryAgain);
    cluster.run_for(Duration::from_secs(2));
    assert_eq!(messages(&mut cluster, groups[0]).len(), accepted);
    cluster.multicast(groups[1], Guarantee::Agreed, "again").unwrap();
}

#[test]
fn all_members_see_all_senders_in_one_order() {
    let mut cluster = together(5);
    let groups = joined(&mut cluster, 5);
    for round in 0..40u8 {
        for (node, group) in groups.iter().enumerate() {
            let guarantee = if round % 3 == 0 { Guarantee::Safe } else { Guarantee::Agreed };
            cluster.multicast(*group, guarantee, vec![node as u8, round]).unwrap();
        }
        cluster.run_for(Duration::from_micros(130));
    }
    cluster.run_for(Duration::from_secs(1));
    let first = messages(&mut cluster, groups[0]);
    assert_eq!(first.len(), 200);
    for group in &groups[1..] {
        assert_eq!(messages(&mut cluster, *group), first);
    }
    for node in 0..5 {
        let rounds = first.iter().filter(|message| message[0] == node).map(|message| message[1]);
        assert!(rounds.eq(0..40), "each sender's own order is kept");
    }
}

#[test]
fn a_view_names_those_who_went_with_a_dead_node_once() {
    let mut cluster = together(3);
    let groups = joined(&mut cluster, 3);
    let second = cluster.join(id(3), 2, GroupName::new("g").unwrap()).unwrap();
    cluster.run_for(Duration::from_secs(1));
    while cluster.next_event(groups[0]).is_some() {}
    cluster.kill(id(3));
    cluster.run_for(Duration::from_secs(2));
    let Some(Event::View(view)) = cluster.next_event(groups[0]) else { panic!("no view") };
    assert_eq!(view.members.len(), 2);
    let left: Vec<_> = view.left.iter().map(|(member, why)| (member.process.0, *why)).collect();
    assert_eq!(left, [(1, ChangeReason::NodeDown), (2, ChangeReason::NodeDown)]);
    assert!(matches!(cluster.next_event(groups[0]), Some(Event::Ring(_))));
    assert_eq!(cluster.next_event(groups[0]), None);
    assert_eq!(cluster.next_event(second), None);
}

#[test]
fn a_reader_that_falls_behind_is_cut_off_and_the_others_go_on() {
    let mut cluster = together(3);
    cluster.set_inbox_bytes(100_000);
    let groups = joined(&mut cluster, 3);
    for round in 0..40u8 {
        cluster.multicast(groups[0], Guarantee::Agreed, vec![round; 10_000]).unwrap();
        cluster.run_for(Duration::from_millis(100));
        for group in &groups[..2] {
            while let Some(event) = cluster.next_event(*group) {
                match event {
                    Event::Message(message) => assert_eq!(message.payload[0], round),
                    Event::View(view) => assert_eq!(view.left[0].1, ChangeReason::ProcessDown),
                    Event::Ring(_) => panic!("the ring has no part in this"),
                }
            }
        }
    }
    let members = cluster.groups(id(1)).unwrap().members(&GroupName::new("g").unwrap());
    assert_eq!(members.iter().map(|member| member.node).collect::<Vec<_>>(), [id(1), id(2)]);
    let mut kept = 0;
    let overrun = loop {
        match cluster.read(groups[2]) {
            Ok(Some(Event::Message(message))) => {
                assert_eq!(message.payload[0], kept, "nothing is missing in the middle");
                kept += 1;
            }
            Ok(other) => panic!("{other:?}"),
            Err(overrun) => break overrun,
        }
    };
    assert_eq!((kept, overrun.limit), (9, 100_000));
}
