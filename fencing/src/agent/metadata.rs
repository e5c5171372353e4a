//! What an agent says about itself.

use crate::interval;

/// Longest metadata document read, in bytes; the largest agents print some 60 KiB.
pub const MAX_METADATA: usize = 1024 * 1024;

/// Why metadata cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The agent printed nothing.
    #[error("the agent printed no metadata")]
    Empty,
    /// The document is longer than [`MAX_METADATA`].
    #[error("the metadata has {length} bytes; at most {MAX_METADATA} are read")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// It is no XML.
    #[error("the metadata is not well-formed XML: {0}")]
    Xml(String),
    /// It is some other XML.
    #[error("the metadata begins with <{found}>; <resource-agent> is wanted")]
    Root {
        /// Name of the first element.
        found: String,
    },
}

/// A parameter of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentParameter {
    /// Its name.
    pub name: String,
    /// Whether the agent insists on it. The cluster itself provides `action`, `plug` and `port`,
    /// so these never count as required.
    pub required: bool,
    /// Type of the value, such as `string`, `boolean`, `second`.
    pub kind: Option<String>,
    /// Value if not set.
    pub default: Option<String>,
    /// One line about it.
    pub description: Option<String>,
    /// Whether new configurations should not use it.
    pub deprecated: bool,
}

/// An action of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentAction {
    /// Its name.
    pub name: String,
    /// Advised time limit, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// `on` only: nodes need this device to let them in before they run resources.
    pub automatic: bool,
    /// Whether only the target itself may run it.
    pub on_target: bool,
}

/// Parsed metadata of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Name the agent gives itself.
    pub name: String,
    /// One line about it.
    pub shortdesc: Option<String>,
    /// More about it.
    pub longdesc: Option<String>,
    /// Its parameters.
    pub parameters: Vec<AgentParameter>,
    /// Its actions.
    pub actions: Vec<AgentAction>,
}

impl Metadata {
    /// Reads what an agent printed on standard output for `metadata`.
    pub fn parse(text: &str) -> Result<Self, MetadataError> {
        let document = read(text)?;
        let root = document.root_element();
        let child = |name: &str| root.children().find(|node| node.has_tag_name(name));
        let items = |list: &str, name: &'static str| {
            child(list)
                .into_iter()
                .flat_map(move |list| list.children().filter(move |node| node.has_tag_name(name)))
        };
        Ok(Self {
            name: root.attribute("name").unwrap_or_default().to_owned(),
            shortdesc: root
                .attribute("shortdesc")
                .or_else(|| child("shortdesc").and_then(|node| node.text()))
                .map(|text| text.trim().to_owned()),
            longdesc: child("longdesc")
                .and_then(|node| node.text())
                .map(|text| text.trim().to_owned()),
            parameters: items("parameters", "parameter").filter_map(parameter).collect(),
            actions: items("actions", "action").filter_map(action).collect(),
        })
    }

    /// The action of that name.
    pub fn action(&self, name: &str) -> Option<&AgentAction> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// The parameter that takes the target if the device does not say: `plug`, else `port`.
    pub fn default_host_argument(&self) -> Option<&'static str> {
        let has = |name: &str| self.parameters.iter().any(|parameter| parameter.name == name);
        ["plug", "port"].into_iter().find(|name| has(name))
    }
}

fn read(text: &str) -> Result<roxmltree::Document<'_>, MetadataError> {
    if text.len() > MAX_METADATA {
        return Err(MetadataError::TooLong { length: text.len() });
    }
    // Some agents print a line or two before the document begins.
    let start = text.find('<').ok_or(MetadataError::Empty)?;
    let options =
        roxmltree::ParsingOptions { allow_dtd: true, nodes_limit: 100_000, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(&text[start..], options)
        .map_err(|error| MetadataError::Xml(error.to_string()))?;
    let found = document.root_element().tag_name().name();
    if found != "resource-agent" {
        return Err(MetadataError::Root { found: found.to_owned() });
    }
    Ok(document)
}

fn parameter(node: roxmltree::Node<'_, '_>) -> Option<AgentParameter> {
    let name = node.attribute("name")?.to_owned();
    let child = |tag: &str| node.children().find(|child| child.has_tag_name(tag));
    let provided = matches!(name.as_str(), "action" | "plug" | "port");
    Some(AgentParameter {
        required: is_true(node.attribute("required")) && !provided,
        kind: child("content").and_then(|content| content.attribute("type")).map(str::to_owned),
        default: child("content")
            .and_then(|content| content.attribute("default"))
            .map(str::to_owned),
        description: child("shortdesc")
            .and_then(|text| text.text())
            .map(|text| text.trim().to_owned()),
        deprecated: is_true(node.attribute("deprecated")),
        name,
    })
}

