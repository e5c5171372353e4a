//! Agents run here and now, behind the cluster's back: `--validate`, `--force-check` and the like.

use std::sync::Arc;
use std::time::Duration;

use clap::ArgMatches;
use lrm::agent::{AgentSpec, Standard};
use lrm::driver::{Driver, DriverConfig};
use lrm::executor::{EventKind, OperationResult};
use lrm::operation::{Action, ClientId, Parameters, Request, Resource, ResourceId};
use lrm::outcome::ExecStatus;
use policy_engine::report::digests::digests;

use super::{Work, agents, failed};
use crate::tools::commands::{given, text};
use crate::tools::output::{Output, escape};
use crate::tools::{exit, node, source};

/// How long an agent may take if nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Options that run an agent, with the agent's name for what it is to do.
pub const ACTIONS: [(&str, &str); 6] = [
    ("validate", "validate-all"),
    ("force-check", "monitor"),
    ("force-stop", "stop"),
    ("force-start", "start"),
    ("force-promote", "promote"),
    ("force-demote", "demote"),
];

/// What is to be run.
struct Job {
    /// As it is called on the command line.
    option: &'static str,
    action: &'static str,
    /// The resource, if it is one of the cluster.
    resource: Option<String>,
    agent: AgentSpec,
    parameters: Vec<(String, String)>,
}

fn action(option: &str) -> (&'static str, &'static str) {
    ACTIONS.into_iter().find(|(name, _)| *name == option).unwrap_or(ACTIONS[0])
}

/// `--validate` of an agent that is named, with its parameters.
pub fn validate(matches: &ArgMatches, out: &mut Output) -> u8 {
    let usage = |out: &mut Output, words: String| {
        out.error(format!("crm_resource: {words}"));
        exit::USAGE
    };
    if text(matches, "resource").is_some() {
        let words = "--resource cannot be used with --class, --agent, and --provider";
        return usage(out, words.to_owned());
    }
    let (class, kind) = (text(matches, "class"), text(matches, "agent"));
    let (Some(class), Some(kind)) = (class, kind) else {
        return usage(
            out,
            "--validate requires either --resource or --class and --agent".to_owned(),
        );
    };
    let provider = text(matches, "provider");
    let named = match Standard::from_name(class).needs_provider() {
        true => format!("{class}:{}:{kind}", provider.unwrap_or_default()),
        false => format!("{class}:{kind}"),
    };
    let agent = AgentSpec::new(class, provider, kind).ok();
    let Some(agent) = agent.filter(|agent| agents::paths().find(agent).is_some()) else {
        return usage(out, format!("{named} is not a known resource"));
    };
    let options = matches.get_many::<String>("option").into_iter().flatten();
    let mut parameters = Vec::new();
    for option in options {
        match option.split_once('=') {
            Some((name, value)) => parameters.push((name.to_owned(), value.to_owned())),
            None => return usage(out, format!("Invalid parameter definition: {option}")),
        }
    }
    let (option, action) = action("validate");
    Job { option, action, resource: None, agent, parameters }.run(matches, out)
}

/// The same and `--force-*` of a resource of the cluster.
pub fn run(
    work: &Work,
    matches: &ArgMatches,
    option: &str,
    resource: &str,
    out: &mut Output,
) -> u8 {
    let (option, action) = action(option);
    let Some(mut element) = work.element(resource) else {
        return failed(out, exit::text(exit::NO_SUCH), exit::NO_SUCH);
    };
    let changes = matches!(option, "force-start" | "force-demote" | "force-promote");
    let is_clone = matches!(element.name(), "clone" | "master")
        || super::parameters::clone_of(work, resource).is_some();
    if changes && is_clone && !given(matches, "force") && is_active_here(work, resource) {
        out.error(format!(
            "It is not safe to {option} {resource} here: the cluster claims it is already active"
        ));
        out.error("Try setting target-role=Stopped first or specifying the force option");
        return failed(out, exit::text(exit::UNSAFE), exit::UNSAFE);
    }
    if let ("clone" | "master", Some(child)) = (
        element.name(),
        element.children().find(|child| matches!(child.name(), "primitive" | "group")),
    ) {
        element = child;
    }
    if element.name() != "primitive" {
        let kind = element.name();
        out.error(format!("Sorry, the {option} option doesn't support {kind} resources"));
        return failed(out, exit::text(exit::UNSUPPORTED), exit::UNSUPPORTED);
    }
    let id = element.xml_id().unwrap_or(resource);
    let from = template(work, element).unwrap_or(element);
    let spec = |name| from.attribute(name);
    let agent = AgentSpec::new(
        spec("class").unwrap_or_default(),
        spec("provider"),
        spec("type").unwrap_or_default(),
    );
    let Ok(agent) = agent else {
        return failed(out, exit::text(exit::CONFIGURATION), exit::CONFIGURATION);
    };
    let parameters = parameters(work, id);
    Job { option, action, resource: Some(id.to_owned()), agent, parameters }.run(matches, out)
}

fn template<'w>(
    work: &'w Work,
    primitive: cib_model::Element<'w>,
) -> Option<cib_model::Element<'w>> {
    let name = primitive.attribute("template")?;
    let resources = work.cib.root().child("configuration")?.child("resources")?;
    resources.children_named("template").find(|template| template.xml_id() == Some(name))
}

/// The local node, or some node if that is not known.
fn local(work: &Work) -> Option<String> {
    let known = work.source.is_live().then(|| node::local("crm_resource").ok()).flatten();
    let nodes = &work.seen.snapshot.nodes;
    known.or_else(|| nodes.first().map(|node| node.name.clone()))
}

