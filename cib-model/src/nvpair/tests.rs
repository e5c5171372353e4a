use super::*;
use crate::document::Document;

/// The values chosen from the root's `b` blocks, as `name=value` in order of setting.
fn chosen(content: &str, first: Option<&str>, epoch: i64) -> (String, Option<i64>) {
    let document = Document::parse(&format!("<owner>{content}</owner>")).unwrap();
    let references = References::new(&document);
    let now = DateTime::from_epoch(epoch, 0);
    let mut values = NameValues::default();
    let mut next_change = NextChange::default();
    collect(
        document.root(),
        "b",
        first,
        &references,
        &RuleInput::at(now),
        &mut values,
        &mut next_change,
    );
    let text: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    (text.join(" "), next_change.epoch())
}

#[test]
fn blocks_win_by_first_id_then_score_then_later_position() {
    let pair = |value: &str| format!(r#"<nvpair id="p{value}" name="a" value="{value}"/>"#);
    for (blocks, first, winner) in [
        (vec![("x", ""), ("y", "")], None, "y"),
        (vec![("x", "score='1'"), ("y", "")], None, "x"),
        (vec![("x", ""), ("y", "score='-1'")], None, "x"),
        (vec![("x", "score='junk'"), ("y", "score='-INFINITY'")], None, "x"),
        (vec![("x", ""), ("y", "score='INFINITY'")], Some("x"), "x"),
        (vec![("x", "score='5'"), ("y", "score='5'"), ("z", "score='4'")], Some("w"), "y"),
    ] {
        let content: String = blocks
            .iter()
            .map(|(id, score)| format!("<b id='{id}' {score}>{}</b>", pair(id)))
            .collect();
        assert_eq!(chosen(&content, first, 0).0, format!("a={winner}"), "{content}");
    }
}

#[test]
fn within_a_block_the_first_pair_wins_and_default_unsets() {
    for (pairs, values) in [
        ("<nvpair name='a' value='1'/><nvpair name='a' value='2'/>", "a=1"),
        ("<nvpair name='a' value=''/>", "a="),
        ("<nvpair name='a'/><nvpair value='1'/><nvpair name='b' value='2'/>", "b=2"),
        ("<nvpair name='a' value='1'/><nvpair name='a' value='#Default'/>", ""),
        (
            "<nvpair name='a' value='1'/><nvpair name='a' value='#default'/>\
             <nvpair name='a' value='3'/>",
            "a=3",
        ),
        ("<attributes><nvpair name='a' value='1'/></attributes>", "a=1"),
    ] {
        assert_eq!(chosen(&format!("<b id='x'>{pairs}</b>"), None, 0).0, values, "{pairs}");
    }
}

#[test]
fn references_stand_for_the_only_element_of_their_kind() {
    for (content, values) in [
        ("<b id-ref='x'/><o><b id='x'><nvpair id='1' name='a' value='1'/></b></o>", "a=1"),
        ("<b id-ref='x'/><o><c id='x'><nvpair id='1' name='a' value='1'/></c></o>", ""),
        ("<b id-ref='x'/><o><b id='x'/><b id='x'/></o>", ""),
        (
            "<b id='y'><nvpair id-ref='1' name='other'/></b>\
             <o><nvpair id='1' name='a' value='1'/></o>",
            "a=1",
        ),
    ] {
        assert_eq!(chosen(content, None, 0).0, values, "{content}");
    }
    let document = Document::parse("<o><b id-ref='x'/><b id='y'><nvpair id-ref='z'/></b></o>");
    let document = document.unwrap();
    let references = References::new(&document);
    let now = DateTime::from_epoch(0, 0);
    let blocks = Blocks::read(document.root(), "b", None, &references, now);
    let problems: Vec<String> = blocks.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "line 1: no <b> has id 'x'; id-ref must name one of the same kind",
            "line 1: no <nvpair> has id 'z'; id-ref must name one of the same kind",
        ]
    );
}

#[test]
fn only_the_first_rule_of_a_block_counts() {
    let rule = |end: i64| {
        let end = DateTime::from_epoch(end, 0).to_string();
        format!("<rule id='r{end}'><date_expression id='d' operation='lt' end='{end}'/></rule>")
    };
    let pair = "<nvpair name='a' value='1'/>";
    let early = format!("<b id='x'>{}{}{pair}</b>", rule(100), rule(200));
    assert_eq!(chosen(&early, None, 50), ("a=1".to_owned(), Some(100)));
    assert_eq!(chosen(&early, None, 150), (String::new(), None));
    let broken = format!("<b id='x'><rule/>{pair}</b>");
    assert_eq!(chosen(&broken, None, 0).0, "");
}

#[test]
fn overwriting_goes_the_other_way_to_the_same_end() {
    let document = Document::parse(
        "<o><b id='x' score='2'><nvpair name='a' value='1'/></b>\
         <b id='y'><nvpair name='a' value='2'/><nvpair name='c' value='3'/></b></o>",
    )
    .unwrap();
    let references = References::new(&document);
    let now = DateTime::from_epoch(0, 0);
    let blocks = Blocks::read(document.root(), "b", None, &references, now);
    let mut values = NameValues::from_iter([("a", "0"), ("d", "4")]);
    blocks.overwrite(&RuleInput::at(now), &mut values, &mut NextChange::default());
    assert_eq!(values.sorted(), [("a", "1"), ("c", "3"), ("d", "4")]);
    let mut values = NameValues::from_iter([("a", "0"), ("d", "4")]);
    blocks.fill(&RuleInput::at(now), &mut values, &mut NextChange::default());
    assert_eq!(values.sorted(), [("a", "0"), ("c", "3"), ("d", "4")]);
}
