//! The test bed: three nodes, a fence device `F`, a service `d` that prefers node2 and a promotable clone
//! `s-clone`; what can be done to them, and what can be seen of them.

pub mod agents;
pub mod cluster;
pub mod events;
pub mod namespaces;
pub mod network;
pub mod node;
pub mod power;
pub mod status;

use std::path::PathBuf;

pub use cluster::Cluster;
pub use power::FenceMode;

/// Where nodes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Each in namespaces of its own, on a switch.
    Namespaces,
    /// Each at an address of its own of this machine; needs no root.
    Loopback,
}

/// What a cluster is made of.
#[derive(Debug, Clone)]
pub struct Bed {
    pub ground: Ground,
    pub nodes: usize,
    /// Options of `totem`, `quorum` and of the link.
    pub totem: Vec<(&'static str, String)>,
    pub quorum: Vec<(&'static str, &'static str)>,
    pub link: Vec<(&'static str, u32)>,
    /// Cluster options.
    pub options: Vec<(&'static str, &'static str)>,
    /// Resources and constraints in place of the usual ones.
    pub resources: Option<(String, String)>,
    /// Fence devices in place of `F`.
    pub devices: Option<String>,
    /// Where resource agents are, if not the bed's own.
    pub ocf_root: Option<PathBuf>,
}

pub fn name(number: usize) -> String {
    format!("node{number}")
}

/// `nvpair` elements.
pub fn pairs(prefix: &str, pairs: &[(&str, &str)]) -> String {
    let one = |(name, value): &(&str, &str)| {
        format!("<nvpair id=\"{prefix}-{name}\" name=\"{name}\" value=\"{value}\"/>")
    };
    pairs.iter().map(one).collect()
}

impl Bed {
    pub fn of(nodes: usize) -> Bed {
        Bed {
            ground: Ground::Namespaces,
            nodes,
            totem: vec![("token", "1000".into()), ("token_coefficient", "0".into())],
            quorum: Vec::new(),
            link: vec![("knet_ping_interval", 250), ("knet_ping_timeout", 500)],
            options: vec![("stonith-enabled", "true")],
            resources: None,
            devices: None,
            ocf_root: None,
        }
    }

    pub fn three() -> Bed {
        Bed::of(3)
    }

    /// The same without root.
    pub fn on_loopback(mut self) -> Bed {
        self.ground = Ground::Loopback;
        self
    }

    /// A device that fences these nodes.
    pub fn device(id: &str, hosts: &str, more: &[(&str, &str)]) -> String {
        let mut all = vec![("pcmk_host_list", hosts)];
        all.extend(more);
        format!(
            "<primitive id=\"{id}\" class=\"stonith\" type=\"fence_power\"><instance_attributes id=\"{id}-a\">\
             {}</instance_attributes></primitive>",
            pairs(id, &all)
        )
    }

    /// A service that is looked at every so many seconds.
    pub fn service(id: &str, meta: &str, seconds: u32) -> String {
        format!(
            "<primitive id=\"{id}\" class=\"ocf\" provider=\"bed\" type=\"Service\">{meta}<operations>\
             <op id=\"{id}-monitor\" name=\"monitor\" interval=\"{seconds}s\" timeout=\"20s\"/>\
             <op id=\"{id}-stop\" name=\"stop\" interval=\"0\" timeout=\"3s\"/></operations></primitive>"
        )
    }

    fn usual() -> (String, String) {
        let meta = format!(
            "<meta_attributes id=\"d-m\">{}</meta_attributes>",
            pairs("d", &[("migration-threshold", "2")])
        );
        let promotable = format!(
            "<clone id=\"s-clone\"><meta_attributes id=\"s-m\">{}</meta_attributes><primitive id=\"s\" \
             class=\"ocf\" provider=\"bed\" type=\"Service\"><operations><op id=\"s-promoted\" name=\"monitor\" \
             interval=\"4s\" timeout=\"20s\" role=\"Promoted\"/><op id=\"s-other\" name=\"monitor\" \
             interval=\"5s\" timeout=\"20s\"/></operations></primitive></clone>",
            pairs("s-clone", &[("promotable", "true")]),
        );
        let constraints =
            "<rsc_location id=\"d-prefers\" rsc=\"d\" node=\"node2\" score=\"10\"/>".to_owned();
        (Bed::service("d", &meta, 1) + &promotable, constraints)
    }

    fn cib(&self) -> String {
        let numbers = 1..=self.nodes;
        let nodes: String = numbers
            .clone()
            .map(|number| format!("<node id=\"{number}\" uname=\"{}\"/>", name(number)))
            .collect();
        let hosts = numbers.map(name).collect::<Vec<_>>().join(" ");
        let devices = self.devices.clone().unwrap_or_else(|| Bed::device("F", &hosts, &[]));
        let (resources, constraints) = self.resources.clone().unwrap_or_else(Bed::usual);
        format!(
            "<cib crm_feature_set=\"3.16.2\" validate-with=\"pacemaker-3.9\" admin_epoch=\"0\" epoch=\"1\" \
             num_updates=\"0\"><configuration><crm_config><cluster_property_set id=\"cib-bootstrap-options\">{}\
             </cluster_property_set></crm_config><nodes>{nodes}</nodes><resources>{devices}{resources}\
             </resources><constraints>{constraints}</constraints></configuration><status/></cib>",
            pairs("option", &self.options)
        )
    }

    /// Its `corosync.conf`, with these addresses.
    fn configuration(&self, addresses: &[String], port: u16) -> String {
        let totem = self.totem.iter().map(|(name, value)| format!("    {name}: {value}\n"));
        let link = self.link.iter().map(|(name, value)| format!("        {name}: {value}\n"));
        let quorum = self.quorum.iter().map(|(name, value)| format!("    {name}: {value}\n"));
        let nodes = addresses.iter().zip(1..).map(|(address, number)| {
            format!(
                "    node {{\n        ring0_addr: {address}\n        name: {}\n        nodeid: {number}\n    }}\n",
                name(number)
            )
        });
        format!(
            "totem {{\n    version: 2\n    cluster_name: bed\n    transport: knet\n    crypto_cipher: none\n    \
             crypto_hash: none\n{}    interface {{\n        linknumber: 0\n        mcastport: {port}\n{}    }}\n}}\n\
             nodelist {{\n{}}}\nquorum {{\n    provider: corosync_votequorum\n{}}}\n",
            totem.collect::<String>(),
            link.collect::<String>(),
            nodes.collect::<String>(),
            quorum.collect::<String>(),
        )
    }
}
