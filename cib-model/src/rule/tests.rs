use super::*;
use crate::document::Document;

const NOW: &str = "2024-02-29 12:30:45Z";

fn now() -> DateTime {
    DateTime::parse(NOW, DateTime::from_epoch(0, 0)).unwrap()
}

/// Attributes every test node has.
const NODE: [(&str, &str); 6] =
    [("n", "5"), ("f", "1.9"), ("s", "Abc"), ("v", "1.10.1"), ("e", ""), ("a-b", "x")];

fn passes_in(document: &str, input: &RuleInput<'_>) -> (Result<bool, String>, Option<i64>) {
    let document = Document::parse(document).unwrap();
    let rule = document.root().descendants().find(|element| element.name() == "rule").unwrap();
    let references = References::new(&document);
    let mut next_change = NextChange::default();
    let result = evaluate(rule, &references, input, &mut next_change);
    (result.map_err(|error| error.to_string()), next_change.epoch())
}

fn passes(conditions: &str, input: &RuleInput<'_>) -> bool {
    passes_in(&format!("<rule id='r'>{conditions}</rule>"), input).0.unwrap()
}

#[test]
fn expressions_compare_node_attributes() {
    let input = RuleInput {
        node_attributes: Some(&NODE),
        parameters: Some(&[("p", "5")]),
        ..RuleInput::at(now())
    };
    for (expression, expected) in [
        ("attribute='n' operation='defined'", true),
        ("attribute='x' operation='DEFINED'", false),
        ("attribute='x' operation='not_defined'", true),
        ("attribute='n' operation='defined' value='5'", false),
        ("attribute='n' operation='eq'", false),
        ("attribute='s' operation='eq' value='aBC'", true),
        ("attribute='x' operation='eq' value='a'", false),
        ("attribute='x' operation='ne' value='a'", true),
        ("attribute='e' operation='eq' value=''", true),
        ("attribute='n' operation='gt' value='10'", false),
        ("attribute='n' operation='gt' value='10' type='string'", true),
        ("attribute='n' operation='LTE' value='5'", true),
        ("attribute='n' operation='lt' value='5.5'", true),
        ("attribute='f' operation='gte' value='1.9'", true),
        ("attribute='f' operation='eq' value='1' type='integer'", true),
        ("attribute='f' operation='eq' value='1.90' type='number'", true),
        ("attribute='s' operation='lt' value='abd' type='integer'", true),
        ("attribute='v' operation='gt' value='1.9' type='version'", true),
        ("attribute='x' operation='lt' value='1'", false),
        ("attribute='x' operation='gte' value=''", false),
        ("attribute='n' operation='eq' value='p' value-source='param'", true),
        ("attribute='n' operation='eq' value='q' value-source='param'", false),
        ("attribute='n' operation='ne' value='q' value-source='PARAM'", true),
        ("attribute='x' operation='eq' value='q' value-source='param'", true),
        ("attribute='n' operation='lt' value='q' value-source='param'", false),
        ("attribute='n' operation='eq' value='p' value-source='meta'", false),
        ("attribute='n' operation='eq' value='5' value-source='x'", false),
        ("attribute='n' operation='eq' value='5' type='x'", false),
        ("attribute='n' operation='is' value='5'", false),
        ("operation='eq' value='5'", false),
        ("attribute='n'", false),
    ] {
        let text = format!("<expression id='e' {expression}/>");
        assert_eq!(passes(&text, &input), expected, "{expression}");
    }
    assert!(!passes("<expression attribute='n' operation='defined'/>", &input), "an id is needed");
    let without_node = RuleInput::at(now());
    assert!(passes("<expression id='e' attribute='n' operation='ne' value='5'/>", &without_node));
}

#[test]
fn submatches_are_put_into_attribute_names() {
    let groups = [Some("a-b"), Some("a"), None, Some("b")];
    for (name, submatches, expected) in [
        ("%0", Some(&groups[..]), "a-b"),
        ("%1-%3", Some(&groups[..]), "a-b"),
        ("%2a-b%9", Some(&groups[..]), "a-b"),
        ("%%1", Some(&groups[..]), "%a"),
        ("é%x%", Some(&groups[..]), "é%x%"),
        ("%1", None, "%1"),
    ] {
        assert_eq!(expand_submatches(name, submatches), expected, "{name}");
    }
    let input = RuleInput {
        node_attributes: Some(&NODE),
        submatches: Some(&groups),
        ..RuleInput::at(now())
    };
    assert!(passes("<expression id='e' attribute='%1-%3' operation='eq' value='x'/>", &input));
}

