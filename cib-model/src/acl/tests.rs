use super::*;
use crate::date::DateTime;
use crate::document::Document;
use crate::model::Access;

/// A CIB with one secret, and a user with these permissions.
fn cib(permissions: &str) -> Document {
    Document::parse(&format!(
        "<cib epoch='1'><configuration><crm_config/><nodes><node id='1' uname='n'/></nodes>\
         <resources><primitive id='p' class='ocf'><instance_attributes id='i'>\
         <nvpair id='user' name='user' value='u'/><nvpair id='passwd' name='passwd' value='s'/>\
         </instance_attributes></primitive><primitive id='q' class='lsb'/></resources>\
         <acls><acl_target id='eve'><role id='r'/></acl_target><acl_group id='ops' name='wheel'>\
         <role id='r'/></acl_group><acl_role id='r'>{permissions}</acl_role></acls></configuration>\
         <status/></cib>"
    ))
    .unwrap()
}

/// Kind and selector of each permission.
type Rules = [(&'static str, &'static str)];

fn permit(rules: &Rules) -> Document {
    let permission = |(index, (kind, selector)): (usize, &(&str, &str))| {
        format!("<acl_permission id='x{index}' kind='{kind}' {selector}/>")
    };
    cib(&rules.iter().enumerate().map(permission).collect::<String>())
}

fn eve(document: &Document) -> Permissions {
    Permissions::of(document, &User { name: "eve", groups: &[] })
}

#[test]
fn permissions_come_from_targets_groups_and_roles() {
    let document = permit(&[("read", "xpath='/cib'"), ("write", "object-type='node'")]);
    let count = |name: &str, groups: &[&str]| {
        Permissions::of(&document, &User { name, groups }).rules.len()
    };
    assert_eq!(count("eve", &[]), 2);
    assert_eq!(count("eve", &["wheel"]), 4);
    assert_eq!(count("bob", &["wheel", "users"]), 2);
    assert_eq!(count("bob", &["ops"]), 0, "the group's name comes before its id");
    assert_eq!(count("bob", &[]), 0);
    let odd = permit(&[("frob", "xpath='/cib'"), ("read", ""), ("read", "xpath='//['")]);
    assert!(eve(&odd).is_empty(), "what is not understood permits nothing");
    assert!(is_exempt("") && is_exempt("root") && is_exempt("hacluster") && !is_exempt("eve"));
}

#[test]
fn the_nearest_mark_decides_and_deny_wins() {
    let cases: [(&Rules, &str, bool, bool); 8] = [
        (&[("read", "xpath='/cib'")], "passwd", true, false),
        (&[("write", "xpath='/'")], "passwd", true, true),
        (&[("write", "xpath='/cib'"), ("deny", "reference='passwd'")], "passwd", false, false),
        (&[("write", "xpath='/cib'"), ("deny", "reference='passwd'")], "user", true, true),
        (&[("deny", "xpath='//resources'"), ("write", "reference='p'")], "passwd", true, true),
        (&[("read", "reference='p'"), ("deny", "reference='p'")], "p", false, false),
        (&[("read", "reference='p'"), ("write", "xpath='/cib'")], "user", true, true),
        (&[("read", "object-type='nvpair' attribute='value'")], "user", true, false),
    ];
    for (rules, id, read, write) in cases {
        let document = permit(rules);
        let marks = eve(&document).marks(&document);
        let element = document.get_by_id(id).unwrap();
        let granted = (marks.grant(element, Access::Read), marks.grant(element, Access::Write));
        assert_eq!(granted, (read, write), "{rules:?}");
    }
}

#[test]
fn readers_see_what_they_may_in_bare_elements() {
    let visible = |rules: &Rules| {
        let document = permit(rules);
        let visible = eve(&document).visible(&document);
        visible.map(|document| document.root().to_xml_compact().replace('"', "'"))
    };
    assert_eq!(visible(&[]), None);
    assert_eq!(visible(&[("read", "reference='nobody'")]), None);
    assert_eq!(
        visible(&[("read", "reference='user'")]).as_deref(),
        Some(
            "<cib><configuration><resources><primitive id='p'><instance_attributes id='i'>\
             <nvpair id='user' name='user' value='u'/></instance_attributes></primitive>\
             </resources></configuration></cib>"
        )
    );
    let all_but_secret = visible(&[("read", "xpath='/cib'"), ("deny", "xpath=\"//nvpair\"")]);
    let text = all_but_secret.unwrap();
    assert!(text.contains("<cib epoch='1'>") && text.contains("<instance_attributes id='i'/>"));
    assert!(!text.contains("nvpair id='passwd'"));
    let reopened = visible(&[
        ("read", "xpath='/cib'"),
        ("deny", "xpath='//resources'"),
        ("read", "reference='user'"),
    ])
    .unwrap();
    assert!(reopened.contains("nvpair id='user'") && !reopened.contains("passwd"), "{reopened}");
    assert!(!reopened.contains("class='ocf'"), "{reopened}");
}

