//! `crm_attribute`, and with it `crm_standby` and `crm_master`: options and node attributes
//! (spec 51 §12.2, §12.6).

use std::ffi::OsString;

use cib_model::operation::Operation;
use cib_model::{Document, Element};
use clap::{Arg, ArgAction, ArgMatches, Command};
use regex::Regex;

use super::commands::{self, flag, given, last_given, long_value, text, tool, value};
use super::output::Output;
use super::source::{Call, Failure, Source};
use super::{attrd_updater, exit, node};

/// The call looks for a path.
const XPATH: u32 = 2;

fn command() -> Command {
    tool("crm_attribute", "Query and update node attributes and cluster options")
        .arg(value("name", 'n', "The attribute's name"))
        .arg(value("pattern", 'P', "Expression that names of attributes match"))
        .arg(flag("query", 'G', "Show the value"))
        .arg(value("update", 'v', "Set the value").visible_alias("attr-value"))
        .arg(flag("delete", 'D', "Delete the attribute"))
        .arg(value("node", 'N', "A node's attribute").alias("uname").short_alias('U'))
        .arg(value("type", 't', "Section of the configuration"))
        .arg(value("lifetime", 'l', "How long it lasts: reboot or forever"))
        .arg(
            Arg::new("promotion")
                .long("promotion")
                .short('p')
                .num_args(0..=1)
                .action(ArgAction::Append)
                .value_name("RESOURCE")
                .help("A promotion score"),
        )
        .arg(flag("utilization", 'z', "A utilization attribute"))
        .arg(value("set-name", 's', "Id of the attribute set"))
        .arg(value("id", 'i', "Id of the attribute").alias("attr-id"))
        .arg(value("default", 'd', "Value to show if there is none"))
        .arg(flag("quiet", 'q', "Print the value only").short_alias('Q'))
        .arg(value("wait", 'W', "Wait until done: no, local or cluster"))
        .arg(long_value("inhibit-policy-engine", "Accepted for compatibility").hide(true))
}

/// What is to be looked at or changed.
struct Subject {
    section: String,
    node: Option<String>,
    node_id: Option<String>,
    kind: &'static str,
    name: Option<String>,
    pattern: Option<Regex>,
    set: Option<String>,
    id: Option<String>,
}

/// One setting that was found.
struct Found {
    id: String,
    name: String,
    value: String,
}

/// Runs `crm_attribute`.
pub fn run(arguments: &[OsString]) -> u8 {
    run_as(arguments)
}

/// Runs `crm_master`: the promotion score of the resource whose agent calls.
pub fn run_as_master(arguments: &[OsString]) -> u8 {
    let mut line = arguments.to_vec();
    // The resource has an option of its own there.
    let named = line.iter().position(|word| word == "-r" || word == "--resource-id");
    match named {
        Some(at) => line[at] = "--promotion".into(),
        None => line.push("--promotion".into()),
    }
    run_as(&line)
}

fn run_as(arguments: &[OsString]) -> u8 {
    let (matches, mut out) = match Output::begin(command(), arguments) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    out.quiet = given(&matches, "quiet");
    let code = execute(&matches, &mut out);
    out.finish(code)
}

fn open(out: &mut Output) -> Result<Source, u8> {
    Source::open("crm_attribute").map_err(|failure| {
        out.error(format!("crm_attribute: Could not connect to the CIB: {}", failure.text()));
        failure.exit()
    })
}

fn execute(matches: &ArgMatches, out: &mut Output) -> u8 {
    let mut source = match open(out) {
        Ok(source) => source,
        Err(code) => return code,
    };
    let code = match subject(matches, &mut source, out) {
        Ok(subject) => act(matches, &subject, &mut source, out),
        Err(code) => code,
    };
    if let Err(error) = source.close() {
        out.error(format!("crm_attribute: {error}"));
        return exit::ERROR;
    }
    code
}

