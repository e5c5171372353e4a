//! Parts of bundles: the inner clone, and per replica container, IP and connection
//! (spec 10 §9b.2, §9b.3).

use super::connection::Connection;
use crate::input::resources::bundle_description::BundleDescription;
use cib_model::scalar::sanitize_id;
use cib_model::{Document, Element, ElementId};
use foldhash::HashSet;
use std::fmt::Write;

/// Adds the parts of one bundle; `known` holds the ids of resources that come before it.
pub(super) fn add(out: &mut Document, bundle: Element<'_>, known: &mut HashSet<String>) {
    let Ok(description) = BundleDescription::read(bundle) else { return };
    let id = bundle.xml_id().unwrap_or_default();
    let wrapper = super::wrapper(out, "bundle", bundle);
    if description.primitive.is_some() {
        add_clone(out, wrapper, id, &description);
        known.insert(description.clone_id(id));
    }
    let addresses = description.addresses();
    let hosts = host_options(id, &description, &addresses);
    for (offset, address) in addresses.iter().enumerate() {
        let replica = Replica { bundle: id, offset, address: address.as_deref(), hosts: &hosts };
        replica.add(out, wrapper, &description, known);
    }
}

fn add_clone(
    out: &mut Document,
    wrapper: ElementId,
    id: &str,
    description: &BundleDescription<'_>,
) {
    let clone = super::append(out, wrapper, "clone", &description.clone_id(id));
    let (max, node_max) =
        (description.replicas.to_string(), description.replicas_per_host.to_string());
    let promoted = description.promoted_max.to_string();
    let unique = if description.replicas_per_host > 1 { "true" } else { "false" };
    let mut meta = vec![
        ("ordered", "true"),
        ("clone-max", max.as_str()),
        ("clone-node-max", node_max.as_str()),
        ("globally-unique", unique),
    ];
    if description.promoted_max > 0 {
        meta.extend([("promotable", "true"), ("promoted-max", promoted.as_str())]);
    }
    super::append_block(out, clone, "meta_attributes", &format!("{id}-clone-meta"), &meta);
}

/// Host name options shared by all containers of a bundle.
fn host_options(
    id: &str,
    description: &BundleDescription<'_>,
    addresses: &[Option<String>],
) -> String {
    let mut out = String::new();
    for (offset, address) in addresses.iter().enumerate() {
        let Some(address) = address else { continue };
        let _ = if description.add_host {
            write!(out, " --add-host={id}-{offset}:{address}")
        } else {
            write!(out, " --hosts-entry={address}={id}-{offset}")
        };
    }
    out
}

/// One replica to be written.
struct Replica<'a> {
    bundle: &'a str,
    offset: usize,
    address: Option<&'a str>,
    hosts: &'a str,
}

