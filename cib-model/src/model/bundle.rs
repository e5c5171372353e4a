//! Bundles: a container image, its network and storage, and the resource inside.

use super::reader::Reader;
use super::resources::Primitive;
use super::sets::ValueSet;
use crate::document::Element;

/// A `bundle`.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// Text for people.
    pub description: Option<&'d str>,
    /// The container.
    pub container: Container<'d>,
    /// How it is reached.
    pub network: Option<Network<'d>>,
    /// What it sees of its host's files.
    pub storage: Vec<StorageMapping<'d>>,
    /// Parameters.
    pub parameters: Vec<ValueSet<'d>>,
    /// Options.
    pub meta: Vec<ValueSet<'d>>,
    /// What runs in the container.
    pub primitive: Option<Primitive<'d>>,
}

/// The technology of a container.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ContainerKind {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// Legacy: rkt.
    Rkt,
}

/// The `docker` or `podman` of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct Container<'d> {
    /// The element.
    pub element: Element<'d>,
    /// The technology.
    pub kind: ContainerKind,
    /// The image to run.
    pub image: &'d str,
    /// How many containers run.
    pub replicas: Option<i32>,
    /// How many of them on one host.
    pub replicas_per_host: Option<i32>,
    /// How many of them are promoted (`promoted-max`, or legacy `masters`).
    pub promoted_max: Option<i32>,
    /// The command to run in the container.
    pub run_command: Option<&'d str>,
    /// The network to attach it to.
    pub network: Option<&'d str>,
    /// More options for the tool that starts it.
    pub options: Option<&'d str>,
}

/// The `network` of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct Network<'d> {
    /// The element.
    pub element: Element<'d>,
    /// The first address given to the containers.
    pub ip_range_start: Option<&'d str>,
    /// The port of the executor inside.
    pub control_port: Option<u16>,
    /// The interface of the host that gets the addresses.
    pub host_interface: Option<&'d str>,
    /// The length of their network prefix.
    pub host_netmask: Option<u8>,
    /// Whether the containers know each other's names.
    pub add_host: Option<bool>,
    /// Ports of the host that lead into the container.
    pub ports: Vec<PortMapping<'d>>,
}

/// A `port-mapping`.
#[derive(Clone, Debug, PartialEq)]
pub struct PortMapping<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// What is mapped.
    pub ports: Ports<'d>,
}

/// The ports of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub enum Ports<'d> {
    /// One port, to a port inside.
    One {
        /// The port outside.
        port: u16,
        /// The port inside; absent means the same.
        internal_port: Option<u16>,
    },
    /// A range of ports, each to the same port inside.
    Range(&'d str),
}

/// A `storage-mapping`.
#[derive(Clone, Debug, PartialEq)]
pub struct StorageMapping<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// The directory on the host, or the one that holds a directory for each container.
    pub source_dir: &'d str,
    /// Whether the source holds a directory for each container (`source-dir-root`).
    pub per_container: bool,
    /// The directory inside.
    pub target_dir: &'d str,
    /// Options of the mount.
    pub options: Option<&'d str>,
}

impl<'d> Bundle<'d> {
    pub(super) fn read(reader: &mut Reader, element: Element<'d>) -> Option<Bundle<'d>> {
        let id = reader.required(element, "id");
        let mut containers =
            element.children().filter_map(|child| Some((container_kind(child.name())?, child)));
        let (Some((kind, container)), None) = (containers.next(), containers.next()) else {
            reader.form(element, "exactly one docker or podman in the bundle");
            return None;
        };
        let storage = element
            .children_named("storage")
            .flat_map(|storage| storage.children_named("storage-mapping"))
            .filter_map(|mapping| StorageMapping::read(reader, mapping))
            .collect();
        Some(Bundle {
            element,
            id,
            description: element.attribute("description"),
            container: Container::read(reader, kind, container),
            network: element.child("network").map(|network| Network::read(reader, network)),
            storage,
            parameters: ValueSet::read_all(reader, element, "instance_attributes"),
            meta: ValueSet::read_all(reader, element, "meta_attributes"),
            primitive: element.child("primitive").and_then(|child| Primitive::read(reader, child)),
        })
    }
}

fn container_kind(name: &str) -> Option<ContainerKind> {
    Some(match name {
        "docker" => ContainerKind::Docker,
        "podman" => ContainerKind::Podman,
        "rkt" => ContainerKind::Rkt,
        _ => return None,
    })
}

impl<'d> Container<'d> {
    fn read(reader: &mut Reader, kind: ContainerKind, element: Element<'d>) -> Container<'d> {
        let promoted = reader.value(element, "promoted-max");
        Container {
            element,
            kind,
            image: reader.required(element, "image"),
            replicas: reader.value(element, "replicas"),
            replicas_per_host: reader.value(element, "replicas-per-host"),
            promoted_max: promoted.or_else(|| reader.value(element, "masters")),
            run_command: element.attribute("run-command"),
            network: element.attribute("network"),
            options: element.attribute("options"),
        }
    }
}

impl<'d> Network<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Network<'d> {
        Network {
            element,
            ip_range_start: element.attribute("ip-range-start"),
            control_port: reader.value(element, "control-port"),
            host_interface: element.attribute("host-interface"),
            host_netmask: reader.value(element, "host-netmask"),
            add_host: reader.value(element, "add-host"),
            ports: element
                .children_named("port-mapping")
                .filter_map(|mapping| PortMapping::read(reader, mapping))
                .collect(),
        }
    }
}

impl<'d> PortMapping<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Option<PortMapping<'d>> {
        let id = reader.required(element, "id");
        let ports = match (element.attribute("port"), element.attribute("range")) {
            (Some(_), None) => Ports::One {
                port: reader.value(element, "port")?,
                internal_port: reader.value(element, "internal-port"),
            },
            (None, Some(range)) => Ports::Range(range),
            _ => {
                reader.form(element, "either port or range");
                return None;
            }
        };
        Some(PortMapping { element, id, ports })
    }
}

impl<'d> StorageMapping<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Option<StorageMapping<'d>> {
        let id = reader.required(element, "id");
        let target_dir = reader.required(element, "target-dir");
        let sources = (element.attribute("source-dir"), element.attribute("source-dir-root"));
        let (source_dir, per_container) = match sources {
            (Some(directory), None) => (directory, false),
            (None, Some(directory)) => (directory, true),
            _ => {
                reader.form(element, "either source-dir or source-dir-root");
                return None;
            }
        };
        let options = element.attribute("options");
        Some(StorageMapping { element, id, source_dir, per_container, target_dir, options })
    }
}
