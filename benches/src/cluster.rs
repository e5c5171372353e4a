//! Synthetic clusters of any size.

use std::fmt::Write;

/// What the resources of a synthetic cluster do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing is known yet: all has to be probed and started.
    New,
    /// Everything runs, everything was probed: nothing is to be done.
    Steady,
    /// Nothing is known yet, but every resource is confined to three nodes: it may run, and is looked for,
    /// nowhere else. No clone runs everywhere.
    Confined,
}

/// A CIB with `nodes` online nodes and about `resources` resource instances: two fifths plain primitives,
/// two fifths in groups of four, the rest instances of interleaved clones that run everywhere. Every second
/// primitive prefers a node, every third goes with a group, every group starts after a clone. The same
/// arguments give the same text.
pub fn synthetic(nodes: usize, resources: usize, status: Status) -> String {
    let mut out = String::new();
    let mut w = Writer { out: &mut out, random: 0x9E37_79B9_7F4A_7C15 };
    w.line("<cib crm_feature_set=\"3.20.5\" validate-with=\"pacemaker-4.0\" epoch=\"1\" num_updates=\"1\" admin_epoch=\"0\" have-quorum=\"1\" dc-uuid=\"1\"><configuration>");
    let confined = status == Status::Confined;
    let symmetric = if confined {
        "<nvpair id=\"options-symmetric\" name=\"symmetric-cluster\" value=\"false\"/>"
    } else {
        ""
    };
    w.line(&format!("<crm_config><cluster_property_set id=\"options\"><nvpair id=\"options-fencing\" name=\"fencing-enabled\" value=\"false\"/>{symmetric}</cluster_property_set></crm_config><nodes>"));
    for n in 1..=nodes {
        w.line(&format!("<node id=\"{n}\" uname=\"node{n:04}\"/>"));
    }
    w.line("</nodes><resources>");
    let plain = resources * 2 / 5;
    let groups = resources * 2 / 5 / 4;
    let clones = if confined { 0 } else { (resources / 5 / nodes.max(1)).max(1) };
    for p in 0..plain {
        w.primitive(&format!("p{p}"));
    }
    for g in 0..groups {
        w.line(&format!("<group id=\"g{g}\">"));
        for m in 0..4 {
            w.primitive(&format!("g{g}m{m}"));
        }
        w.line("</group>");
    }
    for c in 0..clones {
        w.line(&format!("<clone id=\"c{c}\"><meta_attributes id=\"c{c}-m\"><nvpair id=\"c{c}-i\" name=\"interleave\" value=\"true\"/></meta_attributes>"));
        w.primitive(&format!("cr{c}"));
        w.line("</clone>");
    }
    w.line("</resources><constraints>");
    for p in 0..plain {
        if p % 2 == 0 {
            let (node, score) = (w.below(nodes) + 1, w.below(499) + 1);
            w.line(&format!(
                "<rsc_location id=\"l{p}\" rsc=\"p{p}\" node=\"node{node:04}\" score=\"{score}\"/>"
            ));
        }
        if p % 3 == 0 && groups > 0 {
            let (group, score) = (w.below(groups), ["INFINITY", "100", "-100"][w.below(3)]);
            w.line(&format!("<rsc_colocation id=\"co{p}\" rsc=\"p{p}\" with-rsc=\"g{group}\" score=\"{score}\"/>"));
        }
    }
    for g in (0..groups).filter(|_| !confined) {
        let clone = w.below(clones);
        w.line(&format!("<rsc_order id=\"o{g}\" first=\"c{clone}\" then=\"g{g}\"/>"));
    }
    let confined = (0..if confined { plain } else { 0 }).map(|p| format!("p{p}"));
    let groups = (0..if symmetric.is_empty() { 0 } else { groups }).map(|g| format!("g{g}"));
    for id in confined.chain(groups) {
        let first = w.below(nodes);
        for k in 0..3 {
            let node = (first + k) % nodes + 1;
            w.line(&format!("<rsc_location id=\"x{k}{id}\" rsc=\"{id}\" node=\"node{node:04}\" score=\"{k}\" resource-discovery=\"exclusive\"/>"));
        }
    }
    w.line("</constraints></configuration><status>");
    for n in 1..=nodes {
        w.line(&format!("<node_state id=\"{n}\" uname=\"node{n:04}\" in_ccm=\"true\" crmd=\"online\" join=\"member\" expected=\"member\"><lrm id=\"{n}\"><lrm_resources/></lrm></node_state>"));
    }
    w.line("</status></cib>");
    if status == Status::Steady { settle(&out) } else { out }
}

/// Runs the simulator until nothing is left to be done.
fn settle(text: &str) -> String {
    use policy_engine::simulate::{Request, run};
    let document = cib_model::Document::parse(text).expect("the generator writes XML");
    let mut document = std::sync::Arc::new(document);
    for _ in 0..4 {
        let now = Some(cib_model::DateTime::from_epoch(1_790_000_000, 0));
        let request = Request { simulate: true, quiet: true, now, ..Request::default() };
        let report = run(document, &request);
        document = report.artifacts.output.expect("a simulation leaves a CIB");
        if report.artifacts.transition.is_some_and(|t| t.synapses.is_empty()) {
            break;
        }
    }
    document.to_xml()
}

struct Writer<'o> {
    out: &'o mut String,
    random: u64,
}

impl Writer<'_> {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}");
    }

    fn primitive(&mut self, id: &str) {
        self.line(&format!("<primitive id=\"{id}\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\"><operations><op id=\"{id}-m\" name=\"monitor\" interval=\"10s\" timeout=\"20s\"/></operations></primitive>"));
    }

    /// A number below a bound (xorshift).
    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % bound.max(1) as u64) as usize
    }
}
