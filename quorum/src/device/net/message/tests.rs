//! The codec against exchanges recorded between Debian's corosync-qdevice and corosync-qnetd 3.0.3,
//! and against bytes that are no messages.

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn id(n: u32) -> NodeId {
    NodeId::new(n).unwrap()
}

fn ring(representative: u32, sequence: u64) -> RingId {
    RingId { representative: id(representative), sequence }
}

fn list(sequence: u32, kind: ListKind, members: &[u32]) -> Message {
    let nodes = members.iter().map(|n| (id(*n), None)).collect();
    let (ring, heuristics) = (None, Heuristics::Disabled);
    Message::NodeList { sequence, kind, ring, quorate: None, nodes, heuristics }
}

/// What the client says, and how the reference client says it.
fn client_messages() -> Vec<(&'static str, Message)> {
    let mut members = list(5, ListKind::Members, &[1, 2, 3]);
    if let Message::NodeList { ring: of, heuristics, .. } = &mut members {
        (*of, *heuristics) = (Some(ring(1, 9)), Heuristics::Pass);
    }
    vec![
        (
            "00000000000f0000000400000001000100036c6162",
            Message::Preinit { sequence: 1, cluster: "lab".to_owned() },
        ),
        (
            "0003000000930000000400000002000400240000000100020003000400050006000700080009000a000b\
             000c000d000e000f00100011000500300000000100020003000400050006000700080009000a000b000c\
             000d000e000f001000110012001300140015001600170009000400000002000b00020001000c00040000\
             12c0001500050100000000000d000c000000010000000000000009",
            Message::Init {
                sequence: 2,
                node: id(2),
                algorithm: NetAlgorithm::FiftyFifty,
                heartbeat: 4800,
                tie_breaker: TieBreaker::Lowest,
                ring: ring(1, 9),
            },
        ),
        (
            "00060000000d00000004000000030017000101",
            Message::SetOption { sequence: 3, keep_active: true },
        ),
        (
            "000a0000002500000004000000040012000100001100080009000400000001001100080009000400000002",
            list(4, ListKind::Configured, &[1, 2]),
        ),
        (
            "000a0000004600000004000000050012000102000d000c000000010000000000000009001100080009000\
             4000000010011000800090004000000020011000800090004000000030016000101",
            members,
        ),
        (
            "000a000000340000000400000006001200010300140001010011000d00090004000000010010000101001\
             1000d00090004000000020010000101",
            Message::NodeList {
                sequence: 6,
                kind: ListKind::Quorum,
                ring: None,
                quorate: Some(true),
                nodes: vec![(id(1), Some(NodeState::Member)), (id(2), Some(NodeState::Member))],
                heuristics: Heuristics::Disabled,
            },
        ),
        ("000f000000080000000400000001", Message::VoteInfoReply { sequence: 1 }),
        ("0008000000080000000400000001", Message::Echo { sequence: 1 }),
        (
            "00100000000d00000004000000070016000102",
            Message::HeuristicsChange { sequence: 7, heuristics: Heuristics::Fail },
        ),
    ]
}

/// What the real arbiter says.
fn arbiter_messages() -> Vec<(&'static str, Message)> {
    let r9 = ring(1, 9);
    vec![
        (
            "000100000012000000040000000100020001000003000101",
            Message::PreinitReply { tls: Tls::Unsupported },
        ),
        (
            "000400000086000600020000000400240000000100020003000400050006000700080009000a000b000c\
             000d000e000f00100011000500300000000100020003000400050006000700080009000a000b000c000d\
             000e000f00100011001200130014001500160017000000040000000200070004000080000008000400008\
             000000a00080000000100020003",
            Message::InitReply { error: 0, max_request: 32_768 },
        ),
        ("00070000000d00000004000000030017000101", Message::SetOptionReply { sequence: 3 }),
        (
            "000b0000002200000004000000050012000102000d000c0000000100000000000000090013000104",
            Message::NodeListReply {
                kind: ListKind::Members,
                ring: r9,
                verdict: Verdict::WaitForReply,
            },
        ),
        (
            "000e0000001d00000004000000010013000101000d000c000000010000000000000009",
            Message::VoteInfo { sequence: 1, ring: r9, verdict: Verdict::Ack },
        ),
        (
            "000e0000001d00000004000000020013000102000d000c00000002000000000000000d",
            Message::VoteInfo { sequence: 2, ring: ring(2, 13), verdict: Verdict::Nack },
        ),
        ("0009000000080000000400000001", Message::EchoReply { sequence: 1 }),
        (
            "00110000002200000004000000070013000105000d000c0000000100000000000000090016000102",
            Message::HeuristicsReply { ring: r9, verdict: Verdict::NoChange },
        ),
    ]
}

