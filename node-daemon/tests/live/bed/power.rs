//! The power of the nodes: what is on, and the switch that fence agents give their orders to.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::node::Node;

/// What the switch does with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FenceMode {
    /// Takes the power away and says so.
    Works,
    /// Does nothing and says so.
    Fails,
    /// Does nothing and says that it did.
    Lies,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Nanoseconds since 1970, when it was carried out.
    pub at: u128,
    pub target: String,
    pub by: String,
    /// Whether the power was taken away.
    pub worked: bool,
}

#[derive(Debug)]
struct Grid {
    on: BTreeMap<String, Arc<Node>>,
    mode: FenceMode,
    orders: Vec<Order>,
}

/// The power of all nodes.
#[derive(Debug)]
pub struct Power {
    folder: PathBuf,
    grid: Arc<Mutex<Grid>>,
    stop: Arc<AtomicBool>,
    switch: Option<JoinHandle<()>>,
}

fn lock(grid: &Mutex<Grid>) -> MutexGuard<'_, Grid> {
    grid.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn wall() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

impl Power {
    pub fn new(folder: &Path) -> Power {
        let grid = Grid { on: BTreeMap::new(), mode: FenceMode::Works, orders: Vec::new() };
        let grid = Arc::new(Mutex::new(grid));
        let stop = Arc::new(AtomicBool::new(false));
        let (inside, until, at) = (grid.clone(), stop.clone(), folder.to_owned());
        let switch = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                serve(&at, &inside);
                thread::sleep(Duration::from_millis(5));
            }
        });
        Power { folder: folder.to_owned(), grid, stop, switch: Some(switch) }
    }

    pub fn switch_on(&self, node: Node) -> Arc<Node> {
        let node = Arc::new(node);
        lock(&self.grid).on.insert(node.name.clone(), node.clone());
        node
    }

    /// Takes a node's power away; the time just before.
    pub fn switch_off(&self, name: &str) -> u128 {
        let before = wall();
        off(&self.folder, &mut lock(&self.grid), name);
        before
    }

    pub fn nodes(&self) -> Vec<Arc<Node>> {
        lock(&self.grid).on.values().cloned().collect()
    }

    pub fn fencing(&self, mode: FenceMode) {
        lock(&self.grid).mode = mode;
    }

    pub fn orders(&self) -> Vec<Order> {
        lock(&self.grid).orders.clone()
    }
}

impl Drop for Power {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(switch) = self.switch.take() {
            let _ = switch.join();
        }
        lock(&self.grid).on.clear();
    }
}

/// Takes the power of a node away and writes it down.
fn off(folder: &Path, grid: &mut Grid, name: &str) {
    let Some(node) = grid.on.remove(name) else { return };
    node.kill();
    let events = OpenOptions::new().append(true).create(true).open(folder.join("events"));
    events
        .and_then(|mut file| file.write_all(format!("{} {name} - off 0\n", wall()).as_bytes()))
        .unwrap();
}

/// Carries out the orders that were given.
fn serve(folder: &Path, grid: &Mutex<Grid>) {
    let Ok(entries) = fs::read_dir(folder.join("power")) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_none_or(|extension| extension != "order") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(&path);
        let mut words = text.split_whitespace().skip(1).map(str::to_owned);
        let (Some(target), Some(by)) = (words.next(), words.next()) else { continue };
        let mut grid = lock(grid);
        let mode = grid.mode;
        let worked = mode == FenceMode::Works;
        if worked {
            off(folder, &mut grid, &target);
        }
        grid.orders.push(Order { at: wall(), target, by, worked });
        let code = if mode == FenceMode::Fails { "1" } else { "0" };
        let (new, done) = (path.with_extension("answer"), path.with_extension("done"));
        let _ = fs::write(&new, code).and_then(|()| fs::rename(&new, &done));
    }
}
