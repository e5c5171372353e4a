//! OCF metadata (spec 80 §10.4).

use std::time::Duration;

use roxmltree::{Document, Node, ParsingOptions};
use thiserror::Error;

/// The most metadata that is read; agents print a few ten kilobytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;
const MOST_NODES: u32 = 100_000;

/// Why a text is not metadata.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MetadataError {
    /// It is too large.
    #[error("metadata of {0} bytes; at most 4 MiB are read")]
    TooLarge(usize),
    /// It is not well-formed.
    #[error("metadata is not well-formed XML: {0}")]
    Xml(String),
    /// Its root is something else.
    #[error("line {line}: metadata has root `{found}`; expected `resource-agent`")]
    Root {
        /// Where.
        line: u32,
        /// What it is.
        found: String,
    },
    /// A parameter or action has no name.
    #[error("line {line}: `{element}` without a name")]
    Nameless {
        /// Where.
        line: u32,
        /// Which element.
        element: &'static str,
    },
}

/// The version of the OCF standard an agent follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OcfVersion {
    /// Before the point.
    pub major: u32,
    /// After it.
    pub minor: u32,
}

impl OcfVersion {
    /// Promoted roles, agent reload and reloadable parameters came with this one.
    pub const V1_1: Self = Self { major: 1, minor: 1 };

    fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.').map(str::parse);
        let major = parts.next()?.ok()?;
        Some(Self { major, minor: parts.next().and_then(Result::ok).unwrap_or(0) })
    }
}

/// How an agent takes changed parameters without a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// It does not.
    None,
    /// By the action `reload`, before OCF 1.1; unique parameters force a restart.
    Legacy,
    /// By the action `reload-agent`; parameters not marked reloadable force a restart.
    Agent,
}

/// What an agent says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentMetadata {
    /// Its name.
    pub name: String,
    /// Its own version.
    pub agent_version: Option<String>,
    /// The OCF version it follows, if it says so.
    pub ocf_version: Option<OcfVersion>,
    /// In a sentence.
    pub short: String,
    /// At length.
    pub long: String,
    /// Its parameters, in order of appearance.
    pub parameters: Vec<Parameter>,
    /// Its actions, in order of appearance.
    pub actions: Vec<ActionAdvice>,
}

/// A parameter of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Two resources must not share its value.
    pub unique: bool,
    /// The resource can take a new value without a restart.
    pub reloadable: bool,
    /// Its value is secret.
    pub private: bool,
    /// It must have a value.
    pub required: bool,
    /// In a sentence.
    pub short: String,
    /// At length.
    pub long: String,
    /// The type of its value: `string`, `integer`, `boolean`, `select`, ...
    pub content: Option<String>,
    /// Its value if none is given.
    pub default: Option<String>,
}

/// An action of an agent, with the values it advises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionAdvice {
    /// Its name.
    pub name: String,
    /// The least timeout.
    pub timeout: Option<Duration>,
    /// How often to repeat it.
    pub interval: Option<Duration>,
    /// How long to wait before the first run.
    pub start_delay: Option<Duration>,
    /// In which role it applies.
    pub role: Option<String>,
    /// How thorough a monitor it is (`OCF_CHECK_LEVEL`).
    pub depth: Option<u32>,
}

impl AgentMetadata {
    /// Reads what an agent printed.
    ///
    /// # Errors
    /// When it is not well-formed, has another root, or names are missing.
    pub fn from_xml(text: &str) -> Result<Self, MetadataError> {
        if text.len() > MOST_BYTES {
            return Err(MetadataError::TooLarge(text.len()));
        }
        let options =
            ParsingOptions { allow_dtd: true, nodes_limit: MOST_NODES, ..Default::default() };
        let document = Document::parse_with_options(text, options)
            .map_err(|error| MetadataError::Xml(error.to_string()))?;
        let root = document.root_element();
        if root.tag_name().name() != "resource-agent" {
            let found = root.tag_name().name().into();
            return Err(MetadataError::Root { line: line(&root), found });
        }
        let version = children(&root, "version").next().and_then(|node| node.text());
        Ok(Self {
            name: root.attribute("name").unwrap_or_default().into(),
            agent_version: root.attribute("version").map(Into::into),
            ocf_version: version.and_then(OcfVersion::from_text),
            short: text_of(&root, "shortdesc"),
            long: text_of(&root, "longdesc"),
            parameters: read_all(&root, "parameters", "parameter", read_parameter)?,
            actions: read_all(&root, "actions", "action", read_action)?,
        })
    }

