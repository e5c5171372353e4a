//! `--restart`: stops a resource with all that depends on it, and lets it start again (spec 62 §9.9).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use clap::ArgMatches;
use policy_engine::report::snapshot::{PrimitiveStatus, ResourceStatus};
use policy_engine::transition::ActionKind;
use policy_engine::{Options, plan};

use super::parameters::{Place, clone_of};
use super::{Work, failed, leaves};
use crate::tools::commands::{given, text};
use crate::tools::output::Output;
use crate::tools::source::Failure;
use crate::tools::{exit, source};

/// How long stopping and starting may take together, if nothing else is said, besides what operations may
/// take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often to look.
const PAUSE: Duration = Duration::from_millis(100);

const ROLE: &str = "target-role";

/// What stops and starts as one: a primitive, alone or in a group, or a whole clone or bundle.
struct Unit<'s> {
    name: &'s str,
    parts: Vec<&'s PrimitiveStatus>,
}

impl Unit<'_> {
    fn is_active(&self) -> bool {
        self.parts.iter().any(|part| part.active)
    }

    /// Whether it runs and nothing is being done about it.
    fn is_settled(&self) -> bool {
        self.is_active() && self.parts.iter().all(|part| part.pending.is_none())
    }
}

fn units(work: &Work) -> Vec<Unit<'_>> {
    let mut units = Vec::new();
    for status in &work.seen.snapshot.resources {
        match status {
            ResourceStatus::Primitive(primitive) => {
                units.push(Unit { name: &primitive.facts.id, parts: vec![primitive] });
            }
            ResourceStatus::Group { members, .. } => {
                let members = members.iter().flat_map(leaves);
                units.extend(members.map(|m| Unit { name: &m.facts.id, parts: vec![m] }));
            }
            ResourceStatus::Clone { facts, .. } | ResourceStatus::Bundle { facts, .. } => {
                units.push(Unit { name: &facts.id, parts: leaves(status) });
            }
        }
    }
    units
}

fn names<'s>(units: &[Unit<'s>], shown: impl Fn(&Unit<'s>) -> bool) -> Vec<String> {
    units.iter().filter(|unit| shown(unit)).map(|unit| unit.name.to_owned()).collect()
}

/// What is active now and stays so, whatever is under way; and how long an operation may take.
fn staying(work: &Work) -> (BTreeSet<String>, Duration) {
    let planned = plan(&work.current, source::now(), &Options::default());
    let (mut stopping, mut starting) = (BTreeSet::new(), BTreeSet::new());
    let mut longest = Duration::ZERO;
    for action in planned.transition.synapses.iter().map(|synapse| &synapse.action) {
        let Some(resource) = &action.resource else { continue };
        if action.head.kind == ActionKind::Pseudo {
            continue;
        }
        let id = resource.long_id.as_ref().unwrap_or(&resource.id).clone();
        match action.head.operation.as_str() {
            "stop" => drop(stopping.insert(id)),
            "start" => drop(starting.insert(id)),
            _ => {}
        }
        let timeout = action.attributes.get("CRM_meta_timeout").and_then(|ms| ms.parse().ok());
        longest = longest.max(Duration::from_millis(timeout.unwrap_or(0)));
    }
    let ends = |part: &PrimitiveStatus| {
        stopping.contains(&part.facts.id) && !starting.contains(&part.facts.id)
    };
    let stays = |unit: &Unit<'_>| unit.parts.iter().any(|part| part.active && !ends(part));
    (names(&units(work), stays).into_iter().collect(), longest)
}