#[test]
fn date_ranges_are_inclusive_and_tell_when_they_change() {
    let epoch = now().epoch();
    for (attributes, child, expected, next) in [
        ("start='2024-02-29 12:30:45Z'", "", true, None),
        ("start='2024-02-29 12:30:46Z'", "", false, Some(epoch + 1)),
        ("end='2024-02-29 12:30:45Z'", "", true, Some(epoch + 1)),
        ("end='2024-02-29 12:30:44Z'", "", false, None),
        ("operation='IN_RANGE' start='2024-01-01' end='2024-03-01'", "", true, Some(1_709_251_201)),
        ("start='2024-02-28'", "<duration id='u' days='1'/>", false, None),
        ("start='2024-02-28'", "<duration id='u' weeks='1'/>", true, Some(1_709_683_201)),
        (
            "start='2024-01-31'",
            "<duration id='u' months='1' hours='13'/>",
            true,
            Some(1_709_211_601),
        ),
        ("start='2024-02-28'", "<duration weeks='1'/>", false, None),
        ("start='2024-02-28'", "<duration id='u' days='x'/>", false, None),
        ("start='2024-02-28'", "<duration id='u' days='3000000000'/>", false, None),
        (
            "start='2024-02-28'",
            "<duration id='u' hours='2000000000'/>",
            true,
            Some(7_201_709_078_401),
        ),
        ("", "<duration id='u' days='1'/>", false, None),
        ("end='2024-03-01'", "<duration/>", true, Some(1_709_251_201)),
        ("", "", false, None),
        ("start='junk' end='2024-03-01'", "", false, None),
        ("operation='gt' start='2024-02-29 12:30:45Z'", "", false, Some(epoch + 1)),
        ("operation='gt' start='2024-02-29 12:30:44Z'", "", true, None),
        ("operation='gt' end='2024-02-29'", "", false, None),
        ("operation='lt' end='2024-02-29 12:30:45Z'", "", false, None),
        ("operation='lt' end='2024-02-29 12:30:46Z'", "", true, Some(epoch + 1)),
        ("operation='near' end='2024-03-01'", "", false, None),
    ] {
        let text = format!(
            "<rule id='r'><date_expression id='d' {attributes}>{child}</date_expression></rule>"
        );
        let (result, next_change) = passes_in(&text, &RuleInput::at(now()));
        assert_eq!((result, next_change), (Ok(expected), next), "{attributes} {child}");
    }
}

#[test]
fn date_specs_look_at_local_fields() {
    let utc = now();
    let east = now().with_offset(12 * 3600);
    for (now, spec, expected) in [
        (utc, "", true),
        (utc, "years='2024'", true),
        (utc, "years='2025-'", false),
        (utc, "months='2' monthdays='29' hours='12' minutes='30' seconds='45'", true),
        (utc, "hours='-11'", false),
        (utc, "hours='9-16' weekdays='1-5'", true),
        (utc, "yeardays='60' weeks='9' weekyears='2024' weekdays='4'", true),
        (utc, "weekdays='5-'", false),
        (east, "months='3' monthdays='1' hours='0' weekdays='5'", true),
        (utc, "hours='x'", false),
        (utc, "yearsdays='1' moon='9'", true),
    ] {
        let text = format!(
            "<date_expression id='d' operation='date_spec'><date_spec id='s' {spec}/>\
             </date_expression>"
        );
        assert_eq!(passes(&text, &RuleInput::at(now)), expected, "{spec}");
    }
    let without_id = "<date_expression id='d' operation='date_spec'><date_spec/></date_expression>";
    assert!(!passes(without_id, &RuleInput::at(utc)));
    assert!(!passes("<date_expression id='d' operation='date_spec'/>", &RuleInput::at(utc)));
}

