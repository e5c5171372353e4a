//! `crm_mon`: the status of a cluster, once or as it changes (spec 41 §9).

mod document;
mod fencing;
mod live;
mod page;
mod sections;
mod summary;

use std::ffi::OsString;

use cib_model::{Document, schema};
use clap::{Arg, ArgAction, ArgMatches, Command};
use policy_engine::report::monitor::{Monitored, monitor_some};
use policy_engine::report::selection::Filter;
use policy_engine::report::status::Display;
use policy_engine::report::text::{Entry, Style, render};

use self::fencing::Fencing;
use self::sections::{Section, Sections};
use super::commands::{self, flag, given, text, tool, value};
use super::output::{Format, Output};
use super::source::{self, Source};
use super::{crmadmin, exit, node};

fn command() -> Command {
    let level = |id: &'static str, short: char, help: &'static str| {
        Arg::new(id)
            .long(id)
            .short(short)
            .num_args(0..=1)
            .action(ArgAction::Append)
            .value_name("VALUE")
            .help(help)
    };
    tool("crm_mon", "Show the status of the cluster")
        .arg(flag("one-shot", '1', "Show the status once and exit"))
        .arg(value("interval", 'i', "Seconds between refreshes"))
        .arg(flag("daemonize", 'd', "Accepted for compatibility").hide(true))
        .arg(value("include", 'I', "Sections to show"))
        .arg(value("exclude", 'U', "Sections not to show"))
        .arg(commands::long_value("node", "Show only what is about this node"))
        .arg(commands::long_value("resource", "Show only what is about this resource"))
        .arg(flag("group-by-node", 'n', "Group resources by node"))
        .arg(flag("inactive", 'r', "Show inactive resources, too"))
        .arg(flag("failcounts", 'f', "Show fail counts"))
        .arg(flag("operations", 'o', "Show operations"))
        .arg(flag("timing-details", 't', "Show operations with their times"))
        .arg(flag("tickets", 'c', "Show tickets"))
        .arg(level("neg-locations", 'L', "Show negative location constraints"))
        .arg(flag("show-node-attributes", 'A', "Show node attributes"))
        .arg(flag("hide-headers", 'D', "Leave the summary out"))
        .arg(flag("show-detail", 'R', "Show more detail"))
        .arg(commands::long_flag("show-description", "Show descriptions of resources"))
        .arg(flag("brief", 'b', "Show counts"))
        .arg(flag("pending", 'j', "Show pending operations (always so)").hide(true))
        .arg(level("fence-history", 'm', "How much of fencing to show: 0 to 3"))
        .arg(flag("simple-status", 's', "Show the status in one line").hide(true))
        .arg(flag("as-xml", 'X', "Show XML").hide(true))
        .arg(flag("quiet", 'Q', "Say less"))
}

/// Runs it.
pub fn run(arguments: &[OsString]) -> u8 {
    let matches = match commands::parse(command(), arguments) {
        Ok(matches) => matches,
        Err(code) => return code,
    };
    let view = match View::of(&matches) {
        Ok(view) => view,
        Err(unknown) => {
            eprintln!("crm_mon: {unknown}");
            return exit::USAGE;
        }
    };
    let console = text(&matches, "output-as").is_none_or(|format| format == "console");
    let once = given(&matches, "one-shot") || !console || source::file().is_some();
    if !once && std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        return live::run(&view, &matches);
    }
    let mut out = match Output::of(&matches, arguments, &[Format::Xml, Format::Html, Format::Json])
    {
        Ok(out) => out,
        Err(code) => return code,
    };
    if given(&matches, "as-xml") {
        out.format = Format::Xml;
    }
    let code = match Look::take(&view) {
        Ok(look) => {
            show(&view, &look, &mut out);
            exit::OK
        }
        Err((text, code)) => {
            out.error(format!("crm_mon: {text}"));
            code
        }
    };
    out.finish(code)
}

/// What is to be shown.
struct View {
    sections: Sections,
    display: Display,
    node: Option<String>,
    resource: Option<String>,
    /// Everything that is known of fencing, and not only the last of each kind.
    all_fencing: bool,
    /// Everything there is to know of each.
    detail: bool,
}

