use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::operation::{Action, CallId, Interval, ResourceId};

const KEY: &str = "3:0:7:0a1b2c3d-0000-0000-0000-000000000000";

const CONTEXT: HistoryContext<'_> =
    HistoryContext { node: "n1", origin: "do_update", feature_set: "3.20.5", metadata: None };

fn result(action: &str, interval: u32, exit: i32, status: ExecStatus) -> OperationResult {
    let exit = OcfExit::from_code(exit).unwrap();
    OperationResult {
        resource: ResourceId::new("r").unwrap(),
        agent: Arc::new("ocf:p:T".parse().unwrap()),
        action: Action::new(action).unwrap(),
        interval: Interval::from_millis(interval),
        timeout: Duration::from_secs(20),
        start_delay: Duration::ZERO,
        call: CallId(5),
        user_data: "".into(),
        parameters: Arc::default(),
        outcome: Outcome { exit, status, reason: Some("why".into()) },
        output: None,
        deleted: false,
        last_run: 1_000,
        last_change: 0,
        exec_time: Duration::ZERO,
        queue_time: Duration::ZERO,
    }
}

fn with(mut result: OperationResult, parameters: &[(&str, &str)]) -> OperationResult {
    result.parameters = Arc::new(Parameters::from_pairs(parameters.iter().copied()).unwrap());
    result
}

fn ids(result: &OperationResult) -> Vec<String> {
    let entries = entries(result, &CONTEXT);
    entries.iter().map(|entry| entry.get("id").unwrap().to_string()).collect()
}

/// The entry of a simulated action, as chapter 40 §6.4 writes it.
#[test]
fn a_simulated_start_is_written_byte_for_byte() {
    let context = HistoryContext { origin: "crm_simulate", ..CONTEXT };
    let start = with(
        result("start", 0, 0, ExecStatus::Done),
        &[("p", "second"), ("CRM_meta_timeout", "20000"), ("crm_feature_set", "3.20.5")],
    );
    let texts: Vec<String> = entries(&start, &context).iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["<lrm_rsc_op id=\"r_last_0\" operation_key=\"r_start_0\" operation=\"start\" \
          crm-debug-origin=\"crm_simulate\" crm_feature_set=\"3.20.5\" \
          transition-key=\"5:-1:0:xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx\" \
          transition-magic=\"0:0;5:-1:0:xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx\" \
          exit-reason=\"\" on_node=\"n1\" call-id=\"5\" rc-code=\"0\" op-status=\"0\" \
          interval=\"0\" last-rc-change=\"1000\" exec-time=\"0\" queue-time=\"0\" \
          op-digest=\"43f6c11aa02820a66584d88ce6d91e08\"/>"]
    );
}

/// A monitor keeps its timeout in the digest; its failure has one entry, with the reason.
#[test]
fn a_failed_monitor_is_written_byte_for_byte() {
    let mut monitor = with(
        result("monitor", 10_000, 1, ExecStatus::Timeout),
        &[("p", "second"), ("CRM_meta_timeout", "20000"), ("CRM_meta_interval", "10000")],
    );
    monitor.user_data = "4:2:0:0a1b2c3d-0000-0000-0000-000000000000".into();
    monitor.outcome.reason = Some("a \"quoted\" <reason>".into());
    monitor.last_run = 0;
    monitor.last_change = 2_000;
    let texts: Vec<String> = entries(&monitor, &CONTEXT).iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["<lrm_rsc_op id=\"r_last_failure_0\" operation_key=\"r_monitor_10000\" \
          operation=\"monitor\" crm-debug-origin=\"do_update\" crm_feature_set=\"3.20.5\" \
          transition-key=\"4:2:0:0a1b2c3d-0000-0000-0000-000000000000\" \
          transition-magic=\"2:1;4:2:0:0a1b2c3d-0000-0000-0000-000000000000\" \
          exit-reason=\"a &quot;quoted&quot; &lt;reason&gt;\" on_node=\"n1\" call-id=\"5\" \
          rc-code=\"1\" op-status=\"2\" interval=\"10000\" last-rc-change=\"2000\" \
          exec-time=\"0\" queue-time=\"0\" op-digest=\"c7f1f4e93f0793350c931bd74290255f\"/>"]
    );
}

#[test]
fn entries_are_named_after_what_happened() {
    let done = ExecStatus::Done;
    let cases: [(&str, u32, i32, ExecStatus, &[&str]); 9] = [
        ("start", 0, 0, done, &["r_last_0"]),
        ("start", 0, 1, done, &["r_last_failure_0", "r_last_0"]),
        ("start", 0, 5, ExecStatus::NotInstalled, &["r_last_failure_0", "r_last_0"]),
        ("monitor", 10, 0, done, &["r_monitor_10"]),
        ("monitor", 10, 190, done, &["r_monitor_10"]),
        ("monitor", 10, 7, done, &["r_last_failure_0"]),
        ("monitor", 10, 7, ExecStatus::Cancelled, &["r_monitor_10"]),
        ("migrate_to", 0, 1, done, &["r_migrate_to_0"]),
        ("stop", 0, 1, ExecStatus::Timeout, &["r_last_failure_0", "r_last_0"]),
    ];
    for (action, interval, exit, status, expected) in cases {
        assert_eq!(ids(&result(action, interval, exit, status)), expected, "{action} {exit}");
    }
}

