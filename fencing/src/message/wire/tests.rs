//! Round trips, and bytes that are no message.

use super::*;
use proptest::prelude::*;

fn node() -> impl Strategy<Value = NodeName> {
    "[a-zA-Z0-9 ._é-]{1,20}".prop_map(|text| NodeName::new(&text).unwrap())
}

fn device() -> impl Strategy<Value = DeviceId> {
    "[a-z0-9-]{1,12}".prop_map(|text| DeviceId::new(&text).unwrap())
}

fn action() -> impl Strategy<Value = Action> {
    prop::sample::select(Action::ALL.to_vec())
}

fn id() -> impl Strategy<Value = OperationId> {
    any::<[u8; 16]>().prop_map(OperationId)
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let status = prop::sample::select(ExecutionStatus::ALL.to_vec());
    (any::<i32>(), status, prop::option::of(".{0,40}"), ".{0,40}")
        .prop_map(|(exit, status, reason, output)| Outcome { exit, status, reason, output })
}

fn terms() -> impl Strategy<Value = ActionTerms> {
    (any::<bool>(), any::<bool>(), any::<u32>(), any::<u32>(), any::<u32>()).prop_map(
        |(required, disallowed, timeout, base, max)| ActionTerms {
            required,
            disallowed,
            timeout: Seconds(timeout),
            delay: Delay { base: Seconds(base), max: Seconds(max) },
        },
    )
}

fn offer() -> impl Strategy<Value = Offer> {
    let optional = || prop::option::of(terms());
    (device(), any::<[bool; 4]>(), terms(), optional(), optional()).prop_map(
        |(device, flags, requested, off, on)| Offer {
            device,
            verified: flags[0],
            supports_on: flags[1],
            supports_reboot: flags[2],
            automatic_unfencing: flags[3],
            requested,
            off,
            on,
        },
    )
}

fn entry() -> impl Strategy<Value = HistoryEntry> {
    let state = (0..5_u8).prop_map(|number| State::from_number(number).unwrap());
    let completed = (any::<u64>(), 0..1_000_000_000_u32);
    (
        (id(), node(), action(), node()),
        (prop::option::of(node()), "[a-z.0-9]{0,9}", state, completed),
        prop::option::of(outcome()),
    )
        .prop_map(|(a, b, outcome)| HistoryEntry {
            operation: a.0,
            target: a.1,
            action: a.2,
            originator: a.3,
            delegate: b.0,
            client: b.1,
            state: b.2,
            completed: Duration::new(b.3.0, b.3.1),
            outcome,
        })
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (id(), prop::option::of(id()), node(), action(), any::<u32>(), any::<bool>()).prop_map(
            |(operation, relay, target, action, base, allow_self)| Message::Query(Query {
                operation,
                relay,
                target,
                action,
                client: "c.1".into(),
                base: Seconds(base),
                allow_self,
            })
        ),
        (id(), prop::collection::vec(offer(), 0..4)).prop_map(|(operation, offers)| {
            Message::QueryReply(QueryReply { operation, incarnation: offers.len() as u64, offers })
        }),
        (id(), any::<u32>(), node(), action(), any::<i32>(), prop::option::of(device())).prop_map(
            |(operation, attempt, target, action, delay, device)| Message::Fence(FenceRequest {
                operation,
                attempt,
                incarnation: u64::from(attempt) << 20,
                originator: target.clone(),
                target,
                action,
                client: String::new(),
                timeout: Seconds(attempt),
                delay,
                device,
                completes: delay > 0,
            })
        ),
        (id(), any::<u32>(), prop::option::of(device()), node(), action(), outcome()).prop_map(
            |(operation, attempt, device, target, action, outcome)| Message::FenceReply(
                FenceReply {
                    operation,
                    attempt,
                    device,
                    originator: target.clone(),
                    target,
                    action,
                    client: "x".into(),
                    merged: attempt % 2 == 0,
                    outcome,
                }
            )
        ),
        (id(), node(), action(), any::<u32>(), any::<i32>(), any::<bool>()).prop_map(
            |(stand_in, target, action, base, delay, allow_self)| Message::Relay(Relay {
                stand_in,
                target,
                action,
                base: Seconds(base),
                delay,
                allow_self
            })
        ),
        (id(), node(), action(), prop::option::of(node()), outcome()).prop_map(
            |(operation, target, action, delegate, outcome)| Message::Result(OperationResult {
                operation,
                originator: target.clone(),
                target,
                action,
                client: "y.2".into(),
                delegate,
                outcome
            })
        ),
        (id(), any::<u32>()).prop_map(|(operation, total)| Message::TimeoutUpdate {
            operation,
            total: Seconds(total)
        }),
        (any::<bool>(), prop::collection::vec(entry(), 0..4))
            .prop_map(|(differential, entries)| Message::History { differential, entries }),
        prop::option::of(node()).prop_map(|target| Message::HistoryCleanup { target }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(message in message()) {
        prop_assert_eq!(Message::parse(&message.encode()), Ok(message));
    }

    #[test]
    fn damaged_messages_are_refused_or_read_as_something_whole(
        message in message(), at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<bool>(),
    ) {
        let mut bytes = message.encode();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
            prop_assert!(Message::parse(&bytes).is_err());
        } else {
            bytes[at] ^= 1 << bit;
            if let Ok(other) = Message::parse(&bytes) {
                prop_assert_eq!(other.encode(), bytes);
            }
        }
    }
}

#[test]
fn errors_say_where() {
    assert_eq!(
        Message::parse(b"UF\x01").unwrap_err().to_string(),
        "the message ends at byte 3 within the kind of message"
    );
    assert_eq!(
        Message::parse(b"UF\x09\x01").unwrap_err().to_string(),
        "byte 3: 9 is no version known here"
    );
    let mut bytes = Message::HistoryCleanup { target: None }.encode();
    bytes.push(0);
    assert_eq!(Message::parse(&bytes), Err(WireError::Trailing { at: 5, extra: 1 }));
}