impl Replica<'_> {
    fn add(
        &self,
        out: &mut Document,
        wrapper: ElementId,
        description: &BundleDescription<'_>,
        known: &mut HashSet<String>,
    ) {
        let replica = out.append_element(wrapper, "replica");
        let container = self.add_container(out, replica, description);
        if description.ip_range_start.is_some()
            && let Some(address) = self.address
        {
            let ip = self.add_ip(out, replica, description, address);
            known.insert(ip);
        }
        if let Some(primitive) = description.primitive {
            let inner = primitive.xml_id().unwrap_or_default();
            let (bundle, offset) = (self.bundle, self.offset);
            let mut id = format!("{bundle}-{offset}");
            if known.contains(&id) {
                id = format!("pcmk-internal-{inner}:{offset}-remote-{offset}");
            }
            let connection = Connection {
                id: &id,
                container: &container,
                allow_migrate: None,
                is_managed: None,
                address: Some(self.address.unwrap_or("#uname")),
                port: Some(description.port()),
                start_timeout: None,
            };
            connection.append(out, replica);
            known.insert(id);
        }
        known.insert(container);
    }

    fn add_container(
        &self,
        out: &mut Document,
        replica: ElementId,
        description: &BundleDescription<'_>,
    ) -> String {
        let agent = description.agent.name();
        let id = sanitize_id(&format!("{}-{agent}-{}", self.bundle, self.offset));
        let primitive = super::append_primitive(out, replica, &id, "heartbeat", agent);
        let run_opts = self.run_options(description);
        let directories: Vec<String> = description
            .mounts
            .iter()
            .filter(|m| m.per_replica)
            .map(|m| format!("{}/{}-{}", m.source, self.bundle, self.offset))
            .collect();
        let directories = directories.join(",");
        let mut parameters = vec![
            ("image", description.image),
            ("allow_pull", "true"),
            ("force_kill", "false"),
            ("reuse", "false"),
            ("run_opts", run_opts.as_str()),
            ("mount_points", directories.as_str()),
        ];
        let default = description.primitive.map(|_| "/usr/sbin/pacemaker-remoted");
        if let Some(command) = description.run_command.or(default) {
            parameters.push(("run_cmd", command));
        }
        parameters.push(("monitor_cmd", "/bin/true"));
        self.finish(out, primitive, &id, &parameters);
        id
    }

    fn run_options(&self, description: &BundleDescription<'_>) -> String {
        let name = format!("{}-{}", self.bundle, self.offset);
        let with_ips = description.ip_range_start.is_some();
        let mut out = String::new();
        if description.agent == crate::model::resource::ContainerAgent::Docker {
            out += " --restart=no";
        }
        if with_ips {
            let _ = write!(out, " -h {name}");
        }
        out += " -e PCMK_stderr=1";
        if let Some(network) = description.network {
            let _ = write!(out, " --net={network}");
        }
        let _ = write!(out, " -e PCMK_remote_port={}", description.port());
        for mount in &description.mounts {
            let _ = if mount.per_replica {
                write!(out, " -v {}/{name}:{}", mount.source, mount.target)
            } else {
                write!(out, " -v {}:{}", mount.source, mount.target)
            };
            if let Some(options) = mount.options {
                let _ = write!(out, ":{options}");
            }
        }
        for (source, target) in &description.ports {
            if let Some(address) = self.address {
                let _ = write!(out, " -p {address}:{source}:{target}");
            } else if description.network != Some("host") {
                let _ = write!(out, " -p {source}:{target}");
            }
        }
        if let Some(options) = description.options {
            let _ = write!(out, " {options}");
        }
        out.push(' ');
        out += self.hosts;
        out
    }

    fn add_ip(
        &self,
        out: &mut Document,
        replica: ElementId,
        description: &BundleDescription<'_>,
        address: &str,
    ) -> String {
        let id = sanitize_id(&format!("{}-ip-{address}", self.bundle));
        let primitive = super::append_primitive(out, replica, &id, "heartbeat", "IPaddr2");
        let mut parameters = vec![("ip", address)];
        parameters.extend(description.interface.map(|nic| ("nic", nic)));
        parameters.push(("cidr_netmask", description.netmask.unwrap_or("32")));
        self.finish(out, primitive, &id, &parameters);
        id
    }

    /// Parameters and the one monitor of a container or IP.
    fn finish(
        &self,
        out: &mut Document,
        primitive: ElementId,
        id: &str,
        parameters: &[(&str, &str)],
    ) {
        let block_id = format!("{}-attributes-{}", self.bundle, self.offset);
        super::append_block(out, primitive, "instance_attributes", &block_id, parameters);
        let operations = out.append_element(primitive, "operations");
        let op_id = format!("{id}-monitor-60s");
        super::append_operation(out, operations, &op_id, "60s", "monitor", None);
    }
}

#[cfg(test)]
mod tests {
    use crate::input::generate;
    use cib_model::Document;

    #[test]
    fn run_options_name_hosts_mounts_and_ports() {
        let cib = Document::parse(
            "<cib><configuration><resources><bundle id='web'>
             <docker image='pcmk:http' replicas='2' options='--log-driver=journald'/>
             <network ip-range-start='192.168.122.131' host-interface='eth0'>
             <port-mapping id='p' port='80'/></network>
             <storage><storage-mapping id='s' source-dir-root='/srv' target-dir='/var/www' options='rw'/></storage>
             <primitive id='httpd' class='ocf' provider='heartbeat' type='apache'/>
             </bundle></resources></configuration></cib>",
        )
        .unwrap();
        let made = generate(&cib);
        let bundle = made.root().child("bundle").unwrap();
        let ids: Vec<_> = bundle
            .descendants()
            .filter(|e| ["primitive", "clone"].contains(&e.name()))
            .filter_map(|e| e.xml_id())
            .collect();
        assert_eq!(
            ids,
            [
                "web-clone",
                "web-docker-0",
                "web-ip-192.168.122.131",
                "web-0",
                "web-docker-1",
                "web-ip-192.168.122.132",
                "web-1"
            ]
        );
        let value = |name: &str| {
            let mut pairs = bundle.descendants().filter(|e| e.attribute("name") == Some(name));
            pairs.next().and_then(|p| p.attribute("value"))
        };
        assert_eq!(
            value("run_opts"),
            Some(
                " --restart=no -h web-0 -e PCMK_stderr=1 -e PCMK_remote_port=3121 \
                 -v /srv/web-0:/var/www:rw -v /etc/pacemaker/authkey:/etc/pacemaker/authkey \
                 -v /var/log/pacemaker/bundles/web-0:/var/log -p 192.168.122.131:80:80 \
                 -p 192.168.122.131:3121:3121 --log-driver=journald  \
                 --add-host=web-0:192.168.122.131 --add-host=web-1:192.168.122.132"
            )
        );
        assert_eq!(value("mount_points"), Some("/srv/web-0,/var/log/pacemaker/bundles/web-0"));
        assert_eq!(value("cidr_netmask"), Some("32"));
    }
}
