//! Which sections are shown (spec 41 §9.1).

use std::collections::BTreeSet;

use clap::ArgMatches;

use crate::tools::commands::{given, text};

/// A section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    Attributes,
    Bans,
    Counts,
    Dc,
    FailCounts,
    Failures,
    FencingFailed,
    FencingPending,
    FencingSucceeded,
    MaintenanceMode,
    Nodes,
    Operations,
    Options,
    Resources,
    Stack,
    Tickets,
    Times,
}

use Section::*;

const ALL: [Section; 17] = [
    Attributes,
    Bans,
    Counts,
    Dc,
    FailCounts,
    Failures,
    FencingFailed,
    FencingPending,
    FencingSucceeded,
    MaintenanceMode,
    Nodes,
    Operations,
    Options,
    Resources,
    Stack,
    Tickets,
    Times,
];

const SUMMARY: [Section; 5] = [Stack, Dc, Times, Counts, MaintenanceMode];

/// Sections to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sections(BTreeSet<Section>);

impl Sections {
    /// As the command line says; `data` for forms that programs read.
    ///
    /// # Errors
    /// When it names what does not exist.
    pub fn of(matches: &ArgMatches, data: bool) -> Result<Sections, String> {
        let mut shown = Sections(defaults(data));
        shown.fencing(matches);
        let switches: [(&str, &[Section]); 6] = [
            ("show-node-attributes", &[Attributes]),
            ("tickets", &[Tickets]),
            ("failcounts", &[FailCounts]),
            ("operations", &[FailCounts, Operations]),
            ("timing-details", &[FailCounts, Operations]),
            ("neg-locations", &[Bans]),
        ];
        for (switch, sections) in switches {
            if given(matches, switch) {
                shown.0.extend(sections);
            }
        }
        if given(matches, "hide-headers") {
            shown.0.retain(|section| !SUMMARY.contains(section));
        }
        if given(matches, "quiet") {
            shown.0.remove(&Times);
        }
        let mut changes: Vec<(usize, bool, &str)> = Vec::new();
        for (id, add) in [("include", true), ("exclude", false)] {
            let values = matches.get_many::<String>(id).into_iter().flatten();
            let indices = matches.indices_of(id).into_iter().flatten();
            changes.extend(indices.zip(values).map(|(index, value)| (index, add, value.as_str())));
        }
        changes.sort_by_key(|(index, ..)| *index);
        for (_, add, names) in changes {
            for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                shown.change(name, add, data)?;
            }
        }
        Ok(shown)
    }

    /// `-m`: 0 shows no fencing, 1 what has failed and what is pending, 2 and more what succeeded, too.
    fn fencing(&mut self, matches: &ArgMatches) {
        let sections = [FencingFailed, FencingPending, FencingSucceeded];
        let Some(level) = fencing_level(matches) else { return };
        for (least, section) in [1, 1, 2].into_iter().zip(sections) {
            if level >= least {
                self.0.insert(section);
            } else {
                self.0.remove(&section);
            }
        }
    }

    /// Whether a section is shown.
    pub fn has(&self, section: Section) -> bool {
        self.0.contains(&section)
    }

    fn change(&mut self, name: &str, add: bool, data: bool) -> Result<(), String> {
        let sections: Vec<Section> = match name.split(':').next().unwrap_or_default() {
            "all" => ALL.into_iter().filter(|section| data || *section != Options).collect(),
            "none" => {
                self.0 = if add { BTreeSet::new() } else { ALL.into() };
                return Ok(());
            }
            "default" | "defaults" => {
                self.0 = defaults(data);
                return Ok(());
            }
            "summary" => SUMMARY.to_vec(),
            "fencing" => vec![FencingFailed, FencingPending, FencingSucceeded],
            "attributes" => vec![Attributes],
            "bans" => vec![Bans],
            "counts" => vec![Counts],
            "dc" => vec![Dc],
            "failcounts" => vec![FailCounts],
            "failures" => vec![Failures],
            "fencing-failed" => vec![FencingFailed],
            "fencing-pending" => vec![FencingPending],
            "fencing-succeeded" => vec![FencingSucceeded],
            "maint-mode" => vec![MaintenanceMode],
            "nodes" => vec![Nodes],
            "operations" => vec![Operations],
            "options" => vec![Options],
            "resources" => vec![Resources],
            "stack" => vec![Stack],
            "tickets" => vec![Tickets],
            "times" => vec![Times],
            _ => {
                let word = if add { "include" } else { "exclude" };
                return Err(format!(
                    "--{word} options: all, attributes, bans[:PREFIX], counts, dc, default, failcounts, \
                     failures, fencing, fencing-failed, fencing-pending, fencing-succeeded, maint-mode, nodes, \
                     none, operations, options, resources, stack, summary, tickets, times"
                ));
            }
        };
        for section in sections {
            if add {
                self.0.insert(section);
            } else {
                self.0.remove(&section);
            }
        }
        Ok(())
    }
}

/// How much of fencing is to be shown, if it is said.
pub fn fencing_level(matches: &ArgMatches) -> Option<u8> {
    if !given(matches, "fence-history") {
        return None;
    }
    Some(text(matches, "fence-history").and_then(|level| level.parse().ok()).unwrap_or(2))
}

fn defaults(data: bool) -> BTreeSet<Section> {
    if data {
        return ALL.into();
    }
    let more = [Nodes, Resources, Failures, FencingFailed, FencingPending];
    SUMMARY.into_iter().chain(more).collect()
}
