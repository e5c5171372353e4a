use super::*;
use crate::document::Document;

const CIB: &str = "<cib validate-with='pacemaker-3.9' admin_epoch='0' epoch='5' num_updates='3'>\
    <configuration><crm_config><cluster_property_set id='s'>\
    <nvpair id='n1' name='a' value='1'/><nvpair id='n2' name='b' value='2'/></cluster_property_set>\
    </crm_config><nodes><node id='1' uname='n1'/><node id='2' uname='n2'/></nodes>\
    <resources><group id='g'><primitive id='p' class='lsb' type='x'/></group></resources>\
    <constraints/></configuration><status/></cib>";

fn cib() -> Document {
    Document::parse(CIB).unwrap()
}

/// A request with section, options and data.
fn request(operation: Operation, section: &str, options: CallOptions, data: &str) -> Request {
    Request {
        section: (!section.is_empty()).then(|| section.to_owned()),
        options: options | CallOptions::NO_MTIME,
        data: (!data.is_empty()).then(|| Document::parse(data).unwrap()),
        ..Request::new(operation)
    }
}

/// Error, or version and the text that a path selects afterwards.
fn run(request: &Request, show: &str) -> Result<(String, String), OperationError> {
    let before = cib();
    let outcome = process(&before, request, &Context::default());
    outcome.result?;
    if let (Some(patch), Some(after)) = (&outcome.patch, &outcome.document) {
        assert_eq!(patch.applied(&before).unwrap().to_xml(), after.to_xml());
    }
    let after = outcome.document.unwrap_or(before);
    let version = crate::model::CibVersion::of(after.root(), 0).to_string();
    let found = crate::xpath::XPath::parse(show).unwrap().elements(&after).unwrap();
    let text: String = found.iter().map(|element| element.to_xml_compact()).collect();
    Ok((version, text.replace('"', "'")))
}

fn ok(version: &str, text: &str) -> Result<(String, String), OperationError> {
    Ok((version.to_owned(), text.to_owned()))
}

const NONE: CallOptions = CallOptions::NONE;

#[test]
fn create_adds_what_is_not_there() {
    use Operation::Create;
    let node = "<node id='3' uname='n3' replace='x'/>";
    assert_eq!(
        run(&request(Create, "nodes", NONE, node), "//node[3]"),
        ok("0.6.0", "<node id='3' uname='n3'/>")
    );
    let both = "<nodes><node id='3' uname='n3'/><node id='1' uname='n1'/></nodes>";
    let request = request(Create, "nodes", NONE, both);
    let outcome = process(&cib(), &request, &Context::default());
    assert_eq!(outcome.result, Err(OperationError::Exists));
    assert_eq!(
        outcome.output.unwrap().root().to_xml_compact().replace('"', "'"),
        "<failed><failed_update id='1' object-type='node' operation='cib_create' reason='File exists'>\
         <node id='1' uname='n1'/></failed_update></failed>"
    );
    assert!(outcome.document.is_none(), "the first node is not kept");
}

