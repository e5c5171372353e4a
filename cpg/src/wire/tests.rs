use super::*;
use crate::identity::{Incarnation, NodeId, RingId};

fn n(id: u32) -> NodeId {
    NodeId::new(id).unwrap()
}

fn ring(sequence: u64) -> RingId {
    RingId { sequence, representative: n(1), incarnation: Incarnation(77) }
}

fn samples() -> Vec<Packet> {
    let entry = CommitEntry {
        old_ring: ring(5),
        aru: 10,
        delivered: 9,
        held: vec![SeqRange { first: 12, last: 14 }],
        truncated: false,
    };
    vec![
        Packet::Token(Token {
            ring: ring(9),
            hop: 3,
            seq: 40,
            aru: 30,
            aru_owner: Some(n(2)),
            backlog: 7,
            sent: 9,
            sent_bytes: 9000,
            window: 70_000,
            offer: 80_000,
            recovering: true,
            requests: vec![SeqRange { first: 31, last: 31 }, SeqRange { first: 33, last: 35 }],
            vouched: vec![n(4), n(6)],
        }),
        Packet::Data(Data::new(
            ring(9),
            41,
            n(3),
            Guarantee::Safe,
            true,
            Body::Chunks(Bytes::from_static(b"payload")),
        )),
        Packet::Join(Join {
            originator: n(2),
            proc: [n(1), n(2)].into(),
            fail: [n(3)].into(),
            ring_sequence: 9,
            highest_sequence: 13,
            leave: false,
            configuration: 1,
        }),
        Packet::Commit(CommitToken {
            ring: ring(13),
            hop: 1,
            members: vec![(n(1), Some(entry)), (n(2), None)],
        }),
        Packet::Probe(Probe {
            originator: n(1),
            ring: ring(9),
            members: vec![n(1), n(2)],
            vouched: vec![n(3)],
            configuration: 0,
        }),
        Packet::HoldCancel(HoldCancel { originator: n(2), ring: ring(9) }),
    ]
}

#[test]
fn every_kind_survives_the_round_trip() {
    for packet in samples() {
        assert_eq!(Packet::decode(packet.encode()).as_ref(), Ok(&packet));
    }
}

#[test]
fn no_prefix_decodes_except_shorter_data_payloads() {
    for packet in samples() {
        let bytes = packet.encode();
        for length in 0..bytes.len() {
            let decoded = Packet::decode(bytes.slice(..length));
            let data = matches!(packet, Packet::Data(_)) && length >= DATA_OVERHEAD;
            assert_eq!(decoded.is_ok(), data, "{packet:?} cut at {length}");
        }
    }
}

#[test]
fn trailing_bytes_foreign_versions_and_unknown_kinds_are_refused() {
    let bytes = samples()[0].encode();
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert_eq!(Packet::decode(longer.into()), Err(DecodeError::Trailing { extra: 1 }));
    let mut version = bytes.to_vec();
    version[0] = 9;
    assert_eq!(Packet::decode(version.into()), Err(DecodeError::Version { found: 9 }));
    let mut kind = bytes.to_vec();
    kind[1] = 200;
    assert_eq!(Packet::decode(kind.into()), Err(DecodeError::Kind { found: 200 }));
}

#[test]
fn nonsense_values_are_refused() {
    let Packet::Token(token) = samples().remove(0) else { panic!("a token comes first") };
    let beyond = Token { aru: 41, ..token.clone() };
    assert!(Packet::decode(Packet::Token(beyond).encode()).is_err());
    let backwards = Token { requests: vec![SeqRange { first: 9, last: 8 }], ..token.clone() };
    assert!(Packet::decode(Packet::Token(backwards).encode()).is_err());
    let unsorted = Token { vouched: vec![n(6), n(4)], ..token.clone() };
    assert!(Packet::decode(Packet::Token(unsorted).encode()).is_err());
    // Numbers after which no other could come.
    let last = Token { seq: u64::MAX, ..token.clone() };
    assert!(Packet::decode(Packet::Token(last).encode()).is_err());
    let last = Token { hop: u64::MAX / 2 + 1, ..token };
    assert!(Packet::decode(Packet::Token(last).encode()).is_err());
    let commit = samples().into_iter().find_map(|packet| match packet {
        Packet::Commit(token) => Some(token),
        _ => None,
    });
    let last = CommitToken { hop: u64::MAX, ..commit.unwrap() };
    assert!(Packet::decode(Packet::Commit(last).encode()).is_err());
}
