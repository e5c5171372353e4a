//! Requests, events and answers travel between processes: what is written reads back the same, and
//! what could not be made is not read.

use std::sync::Arc;
use std::time::Duration;

use lrm::executor::{CancelError, Event, EventKind, ExecuteError, OperationResult, Recipients};
use lrm::operation::{
    Action, CallId, ClientId, Interval, Parameters, Request, Resource, ResourceId,
};
use lrm::outcome::{ExecStatus, OcfExit, Outcome};
use serde::{Serialize, de::DeserializeOwned};

fn back<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn request() -> Request {
    let mut request = Request::once(
        ResourceId::new("vip").unwrap(),
        Action::new("monitor").unwrap(),
        Duration::from_millis(20_500),
    )
    .every(Interval::from_millis(10_000))
    .with(Parameters::from_pairs([("ip", "10.0.0.1"), ("CRM_meta_timeout", "20500")]).unwrap());
    request.user_data = "3:1:0:uuid".into();
    request
}

#[test]
fn requests_read_back() {
    let resource = Resource {
        id: ResourceId::new("vip").unwrap(),
        agent: Arc::new("ocf:heartbeat:IPaddr2".parse().unwrap()),
        drop_recurring: true,
    };
    assert_eq!(back(&resource), resource);
    assert_eq!(back(&request()), request());
    let text = serde_json::to_value(&resource).unwrap();
    assert_eq!(text["agent"], "ocf:heartbeat:IPaddr2");
}

#[test]
fn results_and_errors_read_back() {
    let Request { resource, action, interval, timeout, start_delay, parameters, .. } = request();
    let result = OperationResult {
        agent: Arc::new("ocf:heartbeat:IPaddr2".parse().unwrap()),
        call: CallId(7),
        user_data: "3:1:0:uuid".into(),
        outcome: Outcome::new(OcfExit::NotRunning, ExecStatus::Done, "gone"),
        output: Some("text".into()),
        deleted: false,
        last_run: 5,
        last_change: 6,
        exec_time: Duration::from_millis(7),
        queue_time: Duration::ZERO,
        resource: resource.clone(),
        action,
        interval,
        timeout,
        start_delay,
        parameters,
    };
    let kind = EventKind::Completed(Box::new(result.clone()));
    let event = back(&Event { to: Recipients::Client(ClientId(3)), kind });
    assert_eq!(event.to, Recipients::Client(ClientId(3)));
    assert!(matches!(event.kind, EventKind::Completed(other) if *other == result));
    let refused = ExecuteError::NoSuchResource(resource.clone());
    assert_eq!(back(&refused), refused);
    let kept = CancelError::NoSuchOperation(resource);
    assert_eq!(back(&kept), kept);
}

#[test]
fn what_could_not_be_made_is_not_read() {
    fn refused<T: DeserializeOwned>(text: &str, part: &str) {
        let error = serde_json::from_str::<T>(text).err().expect("refused").to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    refused::<ResourceId>("\"\"", "empty");
    refused::<Action>("\"a\\u0000\"", "NUL");
    refused::<Parameters>("{\"a=b\": \"1\"}", "a=b");
    refused::<lrm::agent::AgentSpec>("\"ocf:Dummy\"", "needs a provider");
    refused::<OcfExit>("100", "100 is no OCF exit code");
    refused::<ExecStatus>("12", "12 is no execution status");
}
