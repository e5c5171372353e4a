//! Worked examples of placement, from small CIBs to score lines.

mod collectives;
mod primitives;

use crate::input;
use crate::model::cluster::{Cluster, Switches};
use crate::model::score_line::ScoreLine;
use crate::ordering;
use cib_model::{DateTime, Document};

/// A small cluster: fencing disabled, all nodes online.
struct Example<'a> {
    /// Names, with attributes `NAME=VALUE` and utilization `%NAME=VALUE`.
    nodes: &'a [&'a str],
    /// Cluster options `NAME=VALUE`.
    options: &'a str,
    resources: String,
    constraints: String,
    /// What runs where; `!` in front: promoted.
    active: &'a [(&'a str, &'a str)],
}

const TWO: Example<'_> = Example {
    nodes: &["n1", "n2"],
    options: "",
    resources: String::new(),
    constraints: String::new(),
    active: &[],
};

const THREE: Example<'_> = Example {
    nodes: &["n1", "n2", "n3"],
    options: "",
    resources: String::new(),
    constraints: String::new(),
    active: &[],
};

/// `<nvpair>`s from `NAME=VALUE` words.
fn pairs(owner: &str, words: &str) -> String {
    words
        .split_whitespace()
        .filter_map(|w| w.split_once('='))
        .map(|(n, v)| format!("<nvpair id='{owner}-{n}' name='{n}' value='{v}'/>"))
        .collect()
}

fn meta(id: &str, words: &str) -> String {
    format!(
        "<meta_attributes id='{id}-meta'>{}</meta_attributes>",
        pairs(&format!("{id}-m"), words)
    )
}

/// A primitive with meta-attributes; words that start with `%` are utilization.
fn primitive(id: &str, words: &str) -> String {
    let (needs, own): (Vec<&str>, Vec<&str>) =
        words.split_whitespace().partition(|w| w.starts_with('%'));
    let needs = needs.join(" ").replace('%', "");
    format!(
        "<primitive id='{id}' class='ocf' provider='heartbeat' type='Dummy'>{}\
         <utilization id='{id}-u'>{}</utilization></primitive>",
        meta(id, &own.join(" ")),
        pairs(&format!("{id}-u"), &needs)
    )
}

fn group(id: &str, words: &str, members: &[String]) -> String {
    format!("<group id='{id}'>{}{}</group>", meta(id, words), members.concat())
}

fn clone(id: &str, words: &str, child: &str) -> String {
    format!("<clone id='{id}'>{}{child}</clone>", meta(id, words))
}

fn location(resource: &str, node: &str, score: &str) -> String {
    format!(
        "<rsc_location id='l-{resource}-{node}' rsc='{resource}' node='{node}' score='{score}'/>"
    )
}

/// A colocation with further attributes as written.
fn with(dependent: &str, primary: &str, score: &str, more: &str) -> String {
    format!(
        "<rsc_colocation id='c-{dependent}-{primary}' rsc='{dependent}' with-rsc='{primary}' \
         score='{score}' {more}/>"
    )
}

