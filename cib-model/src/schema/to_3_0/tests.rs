use super::super::{Schema, upgrade_to};
use crate::document::Document;
use crate::validate::validate;

fn upgraded(options: &str, resources: &str, rest: &str) -> String {
    let mut document = Document::parse(&format!(
        "<cib validate-with='pacemaker-2.10' admin_epoch='0' epoch='0' num_updates='0'>\
         <configuration><crm_config>{options}</crm_config><nodes/><resources>{resources}</resources>\
         <constraints/>{rest}</configuration></cib>"
    ))
    .unwrap();
    let walk = upgrade_to(&mut document, Schema::V3_0, true).unwrap();
    assert_eq!((walk.report.to, walk.error), (Schema::V3_0, None));
    assert_eq!(validate(&document, Schema::V3_0), []);
    document.root().child("configuration").unwrap().to_xml_compact().replace('"', "'")
}

fn primitive(id: &str, inside: &str) -> String {
    format!("<primitive id='{id}' class='lsb' type='x'>{inside}</primitive>")
}

fn check_resources(before: &str, after: &str) {
    // Without an old name somewhere the document would not be converted at all.
    let trigger = "<cluster_property_set id='opt'><nvpair id='opt-1' name='dc_deadtime' value='1'/>\
                   </cluster_property_set>";
    let text = upgraded(trigger, before, "");
    let start = text.find("<resources>").unwrap() + "<resources>".len();
    assert_eq!(&text[start..text.find("</resources>").unwrap()], after);
}

#[test]
fn options_are_renamed_moved_or_dropped() {
    let text = upgraded(
        "<cluster_property_set id='s'>\
         <nvpair id='a' name='no_quorum_policy' value='stop'/>\
         <nvpair id='b' name='default-action-timeout' value='20s'/>\
         <nvpair id='c' name='default_resource_stickiness' value='5'/>\
         <nvpair id='d' name='default-resource-failure-stickiness' value='-INFINITY'/>\
         <nvpair id='e' name='cluster-infrastructure' value='cman'/>\
         <nvpair id='f' name='is-managed-default' value='0'/></cluster_property_set>\
         <cluster_property_set id='t'><nvpair id='g' name='expected-quorum-votes' value='2'/>\
         </cluster_property_set><cluster_property_set id-ref='t'/>",
        "",
        "<rsc_defaults><meta_attributes id='m'><nvpair id='m1' name='is-managed' value='1'/>\
         </meta_attributes></rsc_defaults>",
    );
    assert_eq!(
        text,
        "<configuration><crm_config><cluster_property_set id='s'>\
         <nvpair id='a' name='no-quorum-policy' value='stop'/></cluster_property_set></crm_config>\
         <nodes/><resources/><constraints/><rsc_defaults><meta_attributes id='m'>\
         <nvpair id='m1' name='is-managed' value='1'/>\
         <nvpair id='c' name='resource-stickiness' value='5'/>\
         <nvpair id='d' name='migration-threshold' value='1'/></meta_attributes></rsc_defaults>\
         <op_defaults><meta_attributes id='_2TO3_-op-defaults'>\
         <nvpair id='b' name='timeout' value='20s'/></meta_attributes></op_defaults></configuration>"
    );
}

#[test]
fn parameters_and_meta_attributes_get_their_present_names() {
    check_resources(
        &primitive(
            "A",
            "<instance_attributes id='i'><nvpair id='a' name='pcmk_off_cmd' value='x'/>\
             <nvpair id='b' name='pcmk_arg_map' value='port:plug'/>\
             <nvpair id='c' name='timeout' value='1'/></instance_attributes>\
             <meta_attributes id='m'><nvpair id='d' name='isolation' value='x'/>\
             <nvpair id='e' name='isolation-host' value='x'/>\
             <nvpair id='f' name='resource_failure_stickiness' value='7'/></meta_attributes>",
        ),
        &primitive(
            "A",
            "<instance_attributes id='i'><nvpair id='a' name='pcmk_off_action' value='x'/>\
             <nvpair id='b' name='pcmk_host_argument' value='plug'/>\
             <nvpair id='c' name='timeout' value='1'/></instance_attributes>\
             <meta_attributes id='m'><nvpair id='d' name='target-role' value='Stopped'/>\
             </meta_attributes>",
        ),
    );
}

#[test]
fn options_of_operations_move_to_their_meta_attributes() {
    check_resources(
        &primitive(
            "A",
            "<operations><op id='o' name='monitor' interval='9'><instance_attributes id='i'>\
             <nvpair id='a' name='timeout' value='4'/><nvpair id='b' name='depth' value='5'/>\
             </instance_attributes></op></operations>",
        ),
        &primitive(
            "A",
            "<operations><op id='o' name='monitor' interval='9'><instance_attributes id='i'>\
             <nvpair id='b' name='depth' value='5'/></instance_attributes>\
             <meta_attributes id='_2TO3_o-meta'><nvpair id='a' name='timeout' value='4'/>\
             </meta_attributes></op></operations>",
        ),
    );
}

#[test]
fn the_last_start_or_promote_says_what_the_resource_requires() {
    let op = |id: &str, name: &str, requires: &str| {
        format!("<op id='{id}' name='{name}' interval='0'{requires}/>")
    };
    check_resources(
        &primitive(
            "A",
            &format!(
                "<operations>{}{}{}</operations>",
                op("s", "start", " requires='nothing'"),
                op("p", "promote", " requires='quorum'"),
                op("m", "monitor", " requires='fencing'")
            ),
        ),
        &primitive(
            "A",
            &format!(
                "<operations>{}{}{}</operations><meta_attributes id='_2TO3_A-meta'>\
                 <nvpair id='_2TO3_p-meta-requires' name='requires' value='quorum'/>\
                 </meta_attributes>",
                op("s", "start", ""),
                op("p", "promote", ""),
                op("m", "monitor", "")
            ),
        ),
    );
}

#[test]
fn a_set_used_in_two_places_is_copied_where_they_differ() {
    check_resources(
        &primitive(
            "A",
            "<instance_attributes id='i'><nvpair id='a' name='timeout' value='4'/>\
             </instance_attributes><operations><op id='o' name='stop' interval='0'>\
             <instance_attributes id-ref='i'/></op></operations>",
        ),
        &primitive(
            "A",
            "<instance_attributes id='i'><nvpair id='a' name='timeout' value='4'/>\
             </instance_attributes><operations><op id='o' name='stop' interval='0'>\
             <meta_attributes id='_2TO3_o-meta'>\
             <nvpair id='__cibtr-2_i__a' name='timeout' value='4'/></meta_attributes></op>\
             </operations>",
        ),
    );
}
