use super::*;
use crate::document::Document;

fn read_with<T>(sections: &str, look: impl FnOnce(&Reading<'_>) -> T) -> T {
    let document = Document::parse(&format!(
        "<cib validate-with='pacemaker-4.0' admin_epoch='1' epoch='2' num_updates='3' \
         crm_feature_set='3.20.5' have-quorum='1' execution-date='99'>\n{sections}</cib>"
    ))
    .unwrap();
    look(&Cib::read(&document))
}

fn errors(sections: &str) -> Vec<String> {
    read_with(sections, |reading| reading.errors.iter().map(ToString::to_string).collect())
}

#[test]
fn the_root_says_version_schema_and_quorum() {
    read_with("", |reading| {
        assert_eq!(reading.errors, []);
        let cib = &reading.cib;
        assert_eq!(cib.version.to_string(), "1.2.3");
        assert_eq!(cib.schema, Some(crate::schema::Schema::V4_0));
        assert_eq!((cib.have_quorum, cib.execution_date), (Some(true), Some(99)));
    });
}

#[test]
fn resources_become_trees() {
    let resources = "<configuration><resources>\
        <clone id='c'><meta_attributes id='m'><nvpair id='n' name='promotable' value='true'/>\
        </meta_attributes><group id='g'><primitive id='p' class='ocf' provider='x' type='y'>\
        <operations><op id='o' name='monitor' interval='10s' role='Master' on-fail='restart-container' \
        timeout='1min'/></operations></primitive><primitive id='q' template='t'/></group></clone>\
        <bundle id='b'><podman image='i' masters='2'/><network control-port='3121'>\
        <port-mapping id='pm' port='80'/><port-mapping id='pr' range='1-2'/></network>\
        <storage><storage-mapping id='s' source-dir-root='/a' target-dir='/b'/></storage></bundle>\
        </resources></configuration>";
    read_with(resources, |reading| {
        assert_eq!(reading.errors, []);
        let [Resource::Clone(clone), Resource::Bundle(bundle)] =
            &reading.cib.configuration.resources[..]
        else {
            panic!("a clone and a bundle");
        };
        assert_eq!(clone.meta[0].get("promotable"), Some("true"));
        let Resource::Group(group) = &*clone.child else { panic!("a cloned group") };
        let operation = &group.members[0].operations.as_ref().unwrap().operations[0];
        assert_eq!(operation.interval.as_secs(), 10);
        assert_eq!(operation.timeout.unwrap().as_secs(), 60);
        assert_eq!(operation.role, Some(Role::Promoted));
        assert_eq!(operation.on_fail, Some(OnFail::RestartContainer));
        assert_eq!(group.members[1].agent, AgentSource::Template("t"));
        assert_eq!(bundle.container.kind, ContainerKind::Podman);
        assert_eq!(bundle.container.promoted_max, Some(2));
        let network = bundle.network.as_ref().unwrap();
        assert_eq!(network.ports[0].ports, Ports::One { port: 80, internal_port: None });
        assert_eq!(network.ports[1].ports, Ports::Range("1-2"));
        assert!(bundle.storage[0].per_container);
    });
}

#[test]
fn constraints_take_their_form() {
    let constraints = "<configuration><constraints>\
        <rsc_location id='l1' rsc='p' node='n' score='-INFINITY' role='Slave'/>\
        <rsc_location id='l2' rsc-pattern='.*'><rule id='r' score-attribute='a' boolean-op='or'>\
        <expression id='e' attribute='#uname' operation='ne' value='x' type='version'/>\
        <date_expression id='d' operation='date_spec'><date_spec id='ds' hours='9-16'/></date_expression>\
        <rule id-ref='q'/></rule></rsc_location>\
        <rsc_colocation id='c' rsc='a' with-rsc='b' score='5' rsc-role='Promoted'/>\
        <rsc_order id='o' kind='Serialize'><resource_set id='s' sequential='false'>\
        <resource_ref id='x'/></resource_set><resource_set id-ref='t'/></rsc_order>\
        <rsc_ticket id='t' rsc='a' ticket='T' loss-policy='fence'/>\
        </constraints></configuration>";
    read_with(constraints, |reading| {
        assert_eq!(reading.errors, []);
        let [
            Constraint::Location(plain),
            Constraint::Location(ruled),
            Constraint::Colocation(colocation),
            Constraint::Order(order),
            Constraint::Ticket(ticket),
        ] = &reading.cib.configuration.constraints[..]
        else {
            panic!("five constraints");
        };
        let score = crate::scalar::Score::MINUS_INFINITY;
        assert_eq!(plain.placement, Placement::Node { node: "n", score });
        assert_eq!(plain.role, Some(Role::Unpromoted));
        let Placement::Rules(rules) = &ruled.placement else { panic!("rules") };
        let Rule::Definition(rule) = &rules[0] else { panic!("a definition") };
        assert_eq!(rule.score, Some(RuleScore::Attribute("a")));
        assert_eq!((rule.boolean_op, rule.conditions.len()), (BooleanOp::Or, 3));
        let sides =
            ConstraintPair::Resources { first: ("a", Some(Role::Promoted)), second: ("b", None) };
        assert_eq!(colocation.pair, sides);
        assert_eq!(order.strength, OrderStrength::Kind(OrderKind::Serialize));
        let ConstraintPair::Sets(sets) = &order.pair else { panic!("sets") };
        let ResourceSet::Definition(set) = &sets[0] else { panic!("a definition") };
        assert_eq!((set.sequential, &set.members[..]), (Some(false), &["x"][..]));
        assert_eq!(ticket.loss_policy, Some(LossPolicy::Fence));
    });
}

#[test]
fn status_is_read_in_both_generations() {
    let status = "<status><node_state id='1' uname='n' in_ccm='1700000000' crmd='online' join='member'>\
        <transient_attributes id='1'><instance_attributes id='status-1'>\
        <nvpair id='x' name='a' value='b'/></instance_attributes></transient_attributes>\
        <lrm id='1'><lrm_resources><lrm_resource id='p' class='ocf' provider='x' type='y'>\
        <lrm_rsc_op id='p_last_0' operation='start' interval='10000' call-id='7' rc-code='0' \
        op-status='0' transition-key='3:4:0:u-u' transition-magic='0:0;3:4:0:u-u'/>\
        </lrm_resource></lrm_resources></lrm></node_state>\
        <node_state id='2' in_ccm='false' crmd='0'/>\
        <tickets><ticket_state id='T' granted='true' owner='me'/></tickets></status>";
    read_with(status, |reading| {
        assert_eq!(reading.errors, []);
        let [here, gone] = &reading.cib.status.nodes[..] else { panic!("two nodes") };
        assert_eq!(here.in_ccm, Some(Presence::Since(1_700_000_000)));
        assert_eq!(here.crmd, Some(Presence::Present));
        assert_eq!(here.attributes[0].get("a"), Some("b"));
        let entry = &here.resources[0].entries[0];
        assert_eq!((entry.call_id, entry.interval.as_secs()), (7, 10));
        let magic = entry.transition_magic.as_ref().unwrap();
        assert_eq!(Some(&magic.key), entry.transition_key.as_ref());
        assert_eq!((magic.key.action, magic.key.transition), (3, 4));
        assert!(!gone.in_ccm.unwrap().is_present() && !gone.crmd.unwrap().is_present());
        let ticket = &reading.cib.status.tickets[0];
        assert_eq!((ticket.granted, &ticket.attributes[..]), (Some(true), &[("owner", "me")][..]));
    });
}

#[test]
fn what_is_not_understood_is_named_with_what_would_be() {
    let sections = "<configuration><resources>\n\
        <primitive id='p' class='foo' type='x'/>\n\
        <primitive id='q' class='lsb' type='x'><operations>\n\
        <op id='o' name='start' interval='soon' enabled='maybe'/></operations></primitive>\n\
        <group id='g'/><nonsense id='n'/></resources>\n\
        <constraints><rsc_location id='l' rsc='a'/></constraints></configuration>";
    assert_eq!(
        errors(sections),
        [
            "line 3: <primitive id=\"p\">: class=\"foo\" is not understood: expected ocf, lsb, \
             heartbeat, stonith, service, systemd, upstart, nagios",
            "line 5: <op id=\"o\">: interval=\"soon\" is not understood: expected a length of time \
             such as 10s, 500ms, 1min or PT5M",
            "line 5: <op id=\"o\">: enabled=\"maybe\" is not understood: expected true, on, yes, y, \
             1, false, off, no, n or 0",
            "line 6: <group id=\"g\">: expected at least one primitive in the group",
            "line 6: <nonsense id=\"n\">: not known in <resources>, which takes primitive, \
             template, group, clone and bundle",
            "line 7: <rsc_location id=\"l\">: expected either node and score or a rule",
        ]
    );
}

#[test]
fn transition_keys_are_written_as_they_are_read() {
    let text = "0:7;12:3:7:ab4cd2a5-9fd1-4a56-a8f4-4e1e0f7f5a11";
    assert_eq!(TransitionMagic::parse(text).unwrap().to_string(), text);
    for wrong in ["", "0:7", "0:7;1:2", "x:7;1:2:3:u", "0:7;1:2:3:", "0:7;1:2:x:u"] {
        assert_eq!(TransitionMagic::parse(wrong), None, "{wrong}");
    }
}