fn subject(matches: &ArgMatches, source: &mut Source, out: &mut Output) -> Result<Subject, u8> {
    let promotion = given(matches, "promotion");
    let lifetime = text(matches, "lifetime");
    let kind = if given(matches, "utilization") { "utilization" } else { "instance_attributes" };
    let section = match (text(matches, "type"), lifetime) {
        _ if promotion && lifetime.is_none() => "status",
        (_, Some("reboot" | "status")) => "status",
        (_, Some("forever" | "nodes")) => "nodes",
        (_, Some(other)) => {
            out.error(format!("crm_attribute: Invalid lifetime '{other}'; use reboot or forever"));
            return Err(exit::USAGE);
        }
        (Some("crm_config" | "options"), None) => "crm_config",
        (Some(other), None) => other,
        (None, None) if given(matches, "node") || kind == "utilization" => "nodes",
        (None, None) => "crm_config",
    };
    let name = match promotion {
        true => {
            let resource = text(matches, "promotion").map(str::to_owned);
            let agent =
                || std::env::var("OCF_RESOURCE_INSTANCE").ok().filter(|name| !name.is_empty());
            let Some(resource) = resource.or_else(agent) else {
                out.error("crm_attribute: -p/--promotion must be called from an OCF resource agent or with a resource ID specified");
                return Err(exit::USAGE);
            };
            Some(format!("master-{resource}"))
        }
        false => text(matches, "name").map(str::to_owned),
    };
    let pattern = match text(matches, "pattern").map(expression).transpose() {
        Ok(pattern) => pattern,
        Err(error) => {
            out.error(format!("crm_attribute: Error: invalid pattern: {error}"));
            return Err(exit::USAGE);
        }
    };
    let mut subject = Subject {
        section: section.to_owned(),
        node: None,
        node_id: None,
        kind,
        name,
        pattern,
        set: text(matches, "set-name").map(str::to_owned),
        id: text(matches, "id").map(str::to_owned),
    };
    if !matches!(section, "crm_config" | "tickets") {
        let wanted = text(matches, "node").filter(|node| !matches!(*node, "auto" | "localhost"));
        let node = match wanted.map(str::to_owned).or_else(node::of_agent) {
            Some(node) => node,
            None if source.is_live() => node::local("crm_attribute").map_err(|error| {
                out.error(format!("crm_attribute: Could not determine the local node: {error}"));
                node::exit_of(&error)
            })?,
            None => node::host_name(),
        };
        let found = node_id(source, &node).map_err(|failure| failure.exit())?;
        let Some((id, name)) = found else {
            out.error(format!("crm_attribute: Could not map name={node} to a UUID"));
            return Err(exit::NO_SUCH);
        };
        (subject.node, subject.node_id) = (Some(name), Some(id));
    }
    Ok(subject)
}

/// An expression of bounded size.
fn expression(pattern: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build()
}

/// The id and the name of a node, by its name in any case.
fn node_id(source: &mut Source, name: &str) -> Result<Option<(String, String)>, Failure> {
    let cib = source.whole()?;
    let same = |value: Option<&str>| value.is_some_and(|value| value.eq_ignore_ascii_case(name));
    for element in cib.root().descendants() {
        let attribute = |key| element.attribute(key);
        let found = match element.name() {
            "node" if same(attribute("uname")) => {
                let remote = attribute("type") == Some("remote");
                if remote { attribute("uname") } else { attribute("id") }
            }
            "primitive"
                if attribute("provider") == Some("pacemaker")
                    && attribute("type") == Some("remote") =>
            {
                attribute("id").filter(|id| same(Some(id)))
            }
            "nvpair" if attribute("name") == Some("remote-node") => {
                attribute("value").filter(|value| same(Some(value)))
            }
            "node_state" if attribute("remote_node") == Some("true") => {
                attribute("id").filter(|id| same(Some(id)))
            }
            _ => None,
        };
        if let Some(id) = found {
            return Ok(Some((id.to_owned(), attribute("uname").unwrap_or(name).to_owned())));
        }
    }
    Ok(None)
}