#[test]
fn the_expected_code_of_the_key_decides_what_is_a_failure() {
    let mut probe = result("monitor", 0, 7, ExecStatus::Done);
    probe.user_data = KEY.into();
    assert_eq!(ids(&probe), ["r_last_0"]);
    assert_eq!(entries(&probe, &CONTEXT)[0].get("exit-reason"), Some(""));
    probe.outcome.exit = OcfExit::Ok;
    assert_eq!(ids(&probe), ["r_last_failure_0", "r_last_0"]);
    assert_eq!(expected_exit("nonsense"), 0);
    assert_eq!(expected_exit("1:2"), 0);
    assert_eq!(expected_exit(KEY), 7);
}

#[test]
fn an_error_that_tells_the_state_is_done() {
    let mut probe = result("monitor", 0, 7, ExecStatus::Error);
    probe.user_data = KEY.into();
    let entries = entries(&probe, &CONTEXT);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].get("op-status"), Some("0"));
}

#[test]
fn reloads_are_recorded_as_what_they_stand_for() {
    for (status, exit, task) in
        [(ExecStatus::Done, 0, "start"), (ExecStatus::Timeout, 1, "monitor")]
    {
        let reload = entries(&result("reload-agent", 0, exit, status), &CONTEXT);
        assert_eq!(reload[0].get("operation"), Some(task));
        assert_eq!(reload[0].get("operation_key"), Some(format!("r_{task}_0").as_str()));
    }
}

#[test]
fn notifications_never_fail_and_migrations_name_both_ends() {
    let notify = with(
        result("notify", 0, 1, ExecStatus::Error),
        &[("CRM_meta_notify_type", "post"), ("CRM_meta_notify_operation", "start")],
    );
    let entry = &entries(&notify, &CONTEXT)[0];
    assert_eq!(entry.get("id"), Some("r_post_notify_start_0"));
    assert_eq!((entry.get("rc-code"), entry.get("op-status")), (Some("0"), Some("0")));
    let migrate = with(
        result("migrate_to", 0, 0, ExecStatus::Done),
        &[("CRM_meta_migrate_source", "a"), ("CRM_meta_migrate_target", "b")],
    );
    let entry = &entries(&migrate, &CONTEXT)[0];
    assert_eq!((entry.get("migrate_source"), entry.get("migrate_target")), (Some("a"), Some("b")));
}

#[test]
fn a_result_without_times_has_no_time_attributes() {
    let mut cancelled = result("start", 0, 0, ExecStatus::Done);
    cancelled.last_run = 0;
    assert_eq!(entries(&cancelled, &CONTEXT)[0].get("last-rc-change"), None);
}

#[test]
fn a_pending_entry_is_written_before_the_run() {
    let mut request = Request::once(
        ResourceId::new("r").unwrap(),
        Action::new("start").unwrap(),
        Duration::from_secs(1),
    );
    request.user_data = KEY.into();
    let entry = pending_entry(&request, 77, &CONTEXT).unwrap();
    assert_eq!(entry.get("id"), Some("r_last_0"));
    assert_eq!(entry.get("call-id"), Some("-1"));
    assert_eq!(entry.get("transition-magic"), Some(format!("-1:193;{KEY}").as_str()));
    assert_eq!(entry.get("last-rc-change"), Some("77"));
    let declined = Parameters::from_pairs([("CRM_meta_record_pending", "false")]).unwrap();
    assert_eq!(pending_entry(&request.with(declined), 77, &CONTEXT), None);
}

#[test]
fn agents_that_reload_or_hide_parameters_have_digests_for_it() {
    let text = r#"<resource-agent name="T"><version>1.1</version><parameters>
        <parameter name="state"/><parameter name="level" reloadable="1"/>
        <parameter name="mode"/><parameter name="passwd" private="1" reloadable="1"/>
        </parameters><actions><action name="reload-agent"/></actions></resource-agent>"#;
    let metadata = AgentMetadata::from_xml(text).unwrap();
    let context = HistoryContext { metadata: Some(&metadata), ..CONTEXT };
    let parameters = [("state", "/s"), ("level", "1"), ("passwd", "x"), ("CRM_meta_timeout", "9")];
    let start = with(result("start", 0, 0, ExecStatus::Done), &parameters);
    let entry = &entries(&start, &context)[0];
    assert_eq!(entry.get("op-force-restart"), Some("  mode state  "));
    assert_eq!(entry.get("op-restart-digest"), Some(parameter_digest([("state", "/s")]).as_str()));
    assert_eq!(entry.get("op-secure-params"), Some("  passwd  "));
    let secure = parameter_digest([("level", "1"), ("state", "/s")]);
    assert_eq!(entry.get("op-secure-digest"), Some(secure.as_str()));
    let last: Vec<&str> = entry.attributes().map(|(name, _)| name).skip(16).collect();
    assert_eq!(
        last,
        [
            "op-digest",
            "op-force-restart",
            "op-restart-digest",
            "op-secure-params",
            "op-secure-digest"
        ]
    );
    let monitor = with(result("monitor", 10, 0, ExecStatus::Done), &parameters);
    let entry = &entries(&monitor, &context)[0];
    assert_eq!(entry.get("op-force-restart"), None);
    assert!(entry.get("op-secure-digest").is_some());
    let stop = with(result("stop", 0, 0, ExecStatus::Done), &parameters);
    assert_eq!(entries(&stop, &context)[0].get("op-secure-digest"), None);
}
