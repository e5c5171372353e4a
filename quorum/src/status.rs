//! The state of the votes layer as typed data, and as the reference's quorum tool prints it
//! (spec 71 §10.2, §11 and §12).

use std::fmt;

use crate::id::{NodeId, RingId};
use crate::votes::{NodeState, Votes};
use crate::wire::DeviceFlags;

/// Snapshot of one node's view of the votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The local node.
    pub me: NodeId,
    /// The ring of the verdict, `None` before the first.
    pub ring: Option<RingId>,
    /// Whether this node may act.
    pub quorate: bool,
    /// Expected votes.
    pub expected: u32,
    /// Votes present that count.
    pub total: u32,
    /// Votes needed.
    pub quorum: u32,
    /// Options and state as flags.
    pub flags: StatusFlags,
    /// All nodes ever seen, by id.
    pub nodes: Vec<NodeStatus>,
    /// The quorum device, if its name is known.
    pub device: Option<DeviceStatus>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// The node.
    pub id: NodeId,
    /// Where it stands.
    pub state: NodeState,
    /// Its votes.
    pub votes: u32,
    /// Its device.
    pub device: DeviceFlags,
    /// Its device's information.
    pub extra_info: Vec<u8>,
}

/// The quorum device as seen here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceStatus {
    /// Name.
    pub name: String,
    /// Votes it can cast.
    pub votes: u32,
    /// It casts them for this node.
    pub casts: bool,
}

/// Flags, in the order they are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusFlags {
    /// `two_node` is in force.
    pub two_node: bool,
    /// Quorate.
    pub quorate: bool,
    /// `wait_for_all` is in force.
    pub wait_for_all: bool,
    /// `last_man_standing` is in force.
    pub last_man_standing: bool,
    /// A tie-breaker is in force.
    pub auto_tie_breaker: bool,
    /// `allow_downscale` is in force.
    pub allow_downscale: bool,
    /// A device is registered on this node.
    pub device: bool,
}

impl StatusFlags {
    fn words(self) -> impl Iterator<Item = &'static str> {
        [
            (self.two_node, "2Node"),
            (self.quorate, "Quorate"),
            (self.wait_for_all, "WaitForAll"),
            (self.last_man_standing, "LastManStanding"),
            (self.auto_tie_breaker, "AutoTieBreaker"),
            (self.allow_downscale, "AllowDownscale"),
            (self.device, "Qdevice"),
        ]
        .into_iter()
        .filter_map(|(set, word)| set.then_some(word))
    }
}

/// Value of a run-time map key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapValue {
    /// 8 bits.
    U8(u8),
    /// 32 bits.
    U32(u32),
}

impl Votes {
    /// The present state.
    #[must_use]
    pub fn status(&self) -> Status {
        let (settings, verdict) = (self.settings(), self.verdict());
        let me = self.nodes().get(settings.me).map(|record| record.device).unwrap_or_default();
        let flags = StatusFlags {
            two_node: settings.two_node,
            quorate: verdict.quorate,
            wait_for_all: settings.wait_for_all,
            last_man_standing: settings.last_man_standing.is_some(),
            auto_tie_breaker: settings.tie_breaker.is_some(),
            allow_downscale: settings.allow_downscale,
            device: me.registered,
        };
        let nodes = self.nodes().iter().map(|(id, record)| NodeStatus {
            id,
            state: record.state,
            votes: record.votes,
            device: record.device,
            extra_info: record.extra_info.clone(),
        });
        Status {
            me: settings.me,
            ring: self.ring(),
            quorate: verdict.quorate,
            expected: verdict.expected,
            total: verdict.total,
            quorum: verdict.quorum,
            flags,
            nodes: nodes.collect(),
            device: self.device_name().map(|name| DeviceStatus {
                name: name.to_owned(),
                votes: settings.device_votes(),
                casts: me.casts,
            }),
        }
    }

    /// The keys under `runtime.votequorum.` with their values.
    #[must_use]
    pub fn map_keys(&self) -> Vec<(&'static str, MapValue)> {
        use MapValue::{U8, U32};
        let (settings, verdict) = (self.settings(), self.verdict());
        let (barrier, tracking) = self.barriers();
        let mut keys = vec![
            ("this_node_id", U32(settings.me.get())),
            ("two_node", U8(settings.two_node.into())),
            ("ev_barrier", U32(barrier)),
        ];
        if settings.wait_for_all {
            keys.push(("wait_for_all_status", U8(verdict.waiting.into())));
        }
        if settings.expected_votes_tracking {
            keys.push(("ev_tracking_barrier", U32(tracking)));
        }
        if let Some(last) = self.memory().latest() {
            let ids = [
                ("lowest_node_id", last.members.first()),
                ("highest_node_id", last.members.last()),
            ];
            keys.extend(ids.into_iter().filter_map(|(key, m)| Some((key, U32(m?.0.get())))));
        }
        if let Some(rule) = &settings.tie_breaker {
            keys.push(("atb_type", U32(rule.number())));
        }
        if let Some(device) = &settings.device {
            keys.push(("qdevice_can_operate", U8(device.enabled.into())));
            let wins = self.nodes().members().any(|(_, record)| record.device.master_wins);
            keys.push(("qdevice_master_wins", U8(wins.into())));
        }
        keys
    }
}

impl Status {
    /// The members of the ring.
    pub fn members(&self) -> impl Iterator<Item = &NodeStatus> {
        self.nodes.iter().filter(|node| node.state != NodeState::Dead)
    }
}

