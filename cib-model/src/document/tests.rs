use super::*;

fn compact(text: &str) -> String {
    Document::parse(text).unwrap().root().to_xml_compact()
}

#[test]
fn reading_keeps_order_comments_and_cdata_and_drops_text() {
    let text = "<?xml version=\"1.0\"?><!-- out -->\n<a z='1' b=\"\">text<!-- in -->\n<c/>x\
                <![CDATA[ <y> ]]>z<![CDATA[2]]></a>";
    assert_eq!(
        Document::parse(text).unwrap().to_xml(),
        "<a z=\"1\" b=\"\">\n  <!-- in -->\n  <c/>\n  <![CDATA[ <y> ]]>\n  <![CDATA[2]]>\n</a>\n"
    );
}

#[test]
fn attribute_values_are_escaped_as_the_reference_does() {
    for (read, written) in [
        ("a&apos;b", "a'b"),
        ("&lt;&gt;&amp;&quot;", "&lt;&gt;&amp;&quot;"),
        ("1&#10;2&#9;3&#127;", "1&#x0A;2&#x09;3&#x7F;"),
        ("a\nb", "a b"),
        ("é€𝄞", "é€𝄞"),
    ] {
        assert_eq!(compact(&format!("<a x=\"{read}\"/>")), format!("<a x=\"{written}\"/>"));
    }
}