#[test]
fn modify_merges() {
    use Operation::Modify;
    let pair = |id: &str, value: &str| format!("<nvpair id='{id}' value='{value}'/>");
    let cases = [
        (
            request(Modify, "crm_config", NONE, &pair("n1", "9")),
            "//nvpair[@id='n1']",
            ok("0.6.0", "<nvpair id='n1' name='a' value='9'/>"),
        ),
        (request(Modify, "crm_config", NONE, &pair("n9", "9")), "/", Err(OperationError::NotFound)),
        (request(Modify, "nowhere", NONE, &pair("n1", "9")), "/", Err(OperationError::Invalid)),
        (
            request(Modify, "crm_config", CallOptions::SCORE_UPDATE, &pair("n1", "value++")),
            "//nvpair[1]",
            ok("0.6.0", "<nvpair id='n1' name='a' value='2'/>"),
        ),
        (
            request(
                Modify,
                "crm_config",
                CallOptions::SCORE_UPDATE,
                &pair("n1", "value+=INFINITY"),
            ),
            "//nvpair[1]",
            ok("0.6.0", "<nvpair id='n1' name='a' value='1000000'/>"),
        ),
        (
            request(Modify, "crm_config", NONE, &pair("n1", "value++")),
            "//nvpair[1]",
            ok("0.6.0", "<nvpair id='n1' name='a' value='value++'/>"),
        ),
        // Sections and objects are made where they are missing.
        (
            request(Modify, "tags", CallOptions::CAN_CREATE, "<tag id='t'><obj_ref id='p'/></tag>"),
            "//tags",
            ok("0.6.0", "<tags><tag id='t'><obj_ref id='p'/></tag></tags>"),
        ),
        (
            request(Modify, "status", CallOptions::CAN_CREATE, "<node_state id='1'/>"),
            "/cib/status",
            ok("0.5.4", "<status><node_state id='1'/></status>"),
        ),
        (
            request(Modify, "//group | //nodes", CallOptions::XPATH, "<node id='2' score='5'/>"),
            "//node[2]",
            ok("0.6.0", "<node id='2' uname='n2' score='5'/>"),
        ),
        (
            request(Modify, "//group", CallOptions::XPATH, "<node id='2' score='5'/>"),
            "/",
            Err(OperationError::NotFound),
        ),
        // A whole CIB is merged from the root.
        (
            request(
                Modify,
                "",
                NONE,
                "<cib num_updates='3'><configuration><nodes>\
            <node id='1' description='d'/></nodes></configuration></cib>",
            ),
            "//node[1]",
            ok("0.6.0", "<node id='1' uname='n1' description='d'/>"),
        ),
        (
            request(
                Modify,
                "nodes",
                NONE,
                "<cib><configuration><nodes><node id='1' score='1'/></nodes>\
            </configuration></cib>",
            ),
            "//node[1]",
            ok("0.6.0", "<node id='1' uname='n1' score='1'/>"),
        ),
        (request(Modify, "nodes", NONE, ""), "/", Err(OperationError::Invalid)),
        // Nothing changes: neither does the version.
        (request(Modify, "crm_config", NONE, &pair("n1", "1")), "//nothing", ok("0.5.3", "")),
        // The result must conform.
        (
            request(Modify, "nodes", NONE, "<node id='1' colour='red'/>"),
            "/",
            Err(OperationError::Schema),
        ),
    ];
    for (request, show, expected) in cases {
        assert_eq!(run(&request, show), expected, "{request:?}");
    }
}

#[test]
fn replace_puts_data_in_place_of_objects() {
    use Operation::Replace;
    let newer = CIB.replace("epoch='5'", "epoch='7'").replace("uname='n2'", "uname='two'");
    let older = CIB.replace("num_updates='3'", "num_updates='2'");
    let cases = [
        (
            request(Replace, "nodes", NONE, "<node id='1' uname='one'/>"),
            "//nodes",
            ok("0.6.0", "<nodes><node id='1' uname='one'/><node id='2' uname='n2'/></nodes>"),
        ),
        (request(Replace, "nodes", NONE, "<nodes/>"), "//nodes", ok("0.6.0", "<nodes/>")),
        (
            request(Replace, "nodes", NONE, "<node id='9' uname='x'/>"),
            "/",
            Err(OperationError::NotFound),
        ),
        (
            request(Replace, "//node[@id='1']", CallOptions::XPATH, "<node id='1' uname='one'/>"),
            "//nodes",
            ok("0.6.0", "<nodes><node id='2' uname='n2'/><node id='1' uname='one'/></nodes>"),
        ),
        (
            request(Replace, "//frob", CallOptions::XPATH, "<node id='1' uname='one'/>"),
            "/",
            Err(OperationError::NotFound),
        ),
        (
            request(Replace, "", NONE, &newer),
            "//node[2]",
            ok("0.8.0", "<node id='2' uname='two'/>"),
        ),
        (request(Replace, "", NONE, &older), "/", Err(OperationError::OldData)),
    ];
    for (request, show, expected) in cases {
        assert_eq!(run(&request, show), expected, "{request:?}");
    }
    let mut sync = request(Replace, "", NONE, &newer);
    sync.is_sync = true;
    assert_eq!(run(&sync, "//nothing"), ok("0.7.3", ""), "a copy keeps its version");
    sync.digest = Some("0".repeat(32));
    assert_eq!(run(&sync, "/"), Err(OperationError::DigestMismatch));
}