impl Subject {
    /// The settings there are.
    fn find(&self, source: &mut Source) -> Result<Vec<Found>, Failure> {
        let path = self.xpath();
        let found = match source
            .call(Operation::Query, &Call { section: Some(&path), options: XPATH, data: None })
        {
            Ok(found) => found,
            Err(Failure { code: -6, .. }) => None,
            Err(failure) => return Err(failure),
        };
        let Some(found) = found else { return Ok(Vec::new()) };
        let root = found.root();
        let read = |pair: Element<'_>| {
            let text = |name| pair.attribute(name).unwrap_or_default().to_owned();
            Found { id: text("id"), name: text("name"), value: text("value") }
        };
        let mut settings: Vec<Found> = match root.name() {
            "nvpair" => vec![read(root)],
            _ => root.children_named("nvpair").map(read).collect(),
        };
        if let Some(pattern) = &self.pattern {
            settings.retain(|setting| pattern.is_match(&setting.name));
        }
        Ok(settings)
    }

    /// The section of the CIB it is in.
    fn stored_in(&self) -> &str {
        if self.section == "tickets" { "status" } else { &self.section }
    }

    fn xpath(&self) -> String {
        let quoted = |text: &str| text.replace('\'', "");
        let mut path = match self.section.as_str() {
            "status" | "tickets" => "//cib/status".to_owned(),
            section => format!("//cib/configuration/{section}"),
        };
        let set = match (self.section.as_str(), &self.node_id) {
            ("nodes", Some(id)) => {
                path.push_str(&format!("//node[@id='{}']", quoted(id)));
                self.kind
            }
            ("status", Some(id)) => {
                path.push_str(&format!("//node_state[@id='{}']//transient_attributes", quoted(id)));
                self.kind
            }
            ("crm_config", _) => "cluster_property_set",
            ("tickets", _) => {
                path.push_str("//tickets");
                "instance_attributes"
            }
            _ => "meta_attributes",
        };
        path.push_str("//");
        path.push_str(set);
        if let Some(set) = &self.set {
            path.push_str(&format!("[@id='{}']", quoted(set)));
        }
        path.push_str("//nvpair");
        let conditions: Vec<String> = [("id", &self.id), ("name", &self.name)]
            .into_iter()
            .filter_map(|(key, value)| Some(format!("@{key}='{}'", quoted(value.as_deref()?))))
            .collect();
        if !conditions.is_empty() {
            path.push_str(&format!("[{}]", conditions.join(" and ")));
        }
        path
    }

    /// Where a setting that is not there yet is to stand.
    fn skeleton(&self, name: &str, value: &str) -> Document {
        let set_kind = match self.section.as_str() {
            "crm_config" => "cluster_property_set",
            "nodes" | "status" => self.kind,
            "tickets" => "instance_attributes",
            _ => "meta_attributes",
        };
        let set_id =
            self.set.clone().unwrap_or_else(|| match (self.section.as_str(), &self.node_id) {
                ("crm_config", _) => "cib-bootstrap-options".to_owned(),
                ("nodes" | "status", Some(id)) if self.kind == "utilization" => {
                    format!("{}-{id}-utilization", self.section)
                }
                ("nodes" | "status", Some(id)) => format!("{}-{id}", self.section),
                ("tickets", _) => "status-tickets".to_owned(),
                (section, _) => format!("{section}-options"),
            });
        let id = self.id.clone().unwrap_or_else(|| format!("{set_id}-{name}"));
        let id: String = id
            .chars()
            .map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '.' })
            .collect();
        let (mut document, parent) = match (self.section.as_str(), &self.node_id) {
            ("nodes", Some(node)) => {
                let mut document = Document::new("node");
                let root = document.root_id();
                document.set_attribute(root, "id", node);
                (document, root)
            }
            ("status", Some(node)) => {
                let mut document = Document::new("node_state");
                let root = document.root_id();
                document.set_attribute(root, "id", node);
                let transient = document.append_element(root, "transient_attributes");
                document.set_attribute(transient, "id", node);
                (document, transient)
            }
            ("tickets", _) => {
                let mut document = Document::new("status");
                let root = document.root_id();
                let tickets = document.append_element(root, "tickets");
                (document, tickets)
            }
            (section, _) => {
                let document = Document::new(section);
                let root = document.root_id();
                (document, root)
            }
        };
        let set = document.append_element(parent, set_kind);
        document.set_attribute(set, "id", &set_id);
        let pair = document.append_element(set, "nvpair");
        for (key, text) in [("id", id.as_str()), ("name", name), ("value", value)] {
            document.set_attribute(pair, key, text);
        }
        document
    }
}