fn action(node: roxmltree::Node<'_, '_>) -> Option<AgentAction> {
    Some(AgentAction {
        name: node.attribute("name")?.to_owned(),
        timeout_ms: node.attribute("timeout").and_then(|text| interval::parse_millis(text).ok()),
        automatic: is_true(node.attribute("automatic").or_else(|| node.attribute("required"))),
        on_target: is_true(node.attribute("on_target")),
    })
}

fn is_true(text: Option<&str>) -> bool {
    text.is_some_and(|text| {
        ["true", "on", "yes", "y", "1"].iter().any(|word| text.eq_ignore_ascii_case(word))
    })
}

/// The document as tools show it (spec 81 §3.3): `stop` and `start` are added where the agent
/// lists no `stop`, and the parameters that the cluster provides are marked as not required.
/// Everything else stays as the agent wrote it.
pub fn normalised_xml(text: &str) -> Result<String, MetadataError> {
    let document = read(text)?;
    let body = document.input_text();
    let root = document.root_element();
    let mut edits: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for node in root.descendants().filter(|node| node.has_tag_name("parameter")) {
        if matches!(node.attribute("name"), Some("action" | "plug" | "port")) {
            match node.attribute_node("required") {
                Some(attribute) => edits.push((attribute.range_value(), "0".to_owned())),
                None => {
                    let at = node.range().start + "<parameter".len();
                    edits.push((at..at, " required=\"0\"".to_owned()));
                }
            }
        }
    }
    let actions = root.children().find(|node| node.has_tag_name("actions"));
    if let Some(actions) = actions {
        let has_stop = actions.children().any(|node| node.attribute("name") == Some("stop"));
        let last = actions.last_element_child();
        if let (false, Some(last)) = (has_stop, last) {
            let at = last.range().end;
            let added = "\n\t<action name=\"stop\" timeout=\"20s\"/>\n\t<action name=\"start\" timeout=\"20s\"/>";
            edits.push((at..at, added.to_owned()));
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    let (mut result, mut copied) = (String::with_capacity(body.len() + 128), 0);
    for (range, replacement) in edits {
        result.push_str(&body[copied..range.start]);
        result.push_str(&replacement);
        copied = range.end;
    }
    result.push_str(&body[copied..]);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMMY: &str = r#"<?xml version="1.0" ?>
<resource-agent name="fence_test" shortdesc="Fence agent for tests">
<longdesc>More about it.</longdesc>
<parameters>
	<parameter name="action" unique="0" required="1"><content type="string" default="reboot"/></parameter>
	<parameter name="port" required="1"><shortdesc lang="en">The outlet</shortdesc></parameter>
	<parameter name="plug"/>
	<parameter name="ip" required="1"/>
</parameters>
<actions>
	<action name="on" automatic="1" on_target="1"/>
	<action name="off" timeout="30s"/>
</actions>
</resource-agent>
"#;

    #[test]
    fn parameters_and_actions() {
        let metadata = Metadata::parse(DUMMY).unwrap();
        assert_eq!(metadata.name, "fence_test");
        assert_eq!(metadata.default_host_argument(), Some("plug"));
        let required: Vec<_> =
            metadata.parameters.iter().filter(|p| p.required).map(|p| p.name.as_str()).collect();
        assert_eq!(required, ["ip"]);
        let on = metadata.action("on").unwrap();
        assert!(on.automatic && on.on_target);
        assert_eq!(metadata.action("off").unwrap().timeout_ms, Some(30_000));
    }

    #[test]
    fn tools_see_start_and_stop_and_no_provided_parameter_as_required() {
        let text = normalised_xml(DUMMY).unwrap();
        let parsed = Metadata::parse(&text).unwrap();
        let names: Vec<_> = parsed.actions.iter().map(|action| action.name.as_str()).collect();
        assert_eq!(names, ["on", "off", "stop", "start"]);
        assert!(text.contains(r#"<parameter name="port" required="0">"#), "{text}");
        assert!(text.contains(r#"<parameter required="0" name="plug"/>"#), "{text}");
        assert_eq!(normalised_xml(&text).unwrap(), text, "a second pass changes nothing");
    }

    #[test]
    fn broken_metadata_is_named() {
        assert_eq!(Metadata::parse(""), Err(MetadataError::Empty));
        assert!(matches!(Metadata::parse("<resource-agent>"), Err(MetadataError::Xml(_))));
        assert_eq!(Metadata::parse("<html/>"), Err(MetadataError::Root { found: "html".into() }));
        let long = " ".repeat(MAX_METADATA + 1);
        assert!(matches!(Metadata::parse(&long), Err(MetadataError::TooLong { .. })));
    }
}
