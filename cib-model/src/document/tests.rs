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

fn error(text: &str) -> String {
    Document::parse(text).map(|document| document.to_xml()).unwrap_err().to_string()
}

#[test]
fn errors_say_where_what_and_what_would_be_right() {
    for (text, message) in [
        (
            "",
            "line 1, column 1: the text has no element; an XML document has one outermost element such as <cib>",
        ),
        (
            " \n",
            "line 1, column 1: the text has no element; an XML document has one outermost element such as <cib>",
        ),
        (
            "<a>\n é<b></a>",
            "line 2, column 6: expected </b> but found </a>; elements close in reverse order",
        ),
        (
            "<a>\n<b/>",
            "line 2, column 5: the text ends inside an element or tag; close every element that was opened",
        ),
        (
            "<a x='1",
            "line 1, column 8: the text ends inside an element or tag; close every element that was opened",
        ),
        (
            "<a\n x='1' x='2'/>",
            "line 2, column 8: attribute 'x' occurs twice in one element; keep one of them",
        ),
        ("<a x='<'/>", "line 1, column 7: unescaped '<' in an attribute value; write it as &lt;"),
        ("<a x='&'/>", "line 1, column 7: malformed reference; write a plain '&' as &amp;"),
        (
            "<a x='&y;'/>",
            "line 1, column 7: unknown entity '&y;'; only &amp; &lt; &gt; &quot; &apos; and &#…; exist",
        ),
        ("<a x=1/>", "line 1, column 6: found '1'; expected a quote"),
        (
            "<a/><b/>",
            "line 1, column 5: text or markup outside the outermost element; keep only that element",
        ),
        (
            "<a/>x",
            "line 1, column 5: text or markup outside the outermost element; keep only that element",
        ),
        ("<!-- -- --><a/>", "line 1, column 1: '--' inside a comment; only --> may end it"),
        (
            "<a p:x='1'/>",
            "line 1, column 4: namespace: prefix 'p' is not declared; a CIB needs no namespace prefixes",
        ),
        (
            "<!-- x -->\n<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "line 2, column 1: document type declaration; remove the <!DOCTYPE …>, a CIB has none",
        ),
    ] {
        assert_eq!(error(text), message, "{text:?}");
    }
    let error = Document::parse_bytes(b"<a>\n\xc3\xa9\xff</a>").unwrap_err();
    assert_eq!((error.line, error.column, error.kind), (2, 2, ParseErrorKind::NotUtf8));
    assert!(Document::parse_bytes(b"\xef\xbb\xbf<a/>").is_ok(), "a byte order mark");
}

#[test]
fn nodes_know_their_lines() {
    let document = Document::parse("<a>\n\n <b/>\n <c\n  x='1'>\n<d/></c></a>").unwrap();
    let lines: Vec<_> = document.root().descendants().map(|e| (e.name(), e.line())).collect();
    assert_eq!(lines, [("a", 1), ("b", 3), ("c", 4), ("d", 6)]);
}

#[test]
fn hostile_documents_are_refused_within_bounds() {
    let limits = ParseLimits { bytes: 4_000_000, nodes: 400_000, ..ParseLimits::default() };
    let deep = "<a>".repeat(100_000) + &"</a>".repeat(100_000);
    let wide: String = (0..5_000).map(|n| format!(" a{n}=''")).collect();
    let names: String = (0..70_000).map(|n| format!("<n{n}/>")).collect();
    let quoted = format!("<a x=\"{}\"/>", "=''".repeat(50_000));
    let namespaces: String = (0..1000).map(|n| format!("<a xmlns:x{n}='u'>")).collect();
    for (text, kind) in [
        ("<a>".repeat(1_000_000), Some(ParseErrorKind::TooManyNodes(400_000))),
        (format!("<a>{names}</a>"), Some(ParseErrorKind::TooManyNames(65_536))),
        (deep, Some(ParseErrorKind::TooDeep(1000))),
        (
            format!("<a>{}</a>", format!("<a{}/>", &wide[..30_000]).repeat(60)),
            Some(ParseErrorKind::TooManyAttributes(4096)),
        ),
        (format!("<a{wide}/>"), Some(ParseErrorKind::TooManyAttributes(4096))),
        ("=".repeat(1_000_000), Some(ParseErrorKind::TooManyNodes(400_000))),
        ("x".repeat(4_000_001), Some(ParseErrorKind::TooLarge(4_000_000))),
        (quoted, None),
        (format!("<a>{}</a>", "='".repeat(100_000)), None),
        (format!("<a x='{}'/>", "v".repeat(3_000_000)), None),
    ] {
        let result = Document::parse_within(&text, &limits);
        assert_eq!(result.err().map(|error| error.kind), kind, "{}", &text[..40]);
    }
    let error = Document::parse(&namespaces).unwrap_err();
    assert!(matches!(error.kind, ParseErrorKind::Namespace(_)), "{error}");
}

