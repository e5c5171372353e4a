//! What is read from the arbiter is read the same again once written, in whatever pieces it
//! arrives, and no bytes at all upset the client.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use quorum::device::QuorumDevice;
use quorum::device::net::{Client, Input, Message, NetSettings, Stream, Tls};
use quorum::{NodeId, RingId};

fn client(id: NodeId) -> Client {
    Client::new(NetSettings::new(id, "lab", vec![id], "arbiter", Duration::from_secs(10)))
}

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (introduced, size, bytes) = input;
    let mut stream = Stream::default();
    stream.extend(bytes);
    while let Ok(Some(message)) = stream.next_message() {
        let mut again = Stream::default();
        again.extend(&message.encode());
        assert_eq!(again.next_message(), Ok(Some(message)));
    }
    let id = NodeId::new(1).expect("1 is a node id");
    let mut client = client(id);
    let mut now = Duration::ZERO;
    client.synchronising(now, RingId { sequence: 4, representative: id }, &[id]);
    client.handle(now, Input::Connected);
    if introduced {
        for message in [
            Message::PreinitReply { tls: Tls::Unsupported },
            Message::InitReply { error: 0, max_request: 32_768 },
            Message::SetOptionReply { sequence: 3 },
        ] {
            client.handle(now, Input::Received(&message.encode()));
        }
        assert!(client.is_online());
    }
    for piece in bytes.chunks(usize::from(size).max(1)) {
        now += Duration::from_millis(100);
        client.handle(now, Input::Received(piece));
        let polls = std::iter::from_fn(|| client.poll(now)).take(3).count();
        assert!(polls < 3, "polls without end");
        while client.poll_output().is_some() {}
    }
});