impl View {
    fn of(matches: &ArgMatches) -> Result<View, String> {
        let data =
            matches!(text(matches, "output-as"), Some("xml" | "json")) || given(matches, "as-xml");
        let sections = Sections::of(matches, data)?;
        let detail = given(matches, "show-detail");
        let shows = |section| sections.has(section);
        let display = Display {
            inactive: given(matches, "inactive") || data,
            brief: given(matches, "brief"),
            clone_detail: detail,
            failed_detail: detail,
            node_id: detail,
            implicit: detail,
            feature_set: detail,
            description: detail || given(matches, "show-description"),
            by_node: given(matches, "group-by-node"),
            timing: given(matches, "timing-details") || data,
            attributes: shows(Section::Attributes),
            failcounts: shows(Section::FailCounts),
            operations: shows(Section::Operations),
            failures: shows(Section::Failures),
            tickets: shows(Section::Tickets),
            bans: shows(Section::Bans),
            ..Display::monitor()
        };
        let filter = |id| text(matches, id).map(str::to_owned);
        Ok(View {
            sections,
            display,
            node: filter("node"),
            resource: filter("resource"),
            all_fencing: data || sections::fencing_level(matches).is_some_and(|level| level >= 3),
            detail,
        })
    }
}

/// The cluster as it was when it was looked at.
struct Look {
    cib: Document,
    monitored: Monitored,
    /// State of the supervisor, of a live cluster.
    supervisor: Option<String>,
    /// Name of the local node, of a live cluster.
    local: Option<String>,
    /// What was fenced, of a live cluster.
    fencing: Fencing,
}

impl Look {
    fn take(view: &View) -> Result<Look, (String, u8)> {
        let mut supervisor = None;
        let mut local = None;
        let mut fencing = Fencing::default();
        if source::file().is_none() {
            let lost =
                || ("Error: cluster is not available on this node".to_owned(), exit::DISCONNECTED);
            let (state, _) = crmadmin::ping_supervisor("crm_mon").map_err(|_| lost())?;
            local = node::local("crm_mon").ok();
            supervisor = Some(state);
            if Fencing::is_shown(&view.sections) {
                fencing = Fencing::ask();
            }
        }
        let refused = |failure: source::Failure| {
            (format!("Connection to cluster failed: {}", failure.text()), failure.exit())
        };
        let mut source = Source::open("crm_mon").map_err(refused)?;
        let cib = source.whole().map_err(refused)?;
        let mut current = cib.clone();
        if let Err(error) = schema::upgrade(&mut current) {
            return Err((error.to_string(), exit::CONFIGURATION));
        }
        let filter = Filter { node: view.node.as_deref(), resource: view.resource.as_deref() };
        let monitored = monitor_some(&current, source::now(), &view.display, filter);
        Ok(Look { cib, monitored, supervisor, local, fencing })
    }
}

fn show(view: &View, look: &Look, out: &mut Output) {
    match out.format {
        Format::Xml => document::write(view, look, out),
        Format::Html => out.raw(&page::html(&entries(view, look), look)),
        Format::Json => out.raw(&document::json(view, look)),
        _ => out.raw(&listing(view, look)),
    }
}

/// The listing as text.
fn listing(view: &View, look: &Look) -> String {
    let mut out = String::new();
    render(&entries(view, look), 0, Style::Fancy, &mut out);
    out
}

/// Everything that is shown, as nested lists.
fn entries(view: &View, look: &Look) -> Vec<Entry> {
    let mut out: Vec<Entry> = summary::entries(view, look);
    let before = ["Tickets", "Negative Location Constraints"];
    let mut failed = Some(fencing::failed(view, look)).filter(|entries| !entries.is_empty());
    for section in look.monitored.sections.iter().filter(|entry| !matches!(entry, Entry::Spacer)) {
        let Entry::List { title, .. } = section else { continue };
        let shown = match title.as_str() {
            "Node List" => view.sections.has(Section::Nodes),
            title if title.ends_with("Resources") => view.sections.has(Section::Resources),
            _ => true,
        };
        if !shown {
            continue;
        }
        if before.contains(&title.as_str()) {
            failed.take().into_iter().flatten().for_each(|entry| add(entry, &mut out));
        }
        add(section.clone(), &mut out);
    }
    failed.take().into_iter().flatten().for_each(|entry| add(entry, &mut out));
    fencing::rest(view, look).into_iter().for_each(|entry| add(entry, &mut out));
    out
}

/// Adds a section after an empty line.
fn add(section: Entry, out: &mut Vec<Entry>) {
    if !out.is_empty() {
        out.push(Entry::Spacer);
    }
    out.push(section);
}
