//! What a `bundle` element says (spec 10 §9b.1).

use crate::model::resource::ContainerAgent;
use cib_model::Element;
use cib_model::scalar::{integer_at_least, parse_boolean};

/// More replicas than any cluster has use for. Every container knows the addresses of all, so that
/// the text generated grows with the square of the number.
const MAX_REPLICAS: i32 = 1000;

/// A mount of host storage in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::input) struct Mount<'a> {
    pub source: &'a str,
    pub target: &'a str,
    pub options: Option<&'a str>,
    /// The source is a root with one directory per replica.
    pub per_replica: bool,
}

/// A bundle as described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::input) struct BundleDescription<'a> {
    pub agent: ContainerAgent,
    pub promoted_max: u32,
    pub replicas: u32,
    pub replicas_per_host: u32,
    /// More than one replica per host was asked for.
    pub unique: bool,
    pub run_command: Option<&'a str>,
    pub options: Option<&'a str>,
    pub image: &'a str,
    pub network: Option<&'a str>,
    pub ip_range_start: Option<&'a str>,
    pub netmask: Option<&'a str>,
    pub interface: Option<&'a str>,
    pub control_port: Option<&'a str>,
    pub add_host: bool,
    /// Source and target port.
    pub ports: Vec<(&'a str, &'a str)>,
    pub mounts: Vec<Mount<'a>>,
    pub primitive: Option<Element<'a>>,
    /// Something is wrong, but not so wrong that the bundle could not be used.
    pub complaint: Option<String>,
}

impl<'a> BundleDescription<'a> {
    /// Reads the element; the error says why there can be no such bundle.
    pub fn read(bundle: Element<'a>) -> Result<BundleDescription<'a>, String> {
        let id = bundle.xml_id().unwrap_or_default();
        let (agent, container) = [ContainerAgent::Docker, ContainerAgent::Podman]
            .into_iter()
            .find_map(|agent| Some((agent, bundle.child(agent.name())?)))
            .ok_or_else(|| format!("bundle '{id}' has neither <docker> nor <podman>"))?;
        let promoted_max = integer_at_least(0, container.attribute("promoted-max"));
        let replicas = match container.attribute("replicas") {
            None if promoted_max > 0 => promoted_max,
            text => integer_at_least(1, text),
        };
        let per_host = integer_at_least(1, container.attribute("replicas-per-host"));
        let network = bundle.child("network");
        let of_network = |name: &str| network.and_then(|n| n.attribute(name));
        let mut description = BundleDescription {
            agent,
            promoted_max: promoted_max as u32,
            replicas: replicas.min(MAX_REPLICAS) as u32,
            replicas_per_host: per_host as u32,
            unique: per_host > 1,
            run_command: container.attribute("run-command"),
            options: container.attribute("options"),
            image: container.attribute("image").unwrap_or_default(),
            network: container.attribute("network"),
            ip_range_start: of_network("ip-range-start"),
            netmask: of_network("host-netmask"),
            interface: of_network("host-interface"),
            control_port: of_network("control-port"),
            add_host: of_network("add-host").and_then(parse_boolean).unwrap_or(true),
            ports: network.map(ports).unwrap_or_default(),
            mounts: bundle.child("storage").map(mounts).unwrap_or_default(),
            primitive: bundle.child("primitive"),
            complaint: (replicas > MAX_REPLICAS)
                .then(|| format!("Using {MAX_REPLICAS} as number of replicas of {id}")),
        };
        description.prepare_for_primitive(id)?;
        Ok(description)
    }

    /// What it takes to control a resource inside the container.
    fn prepare_for_primitive(&mut self, id: &str) -> Result<(), String> {
        let Some(primitive) = self.primitive else { return Ok(()) };
        if self.ip_range_start.is_none() {
            if self.control_port.is_none() {
                let inner = primitive.xml_id().unwrap_or_default();
                return Err(format!(
                    "Cannot control {inner} inside {id} without either ip-range-start or control-port"
                ));
            }
            if self.replicas_per_host > 1 {
                self.complaint = Some(format!(
                    "Specifying the 'control-port' for {id} requires 'replicas-per-host=1'"
                ));
                self.replicas_per_host = 1;
            }
        }
        self.mounts.push(Mount {
            source: "/etc/pacemaker/authkey",
            target: "/etc/pacemaker/authkey",
            options: None,
            per_replica: false,
        });
        if self.mounts.iter().all(|m| m.target != "/var/log") {
            self.mounts.push(Mount {
                source: "/var/log/pacemaker/bundles",
                target: "/var/log",
                options: None,
                per_replica: true,
            });
        }
        self.ports.push((self.port(), self.port()));
        Ok(())
    }

    /// Port of the connection.
    pub fn port(&self) -> &'a str {
        self.control_port.unwrap_or("3121")
    }

