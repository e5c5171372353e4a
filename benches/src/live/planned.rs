//! A resource is moved on purpose: from the call of the command to the start on the other node.

use super::agents::primitive;
use super::cluster::{Cluster, Setup};
use super::{Failure, Figures, millis, wall};

/// Measures moves by constraint and by standby.
///
/// # Errors
/// When the cluster does not do what it must.
pub fn measure(setup: &Setup, runs: usize, figures: &mut Figures) -> Result<(), Failure> {
    let cluster = Cluster::up(setup.clone(), &[("stonith-enabled", "false")])?;
    cluster.change("resources", &primitive("r1"))?;
    for how in ["move", "standby"] {
        for _ in 0..runs {
            cluster.settled(&[])?;
            let status = cluster.status().ok_or("no status")?;
            let at = status.active.get("r1").and_then(|on| on.first()).ok_or("r1 does not run")?;
            let to = cluster.other(at)?;
            let node = cluster.node(&to)?;
            let (action, undo) = match how {
                "move" => (
                    vec!["crm_resource", "--move", "-r", "r1", "-N", &to],
                    vec!["crm_resource", "--clear", "-r", "r1"],
                ),
                _ => {
                    (vec!["crm_standby", "-N", at, "-v", "on"], vec!["crm_standby", "-N", at, "-D"])
                }
            };
            let began = wall();
            node.run(&action)?;
            let started = cluster.event(began, "r1 is started elsewhere", |event| {
                event.resource == "r1" && event.action == "start" && event.node != at
            })?;
            figures.add(how, millis(began, started));
            cluster.settled(&[])?;
            node.run(&undo)?;
        }
    }
    Ok(())
}