    /// How the agent takes changed parameters.
    #[must_use]
    pub fn reload(&self) -> Reload {
        let has = |name: &str| self.actions.iter().any(|action| action.name == name);
        if self.ocf_version.is_some_and(|version| version >= OcfVersion::V1_1) {
            if has("reload-agent") { Reload::Agent } else { Reload::None }
        } else if has("reload") {
            Reload::Legacy
        } else {
            Reload::None
        }
    }

    /// The parameters whose change forces a restart, last first; `None` if every change does.
    #[must_use]
    pub fn restart_parameters(&self) -> Option<Vec<&str>> {
        let forces: fn(&Parameter) -> bool = match self.reload() {
            Reload::None => return None,
            Reload::Legacy => |parameter| parameter.unique,
            Reload::Agent => |parameter| !parameter.reloadable,
        };
        Some(self.names_where(forces))
    }

    /// The parameters whose values are secret, last first. If none is marked so, those named
    /// `password`, `passwd` or `user` are.
    #[must_use]
    pub fn private_parameters(&self) -> Vec<&str> {
        let marked = self.names_where(|parameter| parameter.private);
        if !marked.is_empty() {
            return marked;
        }
        self.names_where(|p| matches!(p.name.as_str(), "password" | "passwd" | "user"))
    }

    fn names_where(&self, which: impl Fn(&Parameter) -> bool) -> Vec<&str> {
        let reversed = self.parameters.iter().rev();
        reversed.filter(|parameter| which(parameter)).map(|p| p.name.as_str()).collect()
    }
}

fn read_all<T>(
    root: &Node<'_, '_>,
    list: &'static str,
    element: &'static str,
    read: impl Fn(&Node<'_, '_>, String) -> T,
) -> Result<Vec<T>, MetadataError> {
    let mut all = Vec::new();
    for node in children(root, list).flat_map(|node| node.children()) {
        if !node.has_tag_name(element) {
            continue;
        }
        let name = node.attribute("name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| MetadataError::Nameless { line: line(&node), element })?;
        all.push(read(&node, name.into()));
    }
    Ok(all)
}

fn read_parameter(node: &Node<'_, '_>, name: String) -> Parameter {
    let flag = |attribute| node.attribute(attribute).is_some_and(is_true);
    let content = children(node, "content").next();
    Parameter {
        name,
        unique: flag("unique"),
        reloadable: flag("reloadable"),
        private: flag("private"),
        required: flag("required"),
        short: text_of(node, "shortdesc"),
        long: text_of(node, "longdesc"),
        content: content.and_then(|node| node.attribute("type")).map(Into::into),
        default: content.and_then(|node| node.attribute("default")).map(Into::into),
    }
}

fn read_action(node: &Node<'_, '_>, name: String) -> ActionAdvice {
    let time = |attribute| node.attribute(attribute).and_then(time_of);
    ActionAdvice {
        name,
        timeout: time("timeout"),
        interval: time("interval"),
        start_delay: time("start-delay"),
        role: node.attribute("role").map(Into::into),
        depth: node.attribute("depth").and_then(|depth| depth.trim().parse().ok()),
    }
}

fn children<'a, 'input>(
    node: &Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.has_tag_name(name))
}

fn text_of(node: &Node<'_, '_>, name: &'static str) -> String {
    let described = children(node, name).next();
    described.and_then(|node| node.text()).unwrap_or_default().trim().into()
}

fn line(node: &Node<'_, '_>) -> u32 {
    node.document().text_pos_at(node.range().start).row
}