    /// `P-clone`, or `P-master` when replicas can be promoted.
    pub fn clone_id(&self, id: &str) -> String {
        format!("{id}-{}", if self.promoted_max > 0 { "master" } else { "clone" })
    }

    /// Addresses of the replicas: the first verbatim, then counting up.
    pub fn addresses(&self) -> Vec<Option<String>> {
        let mut address = self.ip_range_start.map(str::to_owned);
        (0..self.replicas)
            .map(|_| {
                let this = address.take();
                address = this.as_deref().and_then(next_address);
                this
            })
            .collect()
    }
}

fn ports(network: Element<'_>) -> Vec<(&str, &str)> {
    let mut out = Vec::new();
    for mapping in network.children() {
        if mapping.name() != "port-mapping" {
            continue;
        }
        let pair = match mapping.attribute("port") {
            Some(port) => Some((port, mapping.attribute("internal-port").unwrap_or(port))),
            None => mapping.attribute("range").map(|range| (range, range)),
        };
        out.extend(pair.filter(|(source, _)| !source.is_empty()));
    }
    out
}

fn mounts(storage: Element<'_>) -> Vec<Mount<'_>> {
    let mut out = Vec::new();
    for mapping in storage.children() {
        if mapping.name() != "storage-mapping" {
            continue;
        }
        let directory = mapping.attribute("source-dir");
        let source = directory.or(mapping.attribute("source-dir-root"));
        if let (Some(source), Some(target)) = (source, mapping.attribute("target-dir")) {
            let options = mapping.attribute("options");
            out.push(Mount { source, target, options, per_replica: directory.is_none() });
        }
    }
    out
}

/// The address after this one, within the last two bytes.
fn next_address(address: &str) -> Option<String> {
    let parts: Vec<u32> = address.split('.').map(|p| p.parse().ok()).collect::<Option<_>>()?;
    match parts.as_slice() {
        [_, _, c, _] if *c > 253 => None,
        [a, b, c, d] if *d > 253 => Some(format!("{a}.{b}.{}.1", c + 1)),
        [a, b, c, d] => Some(format!("{a}.{b}.{c}.{}", d + 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cib_model::Document;

    #[test]
    fn addresses_count_up() {
        for (address, next) in [
            ("10.0.0.1", Some("10.0.0.2")),
            ("10.0.0.254", Some("10.0.1.1")),
            ("10.0.254.9", None),
            ("host", None),
        ] {
            assert_eq!(next_address(address).as_deref(), next);
        }
    }

    #[test]
    fn a_control_port_without_addresses_allows_one_replica_per_host() {
        let text = "<bundle id='b'><podman image='i' replicas='3' replicas-per-host='2'/>
            <network control-port='9'/><primitive id='p' class='ocf' provider='x' type='y'/></bundle>";
        let document = Document::parse(text).unwrap();
        let read = BundleDescription::read(document.root()).unwrap();
        assert_eq!((read.replicas, read.replicas_per_host, read.unique), (3, 1, true));
        assert!(read.complaint.is_some());
        let text = "<bundle id='b'><docker image='i'/><primitive id='p'/></bundle>";
        let document = Document::parse(text).unwrap();
        assert!(BundleDescription::read(document.root()).is_err());
    }
}
