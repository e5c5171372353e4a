//! A node dies: how long until its resource is started elsewhere.

use super::agents::primitive;
use super::cluster::{Cluster, Setup};
use super::{Failure, Figures, millis};

/// What a crash is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Whether nodes are fenced.
    pub fenced: bool,
    /// Whether the DC is killed.
    pub dc: bool,
}

impl Case {
    /// All of them, in the order in which they are measured.
    pub const ALL: [Case; 4] = [
        Case { fenced: false, dc: false },
        Case { fenced: false, dc: true },
        Case { fenced: true, dc: false },
        Case { fenced: true, dc: true },
    ];

    /// Its name in figures.
    pub fn key(self, token: u32) -> String {
        let fenced = if self.fenced { "fenced" } else { "unfenced" };
        let which = if self.dc { "DC" } else { "other" };
        format!("crash {token} {fenced} {which}")
    }
}

/// Measures all cases `runs` times.
///
/// # Errors
/// When the cluster does not do what it must.
pub fn measure(setup: &Setup, runs: usize, figures: &mut Figures) -> Result<(), Failure> {
    let token = setup.token;
    let mut cluster = Cluster::up(setup.clone(), &[("stonith-enabled", "false")])?;
    cluster.change("resources", &primitive("r1"))?;
    for case in Case::ALL {
        if case.fenced {
            cluster.add_fence_device()?;
        }
        cluster.set_option("stonith-enabled", if case.fenced { "true" } else { "false" })?;
        for _ in 0..runs {
            let took = once(&mut cluster, case)?;
            figures.add(&case.key(token), took);
        }
    }
    Ok(())
}

/// One crash; the node is back afterwards.
fn once(cluster: &mut Cluster, case: Case) -> Result<f64, Failure> {
    let dc = cluster.settled(&[])?;
    let victim = if case.dc { dc } else { cluster.other(&dc)? };
    cluster.prefer("r1", &victim)?;
    let dc = cluster.settled(&[("r1", &victim)])?;
    if (dc == victim) != case.dc {
        return Err("the DC changed without a reason".into());
    }
    // As with the peer: nothing has happened for a while.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let killed = cluster.kill(&victim)?;
    let started = cluster.event(killed, "r1 is started elsewhere", |event| {
        event.resource == "r1" && event.action == "start" && event.node != victim
    })?;
    if case.fenced {
        let fenced = cluster.event(killed, "the node is fenced", |event| {
            event.resource == format!("fence:{victim}")
        })?;
        if fenced > started {
            return Err("started before the node was fenced".into());
        }
    }
    cluster.settled(&[])?;
    cluster.bring_back(&victim)?;
    cluster.settled(&[])?;
    Ok(millis(killed, started))
}