#[test]
fn delete_removes_what_fits() {
    use Operation::Delete;
    let all = CallOptions::XPATH | CallOptions::MULTIPLE;
    let cases = [
        (
            request(Delete, "nodes", NONE, "<node uname='N2'/>"),
            ok("0.6.0", "<node id='1' uname='n1'/>"),
        ),
        (
            request(Delete, "nodes", NONE, "<node id='1' uname='other'/>"),
            ok("0.5.3", "<node id='1' uname='n1'/><node id='2' uname='n2'/>"),
        ),
        (
            request(Delete, "nodes", NONE, "<nodes><node id='1'/><node id='2'/></nodes>"),
            ok("0.6.0", ""),
        ),
        (
            request(Delete, "//node", CallOptions::XPATH, ""),
            ok("0.6.0", "<node id='2' uname='n2'/>"),
        ),
        (request(Delete, "//node", all, ""), ok("0.6.0", "")),
        (
            request(Delete, "//frob", all, ""),
            ok("0.5.3", "<node id='1' uname='n1'/><node id='2' uname='n2'/>"),
        ),
        (request(Delete, "/cib", CallOptions::XPATH, ""), Err(OperationError::Invalid)),
        (request(Delete, "nodes", NONE, ""), Err(OperationError::Invalid)),
        (
            request(Delete, "//group | //primitive | //resources", all, ""),
            Err(OperationError::Schema),
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(run(&request, "//node"), expected, "{request:?}");
    }
}

#[test]
fn erase_bump_and_upgrade_keep_their_versions() {
    let plain = |operation| request(operation, "", NONE, "");
    assert_eq!(
        run(&plain(Operation::Erase), "/cib/configuration"),
        ok(
            "1.6.0",
            "<configuration><crm_config/><nodes/><resources/><constraints/></configuration>"
        )
    );
    assert_eq!(run(&plain(Operation::Bump), "//nothing"), ok("0.6.4", ""));
    assert_eq!(run(&plain(Operation::Upgrade), "//nothing"), ok("1.1.2", ""));
    let mut limited = plain(Operation::Upgrade);
    limited.max_schema = Some(crate::schema::Schema::V3_9);
    assert_eq!(run(&limited, "/"), Err(OperationError::SchemaUnchanged));
}

#[test]
fn queries_give_sections_and_matches() {
    let found = |section: &str, options| {
        let outcome =
            process(&cib(), &request(Operation::Query, section, options, ""), &Context::default());
        outcome.result?;
        Ok(outcome.output.unwrap().root().to_xml_compact().replace('"', "'"))
    };
    let xpath = CallOptions::XPATH;
    let cases = [
        ("constraints", NONE, Ok("<constraints/>")),
        ("nodes", CallOptions::NO_CHILDREN, Ok("<nodes/>")),
        ("tags", NONE, Err(OperationError::NotFound)),
        ("frob", NONE, Err(OperationError::NotFound)),
        ("//node[@id='1']", xpath, Ok("<node id='1' uname='n1'/>")),
        (
            "//node",
            xpath,
            Ok("<xpath-query><node id='1' uname='n1'/><node id='2' uname='n2'/></xpath-query>"),
        ),
        ("//node/@uname", xpath, Ok("<xpath-query uname='n2'/>")),
        ("//frob", xpath, Err(OperationError::NotFound)),
        ("//[", xpath, Err(OperationError::NotFound)),
        (
            "//primitive",
            xpath | CallOptions::XPATH_ADDRESS,
            Ok("<xpath-query><xpath-query-path id='/cib/configuration/resources/group[@id='g']\
                /primitive[@id='p']'/></xpath-query>"),
        ),
    ];
    for (section, options, expected) in cases {
        assert_eq!(found(section, options), expected.map(str::to_owned), "{section}");
    }
    let whole = found("", CallOptions::NO_CHILDREN).unwrap();
    assert!(whole.starts_with("<cib ") && whole.ends_with("/>"));
}

#[test]
fn transactions_succeed_or_fail_together() {
    let command = |operation: &str, data: &str| {
        format!(
            "<cib_command cib_op='{operation}' cib_section='nodes' cib_callopt='1024'>\
             <cib_calldata>{data}</cib_calldata></cib_command>"
        )
    };
    let transaction = |commands: &[String]| {
        let data = format!("<cib_transaction>{}</cib_transaction>", commands.concat());
        request(Operation::CommitTransaction, "", NONE, &data)
    };
    let add = command("cib_create", "<node id='3' uname='n3'/>");
    let change = command("cib_modify", "<node id='3' score='4'/>");
    assert_eq!(
        run(&transaction(&[add.clone(), change.clone()]), "//node[3]"),
        ok("0.6.0", "<node id='3' uname='n3' score='4'/>")
    );
    assert_eq!(run(&transaction(&[change.clone(), add]), "/"), Err(OperationError::NotFound));
    let query = command("cib_query", "");
    assert_eq!(run(&transaction(&[query]), "/"), Err(OperationError::NotSupported));
    let no_transaction = request(Operation::CommitTransaction, "", NONE, "<x/>");
    assert_eq!(run(&no_transaction, "/"), Err(OperationError::NoTransaction));
}

#[test]
fn changes_are_signed_and_judged() {
    let mut node = request(Operation::Create, "nodes", NONE, "<node id='3' uname='n3'/>");
    node.options = NONE;
    node.origin = Some("n1".to_owned());
    let context = Context { now_text: "today", ..Context::default() };
    let outcome = process(&cib(), &node, &context);
    assert!(outcome.configuration_changed);
    let document = outcome.document.unwrap();
    assert_eq!(document.root().attribute("cib-last-written"), Some("today"));
    assert_eq!(document.root().attribute("update-origin"), Some("n1"));

    node.options = CallOptions::DRY_RUN;
    let outcome = process(&cib(), &node, &context);
    assert!(outcome.document.is_none() && outcome.output.is_some());

    let newer = request(Operation::Modify, "", NONE, "<cib crm_feature_set='9.0'/>");
    let context = Context { feature_set: Some("3.20.5"), ..Context::default() };
    let outcome = process(&cib(), &newer, &context);
    assert_eq!(outcome.result, Err(OperationError::ProtocolNotSupported));

    let backwards = request(Operation::Modify, "", NONE, "<cib epoch='4'/>");
    let outcome = process(&cib(), &backwards, &Context::default());
    assert_eq!(outcome.result, Err(OperationError::OldData));
    assert!(outcome.patch.is_some());
}

#[test]
fn access_control_applies_to_its_subjects() {
    let acls = "<acls><acl_target id='eve'><role id='r'/></acl_target><acl_role id='r'>\
        <acl_permission id='w' kind='write' xpath='//nodes'/></acl_role></acls></configuration>";
    let option = "<nvpair id='n3' name='enable-acl' value='true'/></cluster_property_set>";
    let text = CIB.replace("</configuration>", acls).replace("</cluster_property_set>", option);
    let cib = Document::parse(&text).unwrap();
    let as_user = |user: &str, request: Request| {
        let request = Request { user: Some(user.to_owned()), ..request };
        process(&cib, &request, &Context::default())
    };
    let node = || request(Operation::Modify, "nodes", NONE, "<node id='1' score='5'/>");
    let pair = || request(Operation::Modify, "crm_config", NONE, "<nvpair id='n1' value='5'/>");
    assert_eq!(as_user("eve", node()).result, Ok(()));
    assert_eq!(as_user("eve", pair()).result, Err(OperationError::Denied));
    assert_eq!(as_user("bob", node()).result, Err(OperationError::Denied));
    assert_eq!(as_user("root", pair()).result, Ok(()));
    let erase = || request(Operation::Erase, "", NONE, "");
    assert_eq!(as_user("eve", erase()).result, Err(OperationError::Denied));
    let query = as_user("eve", request(Operation::Query, "", NONE, ""));
    let seen = query.output.unwrap().root().to_xml_compact();
    assert!(seen.contains("uname") && !seen.contains("cluster_property_set"), "{seen}");
    let hidden = as_user("eve", request(Operation::Query, "//nvpair", CallOptions::XPATH, ""));
    assert_eq!(hidden.result, Err(OperationError::NotFound));
    let denied = as_user("bob", request(Operation::Query, "", NONE, ""));
    assert_eq!(denied.result, Err(OperationError::Denied));
}
