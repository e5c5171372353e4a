//! Connections of guest nodes (spec 10 §8.2).

use cib_model::{Document, Element, ElementId};

/// What a primitive says of the guest node it launches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::input) struct Guest<'a> {
    /// `remote-node`.
    pub name: &'a str,
    address: Option<&'a str>,
    port: Option<&'a str>,
    connect_timeout: Option<&'a str>,
    allow_migrate: Option<&'a str>,
    is_managed: Option<&'a str>,
}

impl<'a> Guest<'a> {
    /// Reads a primitive's own meta blocks literally: no rules, no references, later values win.
    pub fn of(primitive: Element<'a>) -> Option<Guest<'a>> {
        let mut guest = Guest::default();
        let blocks = primitive.children_named("meta_attributes");
        for pair in blocks.flat_map(|b| b.children()).filter(|p| p.name() == "nvpair") {
            let value = pair.attribute("value");
            match pair.attribute("name") {
                Some("remote-node") => guest.name = value.unwrap_or_default(),
                Some("remote-addr") => guest.address = value,
                Some("remote-port") => guest.port = value,
                Some("remote-connect-timeout") => guest.connect_timeout = value,
                Some("remote-allow-migrate") => guest.allow_migrate = value,
                Some("is-managed") => guest.is_managed = value,
                _ => {}
            }
        }
        (!guest.name.is_empty()).then_some(guest)
    }
}

/// Appends the connection of every guest node.
pub(super) fn add_guests(out: &mut Document, appended: ElementId, resources: Element<'_>) {
    for element in resources.children() {
        match element.name() {
            "primitive" => add_guest(out, appended, element),
            "group" => element.children().for_each(|member| add_guest(out, appended, member)),
            _ => {}
        }
    }
}

fn add_guest(out: &mut Document, appended: ElementId, primitive: Element<'_>) {
    if primitive.name() != "primitive" || is_connection(primitive) {
        return;
    }
    let Some(guest) = Guest::of(primitive) else { return };
    let connection = Connection {
        id: guest.name,
        container: primitive.xml_id().unwrap_or_default(),
        allow_migrate: guest.allow_migrate,
        is_managed: guest.is_managed,
        address: guest.address,
        port: guest.port,
        start_timeout: Some(guest.connect_timeout.unwrap_or("60s")),
    };
    connection.append(out, appended);
}

/// Does an element describe a connection resource?
pub(in crate::input) fn is_connection(element: Element<'_>) -> bool {
    let is = |name, text: &str| {
        element.attribute(name).is_some_and(|v: &str| v.eq_ignore_ascii_case(text))
    };
    is("class", "ocf") && is("provider", "pacemaker") && is("type", "remote")
}

/// A connection resource to be generated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection<'a> {
    pub id: &'a str,
    pub container: &'a str,
    pub allow_migrate: Option<&'a str>,
    pub is_managed: Option<&'a str>,
    pub address: Option<&'a str>,
    pub port: Option<&'a str>,
    pub start_timeout: Option<&'a str>,
}

impl Connection<'_> {
    pub fn append(&self, out: &mut Document, parent: ElementId) {
        let id = self.id;
        let primitive = super::append_primitive(out, parent, id, "pacemaker", "remote");
        let optional = [
            ("internal_rsc", Some("true")),
            ("container", Some(self.container)),
            ("allow-migrate", self.allow_migrate),
            ("is-managed", self.is_managed),
        ];
        let meta: Vec<_> = optional.iter().filter_map(|(n, v)| Some((*n, (*v)?))).collect();
        super::append_block(
            out,
            primitive,
            "meta_attributes",
            &format!("{id}-meta_attributes"),
            &meta,
        );
        let optional = [("addr", self.address), ("port", self.port)];
        let parameters: Vec<_> = optional.iter().filter_map(|(n, v)| Some((*n, (*v)?))).collect();
        if !parameters.is_empty() {
            let block_id = format!("{id}-instance_attributes");
            super::append_block(out, primitive, "instance_attributes", &block_id, &parameters);
        }
        let operations = out.append_element(primitive, "operations");
        let op_id = format!("{id}-monitor-30s");
        super::append_operation(out, operations, &op_id, "30s", "monitor", Some("30s"));
        if let Some(timeout) = self.start_timeout {
            let op_id = format!("{id}-start-0");
            super::append_operation(out, operations, &op_id, "0", "start", Some(timeout));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::input::generate;
    use cib_model::Document;

    #[test]
    fn a_guest_in_a_group_gets_a_connection() {
        let cib = Document::parse(
            "<cib><configuration><resources><group id='g'>
             <primitive id='vm' class='ocf' provider='h' type='V'><meta_attributes id='m'>
             <nvpair id='a' name='remote-node' value='old'/><nvpair id='b' name='remote-node' value='guest1'/>
             <nvpair id='c' name='remote-port' value='99'/></meta_attributes></primitive>
             </group></resources></configuration></cib>",
        )
        .unwrap();
        let made = generate(&cib);
        let connections = made.root().child("resources").unwrap();
        assert_eq!(
            connections.child("primitive").unwrap().to_xml_compact(),
            "<primitive id=\"guest1\" class=\"ocf\" provider=\"pacemaker\" type=\"remote\">\
             <meta_attributes id=\"guest1-meta_attributes\">\
             <nvpair id=\"guest1-meta_attributes-internal_rsc\" name=\"internal_rsc\" value=\"true\"/>\
             <nvpair id=\"guest1-meta_attributes-container\" name=\"container\" value=\"vm\"/>\
             </meta_attributes><instance_attributes id=\"guest1-instance_attributes\">\
             <nvpair id=\"guest1-instance_attributes-port\" name=\"port\" value=\"99\"/>\
             </instance_attributes><operations>\
             <op id=\"guest1-monitor-30s\" interval=\"30s\" name=\"monitor\" timeout=\"30s\"/>\
             <op id=\"guest1-start-0\" interval=\"0\" name=\"start\" timeout=\"60s\"/>\
             </operations></primitive>"
        );
    }
}
