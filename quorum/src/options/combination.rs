//! Which options go together, and what the rest become (spec 71 §2.1 and §8).

use std::time::Duration;

use super::{Section, TieBreaker};
use crate::id::NodeId;
use crate::notice::Notice;

/// One entry of the node list: `nodeid` and `quorum_votes` (default 1, 0 is an observer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeVotes {
    /// The node.
    pub id: NodeId,
    /// Its votes.
    pub votes: u32,
}

/// Settings that hold together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The local node.
    pub me: NodeId,
    /// Its votes.
    pub votes: u32,
    /// Votes of the complete cluster, the device's included; at least 1.
    pub expected_votes: u32,
    /// Two voters, each enough alone.
    pub two_node: bool,
    /// No quorum before everybody has been seen at once.
    pub wait_for_all: bool,
    /// `wait_for_all` is not set and follows `two_node`.
    pub wait_for_all_follows_two_node: bool,
    /// Window after which a quorate partition re-bases on its survivors.
    pub last_man_standing: Option<Duration>,
    /// Rule for the evenly split cluster.
    pub tie_breaker: Option<TieBreaker>,
    /// Rule as it was at start; a reload begins from it.
    pub(crate) tie_breaker_at_start: Option<TieBreaker>,
    /// Orderly departures lower expected votes and quorum, not below `expected_votes`.
    pub allow_downscale: bool,
    /// The highest expected votes ever seen are kept on disk.
    pub expected_votes_tracking: bool,
    /// The quorum device.
    pub device: Option<DeviceSettings>,
}

/// The configured quorum device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceSettings {
    /// Model name (`net`).
    pub model: String,
    /// Votes it can cast.
    pub votes: u32,
    /// A poll must arrive within this time.
    pub timeout: Duration,
    /// Longest wait for a poll while a new ring synchronises.
    pub sync_timeout: Duration,
    /// `false` after a reload that made the device impossible: registration and polls are refused.
    pub enabled: bool,
}

/// A combination that cannot work. At start it stops the daemon; on reload it becomes a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ConfigurationError {
    /// Neither votes nor nodes are known.
    #[error("configuration error: nodelist or quorum.expected_votes must be configured!")]
    NothingToCount,
    /// The local node is missing in the node list.
    #[error("configuration error: the local node is not in the nodelist")]
    NotListed,
    /// Votes add up to more than 32 bits hold.
    #[error("configuration error: the votes of all nodes must not exceed 4294967295")]
    TooManyVotes,
    /// Both give the odd vote.
    #[error(
        "configuration error: two_node and quorum device cannot be configured at the same time!"
    )]
    TwoNodeWithDevice,
    /// An odd cluster cannot split evenly.
    #[error(
        "configuration error: auto_tie_breaker & last_man_standing not available in odd sized cluster"
    )]
    OddTieBreakerWithLastMan,
    /// The device already plays the last man.
    #[error("configuration error: quorum.device is not compatible with last_man_standing")]
    DeviceWithLastMan,
    /// The device already breaks ties.
    #[error("configuration error: quorum.device is not compatible with auto_tie_breaker")]
    DeviceWithTieBreaker,
    /// The device's votes would never shrink.
    #[error("configuration error: quorum.device is not compatible with allow_downscale")]
    DeviceWithDownscale,
    /// The share of the device cannot be derived.
    #[error(
        "configuration error: quorum.device.votes must be specified when quorum.expected_votes is set"
    )]
    DeviceVotesMissing,
    /// The default holds only for one vote per node.
    #[error(
        "configuration error: quorum.device.votes must be specified when not all nodes votes 1"
    )]
    DeviceVotesUneven,
    /// The device must not outweigh the nodes.
    #[error("configuration error: quorum.device.votes is too high or expected_votes is too low")]
    DeviceVotesTooHigh,
}

const WINDOW: Duration = Duration::from_secs(10);
const DEVICE_TIMEOUT: Duration = Duration::from_secs(10);
const DEVICE_SYNC_TIMEOUT: Duration = Duration::from_secs(30);

struct NodeList {
    votes: u32,
    sum: u32,
    all_one: bool,
}

fn read_nodes(me: NodeId, nodes: &[NodeVotes]) -> Result<Option<NodeList>, ConfigurationError> {
    if nodes.is_empty() {
        return Ok(None);
    }
    let mine = nodes.iter().find(|n| n.id == me).ok_or(ConfigurationError::NotListed)?;
    let sum = nodes
        .iter()
        .try_fold(0u32, |sum, n| sum.checked_add(n.votes))
        .ok_or(ConfigurationError::TooManyVotes)?;
    Ok(Some(NodeList { votes: mine.votes, sum, all_one: nodes.iter().all(|n| n.votes == 1) }))
}

