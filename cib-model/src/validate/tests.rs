use super::*;

fn cib(sections: &str) -> Document {
    let missing: String = ["crm_config", "nodes", "resources", "constraints"]
        .iter()
        .filter(|name| !sections.contains(&format!("<{name}")))
        .map(|name| format!("<{name}/>"))
        .collect();
    Document::parse(&format!(
        "<cib validate-with='none' admin_epoch='0' epoch='0' num_updates='0'>\n\
         <configuration>\n{sections}{missing}</configuration>\n<status/></cib>"
    ))
    .unwrap()
}

fn resources(text: &str) -> Document {
    cib(&format!("<resources>\n{text}</resources>\n"))
}

fn constraints(text: &str) -> Document {
    cib(&format!(
        "<resources><primitive id='A' class='lsb' type='a'/><primitive id='B' class='lsb' type='b'/>\
         </resources><constraints>{text}</constraints>"
    ))
}

/// Checks that a document conforms from one schema to another and nowhere else.
fn conforms_between(document: &Document, first: Schema, last: Schema, what: &str) {
    assert_eq!(conforming(document), SchemaSet::between(first, last), "{what}");
}

#[test]
fn constructs_conform_to_the_schemas_that_know_them() {
    use Schema::*;
    let cases = [
        ("<primitive id='A' class='lsb' type='x'/>", V1_0, V4_0),
        ("<primitive id='A' class='service' type='x'/>", V1_2, V4_0),
        ("<primitive id='A' class='upstart' type='x'/>", V1_0, V3_10),
        ("<primitive id='A' class='nagios' type='x'/>", V1_2, V3_10),
        ("<template id='T' class='systemd' type='x'/>", V2_7, V4_0),
        ("<template id='T' class='lsb' type='x'/><primitive id='A' template='T'/>", V1_2, V4_0),
        ("<master id='M'><primitive id='A' class='lsb' type='x'/></master>", V1_0, V3_10),
        ("<bundle id='B'><docker image='i' masters='1'/></bundle>", V2_8, V3_10),
        ("<bundle id='B'><docker image='i' promoted-max='1'/></bundle>", V3_0, V4_0),
        ("<bundle id='B'><podman image='i'/></bundle>", V3_2, V4_0),
        ("<bundle id='B'><rkt image='i'/></bundle>", V2_10, V3_10),
    ];
    for (text, first, last) in cases {
        conforms_between(&resources(text), first, last, text);
    }
    let rule =
        "<rule id='r' score='1'><expression id='e' attribute='a' operation='defined'/></rule>";
    let second = rule.replace("'r'", "'r2'").replace("'e'", "'e2'");
    let bare = rule.replace(" score='1'", "");
    let set = "<resource_set id='s'><resource_ref id='A'/></resource_set>";
    let cases = [
        (format!("<rsc_location id='l' rsc='A'>{rule}</rsc_location>"), V1_0, V4_0),
        (format!("<rsc_location id='l' rsc='A'>{bare}</rsc_location>"), V3_9, V4_0),
        (format!("<rsc_location id='l' rsc='A'>{rule}{second}</rsc_location>"), V1_0, V3_10),
        (format!("<rsc_location id='l'>{set}{rule}</rsc_location>"), V1_2, V4_0),
        ("<rsc_location id='l' rsc-pattern='A' node='n' score='1'/>".into(), V2_6, V4_0),
        ("<rsc_colocation id='l' rsc='A' with-rsc='B' score-attribute='x'/>".into(), V1_0, V2_10),
        ("<rsc_colocation id='l' rsc='A' with-rsc='B' rsc-role='Promoted'/>".into(), V3_7, V4_0),
        (
            format!("<rsc_order id='l' first='A' then='B'><lifetime>{rule}</lifetime></rsc_order>"),
            V1_0,
            V3_10,
        ),
        ("<rsc_ticket id='l' rsc='A' ticket='t'/>".into(), V1_2, V4_0),
    ];
    for (text, first, last) in cases {
        conforms_between(&constraints(&text), first, last, &text);
    }
}

