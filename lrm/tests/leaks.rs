//! Nothing stays behind: no descriptor, no zombie, no memory. One test, since it counts what belongs
//! to the whole process.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use lrm::driver::{AgentPaths, Driver, DriverConfig};
use lrm::executor::{EventKind, Termination};
use lrm::operation::{Action, ClientId, Parameters, Request, Resource, ResourceId};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn children() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap());
    lists.flat_map(|list| list.split_whitespace().map(str::to_string).collect::<Vec<_>>()).collect()
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn runs_leave_no_descriptor_no_zombie_and_no_memory() {
    let base = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/agents");
    let scratch = tempfile::tempdir().unwrap();
    let mut config = DriverConfig {
        paths: AgentPaths::below(base.into()),
        journal: Some(scratch.path().join("runs")),
        ..DriverConfig::default()
    };
    config.executor.termination = Termination::Immediate;
    let before = descriptors();
    let mut driver = Driver::new(config).unwrap();
    let own = descriptors();
    let ids: Vec<ResourceId> =
        (0..20).map(|number| ResourceId::new(&format!("r{number}")).unwrap()).collect();
    for id in &ids {
        let agent = Arc::new("ocf:test:Misbehave".parse().unwrap());
        driver.register(Resource { id: id.clone(), agent, drop_recurring: true });
    }
    let dir = scratch.path().display().to_string();
    let mut resident = 0;
    for round in 0..6 {
        for (number, id) in ids.iter().enumerate() {
            let how = ["none", "not_utf8", "hang", "segfault", "exit"][number % 5];
            let parameters = [("how", how), ("dir", &dir), ("code", "1")];
            let mut request = Request::once(
                id.clone(),
                Action::new("start").unwrap(),
                Duration::from_millis(300),
            );
            request.parameters = Arc::new(Parameters::from_pairs(parameters).unwrap());
            driver.execute(ClientId(1), request).unwrap();
        }
        let (mut results, end) = (0, Instant::now() + Duration::from_secs(120));
        while results < ids.len() {
            assert!(Instant::now() < end, "only {results} results in round {round}");
            driver.turn(Some(Duration::from_secs(1))).unwrap();
            while let Some(event) = driver.poll_event() {
                results += usize::from(matches!(event.kind, EventKind::Completed(_)));
            }
        }
        assert_eq!(driver.processes(), 0);
        assert_eq!(descriptors(), own, "descriptors after round {round}");
        assert_eq!(children(), Vec::<String>::new(), "children after round {round}");
        if round == 1 {
            resident = resident_kib();
        }
    }
    let grown = resident_kib().saturating_sub(resident);
    assert!(grown < 1_024, "{grown} KiB more after four more rounds");
    drop(driver);
    assert_eq!(descriptors(), before, "descriptors after the driver");
}