fn is_active_here(work: &Work, resource: &str) -> bool {
    let Some(here) = local(work) else { return false };
    super::queries::primitives(work, resource)
        .iter()
        .any(|p| p.active && p.nodes.iter().any(|(name, ..)| *name == here))
}

/// Parameters as they apply to the local node.
fn parameters(work: &Work, resource: &str) -> Vec<(String, String)> {
    let here = local(work).unwrap_or_default();
    let found = digests(&work.current, source::now(), resource, &here, &[]);
    let mut parameters = found.map(|found| found.all.parameters).unwrap_or_default();
    parameters.push(("CRM_meta_on_node".to_owned(), here));
    parameters
}

impl Job {
    /// The agent, in words.
    fn named(&self) -> String {
        let agent = match self.agent.provider() {
            Some(provider) => {
                format!("{}:{provider}:{}", self.agent.standard().name(), self.agent.kind())
            }
            None => format!("{}:{}", self.agent.standard().name(), self.agent.kind()),
        };
        let of = self.resource.as_ref().map(|id| format!(" for {id}")).unwrap_or_default();
        format!("Operation {}{of} ({agent})", self.option)
    }

    fn run(self, matches: &ArgMatches, out: &mut Output) -> u8 {
        if !self.agent.standard().runs_from_command_line() {
            let standard = self.agent.standard().name();
            out.error(format!(
                "{} could not be executed (Error: Manual execution of the {standard} standard is unsupported)",
                self.named()
            ));
            return failed(out, exit::text(exit::UNSUPPORTED), exit::UNSUPPORTED);
        }
        match self.execute(matches) {
            Ok(result) => self.report(&result, matches, out),
            Err(error) => failed(out, &error, exit::ERROR),
        }
    }

    fn execute(&self, matches: &ArgMatches) -> Result<OperationResult, String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let config = DriverConfig { paths: agents::paths(), ..DriverConfig::default() };
        let mut driver = Driver::new(config).map_err(|error| words(&error))?;
        let id =
            ResourceId::new(self.resource.as_deref().unwrap_or("test")).map_err(|e| words(&e))?;
        let agent = Arc::new(self.agent.clone());
        driver.register(Resource { id: id.clone(), agent, drop_recurring: true });
        let mut parameters = Parameters::new();
        for (name, value) in &self.parameters {
            parameters.insert(name, value).map_err(|error| words(&error))?;
        }
        if let Some(level) = text(matches, self.option) {
            parameters.insert("OCF_CHECK_LEVEL", level).map_err(|error| words(&error))?;
        }
        let seconds = text(matches, "timeout").and_then(|t| t.trim_end_matches('s').parse().ok());
        let timeout = seconds.map_or(TIMEOUT, Duration::from_secs);
        let action = Action::new(self.action).map_err(|error| words(&error))?;
        let request = Request::once(id, action, timeout).with(parameters);
        driver.execute(ClientId(1), request).map_err(|error| words(&error))?;
        loop {
            driver.turn(None).map_err(|error| words(&error))?;
            while let Some(event) = driver.poll_event() {
                if let EventKind::Completed(result) = event.kind {
                    return Ok(*result);
                }
            }
        }
    }

    fn report(&self, result: &OperationResult, matches: &ArgMatches, out: &mut Output) -> u8 {
        let outcome = &result.outcome;
        let code = outcome.exit.code();
        let reason = outcome.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
        let output = result.output.as_deref().unwrap_or_default();
        if outcome.status == ExecStatus::Done {
            out.line(format!("{} returned {code} ({}{reason})", self.named(), outcome.exit.text()));
            if code != 0 || given(matches, "verbose") {
                output.lines().for_each(|line| out.line(line));
            }
        } else if !out.is_xml() {
            let status = outcome.status.text();
            out.error(format!("{} could not be executed ({status}{reason})", self.named()));
        }
        out.xml(&self.element(result, output));
        match u8::try_from(code) {
            Ok(0) => exit::OK,
            Ok(code) => failed(out, outcome.exit.text(), code),
            Err(_) => failed(out, exit::text(exit::ERROR), exit::ERROR),
        }
    }

    /// Element `resource-agent-action`.
    fn element(&self, result: &OperationResult, output: &str) -> String {
        let outcome = &result.outcome;
        let mut made = cib_model::Document::new("resource-agent-action");
        let root = made.root_id();
        let mut set = |name: &str, value: &str| made.set_attribute(root, name, value);
        set("action", self.option);
        set("class", self.agent.standard().name());
        set("type", self.agent.kind());
        if let Some(id) = &self.resource {
            set("rsc", id);
        }
        if let Some(provider) = self.agent.provider() {
            set("provider", provider);
        }
        made.append_element(root, "overrides");
        let status = made.append_element(root, "agent-status");
        let code = outcome.exit.code().to_string();
        let mut set = |name: &str, value: &str| made.set_attribute(status, name, value);
        set("code", &code);
        set("message", outcome.exit.text());
        if let Some(reason) = &outcome.reason {
            set("exit-reason", reason);
        }
        set("execution_code", &outcome.status.code().to_string());
        set("execution_message", outcome.status.text());
        let text = made.root().to_xml_at(1);
        if output.is_empty() {
            return text;
        }
        let more = format!(
            "    <command code=\"{code}\">\n      <output source=\"stdout\">{}</output>\n    </command>\n",
            escape(output)
        );
        text.replace("  </resource-agent-action>", &format!("{more}  </resource-agent-action>"))
    }
}