/// The values that mean yes in the CIB and in metadata.
fn is_true(text: &str) -> bool {
    let text = text.trim();
    ["true", "on", "yes", "y", "1"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A time as metadata has it: a number of seconds, or with a unit.
fn time_of(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let micros = match text[end..].trim() {
        "" | "s" | "sec" => number.checked_mul(1_000_000),
        "ms" | "msec" => number.checked_mul(1_000),
        "us" | "usec" => Some(number),
        "m" | "min" => number.checked_mul(60_000_000),
        "h" | "hr" => number.checked_mul(3_600_000_000),
        _ => None,
    };
    micros.map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(version: &str, actions: &str, parameters: &str) -> AgentMetadata {
        let text = format!(
            "<?xml version=\"1.0\"?>\n<!DOCTYPE resource-agent SYSTEM \"ra-api-1.dtd\">\n\
             <resource-agent name=\"T\" version=\"2\">{version}<longdesc lang=\"en\">\n L \n\
             </longdesc><shortdesc>S</shortdesc><parameters>{parameters}</parameters>\
             <actions>{actions}</actions></resource-agent>"
        );
        AgentMetadata::from_xml(&text).unwrap()
    }

    const PARAMETERS: &str = r#"
        <parameter name="a" unique="1" required="true"><content type="string" default="x"/></parameter>
        <parameter name="b" reloadable="1" private="Yes"><content type="integer"/></parameter>
        <parameter name="passwd"><content type="string"/></parameter>"#;
    const ACTIONS: &str = r#"<action name="reload" timeout="20s"/><action name="reload-agent"/>
        <action name="monitor" timeout="20" interval="10s" depth="1" role="Promoted" start-delay="1m"/>"#;

    #[test]
    fn parameters_and_actions_are_read() {
        let agent = agent("<version>1.1</version>", ACTIONS, PARAMETERS);
        assert_eq!((agent.name.as_str(), agent.short.as_str()), ("T", "S"));
        assert_eq!(agent.long, "L");
        assert_eq!(agent.ocf_version, Some(OcfVersion::V1_1));
        let first = &agent.parameters[0];
        assert!(first.unique && first.required && !first.private && !first.reloadable);
        assert_eq!(first.default.as_deref(), Some("x"));
        let monitor = &agent.actions[2];
        assert_eq!(monitor.timeout, Some(Duration::from_secs(20)));
        assert_eq!(monitor.interval, Some(Duration::from_secs(10)));
        assert_eq!(monitor.start_delay, Some(Duration::from_secs(60)));
        assert_eq!((monitor.depth, monitor.role.as_deref()), (Some(1), Some("Promoted")));
    }

    #[test]
    fn reload_depends_on_the_version() {
        let new = agent("<version>1.1</version>", ACTIONS, PARAMETERS);
        assert_eq!(new.reload(), Reload::Agent);
        assert_eq!(new.restart_parameters(), Some(vec!["passwd", "a"]));
        for old in ["", "<version>1.0</version>", "<version>x</version>"] {
            let old = agent(old, ACTIONS, PARAMETERS);
            assert_eq!(old.reload(), Reload::Legacy);
            assert_eq!(old.restart_parameters(), Some(vec!["a"]));
        }
        let none = agent("<version>1.1</version>", "<action name=\"reload\"/>", PARAMETERS);
        assert_eq!((none.reload(), none.restart_parameters()), (Reload::None, None));
    }

    #[test]
    fn unmarked_passwords_are_private_only_if_nothing_is_marked() {
        assert_eq!(agent("", "", PARAMETERS).private_parameters(), ["b"]);
        let unmarked = r#"<parameter name="user"/><parameter name="x"/><parameter name="passwd"/>"#;
        assert_eq!(agent("", "", unmarked).private_parameters(), ["passwd", "user"]);
    }

    #[test]
    fn broken_metadata_says_where() {
        let cases = [
            ("<a/>", "line 1: metadata has root `a`"),
            ("", "not well-formed"),
            ("<resource-agent", "not well-formed"),
            (
                "<resource-agent>\n<parameters>\n<parameter/></parameters></resource-agent>",
                "line 3: `parameter` without a name",
            ),
        ];
        for (text, part) in cases {
            let error = AgentMetadata::from_xml(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let huge = " ".repeat(MOST_BYTES + 1);
        assert!(AgentMetadata::from_xml(&huge).is_err());
    }

    #[test]
    fn deep_nesting_does_no_harm() {
        let deep = format!("{}{}", "<a>".repeat(90_000), "</a>".repeat(90_000));
        let text = format!("<resource-agent>{deep}</resource-agent>");
        let _ = AgentMetadata::from_xml(&text);
    }
}