#[test]
fn the_depth_limit_is_exact() {
    let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    assert!(Document::parse(&nested(1000)).is_ok());
    let error = Document::parse(&nested(1001)).unwrap_err();
    assert_eq!((error.column, error.kind), (3001, ParseErrorKind::TooDeep(1000)));
}

#[test]
fn namespaces_are_dropped() {
    assert_eq!(
        compact("<x:a xmlns:x='u' xmlns='v' x:id='1' id='2' x:b='3'><x:c/></x:a>"),
        "<a id=\"1\" b=\"3\"><c/></a>"
    );
}

#[test]
fn a_long_life_of_changes_does_not_grow_the_document() {
    let mut document = Document::parse("<a><b id='1'/></a>").unwrap();
    let root = document.root_id();
    let mut largest = 0;
    for round in 0..20_000 {
        let value = format!("a value of some length, number {round}");
        document.set_attribute(root, "x", &value);
        document.remove_attribute(root, "y");
        document.set_attribute(root, &format!("z{}", round % 3), &value);
        document.set_attribute(root, &format!("once{round}"), "");
        document.remove_attribute(root, &format!("once{round}"));
        let child = document.append_element(root, "c");
        document.set_attribute(child, "id", &value);
        document.append_element(child, "d");
        document.append_comment(child, "e");
        document.remove(child);
        largest = largest.max(document.text.len() + 12 * document.attributes.len());
    }
    assert!(document.nodes.len() <= 5, "{} nodes", document.nodes.len());
    assert!(largest < 400_000, "{largest} bytes");
    assert!(document.names.len() <= 8200, "{} names", document.names.len());
    assert_eq!(document.root().attribute("x"), Some("a value of some length, number 19999"));
}

#[test]
fn comments_made_here_can_be_read_again() {
    for text in ["plain", "--", "a---b", "-", "ends-", "-->"] {
        let mut document = Document::new("a");
        let root = document.root_id();
        document.append_comment(root, text);
        assert_eq!(Document::parse(&document.to_xml()).as_ref(), Ok(&document), "{text}");
    }
}

#[test]
fn ids_are_found_in_document_order_and_references_are_unique() {
    let document = Document::parse(
        "<a><b id='1' n='x'/><c id='1'/><d><b id='2'/><e id-ref='1'/><c id-ref='1'/></d>\
         <f id-ref='2'/><b id-ref='3'/><b id='3'/><b id='3'/></a>",
    )
    .unwrap();
    let references = References::new(&document);
    let index = references.index();
    assert_eq!(index.first("1").and_then(|b| b.attribute("n")), Some("x"));
    assert_eq!(document.get_by_id("1"), index.first("1"));
    assert_eq!(index.all("1").count(), 2);
    assert_eq!(index.first("9"), None);
    let resolved: Vec<String> = document
        .root()
        .descendants()
        .filter(|element| element.attribute("id-ref").is_some())
        .map(|element| match references.resolve(element) {
            Ok(target) => format!("line {}: {}", target.line(), target.name()),
            Err(ReferenceError::Missing { name, .. }) => format!("no {name}"),
            Err(ReferenceError::Ambiguous { name, .. }) => format!("several {name}"),
        })
        .collect();
    assert_eq!(resolved, ["no e", "line 1: c", "no f", "several b"]);
}