fn act(matches: &ArgMatches, subject: &Subject, source: &mut Source, out: &mut Output) -> u8 {
    let command = last_given(matches, &["query", "update", "delete"]).unwrap_or("query");
    let changes = command != "query";
    if changes && subject.name.is_none() && subject.pattern.is_none() && subject.id.is_none() {
        out.error("crm_attribute: Error: must specify attribute name or pattern to update");
        return exit::USAGE;
    }
    let transient = subject.section == "status" && source.is_live();
    if changes && transient {
        return tell_attribute_manager(matches, subject, command, out);
    }
    let found = match subject.find(source) {
        Ok(found) => found,
        Err(failure) => return fail(&failure, out),
    };
    let many = found.len() > 1 && (changes || subject.name.is_some()) && subject.pattern.is_none();
    if many {
        let name = subject.name.as_deref().unwrap_or_default();
        out.line(format!("Multiple attributes match name={name}"));
        for setting in &found {
            out.line(format!("  Value: {} \t(id={})", setting.value, setting.id));
        }
        return exit::MULTIPLE;
    }
    match command {
        "update" => update(matches, subject, source, &found, out),
        "delete" => delete(subject, source, &found, out),
        _ => query(matches, subject, &found, out),
    }
}

fn fail(failure: &Failure, out: &mut Output) -> u8 {
    out.error(format!("crm_attribute: Error performing operation: {}", failure.text()));
    failure.exit()
}

fn query(matches: &ArgMatches, subject: &Subject, found: &[Found], out: &mut Output) -> u8 {
    let shown: Vec<(&str, &str)> = match (found, text(matches, "default"), &subject.name) {
        ([], Some(default), Some(name)) => vec![(name.as_str(), default)],
        ([], ..) => return fail(&Failure { code: -6, output: None }, out),
        (found, ..) => found.iter().map(|s| (s.name.as_str(), s.value.as_str())).collect(),
    };
    for (name, value) in shown {
        if out.quiet {
            out.line(value);
        } else {
            let set = subject.set.as_deref().map(|set| format!("id={set} ")).unwrap_or_default();
            out.line(format!("scope={}  {set}name={name} value={value}", subject.section));
        }
        let mut element = Document::new("attribute");
        let root = element.root_id();
        for (key, text) in [("name", name), ("value", value), ("scope", &subject.section)] {
            element.set_attribute(root, key, text);
        }
        out.element(element.root());
    }
    exit::OK
}

fn update(
    matches: &ArgMatches,
    subject: &Subject,
    source: &mut Source,
    found: &[Found],
    out: &mut Output,
) -> u8 {
    let value = text(matches, "update").unwrap_or_default();
    let pair = |setting: &Found| {
        let mut pair = Document::new("nvpair");
        let root = pair.root_id();
        for (key, text) in
            [("id", setting.id.as_str()), ("name", setting.name.as_str()), ("value", value)]
        {
            pair.set_attribute(root, key, text);
        }
        pair
    };
    let changes: Vec<Document> = match (found, &subject.name) {
        ([], Some(name)) => vec![subject.skeleton(name, value)],
        ([], None) => Vec::new(),
        (found, _) => found.iter().map(pair).collect(),
    };
    for change in changes {
        let call = Call { section: Some(subject.stored_in()), options: 0, data: Some(change) };
        if let Err(failure) = source.call(Operation::Modify, &call) {
            return fail(&failure, out);
        }
    }
    exit::OK
}

fn delete(subject: &Subject, source: &mut Source, found: &[Found], out: &mut Output) -> u8 {
    for setting in found {
        let mut pair = Document::new("nvpair");
        let root = pair.root_id();
        for (key, text) in [("id", &setting.id), ("name", &setting.name)] {
            pair.set_attribute(root, key, text);
        }
        let call = Call { section: Some(subject.stored_in()), options: 0, data: Some(pair) };
        if let Err(failure) = source.call(Operation::Delete, &call) {
            return fail(&failure, out);
        }
        let what = if subject.node_id.is_some() { "attribute" } else { "option" };
        let set = subject.set.as_deref().map(|set| format!(" set={set}")).unwrap_or_default();
        out.line(format!(
            "Deleted {} {what}: id={}{set} name={}",
            subject.section, setting.id, setting.name
        ));
    }
    exit::OK
}

