//! What only a live cluster can do: forgetting failures, looking again, failing, settling.

use std::time::{Duration, Instant};

use cib_model::{Document, Element, schema};
use clap::ArgMatches;
use node_daemon::ipc::client::ClientError;
use policy_engine::report::snapshot::PrimitiveStatus;
use policy_engine::transition::ActionKind;
use policy_engine::{Options, plan};

use super::changes::known_node;
use super::{Work, failed, queries};
use crate::tools::commands::text;
use crate::tools::node::{self, Controller, Request};
use crate::tools::output::Output;
use crate::tools::{attrd_updater, exit, source};

/// How long to wait for the cluster to settle, if nothing else is said.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often to look whether it has.
const PAUSE: Duration = Duration::from_millis(250);

fn clear_failures(
    resource: Option<&str>,
    node: Option<&str>,
    matches: &ArgMatches,
) -> Result<(), ClientError> {
    let mut message = Document::new("attrd_op");
    let root = message.root_id();
    let mut set = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            message.set_attribute(root, name, value);
        }
    };
    set("t", Some("attrd"));
    set("src", Some("crm_resource"));
    set("task", Some("clear-failure"));
    set("attr_host", node);
    set("attr_resource", resource);
    set("attr_clear_operation", text(matches, "operation"));
    set("attr_clear_interval", text(matches, "interval"));
    set("attr_is_remote", Some("0"));
    attrd_updater::ask(&message).map(drop)
}

/// History of resources: node, resource, agent, whether an operation failed.
struct History {
    node: String,
    resource: String,
    class: String,
    provider: Option<String>,
    kind: String,
    failed: bool,
}

fn histories(work: &Work) -> Vec<History> {
    let status = work.cib.root().child("status");
    let states = status.into_iter().flat_map(|status| status.children_named("node_state"));
    states
        .flat_map(|state| {
            let node = state.attribute("uname").unwrap_or_default().to_owned();
            let resources = state.child("lrm").and_then(|lrm| lrm.child("lrm_resources"));
            let histories =
                resources.into_iter().flat_map(|all| all.children_named("lrm_resource"));
            histories.map(move |history| read(&node, history))
        })
        .collect()
}

fn read(node: &str, history: Element<'_>) -> History {
    let text = |name| history.attribute(name).unwrap_or_default().to_owned();
    let failed = history.children_named("lrm_rsc_op").any(|entry| {
        let value = |name| entry.attribute(name).and_then(|v| v.parse::<i32>().ok()).unwrap_or(0);
        let expected =
            entry.attribute("transition-key").and_then(|key| key.split(':').nth(2)?.parse().ok());
        let code = value("rc-code");
        let probe = entry.attribute("operation") == Some("monitor") && value("interval") == 0;
        let fine = Some(code) == expected || code == 0 || probe && matches!(code, 7 | 8);
        value("op-status") > 1 || value("op-status") == 0 && !fine
    });
    History {
        node: node.to_owned(),
        resource: text("id"),
        class: text("class"),
        provider: history.attribute("provider").map(str::to_owned),
        kind: text("type"),
        failed,
    }
}

impl History {
    /// The request about it.
    fn payload(&self) -> Document {
        let mut payload = Document::new("rsc_op");
        let root = payload.root_id();
        let key = format!("{}:0:0:xxxxxxxx-xrsc-opxx-xcrm-resourcexxxx", std::process::id());
        payload.set_attribute(root, "transition-key", &key);
        payload.set_attribute(root, "on_node", &self.node);
        let primitive = payload.append_element(root, "primitive");
        payload.set_attribute(primitive, "id", &self.resource);
        payload.set_attribute(primitive, "class", &self.class);
        if let Some(provider) = &self.provider {
            payload.set_attribute(primitive, "provider", provider);
        }
        payload.set_attribute(primitive, "type", &self.kind);
        let attributes = payload.append_element(root, "attributes");
        payload.set_attribute(
            attributes,
            "crm_feature_set",
            policy_engine::transition::FEATURE_SET,
        );
        payload.set_attribute(attributes, "CRM_meta_timeout", "60000");
        payload
    }
}

/// `-C`, `-R`
pub fn run(
    work: &mut Work,
    matches: &ArgMatches,
    command: &str,
    resource: Option<&str>,
    out: &mut Output,
) -> u8 {
    let node = match known_node(work, matches, out) {
        Ok(node) => node,
        Err(code) => return code,
    };
    let node = node.as_deref();
    if !work.source.is_live() {
        let what = resource.unwrap_or("all nodes");
        out.line(format!("Dry run: skipping clean-up of {what} due to CIB_file"));
        return exit::OK;
    }
    live(work, matches, command, resource, node, out)
        .unwrap_or_else(|error| failed(out, &error.to_string(), node::exit_of(&error)))
}