/// Whether eve, with these rules, may replace one text by another in the CIB.
fn change(rules: &Rules, from: &str, to: &str) -> Result<(), String> {
    let old = permit(rules);
    let text = old.root().to_xml_compact().replace('"', "'");
    assert!(text.contains(from), "{text}");
    let new = Document::parse(&text.replacen(from, to, 1)).unwrap();
    eve(&old).check(&old, &new).map_err(|refusal| refusal.to_string())
}

#[test]
fn writers_change_what_they_may() {
    let resources: &Rules = &[("write", "xpath='//resources'")];
    let guarded: &Rules = &[("write", "xpath='//resources'"), ("deny", "reference='passwd'")];
    let ok: &[(&Rules, &str, &str)] = &[
        (resources, "value='s'", "value='t'"),
        (resources, "<primitive id='q' class='lsb'/>", ""),
        (resources, "</resources>", "<primitive id='new' class='lsb'/></resources>"),
        (guarded, "value='u'", "value='v'"),
        // Bare elements only lead to others.
        (resources, "<status/>", "<status><node_state id='1'/></status>"),
        (
            &[("write", "reference='new'")],
            "</resources>",
            "<group id='new' description='x'/></resources>",
        ),
    ];
    for (rules, from, to) in ok {
        assert_eq!(change(rules, from, to), Ok(()), "{from} -> {to}");
    }
    let refused: &[(&Rules, &str, &str, &str)] = &[
        (&[], "value='s'", "value='t'", "modify"),
        (&[("read", "xpath='/cib'")], "value='s'", "value='t'", "modify"),
        (guarded, "value='s'", "value='t'", "modify"),
        (guarded, " value='s'", "", "modify"),
        (guarded, "<nvpair id='passwd' name='passwd' value='s'/>", "", "delete"),
        (resources, "<node id='1' uname='n'/>", "", "delete"),
        (resources, "<status/>", "<status><node_state id='1' x='y'/></status>", "create"),
        (
            resources,
            "<acl_target id='eve'>",
            "<acl_role id='mine'/><acl_target id='eve'>",
            "create",
        ),
        (resources, "<cib epoch='1'>", "<cib epoch='2'>", "modify"),
        (resources, "<status/>", "<status><!-- hello --></status>", "create"),
    ];
    for (rules, from, to, action) in refused {
        let refusal = change(rules, from, to).unwrap_err();
        assert!(refusal.starts_with(&format!("not permitted to {action} /cib")), "{refusal}");
    }
}

#[test]
fn a_twin_of_a_writable_element_is_not_writable() {
    let old = Document::parse(
        "<cib><configuration><acls><acl_target id='eve'><role id='r'/></acl_target><acl_role id='r'>\
         <acl_permission id='w' kind='write' xpath='/cib/status/a'/></acl_role></acls></configuration>\
         <status><a><x id='1' v='1'/></a><b><x id='1' v='1'/></b></status></cib>",
    )
    .unwrap();
    let text = old.root().to_xml_compact();
    let last = text.rfind("v=\"1\"").unwrap();
    let new = Document::parse(&format!("{}v=\"2\"{}", &text[..last], &text[last + 5..])).unwrap();
    let refusal = eve(&old).check(&old, &new).unwrap_err();
    assert_eq!(refusal.to_string(), "not permitted to modify /cib/status/b/x[@id='1']");
}

#[test]
fn access_control_is_a_cluster_option() {
    let with = |value: &str| {
        let set = format!(
            "<crm_config><cluster_property_set id='s'><nvpair id='n' name='enable-acl' \
             value='{value}'/></cluster_property_set></crm_config>"
        );
        let text = cib("").root().to_xml_compact().replace("<crm_config/>", &set);
        is_enabled(&Document::parse(&text).unwrap(), DateTime::from_epoch(0, 0))
    };
    assert!(with("true") && with("yes"));
    assert!(!with("false") && !with("sure"));
    assert!(!is_enabled(&cib(""), DateTime::from_epoch(0, 0)));
}
