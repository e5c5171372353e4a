//! The cluster as a whole (spec 41 §9.2).

use cib_model::Document;
use policy_engine::report::tables::date;
use policy_engine::report::text::Entry;

use super::sections::Section;
use super::{Look, View};
use crate::tools::crmadmin::friendly;
use crate::tools::source;

/// A cluster option as configured.
pub fn option<'d>(cib: &'d Document, name: &str) -> Option<&'d str> {
    let config = cib.root().child("configuration")?.child("crm_config")?;
    let pairs = config.children().flat_map(|set| set.children_named("nvpair"));
    pairs
        .filter(|pair| pair.attribute("name") == Some(name))
        .find_map(|pair| pair.attribute("value"))
}

/// An attribute of the CIB.
pub fn attribute<'d>(cib: &'d Document, name: &str) -> &'d str {
    cib.root().attribute(name).unwrap_or_default()
}

/// Section "Cluster Summary", and what follows it.
pub fn entries(view: &View, look: &Look) -> Vec<Entry> {
    let mut items = Vec::new();
    let shows = |section| view.sections.has(section);
    let facts = &look.monitored.facts;
    if shows(Section::Stack) {
        let stack = option(&look.cib, "cluster-infrastructure").unwrap_or("unknown");
        let state = look.supervisor.as_deref().map(|state| format!(" ({})", friendly(state)));
        items.push(Entry::labelled("Stack", format!("{stack}{}", state.unwrap_or_default())));
    }
    if shows(Section::Dc) || facts.dc.is_none() {
        items.push(Entry::labelled("Current DC", dc(view, look)));
    }
    if shows(Section::Times) {
        let now = source::now();
        let on = look.local.as_deref().map(|node| format!(" on {node}")).unwrap_or_default();
        items.push(Entry::labelled("Last updated", format!("{}{on}", date(now.epoch(), now))));
        items.push(Entry::labelled("Last change", last_change(&look.cib)));
    }
    if shows(Section::Counts) {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        items.push(Entry::item(format!("{} node{} configured", facts.nodes, plural(facts.nodes))));
        let instances = facts.instances as usize;
        let mut words = Vec::new();
        if facts.disabled > 0 {
            words.push(format!("{} DISABLED", facts.disabled));
        }
        if facts.blocked > 0 {
            words.push(format!("{} BLOCKED from further action due to failure", facts.blocked));
        }
        let more =
            if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) };
        let text = format!("{instances} resource instance{} configured{more}", plural(instances));
        items.push(Entry::item(text));
    }
    if shows(Section::Options) {
        items.extend(options(look));
    }
    let mut out = Vec::new();
    if !items.is_empty() {
        out.push(Entry::list("Cluster Summary", items));
    }
    if shows(Section::MaintenanceMode) {
        out.extend(banner(look));
    }
    out
}

fn dc(view: &View, look: &Look) -> String {
    let facts = &look.monitored.facts;
    let Some(dc) = &facts.dc else { return "NONE".to_owned() };
    let id = match view.display.node_id && dc.id != dc.name {
        true => format!(" ({})", dc.id),
        false => String::new(),
    };
    let version = option(&look.cib, "dc-version").unwrap_or("unknown");
    let mixed = if facts.mixed_version { "MIXED-VERSION " } else { "" };
    let quorum = if facts.quorate { "with" } else { "WITHOUT" };
    format!("{}{id} (version {version}) - {mixed}partition {quorum} quorum", dc.name)
}

fn last_change(cib: &Document) -> String {
    let mut text = format!(" {}", attribute(cib, "cib-last-written"));
    for (name, word) in [("update-user", "by"), ("update-client", "via"), ("update-origin", "on")] {
        let value = attribute(cib, name);
        if !value.is_empty() {
            text.push_str(&format!(" {word} {value}"));
        }
    }
    text
}

fn options(look: &Look) -> Vec<Entry> {
    let facts = &look.monitored.facts;
    let fencing = if facts.fencing_enabled { "enabled" } else { "disabled" };
    let symmetric = if facts.symmetric { "symmetric" } else { "asymmetric" };
    let policy = match facts.no_quorum_policy {
        "freeze" => "Freeze resources",
        "stop" => "Stop ALL resources",
        "demote" => "Demote promotable resources and stop all other resources",
        "ignore" => "Ignore",
        _ => "Fence nodes in partition",
    };
    vec![
        Entry::item(format!("Fencing of failed nodes {fencing}")),
        Entry::item(format!("Cluster is {symmetric}")),
        Entry::item(format!("No quorum policy: {policy}")),
    ]
}

fn banner(look: &Look) -> Vec<Entry> {
    let facts = &look.monitored.facts;
    let (indent, text) = match (facts.maintenance_mode, facts.stop_all_resources) {
        (true, _) => (14, "attempt to start, stop or recover services"),
        (false, true) => (4, ""),
        _ => return Vec::new(),
    };
    let second = match text {
        "" => "  The cluster will keep all resources stopped".to_owned(),
        text => format!("  The cluster will not {text}"),
    };
    let first = format!("{}*** Resource management is DISABLED ***", " ".repeat(indent));
    vec![Entry::Spacer, Entry::Info(first), Entry::Info(second)]
}