impl Settings {
    /// Settings at start.
    ///
    /// # Errors
    /// A combination that stops the daemon. Those that only disable an option come back as notices.
    pub fn start(
        me: NodeId,
        section: &Section,
        nodes: &[NodeVotes],
    ) -> Result<(Settings, Vec<Notice>), ConfigurationError> {
        let mut notices: Vec<_> = section
            .unknown
            .iter()
            .map(|(key, line)| Notice::UnknownKey { key: key.clone(), line: *line })
            .collect();
        let list = read_nodes(me, nodes)?;
        let explicit = section.expected_votes.filter(|e| *e != 0);
        if list.is_none() && explicit.is_none() {
            return Err(ConfigurationError::NothingToCount);
        }
        if section.two_node && section.device_model.is_some() {
            return Err(ConfigurationError::TwoNodeWithDevice);
        }
        let mut settings = Settings {
            me,
            votes: 0,
            expected_votes: 0,
            two_node: section.two_node,
            wait_for_all: section.wait_for_all.unwrap_or(section.two_node),
            wait_for_all_follows_two_node: section.wait_for_all.is_none(),
            last_man_standing: section
                .last_man_standing
                .then(|| section.last_man_standing_window.unwrap_or(WINDOW)),
            tie_breaker: read_tie_breaker(section, &mut notices),
            tie_breaker_at_start: None,
            allow_downscale: section.allow_downscale,
            expected_votes_tracking: section.expected_votes_tracking || section.allow_downscale,
            device: None,
        };
        settings.tie_breaker_at_start.clone_from(&settings.tie_breaker);
        settings.settle_tie_breaker(list.as_ref(), &mut notices)?;
        settings.device = settings.read_device(section, list.as_ref(), explicit)?;
        settings.settle_votes(section, list.as_ref(), explicit)?;
        Ok((settings, notices))
    }

    /// Settings after the file was read again while running: votes, expected votes, `two_node` and
    /// the device may change, all else stays. What start would refuse is reported and disabled, or
    /// the running settings stay as they are.
    #[must_use]
    pub fn reload(
        &self,
        section: &Section,
        nodes: &[NodeVotes],
        device_registered: bool,
    ) -> (Settings, Vec<Notice>) {
        let mut notices = Vec::new();
        let explicit = section.expected_votes.filter(|e| *e != 0);
        let keep = |error, mut notices: Vec<Notice>| {
            notices.push(Notice::Configuration(error));
            notices.push(Notice::KeepRunningData);
            (self.clone(), notices)
        };
        let list = match read_nodes(self.me, nodes) {
            Ok(list) => list,
            Err(error) => return keep(error, notices),
        };
        if list.is_none() && explicit.is_none() {
            return keep(ConfigurationError::NothingToCount, notices);
        }
        let mut new = self.clone();
        new.two_node = section.two_node;
        new.tie_breaker.clone_from(&self.tie_breaker_at_start);
        let mut device_possible = true;
        if new.two_node && section.device_model.is_some() {
            notices.push(Notice::Configuration(ConfigurationError::TwoNodeWithDevice));
            if device_registered {
                notices.push(Notice::DeviceDisablesTwoNode);
                new.two_node = false;
            } else {
                notices.push(Notice::TwoNodeDisablesDevice);
                device_possible = false;
            }
        }
        if new.wait_for_all_follows_two_node {
            new.wait_for_all = new.two_node;
        }
        if let Err(error) = new.settle_tie_breaker(list.as_ref(), &mut notices) {
            return keep(error, notices);
        }
        new.device = match new.read_device(section, list.as_ref(), explicit) {
            Ok(device) => device.map(|d| DeviceSettings { enabled: device_possible, ..d }),
            Err(error) => {
                notices.push(Notice::Configuration(error));
                notices.push(Notice::DeviceDisabled);
                self.device.clone().map(|d| DeviceSettings { enabled: false, votes: 0, ..d })
            }
        };
        match new.settle_votes(section, list.as_ref(), explicit) {
            Ok(()) => (new, notices),
            Err(error) => keep(error, notices),
        }
    }

    fn settle_tie_breaker(
        &mut self,
        list: Option<&NodeList>,
        notices: &mut Vec<Notice>,
    ) -> Result<(), ConfigurationError> {
        if self.tie_breaker.is_none() {
            return Ok(());
        }
        if self.two_node {
            notices.push(Notice::TwoNodeWithTieBreaker);
            self.two_node = false;
        }
        let odd = list.is_some_and(|l| l.sum % 2 == 1);
        if odd && !self.wait_for_all {
            if self.last_man_standing.is_some() {
                return Err(ConfigurationError::OddTieBreakerWithLastMan);
            }
            notices.push(Notice::OddTieBreaker);
            self.tie_breaker = None;
        }
        Ok(())
    }