/// Transient attributes of a live cluster belong to the attribute manager.
fn tell_attribute_manager(
    matches: &ArgMatches,
    subject: &Subject,
    command: &str,
    out: &mut Output,
) -> u8 {
    let mut message = Document::new("attrd_op");
    let root = message.root_id();
    let mut set = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            message.set_attribute(root, name, value);
        }
    };
    set("t", Some("attrd"));
    set("src", Some("crm_attribute"));
    set("task", Some("update"));
    set("attr_name", subject.name.as_deref());
    set(
        "attr_regex",
        subject.pattern.as_ref().map(Regex::as_str).filter(|_| subject.name.is_none()),
    );
    set("attr_value", text(matches, "update").filter(|_| command == "update"));
    set("attr_set_type", Some(subject.kind));
    set("attr_set", subject.set.as_deref());
    set("attr_host", subject.node.as_deref());
    set("attr_is_remote", Some("0"));
    set("attr_is_private", Some("0"));
    set(
        "attr_sync_point",
        text(matches, "wait").filter(|wait| matches!(*wait, "local" | "cluster")),
    );
    match attrd_updater::ask(&message) {
        Ok(answer) if answer.root().attribute("status") == Some("124") => exit::TIMEOUT,
        Ok(_) => exit::OK,
        Err(error) => {
            out.error(format!(
                "crm_attribute: Could not send request to the attribute manager: {error}"
            ));
            node::exit_of(&error)
        }
    }
}

/// Runs `crm_standby`: the attribute of that name, for ever or until reboot.
pub fn run_as_standby(arguments: &[OsString]) -> u8 {
    let command = tool("crm_standby", "Query and set whether a node is in standby")
        .arg(flag("query", 'G', "Show whether it is"))
        .arg(value("update", 'v', "Set it: on or off"))
        .arg(flag("delete", 'D', "Do not set it any more"))
        .arg(value("node", 'N', "The node").short_alias('U'))
        .arg(value("lifetime", 'l', "How long it lasts: reboot or forever"))
        .arg(value("id", 'i', "Id of the attribute"))
        .arg(flag("quiet", 'q', "Print the value only").short_alias('Q'));
    let matches = match commands::parse(command, arguments) {
        Ok(matches) => matches,
        Err(code) => return code,
    };
    let node = match text(&matches, "node") {
        Some(node) => node.to_owned(),
        None if super::source::file().is_some() => node::of_agent().unwrap_or_else(node::host_name),
        None => match node::local("crm_standby") {
            Ok(node) => node,
            Err(error) => {
                eprintln!("crm_standby: {error}");
                return node::exit_of(&error);
            }
        },
    };
    let call = |lifetime: &str, more: &[&str]| {
        let fixed = ["crm_attribute", "-N", &node, "-n", "standby", "-l", lifetime];
        let mut line: Vec<OsString> = fixed.iter().chain(more).map(OsString::from).collect();
        if given(&matches, "quiet") {
            line.push("-q".into());
        }
        if let Some(id) = text(&matches, "id") {
            line.extend(["-i".into(), id.into()]);
        }
        run(&line)
    };
    let lifetime = text(&matches, "lifetime");
    match (last_given(&matches, &["query", "update", "delete"]), lifetime) {
        (Some("update"), _) => call(
            lifetime.unwrap_or("forever"),
            &["-v", text(&matches, "update").unwrap_or_default()],
        ),
        (Some("delete"), Some(lifetime)) => call(lifetime, &["-D"]),
        (Some("delete"), None) => call("forever", &["-D"]).max(call("reboot", &["-D"])),
        (_, Some(lifetime)) => call(lifetime, &["-G", "-d", "off"]),
        (_, None) => {
            let is_set = Source::open("crm_standby").and_then(|mut source| {
                let found = node_id(&mut source, &node)?;
                let Some((id, _)) = found else { return Ok(false) };
                let path = format!(
                    "//cib/configuration/nodes//node[@id='{id}']//instance_attributes//nvpair[@name='standby']"
                );
                let query = Call { section: Some(&path), options: XPATH, data: None };
                Ok(source.call(Operation::Query, &query).is_ok())
            });
            match is_set {
                Ok(true) => call("forever", &["-G"]),
                _ => call("reboot", &["-G", "-d", "off"]),
            }
        }
    }
}