#[test]
fn resources_and_operations_are_compared_to_the_letter() {
    let resource = ResourceInput { class: "ocf", provider: Some("heartbeat"), agent: "IPaddr2" };
    let operation = OperationInput { name: "monitor", interval_ms: 10_000 };
    let input =
        RuleInput { resource: Some(resource), operation: Some(operation), ..RuleInput::at(now()) };
    for (condition, expected) in [
        ("<rsc_expression/>", true),
        ("<rsc_expression class='ocf' provider='heartbeat' type='IPaddr2'/>", true),
        ("<rsc_expression class='OCF'/>", false),
        ("<rsc_expression type='Dummy'/>", false),
        ("<op_expression name='monitor'/>", true),
        ("<op_expression name='monitor' interval='10s'/>", true),
        ("<op_expression name='monitor' interval='PT10S'/>", true),
        ("<op_expression name='monitor' interval='0'/>", false),
        ("<op_expression name='monitor' interval='x'/>", false),
        ("<op_expression name='Monitor'/>", false),
        ("<op_expression interval='10s'/>", false),
    ] {
        assert_eq!(passes(condition, &input), expected, "{condition}");
    }
    assert!(!passes("<rsc_expression/>", &RuleInput::at(now())));
    assert!(!passes("<op_expression name='monitor'/>", &RuleInput::at(now())));
}

#[test]
fn conditions_combine_with_short_circuit() {
    let yes = "<date_expression id='d' operation='gt' start='2024-01-01'/>";
    let no = "<date_expression id='d' operation='lt' end='2024-01-01'/>";
    let noting = "<date_expression id='d' operation='lt' end='2025-01-01'/>";
    let noted = Some(1_735_689_600);
    for (rule, expected, next) in [
        (format!("<rule id='r'>{yes}{noting}</rule>"), true, noted),
        (format!("<rule id='r'>{no}{noting}</rule>"), false, None),
        (format!("<rule id='r' boolean-op='OR'>{no}{noting}</rule>"), true, noted),
        (format!("<rule id='r' boolean-op='or'>{yes}{noting}</rule>"), true, None),
        ("<rule id='r'/>".to_owned(), true, None),
        ("<rule id='r' boolean-op='or'/>".to_owned(), true, None),
        (
            format!("<rule id='r'>{yes}<rule id='s' boolean-op='or'>{no}{yes}</rule></rule>"),
            true,
            None,
        ),
        (format!("<rule id='r'>{yes}<rule>{yes}</rule></rule>"), false, None),
        (format!("<rule id='r' boolean-op='or'><rule>{yes}</rule>{yes}</rule>"), true, None),
        (format!("<rule id='r'><unknown/>{yes}</rule>"), true, None),
    ] {
        let result = passes_in(&rule, &RuleInput::at(now()));
        assert_eq!(result, (Ok(expected), next), "{rule}");
    }
}

#[test]
fn a_rule_that_cannot_be_used_says_why() {
    for (document, message) in [
        ("<rule/>", "line 1: <rule> '': attribute 'id' is missing"),
        (
            "<a>\n<rule id='r' boolean-op='xor'/></a>",
            "line 2: <rule> 'r': unknown boolean-op 'xor'; use 'and' or 'or'",
        ),
        (
            "<rule id-ref='x'/>",
            "line 1: <rule> '': line 1: no <rule> has id 'x'; id-ref must name one of the same kind",
        ),
        (
            "<rule id='r'><rule id-ref='r'/></rule>",
            "line 1: <rule> 'r': more than 100 rules within each other; a rule must not contain itself",
        ),
    ] {
        assert_eq!(passes_in(document, &RuleInput::at(now())).0, Err(message.to_owned()));
    }
}

#[test]
fn references_that_unfold_exponentially_are_cut_off() {
    let mut document = String::from("<a>");
    for level in 0..40 {
        let inner = format!("<rule id-ref='r{}'/>", level + 1);
        document += &format!("<rule id='r{level}'>{inner}{inner}</rule>");
    }
    document += "<rule id='r40'/></a>";
    let error = passes_in(&document, &RuleInput::at(now())).0.unwrap_err();
    assert!(error.contains("more than 10000 conditions"), "{error}");
}