    fn read_device(
        &self,
        section: &Section,
        list: Option<&NodeList>,
        explicit: Option<u32>,
    ) -> Result<Option<DeviceSettings>, ConfigurationError> {
        let Some(model) = section.device_model.clone() else { return Ok(None) };
        if self.last_man_standing.is_some() {
            return Err(ConfigurationError::DeviceWithLastMan);
        }
        if self.tie_breaker.is_some() {
            return Err(ConfigurationError::DeviceWithTieBreaker);
        }
        if self.allow_downscale {
            return Err(ConfigurationError::DeviceWithDownscale);
        }
        let votes = match (section.device_votes, explicit, list) {
            (Some(votes), ..) => votes,
            (None, Some(_), _) | (None, None, None) => {
                return Err(ConfigurationError::DeviceVotesMissing);
            }
            (None, None, Some(list)) if !list.all_one => {
                return Err(ConfigurationError::DeviceVotesUneven);
            }
            (None, None, Some(list)) => list.sum - 1,
        };
        let of_nodes = explicit.map_or(list.map_or(0, |l| l.sum), |e| e.saturating_sub(votes));
        if votes > 0 && of_nodes < 2 {
            return Err(ConfigurationError::DeviceVotesTooHigh);
        }
        Ok(Some(DeviceSettings {
            model,
            votes,
            timeout: section.device_timeout.unwrap_or(DEVICE_TIMEOUT),
            sync_timeout: section.device_sync_timeout.unwrap_or(DEVICE_SYNC_TIMEOUT),
            enabled: true,
        }))
    }

    fn settle_votes(
        &mut self,
        section: &Section,
        list: Option<&NodeList>,
        explicit: Option<u32>,
    ) -> Result<(), ConfigurationError> {
        let total = list
            .map_or(0, |l| l.sum)
            .checked_add(self.device_votes())
            .ok_or(ConfigurationError::TooManyVotes)?;
        self.votes = list.map_or_else(|| section.votes.unwrap_or(1), |l| l.votes);
        self.expected_votes = explicit.unwrap_or(total).max(1);
        Ok(())
    }

    /// Votes the device can cast, 0 without one or while it is disabled.
    #[must_use]
    pub fn device_votes(&self) -> u32 {
        self.device.as_ref().filter(|d| d.enabled).map_or(0, |d| d.votes)
    }

    /// Fingerprint of everything that must be alike on all nodes for their verdicts to agree.
    #[must_use]
    pub fn digest(&self) -> u32 {
        let rules = format!(
            "{}/{}/{}/{:?}/{:?}/{}/{}/{}",
            self.two_node,
            self.wait_for_all,
            self.expected_votes,
            self.last_man_standing,
            self.tie_breaker,
            self.allow_downscale,
            self.expected_votes_tracking,
            self.device_votes(),
        );
        crc32fast::hash(rules.as_bytes())
    }
}