impl Example<'_> {
    fn document(&self) -> String {
        let nodes: String = self.nodes.iter().enumerate().map(|(i, n)| node(i, n)).collect();
        let states: String = self.nodes.iter().enumerate().map(|(i, n)| self.state(i, n)).collect();
        format!(
            "<cib have-quorum='1'><configuration><crm_config><cluster_property_set id='o'>\
             <nvpair id='f' name='fencing-enabled' value='false'/>{}</cluster_property_set>\
             </crm_config><nodes>{nodes}</nodes><resources>{}</resources>\
             <constraints>{}</constraints></configuration><status>{states}</status></cib>",
            pairs("o", self.options),
            self.resources,
            self.constraints
        )
    }

    fn state(&self, i: usize, words: &str) -> String {
        let name = words.split(' ').next().unwrap_or(words);
        let history: String = self
            .active
            .iter()
            .filter(|(n, _)| *n == name)
            .map(|(_, r)| {
                let (rc, id) = match r.strip_prefix('!') {
                    Some(id) => (8, id),
                    None => (0, *r),
                };
                format!(
                    "<lrm_resource id='{id}' class='ocf' provider='heartbeat' type='Dummy'>\
                     <lrm_rsc_op id='{id}_last_0' operation_key='{id}_monitor_0' \
                     operation='monitor' interval='0' call-id='1' rc-code='{rc}' op-status='0' \
                     transition-key='1:1:{rc}:u'/></lrm_resource>"
                )
            })
            .collect();
        format!(
            "<node_state id='{i}' uname='{name}' in_ccm='true' crmd='online' join='member' \
             expected='member'><lrm id='{i}'><lrm_resources>{history}</lrm_resources></lrm>\
             </node_state>"
        )
    }

    /// Places everything and looks at the result.
    fn placed<T>(&self, look: impl FnOnce(&Cluster<'_>) -> T) -> T {
        let document = Document::parse(&self.document()).expect("a well-formed example");
        let generated = input::generate(&document);
        let now = DateTime::from_epoch(1_700_000_000, 0);
        let switches = Switches { scores: true, utilization: true, ..Switches::default() };
        let mut cluster = input::build(&document, &generated, now, switches);
        input::constraints(&mut cluster);
        input::criteria(&mut cluster);
        ordering::implicit::create(&mut cluster);
        super::assign(&mut cluster);
        look(&cluster)
    }

    /// Score lines, tables joined to one line each, then where things are.
    fn run(&self) -> Vec<String> {
        self.placed(|cluster| {
            let mut out = tables(cluster);
            out.extend(places(cluster));
            out
        })
    }

    /// Capacity lines of one kind: `NODE NAME=VALUE...`.
    fn capacities(&self, kind: &str) -> Vec<String> {
        let of_kind = |line: &ScoreLine| match line {
            ScoreLine::Capacity { comment, node, values } if *comment == kind => {
                let values = values.iter().map(|(n, v)| format!(" {n}={v}")).collect::<String>();
                Some(format!("{node}{values}"))
            }
            _ => None,
        };
        self.placed(|cluster| cluster.score_lines.iter().filter_map(of_kind).collect())
    }
}

fn node(i: usize, words: &str) -> String {
    let mut words = words.split_whitespace();
    let name = words.next().unwrap_or("");
    let (capacity, attributes): (Vec<&str>, Vec<&str>) = words.partition(|w| w.starts_with('%'));
    let capacity = capacity.join(" ").replace('%', "");
    format!(
        "<node id='{i}' uname='{name}'><instance_attributes id='a{i}'>{}</instance_attributes>\
         <utilization id='u{i}'>{}</utilization></node>",
        pairs(&format!("a{i}"), &attributes.join(" ")),
        pairs(&format!("u{i}"), &capacity)
    )
}

/// `STAGE RSC: NODE SCORE, NODE SCORE` per table, and promotion lines.
fn tables(cluster: &Cluster<'_>) -> Vec<String> {
    let mut out: Vec<(String, Vec<(&str, String)>)> = Vec::new();
    for line in &cluster.score_lines {
        let (head, node, score) = match line {
            ScoreLine::Allocation { stage, resource, node, score } => {
                (format!("{stage:?} {resource}"), &**node, *score)
            }
            ScoreLine::Promotion { resource, node, score } => {
                (format!("Promotion {resource}"), node.as_deref().unwrap_or("-"), *score)
            }
            _ => continue,
        };
        let entry = (node, score.to_string());
        match out.last_mut() {
            Some((last, entries)) if *last == head && entries.iter().all(|(n, _)| *n != node) => {
                entries.push(entry);
            }
            _ => out.push((head, vec![entry])),
        }
    }
    let show = |entries: Vec<(&str, String)>| {
        entries.iter().map(|(n, s)| format!("{n} {s}")).collect::<Vec<_>>().join(", ")
    };
    out.into_iter().map(|(head, entries)| format!("{head}: {}", show(entries))).collect()
}

/// `RSC -> NODE` for what has a node, in list order; `(Promoted)` behind it where that is planned.
fn places(cluster: &Cluster<'_>) -> Vec<String> {
    let mut out = Vec::new();
    for r in cluster.order.iter().flat_map(|top| cluster.leaves(*top)) {
        let resource = cluster.resource(r);
        if let Some(assignment) = resource.assigned {
            let promoted = resource.next_role == crate::model::role::Role::Promoted;
            let role = if promoted { " (Promoted)" } else { "" };
            let node = &cluster.node(assignment.node).name;
            out.push(format!("{} -> {node}{role}", resource.id));
        }
    }
    out
}

/// Runs an example and compares.
fn check(name: &str, example: &Example<'_>, expected: &[&str]) {
    assert_eq!(example.run(), expected, "{name}");
}
