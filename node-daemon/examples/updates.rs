//! How many changes of the CIB, or of an attribute, a running node takes through one connection, one after
//! the other: `updates STATE-DIRECTORY NODE-NUMBER [SECONDS]`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cib_model::Document;
use node_daemon::subsystem::{
    Address, AttributesAnswer, AttributesRequest, Body, CibAnswer, CibOperation, CibRequest,
    CibUpdate, Envelope, NodeId, Room, Scope, SharedDocument, Target,
};
use node_daemon::wiring::hub::Connection;

type Failure = Box<dyn std::error::Error>;

fn cib_request(token: u64) -> Result<Body, Failure> {
    let text = format!(
        "<cluster_property_set id='cib-bootstrap-options'><nvpair id='measured' name='measured' value='{token}'/>\
         </cluster_property_set>"
    );
    let update = CibUpdate::Modify {
        scope: Scope::Section("crm_config".to_owned()),
        content: SharedDocument::new(Document::parse(&text)?),
        create: true,
        scores: false,
    };
    let operation = CibOperation::Update { update, dry_run: false };
    Ok(CibRequest { token, operation, client: "updates".to_owned(), user: None }.into())
}

fn status_request(token: u64) -> Result<Body, Failure> {
    let text = format!("<tickets><ticket_state id='measured' last-granted='{token}'/></tickets>");
    let update = CibUpdate::Modify {
        scope: Scope::Section("status".to_owned()),
        content: SharedDocument::new(Document::parse(&text)?),
        create: true,
        scores: false,
    };
    let operation = CibOperation::Update { update, dry_run: false };
    Ok(CibRequest { token, operation, client: "updates".to_owned(), user: None }.into())
}

fn attribute_request(token: u64) -> Result<Body, Failure> {
    let text = format!(
        "<attrd task='update' attr_name='measured' attr_value='{token}' attr_is_private='1' attr_sync_point='local'/>"
    );
    Ok(AttributesRequest { token, message: SharedDocument::new(Document::parse(&text)?) }.into())
}

fn measure(
    connection: &mut Connection,
    from: Address,
    room: Room,
    time: Duration,
    request: fn(u64) -> Result<Body, Failure>,
) -> Result<f64, Failure> {
    let began = Instant::now();
    let mut done = 0u64;
    while began.elapsed() < time {
        let token = done + 1;
        connection.send(&Envelope { from, to: Target::Here(room), body: request(token)? })?;
        loop {
            match connection.receive()?.body {
                Body::CibAnswer(CibAnswer { token: answered, result }) if answered == token => {
                    result?;
                    break;
                }
                Body::AttributesAnswer(AttributesAnswer::Accepted { token: answered })
                    if answered == token =>
                {
                    break;
                }
                Body::AttributesAnswer(other) => return Err(format!("{other:?}").into()),
                _ => {}
            }
        }
        done += 1;
    }
    Ok(done as f64 / began.elapsed().as_secs_f64())
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: updates STATE-DIRECTORY NODE-NUMBER [SECONDS]";
    let state: PathBuf = arguments.next().ok_or(usage)?.into();
    let node = arguments.next().and_then(|n| NodeId::new(n.parse().ok()?)).ok_or(usage)?;
    let time = Duration::from_secs(arguments.next().map_or(Ok(3), |text| text.parse())?);
    let mut connection = Connection::open(&state, Room::Supervisor)?;
    let from = Address { node, room: Room::Supervisor };
    for (what, room, request) in [
        (
            "changes of the configuration, on disk at every node",
            Room::Cib,
            cib_request as fn(u64) -> _,
        ),
        ("changes of the status", Room::Cib, status_request),
        ("changes of a private attribute", Room::Attributes, attribute_request),
    ] {
        let rate = measure(&mut connection, from, room, time, request)?;
        println!("{rate:10.0} per second: {what}");
    }
    Ok(())
}
