//! Target lists, host maps and per-target delays: the small languages of device options.

use std::collections::BTreeMap;

use crate::interval;
use crate::name::NodeName;

/// Most targets kept from one list.
pub const MAX_TARGETS: usize = 16_384;

/// Reads a target list, from `pcmk_host_list` or from the output of an agent's `list`
/// (spec 81 §4.2). Entries that are no names are left out and returned as the second list.
pub fn parse_list(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut targets, mut refused) = (Vec::new(), Vec::new());
    for line in text.split('\n').flat_map(|line| line.split("\\n")) {
        if line.contains("invalid") || line.contains("variable") {
            continue;
        }
        let separator = |c: char| c.is_ascii_whitespace() || c == ',' || c == ';';
        for entry in line.split(separator).filter(|entry| !entry.is_empty()) {
            let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            let end = entry.find(|c| !name(c)).unwrap_or(entry.len());
            let (target, list) = match &entry[..end] {
                "" => (entry, &mut refused),
                word if word.eq_ignore_ascii_case("on") || word.eq_ignore_ascii_case("off") => {
                    continue;
                }
                word => (word, &mut targets),
            };
            if list.len() < MAX_TARGETS {
                list.push(target.to_owned());
            }
        }
    }
    (targets, refused)
}

/// Which port of a device stands for which node (`pcmk_host_map`, spec 81 §2.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostMap {
    ports: BTreeMap<NodeName, String>,
    order: Vec<String>,
}

impl HostMap {
    /// Reads a map; mappings that are malformed are left out and returned as the second value.
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let (mut map, mut malformed) = (Self::default(), Vec::new());
        let separator = |c: char| matches!(c, ';' | ' ' | '\t');
        for mapping in text.split(separator).filter(|mapping| !mapping.is_empty()) {
            let sides = mapping.split_once([':', '=']);
            let node = sides.and_then(|(node, _)| NodeName::new(node).ok());
            match (node, sides.map(|(_, port)| port)) {
                (Some(node), Some(port)) if !port.is_empty() => {
                    if map.ports.len() < MAX_TARGETS {
                        map.ports.insert(node, port.to_owned());
                        map.order.push(port.to_owned());
                    }
                }
                _ => malformed.push(mapping.to_owned()),
            }
        }
        (map, malformed)
    }

    /// The port that stands for a node.
    pub fn port(&self, node: &NodeName) -> Option<&str> {
        self.ports.get(node).map(String::as_str)
    }

    /// All mapped ports, in the order written.
    pub fn ports(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }
}

/// `pcmk_delay_base` for one target, in milliseconds (spec 81 §6.3): a single interval, or a map
/// of intervals by node. Mappings with an empty side are returned as the second value.
pub fn delay_base_millis(text: &str, target: Option<&NodeName>) -> (u64, Vec<String>) {
    let (text, mut malformed) = (text.trim(), Vec::new());
    if let (true, Some(target)) = (text.contains(':'), target) {
        let separator = |c: char| matches!(c, ';' | ' ' | '\t');
        for mapping in text.split(separator).filter(|mapping| !mapping.is_empty()) {
            match mapping.split_once(':') {
                Some((node, value)) if !node.is_empty() && !value.is_empty() => {
                    if node.eq_ignore_ascii_case(target.as_str()) {
                        return (interval::parse_millis(value).unwrap_or(0), malformed);
                    }
                }
                _ => malformed.push(mapping.to_owned()),
            }
        }
    }
    (interval::parse_millis(text).unwrap_or(0), malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    #[test]
    fn list_separators_and_peculiarities() {
        for (text, targets) in [
            ("node1 node2 node3", vec!["node1", "node2", "node3"]),
            ("node1,node2;node3", vec!["node1", "node2", "node3"]),
            ("1,web server\n2,db", vec!["1", "web", "server", "2", "db"]),
            ("a\\nb\nc", vec!["a", "b", "c"]),
            ("a ON b Off c", vec!["a", "b", "c"]),
            ("an invalid line\nok", vec!["ok"]),
            ("some variable\\nok", vec!["ok"]),
            ("node1:3 x", vec!["node1", "x"]),
            (" ,;\t", vec![]),
        ] {
            assert_eq!(parse_list(text).0, targets, "{text:?}");
        }
        assert_eq!(parse_list("a ?b c").1, ["?b"]);
    }

    #[test]
    fn host_maps() {
        let (map, malformed) = HostMap::parse("n1:1,2;n2=3 ; n3 :4\tN1:9;n5:a:b=c");
        assert_eq!(map.port(&node("n1")), Some("9"), "the later mapping wins");
        assert_eq!(map.port(&node("N2")), Some("3"));
        assert_eq!(map.port(&node("n5")), Some("a:b=c"), "split at the first only");
        assert_eq!(malformed, ["n3", ":4"]);
        assert_eq!(map.ports().collect::<Vec<_>>(), ["1,2", "3", "9", "a:b=c"]);
    }

    #[test]
    fn delays_by_target() {
        let base =
            |text, target: Option<&str>| delay_base_millis(text, target.map(node).as_ref()).0;
        assert_eq!(base(" 2s ", Some("n1")), 2_000);
        assert_eq!(base("n1:1s;n2:3", Some("N2")), 3_000);
        assert_eq!(base("n1:1s;n2:3", Some("n9")), 0);
        assert_eq!(base("n1:1s;n2:3", None), 0);
        assert_eq!(base("soon", Some("n1")), 0);
        assert_eq!(
            delay_base_millis("n1: ;:2;n2:5", Some(&node("n2"))),
            (5_000, vec!["n1:".to_owned(), ":2".to_owned()])
        );
    }
}