fn read_tie_breaker(section: &Section, notices: &mut Vec<Notice>) -> Option<TieBreaker> {
    match (&section.auto_tie_breaker_node, section.auto_tie_breaker) {
        (None, false) => None,
        (None, true) => Some(TieBreaker::Lowest),
        (Some(_), false) => {
            notices.push(Notice::TieBreakerNodeWithoutTieBreaker);
            None
        }
        (Some(text), true) => {
            let rule = TieBreaker::parse(text);
            if rule.is_none() {
                notices.push(Notice::TieBreakerNodeInvalid);
            }
            rule
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Entry;
    use super::*;

    fn section(text: &str) -> Section {
        let entries = text.split(',').filter(|t| !t.is_empty()).map(|t| {
            let (key, value) = t.split_once('=').unwrap_or((t, "1"));
            Entry { key, value, line: 1 }
        });
        Section::parse(entries).unwrap()
    }

    fn nodes(votes: &[u32]) -> Vec<NodeVotes> {
        (1..)
            .zip(votes)
            .map(|(id, v)| NodeVotes { id: NodeId::new(id).unwrap(), votes: *v })
            .collect()
    }

    fn start(text: &str, votes: &[u32]) -> Result<(Settings, Vec<Notice>), ConfigurationError> {
        Settings::start(NodeId::new(1).unwrap(), &section(text), &nodes(votes))
    }

    #[test]
    fn combinations_that_cannot_work_are_refused_with_the_reason() {
        use ConfigurationError::*;
        for (text, votes, error) in [
            ("", &[][..], NothingToCount),
            ("expected_votes=0", &[], NothingToCount),
            ("two_node,device.model=net", &[1, 1], TwoNodeWithDevice),
            ("auto_tie_breaker,last_man_standing", &[1, 1, 1], OddTieBreakerWithLastMan),
            ("device.model=net,last_man_standing", &[1, 1], DeviceWithLastMan),
            ("device.model=net,auto_tie_breaker", &[1, 1], DeviceWithTieBreaker),
            ("device.model=net,allow_downscale", &[1, 1], DeviceWithDownscale),
            ("device.model=net,expected_votes=3", &[1, 1], DeviceVotesMissing),
            ("device.model=net", &[1, 2], DeviceVotesUneven),
            ("device.model=net,expected_votes=3,device.votes=2", &[1, 1], DeviceVotesTooHigh),
            ("device.model=net,device.votes=1", &[1], DeviceVotesTooHigh),
            ("", &[u32::MAX, 1], TooManyVotes),
        ] {
            assert_eq!(start(text, votes).map(|_| ()), Err(error), "{text} {votes:?}");
        }
        let stranger = Settings::start(NodeId::new(9).unwrap(), &section(""), &nodes(&[1, 1]));
        assert_eq!(stranger.map(|_| ()), Err(NotListed));
    }

    #[test]
    fn wait_for_all_follows_two_node_unless_it_is_set() {
        for (text, two_node, wait) in [
            ("two_node", true, true),
            ("two_node,wait_for_all=0", true, false),
            ("wait_for_all", false, true),
            ("two_node,auto_tie_breaker", false, true),
        ] {
            let (s, _) = start(text, &[1, 1]).unwrap();
            assert_eq!((s.two_node, s.wait_for_all), (two_node, wait), "{text}");
        }
    }

    #[test]
    fn a_tie_breaker_in_an_odd_cluster_needs_wait_for_all() {
        let (s, notices) = start("auto_tie_breaker", &[1, 1, 1]).unwrap();
        assert_eq!((s.tie_breaker, notices), (None, vec![Notice::OddTieBreaker]));
        let (s, notices) = start("auto_tie_breaker,wait_for_all", &[1, 1, 1]).unwrap();
        assert_eq!((s.tie_breaker, notices), (Some(TieBreaker::Lowest), vec![]));
        let (s, notices) = start("auto_tie_breaker,auto_tie_breaker_node=x", &[1, 1]).unwrap();
        assert_eq!((s.tie_breaker, notices), (None, vec![Notice::TieBreakerNodeInvalid]));
    }

    #[test]
    fn expected_votes_are_the_sum_unless_given_and_hold_the_device() {
        for (text, votes, expected, device) in [
            ("", &[1, 1, 1][..], 3, 0),
            ("expected_votes=7", &[1, 1, 1], 7, 0),
            ("expected_votes=4,votes=2", &[], 4, 0),
            ("device.model=net", &[1, 1, 1, 1], 7, 3),
            ("device.model=net,device.votes=1", &[1, 1, 1, 1], 5, 1),
            ("", &[0, 0], 1, 0),
        ] {
            let (s, _) = start(text, votes).unwrap();
            assert_eq!((s.expected_votes, s.device_votes()), (expected, device), "{text}");
        }
    }

    #[test]
    fn a_reload_keeps_what_it_cannot_change_and_reports_what_start_would_refuse() {
        let (running, _) = start("device.model=net,wait_for_all", &[1, 1]).unwrap();
        let (new, notices) =
            running.reload(&section("two_node,device.model=net"), &nodes(&[1, 1]), true);
        assert!(!new.two_node && new.wait_for_all && new.device.as_ref().unwrap().enabled);
        assert!(notices.contains(&Notice::DeviceDisablesTwoNode));
        let (new, notices) =
            running.reload(&section("two_node,device.model=net"), &nodes(&[1, 1]), false);
        assert!(new.two_node && !new.device.as_ref().unwrap().enabled);
        assert!(notices.contains(&Notice::TwoNodeDisablesDevice));
        let (new, notices) = running.reload(&section(""), &[], false);
        assert_eq!(new, running);
        assert!(notices.contains(&Notice::KeepRunningData));
        let (two, _) = start("two_node", &[1, 1]).unwrap();
        let (new, _) = two.reload(&section(""), &nodes(&[1, 1, 1]), false);
        assert_eq!((new.wait_for_all, new.expected_votes), (false, 3));
    }
}