fn parse(bytes: &[u8]) -> Result<Option<Message>, Malformed> {
    let mut stream = Stream::default();
    stream.extend(bytes);
    stream.next_message()
}

#[test]
fn the_client_writes_the_bytes_of_the_reference_client() {
    for (recorded, message) in client_messages() {
        assert_eq!(message.encode(), bytes(recorded), "{message:?}");
        assert_eq!(parse(&bytes(recorded)), Ok(Some(message)));
    }
}

#[test]
fn what_the_real_arbiter_says_is_read() {
    for (recorded, message) in arbiter_messages() {
        assert_eq!(parse(&bytes(recorded)), Ok(Some(message.clone())));
        assert_eq!(parse(&message.encode()), Ok(Some(message)), "written by ourselves");
    }
}

#[test]
fn a_stream_is_cut_into_messages_however_the_bytes_arrive() {
    let all: Vec<u8> = arbiter_messages().iter().flat_map(|(hex, _)| bytes(hex)).collect();
    let expected: Vec<_> = arbiter_messages().into_iter().map(|(_, message)| message).collect();
    for size in [1, 5, 7, 1000] {
        let mut stream = Stream::default();
        let mut found = Vec::new();
        for chunk in all.chunks(size) {
            stream.extend(chunk);
            while let Some(message) = stream.next_message().unwrap() {
                found.push(message);
            }
        }
        assert_eq!(found, expected, "in pieces of {size}");
        stream.extend(&[]);
        assert!(stream.bytes.is_empty(), "what was read is not kept");
    }
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    for (hex, expected) in [
        ("000900008001", Malformed::TooLong(32_769)),
        ("0009ffffffff", Malformed::TooLong(u32::MAX)),
        ("006300000000", Malformed::Type(99)),
        ("000c00000000", Malformed::Type(12)),
        ("000200000000", Malformed::Missing { kind: 2, option: 0 }),
        ("000900000000", Malformed::Missing { kind: 9, option: 0 }),
        // An option longer than its message, an option cut in its header, a number of three bytes.
        ("000900000008000000ff00000001", Malformed::Option { kind: 9, option: 0 }),
        ("00090000000b0000000400000001000000", Malformed::Option { kind: 9, option: 0 }),
        ("00090000000700000003000001", Malformed::Option { kind: 9, option: 0 }),
        // A vote, a ring and a node that do not exist.
        (
            "000e0000001d00000004000000010013000106000d000c000000010000000000000009",
            Malformed::Option { kind: 14, option: 19 },
        ),
        (
            "000e0000001d00000004000000010013000101000d000c000000000000000000000009",
            Malformed::Option { kind: 14, option: 13 },
        ),
        ("000a0000000c001100080009000400000000", Malformed::Option { kind: 10, option: 17 }),
        ("000a0000000c0011000800090004000000ff00", Malformed::Missing { kind: 10, option: 0 }),
    ] {
        assert_eq!(parse(&bytes(hex)), Err(expected), "{hex}");
    }
    let crowd: Vec<u8> = (1..=1025u32)
        .flat_map(|n| [&[0, 17, 0, 8, 0, 9, 0, 4], &n.to_be_bytes()[..]].concat())
        .collect();
    assert_eq!(Message::parse(10, &crowd), Err(Malformed::TooManyNodes));
}

#[test]
fn options_nobody_knows_are_skipped() {
    let found = parse(&bytes("00090000000d012c0001ff0000000400000007"));
    assert_eq!(found, Ok(Some(Message::EchoReply { sequence: 7 })));
}