#[test]
fn banned_names_are_banned_where_the_schema_bans_them() {
    let banned = |name: &str| {
        let set = format!(
            "<crm_config><cluster_property_set id='s'><nvpair id='n' name='{name}' value='v'/>\
             </cluster_property_set></crm_config>"
        );
        SchemaSet::ALL.without(conforming(&cib(&set)))
    };
    assert_eq!(banned("stonith_enabled"), SchemaSet::between(Schema::V3_0, Schema::V3_10));
    assert_eq!(banned("crmd-transition-delay"), SchemaSet::only(Schema::V4_0));
    assert_eq!(banned("stonith-enabled"), SchemaSet::EMPTY);
    let parameter = resources(
        "<primitive id='A' class='lsb' type='x'><instance_attributes id='i'>\
         <nvpair id='n' name='pcmk_arg_map' value='v'/></instance_attributes></primitive>",
    );
    assert_eq!(SchemaSet::ALL.without(conforming(&parameter)), SchemaSet::only(Schema::V3_0));
}

#[test]
fn all_findings_come_in_one_pass_with_line_id_and_remedy() {
    let document = resources(
        "<primitive id='A' class='lsb' type='x' flavour='y'>\n\
         <operations><op id='o' name='start' interval='0' on-fail='panic'/></operations>\n\
         <cookies/>\n\
         </primitive>\n\
         <primitive id='A' class='lsb'/>\n\
         <primitive id='C' template='T'/>\n\
         <group id='G'/>\n",
    );
    let texts: Vec<String> =
        validate(&document, Schema::V4_0).iter().map(|finding| finding.to_string()).collect();
    assert_eq!(
        texts,
        [
            "line 4: <primitive id=\"A\">: unknown attribute \"flavour\": accepted are id, \
             description, class, provider, type, template",
            "line 5: <op id=\"o\">: on-fail=\"panic\" is not accepted: expected ignore, block, \
             demote, stop, restart, standby, fence, restart-container",
            "line 6: <cookies>: not allowed in <primitive>, which takes instance_attributes, \
             meta_attributes, utilization, operations",
            "line 8: <primitive id=\"A\">: must have exactly one of: class=\"ocf\" provider type | \
             class type | template",
            "line 8: <primitive id=\"A\">: id \"A\" is already used in line 4: ids must be unique",
            "line 9: <primitive id=\"C\">: template=\"T\" does not name the id of any element of \
             the configuration",
            "line 10: <group id=\"G\">: needs a <primitive>",
        ]
    );
}

#[test]
fn order_number_and_place_of_children_matter() {
    let problem = |document: &Document| {
        let mut findings = validate(document, Schema::V4_0);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0).problem
    };
    let early = Document::parse(
        "<cib admin_epoch='0' epoch='0' num_updates='0'><status/><configuration><crm_config/>\
         <nodes/><resources/><constraints/></configuration></cib>",
    )
    .unwrap();
    assert_eq!(problem(&early), Problem::OutOfOrder { sibling: "status".to_owned() });
    let twice = cib("<rsc_defaults/><rsc_defaults/>");
    assert_eq!(
        problem(&twice),
        Problem::SecondElement { parent: "configuration".to_owned(), child: "rsc_defaults" }
    );
    assert_eq!(problem(&Document::new("acib")), Problem::WrongRoot);
}

#[test]
fn status_is_free_and_none_accepts_all() {
    let document = Document::parse(
        "<cib admin_epoch='0' epoch='0' num_updates='0'><configuration><crm_config/><nodes/>\
         <resources><primitive id='A' class='lsb' type='x'/></resources><constraints/>\
         </configuration><status><x id='A'/><x id='A'/></status></cib>",
    )
    .unwrap();
    assert_eq!(conforming(&document), SchemaSet::ALL);
    assert!(conforms(&Document::new("acib"), Schema::None));
}

#[test]
fn references_by_tags_are_checked_until_3_2() {
    let document = cib("<tags><tag id='t'><obj_ref id='nobody'/></tag></tags>");
    conforms_between(&document, Schema::V3_3, Schema::V4_0, "free obj_ref");
}