/// Looks until something holds of the cluster, or time is over.
fn wait_until(
    work: &mut Work,
    end: Instant,
    holds: impl Fn(&Work) -> bool,
) -> Result<bool, Failure> {
    loop {
        work.refresh()?;
        if holds(work) {
            return Ok(true);
        }
        if Instant::now() > end {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
}

fn tell(what: &str, units: &[String], out: &mut Output) {
    if out.quiet {
        return;
    }
    out.line(format!("Waiting for {} resources to {what}:", units.len()));
    units.iter().for_each(|unit| out.line(format!(" * {unit}")));
}

/// Runs it.
pub fn run(work: &mut Work, matches: &ArgMatches, resource: &str, out: &mut Output) -> u8 {
    let mut owner = resource.split(':').next().unwrap_or(resource).to_owned();
    let parent = clone_of(work, &owner).map(str::to_owned);
    let instance = work.primitives(&work.seen.lines, resource).first().map(|line| line.id.clone());
    if !work.primitives_active(resource) {
        out.error(format!("{resource} is not running anywhere and so cannot be restarted"));
        return failed(out, exit::text(exit::NO_SUCH), exit::NO_SUCH);
    }
    let mut told = String::new();
    if let Some(parent) = parent.filter(|_| !given(matches, "force")) {
        let instance = instance.unwrap_or_else(|| resource.to_owned());
        told = format!("of '{ROLE}' on '{parent}', the parent of '{instance}'");
        owner = parent;
    }
    let restart = Restart { owner, told };
    match restart.run(work, matches, out) {
        Ok(code) => code,
        Err(failure) => failed(out, exit::text(failure.exit()), failure.exit()),
    }
}

struct Restart {
    /// The resource whose role is set.
    owner: String,
    /// Why it is not the one that was named.
    told: String,
}

impl Restart {
    fn run(&self, work: &mut Work, matches: &ArgMatches, out: &mut Output) -> Result<u8, Failure> {
        let before = names(&units(work), Unit::is_active);
        let role = Place::META.value(work, &self.owner, ROLE);
        self.announce("update", out);
        let code = quietly(out, |out| Place::META.set(work, &self.owner, (ROLE, "stopped"), out));
        if code != exit::OK {
            return Ok(code);
        }
        work.refresh()?;
        let (staying, longest) = staying(work);
        let stopped: Vec<String> =
            before.into_iter().filter(|unit| !staying.contains(unit)).collect();
        let seconds = text(matches, "timeout").and_then(|t| t.trim_end_matches('s').parse().ok());
        let patience = seconds.map_or(PATIENCE + 2 * longest, Duration::from_secs);
        let end = Instant::now() + patience;
        tell("stop", &stopped, out);
        let left = |work: &Work| {
            let active = |unit: &Unit<'_>| {
                unit.is_active() && stopped.iter().any(|stopped| stopped == unit.name)
            };
            names(&units(work), active).len()
        };
        let ended = wait_until(work, end, |work| left(work) == 0);
        let remaining = left(work);
        // Whatever became of it, it is to run again.
        self.announce("delete", out);
        let code = quietly(out, |out| match &role {
            Some(role) => Place::META.set(work, &self.owner, (ROLE, role), out),
            None => Place::META.delete(work, &self.owner, ROLE, out),
        });
        if code != exit::OK || !ended? {
            let owner = &self.owner;
            out.error(format!(
                "Could not complete shutdown of {owner}, {remaining} resources remaining"
            ));
            let code = if code == exit::OK { exit::TIMEOUT } else { code };
            return Ok(failed(out, exit::text(code), code));
        }
        tell("start again", &stopped, out);
        let missing = |work: &Work| {
            let settled = names(&units(work), Unit::is_settled);
            stopped.iter().filter(|unit| !settled.contains(unit)).count()
        };
        if !wait_until(work, end, |work| missing(work) == 0)? {
            let (owner, remaining) = (&self.owner, missing(work));
            out.error(format!(
                "Could not complete restart of {owner}, {remaining} resources remaining"
            ));
            return Ok(failed(out, exit::text(exit::TIMEOUT), exit::TIMEOUT));
        }
        Ok(exit::OK)
    }

    fn announce(&self, what: &str, out: &mut Output) {
        if !self.told.is_empty() && !out.quiet {
            out.line(format!("Performing {what} {}", self.told));
        }
    }
}

/// Does something without a word, if no words are wanted.
fn quietly(out: &mut Output, mut act: impl FnMut(&mut Output) -> u8) -> u8 {
    out.hold(out.quiet);
    let code = act(out);
    out.hold(false);
    code
}
