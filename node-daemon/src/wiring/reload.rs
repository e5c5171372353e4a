//! Reading the configuration again while the node runs (spec 70 §13.8).
//!
//! Whoever may open the node's state directory can ask for it, at a socket beside the ring's state. The
//! node looks at its own file first; if that can be used, the order goes round the ring, and every node
//! reads its own file at the same point of the message order. The one who asked gets this node's result.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as Stream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cpg::configuration::{ClusterConfiguration, ConfigurationMap, Crypto, reload as merge_keys};
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use serde::{Deserialize, Serialize};

use super::NodeSettings;
use super::settings::{SettingsError, host, parse, resolve};

/// How long the one who asks waits for the answer: the order waits while a ring forms.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;
/// How many may wait for an answer; more are sent away.
const MAX_WAITING: usize = 16;

/// What came of it at the node that was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Why nothing was changed.
    pub error: Option<String>,
    /// Keys whose value changed, came or went.
    pub changed: Vec<String>,
    /// What was not changed, and why.
    pub notices: Vec<String>,
}

impl Answer {
    /// Nothing was changed.
    pub fn refused(error: &dyn std::fmt::Display) -> Answer {
        Answer { error: Some(error.to_string()), ..Answer::default() }
    }
}

fn socket_of(state: &Path) -> PathBuf {
    state.join("ring").join("reload")
}

/// Where one can ask, and those who wait for an answer.
pub struct ReloadRequests {
    listener: UnixListener,
    path: PathBuf,
    waiting: Vec<UnixStream>,
}

impl ReloadRequests {
    /// Opens the socket; what an earlier run left is removed.
    ///
    /// # Errors
    /// When there can be no socket.
    pub fn open(state: &Path, registry: &Registry, token: Token) -> io::Result<ReloadRequests> {
        let path = socket_of(state);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut listener = UnixListener::bind(&path)?;
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(ReloadRequests { listener, path, waiting: Vec::new() })
    }

    /// Lets in who asks; whether anybody does.
    pub fn accept(&mut self) -> bool {
        let before = self.waiting.len();
        while let Ok((stream, _)) = self.listener.accept() {
            if self.waiting.len() < MAX_WAITING {
                self.waiting.push(stream);
            }
        }
        self.waiting.len() > before
    }

    /// Answers all who wait. The ring waits for nobody: who does not read misses it.
    pub fn answer(&mut self, answer: &Answer) {
        let Ok(json) = serde_json::to_vec(answer) else { return };
        for mut stream in self.waiting.drain(..) {
            if let Err(error) = stream.write_all(&json) {
                log::debug!("the answer to a reload was not taken: {error}");
            }
        }
    }
}

impl Drop for ReloadRequests {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Asks the node whose state is there to have the configuration read again, everywhere.
///
/// # Errors
/// When no node runs with that state, it may not be asked, or no answer comes.
pub fn ask(state: &Path) -> io::Result<Answer> {
    let stream = Stream::connect(socket_of(state))?;
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut json = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut json)?;
    serde_json::from_slice(&json).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

impl NodeSettings {
    /// Reads the file again. What cannot change while the node runs stays and is named.
    ///
    /// # Errors
    /// When the file cannot be read or used, or asks for what only a restart can do.
    pub fn reread(&self) -> Result<(NodeSettings, Answer), SettingsError> {
        let merged = merge_keys(&self.map, &parse(&self.path)?);
        let mut notices = merged.notices;
        let cluster = resolve(&merged.map, &host(self.given_name.as_deref(), &merged.map))?;
        check_links(&self.cluster, &cluster)?;
        let map = keep_protection(&self.map, merged.map, &self.cluster, &cluster, &mut notices);
        let cluster = resolve(&map, &host(self.given_name.as_deref(), &map))?;
        let answer = Answer { error: None, changed: merged.changed, notices };
        Ok((NodeSettings { cluster, map, ..self.clone() }, answer))
    }
}

/// Whether datagrams are encrypted at all is decided at the start.
fn keep_protection(
    old_map: &ConfigurationMap,
    new_map: ConfigurationMap,
    old: &ClusterConfiguration,
    new: &ClusterConfiguration,
    notices: &mut Vec<String>,
) -> ConfigurationMap {
    if (old.crypto == Crypto::Off) == (new.crypto == Crypto::Off) {
        return new_map;
    }
    notices.push("encryption cannot be switched on or off at run-time".to_owned());
    new_map.with_values_of(old_map, &["totem.secauth", "totem.crypto_cipher", "totem.crypto_hash"])
}

/// Sockets are opened at the start, and an address does not move under a peer.
fn check_links(
    old: &ClusterConfiguration,
    new: &ClusterConfiguration,
) -> Result<(), SettingsError> {
    let refuse = |text: String| Err(SettingsError::Reload(text));
    let (me, mine) = (old.local_node(), new.local_node());
    if me.id != mine.id {
        return refuse(format!("this node's nodeid cannot become {} at run-time", mine.id));
    }
    let links = |node: &cpg::configuration::ConfiguredNode| -> Vec<u8> {
        node.addresses.keys().copied().collect()
    };
    if links(me) != links(mine) {
        return refuse(format!(
            "links cannot be added or removed at run-time (running: {:?}, configured: {:?})",
            links(me),
            links(mine)
        ));
    }
    for node in &new.nodes {
        let Some(before) = old.nodes.iter().find(|known| known.id == node.id) else { continue };
        if before.addresses != node.addresses {
            return refuse(format!(
                "node {}: To reconfigure an interface it must be deleted and recreated. A working \
                 interface needs to be available to corosync at all times",
                node.id
            ));
        }
    }
    Ok(())
}