/// The status as text.
pub struct Report<'a> {
    /// What to print.
    pub status: &'a Status,
    /// Present date, as `Sun Nov 22 12:38:17 2026`.
    pub date: &'a str,
    /// Names of nodes.
    pub name: &'a dyn Fn(NodeId) -> String,
    /// Ids in hexadecimal.
    pub hex: bool,
    /// Only the list of members.
    pub members_only: bool,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.members_only {
            self.quorum_block(f)?;
            self.votes_block(f)?;
        }
        self.members_block(f)
    }
}

impl Report<'_> {
    fn quorum_block(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        writeln!(f, "Quorum information\n------------------")?;
        writeln!(f, "Date:             {}", self.date)?;
        writeln!(f, "Quorum provider:  {}", crate::options::PROVIDER)?;
        writeln!(f, "Nodes:            {}", status.members().count())?;
        if self.hex {
            writeln!(f, "Node ID:          {:#010x}", status.me.get())?;
        } else {
            writeln!(f, "Node ID:          {}", status.me)?;
        }
        match status.ring {
            Some(ring) => writeln!(f, "Ring ID:          {ring}")?,
            None => writeln!(f, "Ring ID:          0.0")?,
        }
        writeln!(f, "Quorate:          {}\n", if status.quorate { "Yes" } else { "No" })
    }

    fn votes_block(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        writeln!(f, "Votequorum information\n----------------------")?;
        writeln!(f, "Expected votes:   {}", status.expected)?;
        writeln!(f, "Highest expected: {}", status.expected)?;
        writeln!(f, "Total votes:      {}", status.total)?;
        let blocked = if status.quorate { " " } else { "Activity blocked" };
        writeln!(f, "Quorum:           {} {blocked}", status.quorum)?;
        f.write_str("Flags:            ")?;
        for word in status.flags.words() {
            write!(f, "{word} ")?;
        }
        f.write_str("\n\n")
    }

    fn members_block(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        let with_device = status.members().any(|node| node.device.registered);
        writeln!(f, "Membership information\n----------------------")?;
        write!(f, "{:>10} {:>10} ", "Nodeid", "Votes")?;
        if with_device {
            write!(f, "{:>10} ", "Qdevice")?;
        }
        f.write_str("Name\n")?;
        for node in status.members() {
            let id =
                if self.hex { format!("{:#010x}", node.id.get()) } else { node.id.to_string() };
            write!(f, "{id:>10} {:>10} ", node.votes)?;
            if with_device {
                write!(f, "{:>10} ", device_word(node.device))?;
            }
            let local = if node.id == status.me { " (local)" } else { "" };
            writeln!(f, "{}{local}", (self.name)(node.id))?;
        }
        match &status.device {
            Some(device) if with_device => self.device_row(f, device),
            _ => Ok(()),
        }
    }

    fn device_row(&self, f: &mut fmt::Formatter<'_>, device: &DeviceStatus) -> fmt::Result {
        let id = if self.hex { "0x00000000" } else { "0" };
        let votes = if device.casts { device.votes } else { 0 };
        write!(f, "{id:>10} {votes:>10} {:11}{}", "", device.name)?;
        if !device.casts {
            write!(f, " (votes {})", device.votes)?;
        }
        f.write_str("\n")
    }
}

fn device_word(flags: DeviceFlags) -> String {
    if !flags.registered {
        return "NR".to_owned();
    }
    let word = |set, yes, no| if set { yes } else { no };
    format!(
        "{},{},{}",
        word(flags.alive, "A", "NA"),
        word(flags.casts, "V", "NV"),
        word(flags.master_wins, "MW", "NMW")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let node = |id| NodeStatus {
            id: NodeId::new(id).unwrap(),
            state: if id == 3 { NodeState::Dead } else { NodeState::Member },
            votes: 1,
            device: DeviceFlags::default(),
            extra_info: Vec::new(),
        };
        let me = NodeId::new(1).unwrap();
        Status {
            me,
            ring: Some(RingId { sequence: 17, representative: me }),
            quorate: true,
            expected: 3,
            total: 2,
            quorum: 2,
            flags: StatusFlags { quorate: true, wait_for_all: true, ..Default::default() },
            nodes: (1..=3).map(node).collect(),
            device: None,
        }
    }

    fn print(status: &Status, hex: bool) -> String {
        let date = "Sun Nov 22 12:38:17 2026";
        let name = |id: NodeId| format!("node{id}");
        Report { status, date, name: &name, hex, members_only: false }.to_string()
    }

    #[test]
    fn the_text_is_the_one_operators_know() {
        let expected = "\
Quorum information
------------------
Date:             Sun Nov 22 12:38:17 2026
Quorum provider:  corosync_votequorum
Nodes:            2
Node ID:          1
Ring ID:          1.11
Quorate:          Yes

Votequorum information
----------------------
Expected votes:   3
Highest expected: 3
Total votes:      2
Quorum:           2  \n\
Flags:            Quorate WaitForAll \n
Membership information
----------------------
    Nodeid      Votes Name
         1          1 node1 (local)
         2          1 node2
";
        assert_eq!(print(&status(), false), expected);
    }

    #[test]
    fn a_device_has_a_column_and_a_row_of_its_own() {
        let mut status = status();
        status.quorate = false;
        status.nodes[0].device =
            DeviceFlags { registered: true, alive: true, ..Default::default() };
        status.device = Some(DeviceStatus { name: "Qdevice".into(), votes: 1, casts: false });
        let text = print(&status, true);
        for line in [
            "Node ID:          0x00000001",
            "Quorum:           2 Activity blocked",
            "    Nodeid      Votes    Qdevice Name",
            "0x00000001          1   A,NV,NMW node1 (local)",
            "0x00000002          1         NR node2",
            "0x00000000          0            Qdevice (votes 1)",
        ] {
            assert!(text.lines().any(|l| l == line), "{line:?} in\n{text}");
        }
    }
}
