use super::super::{Schema, upgrade};
use crate::document::Document;
use crate::validate::validate;

fn document(sections: &str) -> Document {
    let missing: String = ["crm_config", "nodes", "resources", "constraints"]
        .iter()
        .filter(|name| !sections.contains(&format!("<{name}>")))
        .map(|name| format!("<{name}/>"))
        .collect();
    Document::parse(&format!(
        "<cib validate-with='pacemaker-3.10' admin_epoch='0' epoch='0' num_updates='0'>\
         <configuration>{sections}{missing}</configuration><status/></cib>"
    ))
    .unwrap()
}

/// Upgrades, and returns one section of the result in compact form.
fn upgraded(sections: &str, show: &str) -> String {
    let mut document = document(sections);
    let report = upgrade(&mut document).unwrap();
    assert_eq!((report.to, report.transformed), (Schema::V4_0, true));
    assert_eq!(validate(&document, Schema::V4_0), []);
    let configuration = document.root().child("configuration").unwrap();
    let section = configuration.child(show).unwrap().to_xml_compact();
    section.replace("pcmk__3_10_upgrade-", "P-").replace('"', "'")
}

fn resources(text: &str) -> String {
    upgraded(&format!("<resources>{text}</resources>"), "resources")
}

const TWO: &str = "<resources><primitive id='A' class='lsb' type='a'/>\
                   <primitive id='B' class='lsb' type='b'/></resources>";

fn rule(id: &str) -> String {
    format!(
        "<rule id='{id}' score='1'><expression id='{id}-e' attribute='a' operation='defined'/></rule>"
    )
}

fn constraints(text: &str) -> String {
    upgraded(&format!("{TWO}<constraints>{text}</constraints>"), "constraints")
}

#[test]
fn options_are_renamed_dropped_and_sorted() {
    let text = upgraded(
        "<crm_config>\
         <cluster_property_set id='low' score='-3'><nvpair id='l' name='x' value='1'/></cluster_property_set>\
         <cluster_property_set id='high' score='5'>\
         <nvpair id='a' name='crmd-transition-delay' value='2s'/>\
         <nvpair id='b' name='remove-after-stop' value='1'/>\
         <nvpair id='c' name='stonith-action' value='poweroff'/>\
         <nvpair id='d' name='empty'/>\
         <nvpair id='e' name='twice' value='1'/><nvpair id='f' name='twice' value='2'/>\
         <nvpair id='g' name='reset' value='1'/><nvpair id='h' name='reset' value='#default'/>\
         <nvpair id='i' name='reset' value='2'/>\
         </cluster_property_set>\
         <cluster_property_set id='cib-bootstrap-options'/>\
         </crm_config>",
        "crm_config",
    );
    assert_eq!(
        text,
        "<crm_config><cluster_property_set id='cib-bootstrap-options'/>\
         <cluster_property_set id='high' score='5'>\
         <nvpair id='a' name='transition-delay' value='2s'/>\
         <nvpair id='c' name='stonith-action' value='off'/>\
         <nvpair id='e' name='twice' value='1'/>\
         <nvpair id='i' name='reset' value='2'/>\
         </cluster_property_set>\
         <cluster_property_set id='low' score='-3'><nvpair id='l' name='x' value='1'/>\
         </cluster_property_set></crm_config>"
    );
}

#[test]
fn pairs_reused_under_another_name_become_pairs() {
    let text = resources(
        "<primitive id='A' class='lsb' type='a'><instance_attributes id='i'>\
         <nvpair id='n' name='x' value='1'/><nvpair id-ref='n' name='y'/><nvpair id-ref='n'/>\
         </instance_attributes></primitive>",
    );
    assert!(text.contains("<nvpair id='P-n-y' name='y' value='1'/>"), "{text}");
    assert!(!text.contains("id-ref"), "the second x does not count: {text}");
}

#[test]
fn masters_become_promotable_clones() {
    let text = resources(
        "<master id='M'><primitive id='A' class='lsb' type='a'/><meta_attributes id='m'/></master>\
         <bundle id='B'><docker image='i' masters='2'/></bundle>",
    );
    assert_eq!(
        text,
        "<resources><clone id='M'>\
         <meta_attributes id='P-promotable-legacy-M-meta_attributes' score='INFINITY'>\
         <nvpair id='P-promotable-legacy-M-meta_attributes-promotable' name='promotable' value='true'/>\
         </meta_attributes><primitive id='A' class='lsb' type='a'/><meta_attributes id='m'/></clone>\
         <bundle id='B'><docker image='i' promoted-max='2'/></bundle></resources>"
    );
}

#[test]
fn ping_nodes_become_members_that_run_nothing() {
    let nodes = "<nodes><node id='1' uname='p' type='ping'/></nodes>";
    assert_eq!(upgraded(nodes, "nodes"), "<nodes><node id='1' uname='p' type='member'/></nodes>");
    assert_eq!(
        upgraded(nodes, "constraints"),
        "<constraints><rsc_location id='P-ping-node-ban-p' rsc-pattern='.*' node='p' \
         score='-INFINITY' resource-discovery='never'/></constraints>"
    );
}