fn live(
    work: &Work,
    matches: &ArgMatches,
    command: &str,
    resource: Option<&str>,
    node: Option<&str>,
    out: &mut Output,
) -> Result<u8, ClientError> {
    let mut controller = Controller::connect("crm_resource")?;
    let system = Request { system: "crmd", ..Request::default() };
    if command == "refresh" && resource.is_none() {
        clear_failures(None, node, matches)?;
        let mut payload = Document::new("data_for_probe_again");
        if let Some(node) = node {
            let root = payload.root_id();
            payload.set_attribute(root, "on_node", node);
        }
        controller
            .ask("probe_again", &Request { host: node, payload: Some(&payload), ..system })?;
        out.line("Waiting for 1 reply from the controller");
        out.line("... got reply (done)");
        return Ok(exit::OK);
    }
    let base = |name: &str| name.split(':').next().unwrap_or(name).to_owned();
    let wanted: Option<Vec<String>> = resource.map(|resource| {
        work.primitives(&work.seen.lines, resource).iter().map(|line| base(&line.id)).collect()
    });
    if resource.is_none() {
        clear_failures(None, node, matches)?;
        let on = node.unwrap_or("all nodes");
        out.line(format!("Cleaned up all resources on {on}"));
    }
    let mut waiting = 0;
    for history in histories(work) {
        let of_node = node.is_none_or(|node| node.eq_ignore_ascii_case(&history.node));
        let of_resource =
            wanted.as_ref().is_none_or(|wanted| wanted.contains(&base(&history.resource)));
        if !of_node || !of_resource {
            continue;
        }
        if resource.is_some() {
            clear_failures(Some(&base(&history.resource)), Some(&history.node), matches)?;
            let instances = queries::primitives(work, &history.resource);
            let here = |p: &&&PrimitiveStatus| p.nodes.iter().any(|(n, ..)| *n == history.node);
            let instance = instances.iter().find(here).or(instances.first());
            let name = instance.map_or(history.resource.as_str(), |p| p.facts.id.as_str());
            out.line(format!("Cleaned up {name} on {}", history.node));
            queries::checks(work, &history.resource, &instances, out);
        }
        if history.failed || command == "refresh" {
            let payload = history.payload();
            let host = Some(history.node.as_str());
            controller.ask("lrm_delete", &Request { host, payload: Some(&payload), ..system })?;
            waiting += 1;
        }
    }
    if waiting > 0 && !out.quiet {
        let plural = if waiting == 1 { "reply" } else { "replies" };
        out.line(format!("Waiting for {waiting} {plural} from the controller"));
        for left in (0..waiting).rev() {
            out.line(if left == 0 { "... got reply (done)" } else { "... got reply" });
        }
    }
    Ok(exit::OK)
}

/// `-F`
pub fn fail(work: &Work, matches: &ArgMatches, resource: &str, out: &mut Output) -> u8 {
    let node = match known_node(work, matches, out) {
        Ok(Some(node)) => node,
        Ok(None) => {
            out.error("crm_resource: Must supply a node name with -N");
            return exit::USAGE;
        }
        Err(code) => return code,
    };
    let node = node.as_str();
    let found = histories(work).into_iter().find(|h| h.resource == resource && h.node == node);
    let Some(history) = found.filter(|_| work.source.is_live()) else {
        return failed(out, exit::text(exit::NO_SUCH), exit::NO_SUCH);
    };
    let payload = history.payload();
    let request =
        Request { system: "crmd", host: Some(node), payload: Some(&payload), ..Request::default() };
    let asked = Controller::connect("crm_resource").and_then(|mut c| c.ask("lrm_fail", &request));
    match asked {
        Ok(_) => {
            out.line("Waiting for 1 reply from the controller");
            out.line("... got reply (done)");
            exit::OK
        }
        Err(error) => failed(out, &error.to_string(), node::exit_of(&error)),
    }
}

/// `--wait`
pub fn wait(work: &mut Work, matches: &ArgMatches, out: &mut Output) -> u8 {
    let seconds = text(matches, "timeout").and_then(|t| t.trim_end_matches('s').parse().ok());
    let patience = seconds.map_or(PATIENCE, Duration::from_secs);
    let end = Instant::now() + patience;
    loop {
        let cib = match work.source.whole() {
            Ok(cib) => cib,
            Err(failure) => return failed(out, exit::text(failure.exit()), failure.exit()),
        };
        let mut current = cib;
        if schema::upgrade(&mut current).is_err() {
            return failed(out, exit::text(exit::CONFIGURATION), exit::CONFIGURATION);
        }
        let planned = plan(&current, source::now(), &Options::default());
        let pending: Vec<_> = planned
            .transition
            .synapses
            .iter()
            .map(|synapse| &synapse.action.head)
            .filter(|head| head.kind != ActionKind::Pseudo && head.operation != "notify")
            .collect();
        if pending.is_empty() {
            return exit::OK;
        }
        if Instant::now() > end {
            out.error("Pending actions:");
            for action in pending {
                let on = action
                    .node
                    .as_ref()
                    .map(|(name, _)| format!("\ton {name}"))
                    .unwrap_or_default();
                out.error(format!("\tAction {}: {}{on}", action.id, action.operation_key));
            }
            return failed(out, exit::text(exit::TIMEOUT), exit::TIMEOUT);
        }
        std::thread::sleep(PAUSE);
    }
}