#[test]
fn locations_get_one_rule_each() {
    let sections = format!(
        "{TWO}<constraints><rsc_location id='l'><resource_set id='s'><resource_ref id='A'/>\
         </resource_set>{}{}</rsc_location></constraints><acls><acl_role id='ro'>\
         <acl_permission id='p' kind='read' reference='l'/></acl_role></acls>",
        rule("r1"),
        rule("r2")
    );
    assert_eq!(
        upgraded(&sections, "constraints"),
        format!(
            "<constraints><rsc_location id='P-l-1'><resource_set id='s'><resource_ref id='A'/>\
             </resource_set>{}</rsc_location><rsc_location id='P-l-2'><resource_set id-ref='s'/>{}\
             </rsc_location></constraints>",
            rule("r1"),
            rule("r2")
        )
    );
    assert!(upgraded(&sections, "acls").contains("xpath='//*[@id = 'P-l-1' or @id = 'P-l-2']'"));
}

#[test]
fn lifetimes_fold_into_rules() {
    let text = constraints(&format!(
        "<rsc_location id='l' rsc='A' node='n' score='3'><lifetime>{}{}</lifetime></rsc_location>",
        rule("r1"),
        rule("r2")
    ));
    assert_eq!(
        text,
        format!(
            "<constraints><rsc_location id='l' rsc='A'><rule id='P-l-lifetime-and-rule' \
             boolean-op='and'><rule id='P-l-node-score-rule' score='3'>\
             <expression id='P-l-node-score-rule-expr' attribute='#uname' operation='eq' value='n'/>\
             </rule><rule id='P-l-lifetime-or-rule' boolean-op='or'>{}{}</rule></rule>\
             </rsc_location></constraints>",
            rule("r1"),
            rule("r2")
        )
    );
    let text = constraints(&format!(
        "<rsc_order id='o' first='A' then='B'><lifetime>{}</lifetime></rsc_order>\
         <rsc_location id='l' rsc='A'><rule id-ref='r1'/></rsc_location>",
        rule("r1")
    ));
    assert_eq!(
        text,
        format!(
            "<constraints><rsc_order id='o' first='A' then='B'/>\
             <rsc_location id='l' rsc='A'><rule id-ref='r1'/></rsc_location>\
             <rsc_location id='P-coloc-order-lifetime-rules' rsc-pattern='a^'>\
             <rule id='P-coloc-order-lifetime-rule' score='-INFINITY'>{}</rule>\
             </rsc_location></constraints>",
            rule("r1")
        )
    );
}

#[test]
fn agents_that_are_gone_take_their_constraints_along() {
    let sections = "<resources>\
         <template id='T' class='nagios' type='x'/>\
         <primitive id='A' template='T'><meta_attributes id='m'><nvpair id='n' name='x' value='1'/>\
         </meta_attributes></primitive>\
         <primitive id='B' class='lsb' type='b'><meta_attributes id-ref='m'/></primitive>\
         <group id='G'><primitive id='U' class='upstart' type='b'/></group>\
         <bundle id='R'><rkt image='i'/><primitive id='I' class='lsb' type='i'/></bundle>\
         </resources><constraints>\
         <rsc_colocation id='c' rsc='A' with-rsc='B'/>\
         <rsc_location id='l' rsc='B' node='n' score='1'/>\
         <rsc_order id='o1'><resource_set id='s1'><resource_ref id='G'/></resource_set></rsc_order>\
         <rsc_order id='o2'><resource_set id='s2'><resource_ref id='I'/><resource_ref id='B'/>\
         </resource_set><resource_set id-ref='s1'/></rsc_order>\
         </constraints><acls><acl_role id='ro'>\
         <acl_permission id='p' kind='read' reference='A'/></acl_role></acls>";
    assert_eq!(
        upgraded(sections, "resources"),
        "<resources><primitive id='B' class='lsb' type='b'><meta_attributes id='m'>\
         <nvpair id='n' name='x' value='1'/></meta_attributes></primitive></resources>"
    );
    assert_eq!(
        upgraded(sections, "constraints"),
        "<constraints><rsc_location id='l' rsc='B' node='n' score='1'/>\
         <rsc_order id='o2'><resource_set id='s2'><resource_ref id='B'/></resource_set></rsc_order>\
         </constraints>"
    );
    assert!(upgraded(sections, "acls").contains("xpath='/*[false()]'"));
}

#[test]
fn levels_beyond_nine_and_the_moon_go() {
    let text = upgraded(
        "<fencing-topology><fencing-level id='f' target='n' index='9' devices='d'/>\
         <fencing-level id='g' target='n' index='10' devices='d'/></fencing-topology>",
        "fencing-topology",
    );
    assert_eq!(
        text,
        "<fencing-topology><fencing-level id='f' target='n' index='9' devices='d'/></fencing-topology>"
    );
    let text = constraints(
        "<rsc_location id='l' rsc='A'><rule id='r' score='1'><date_expression id='d' \
         operation='date_spec'><date_spec id='s' moon='4' hours='1'/></date_expression></rule>\
         </rsc_location>",
    );
    assert!(text.contains("<date_spec id='s' hours='1'/>"), "{text}");
}
