use super::*;

const CIB: &str = "<cib epoch='4'><configuration><!-- note --><nodes>\
    <node id='1' uname='a'/><node id='2' uname='b'/><node id='3' uname='c'/></nodes>\
    <resources><group id='g'><primitive id='p' class='ocf'><op id='o1' interval='10'/>\
    <op id='o2' interval='20'/></primitive><primitive id='q' class='lsb'/></group></resources>\
    </configuration><status/></cib>";

/// What an expression selects, in short.
fn select(expression: &str) -> String {
    let document = Document::parse(CIB).unwrap();
    let matches = XPath::parse(expression).and_then(|path| path.select(&document));
    let short = |one: Match<'_>| match one {
        Match::Root => "/".to_owned(),
        Match::Element(element) => {
            format!(
                "{}{}",
                element.name(),
                element.xml_id().map_or(String::new(), |id| format!("#{id}"))
            )
        }
        Match::Attribute { name, value, .. } => format!("@{name}={value}"),
        Match::Comment(_) => "comment".to_owned(),
    };
    match matches {
        Ok(matches) => matches.into_iter().map(short).collect::<Vec<_>>().join(" "),
        Err(error) => format!("! {error}"),
    }
}

#[test]
fn paths_select_nodes_in_document_order() {
    let cases = [
        ("/", "/"),
        ("/cib", "cib"),
        ("cib/status", "status"),
        ("//node", "node#1 node#2 node#3"),
        ("//node[2]", "node#2"),
        ("//node[last()]", "node#3"),
        ("//node[position()>1][1]", "node#2"),
        ("(//op | //primitive)[last()]", "primitive#q"),
        ("//primitive/op[1]", "op#o1"),
        ("//*[@id='o2']/ancestor::*", "cib configuration resources group#g primitive#p"),
        ("//*[@id='o2']/ancestor::*[1]", "primitive#p"),
        ("//op/..", "primitive#p"),
        ("//node[@uname='c']/preceding-sibling::node[1]", "node#2"),
        ("//node[@uname='a']/following::primitive", "primitive#p primitive#q"),
        ("//primitive[@id='q']/preceding::node", "node#1 node#2 node#3"),
        ("//node/@uname", "@uname=a @uname=b @uname=c"),
        ("//@class[.='lsb']/..", "primitive#q"),
        ("//comment()", "comment"),
        ("//node[@id='1' or @id='3']", "node#1 node#3"),
        ("//node[not(@id=2)]", "node#1 node#3"),
        ("//op[@interval>10]", "op#o2"),
        ("//group[primitive[@class='lsb']]", "group#g"),
        ("//primitive[op]", "primitive#p"),
        ("//primitive[count(op)=2]", "primitive#p"),
        ("//*[name()='status']", "status"),
        ("//*[starts-with(@id,'o')]", "op#o1 op#o2"),
        ("//node[@uname=//node[@id='2']/@uname]", "node#2"),
        ("id('p q')", "primitive#p primitive#q"),
        ("//text()", ""),
        ("//nothing", ""),
        ("/*[false()]", ""),
        ("descendant::op/self::node()[@id='o1']", "op#o1"),
        ("//configuration//primitive//op[2]", "op#o2"),
        ("/cib/configuration/nodes//node[@id='1' and @uname]", "node#1"),
        ("//primitive [ @class = \"ocf\" ] / op", "op#o1 op#o2"),
    ];
    for (expression, expected) in cases {
        assert_eq!(select(expression), expected, "{expression}");
    }
}

#[test]
fn values_are_computed() {
    let document = Document::parse(CIB).unwrap();
    let cases = [
        ("1 + 2 * 3", "7"),
        ("-(4 - 1) mod 2", "-1"),
        ("7 div 2", "3.5"),
        ("1 div 0", "Infinity"),
        ("number('x')", "NaN"),
        ("count(//node)", "3"),
        ("sum(//op/@interval)", "30"),
        ("string(//node[2]/@uname)", "b"),
        ("concat('a', 'b', 1)", "ab1"),
        ("substring('12345', 2, 3)", "234"),
        ("substring('12345', 1.5, 2.6)", "234"),
        ("substring-before('a=b', '=')", "a"),
        ("substring-after('a=b', '=')", "b"),
        ("translate('bar', 'abc', 'AB')", "BAr"),
        ("normalize-space('  a   b ')", "a b"),
        ("string-length('häh')", "3"),
        ("round(2.5) = 3 and floor(-1.5) = -2", "true"),
        ("'a' = 'a' and 1 < 2 and not(2 >= 3)", "true"),
        ("//node/@id > 2", "true"),
        ("//node/@id != //node/@id", "true"),
        ("/cib/@epoch = 4", "true"),
        ("//nothing = //nothing", "false"),
        ("boolean(//node) = true()", "true"),
    ];
    for (expression, expected) in cases {
        let text = XPath::parse(expression).and_then(|path| path.text(&document));
        assert_eq!(text.as_deref(), Ok(expected), "{expression}");
    }
}

#[test]
fn what_is_no_expression_is_refused_with_its_place() {
    let cases = [
        ("", "! at character 1: expected the name of an element or attribute, or *"),
        ("//node[", "! at character 8: expected the name of an element or attribute, or *"),
        ("//node]", "! at character 7: expected an operator or the end"),
        ("//node[@id='1]", "! at character 12: expected a closing quotation mark"),
        ("//node[frob()]", "! unknown function frob()"),
        ("//node[not()]", "! not() takes one value"),
        ("$x", "! at character 1: expected no variables: none are defined"),
        ("upwards::x", "! at character 1: expected the name of an axis"),
        ("1 + 1", "! expected an expression that selects nodes"),
        ("count(1)", "! expected an expression that selects nodes"),
        ("a#b", "! at character 2: expected a name or operator"),
    ];
    for (expression, expected) in cases {
        assert_eq!(select(expression), expected, "{expression}");
    }
    let deep = "(".repeat(5000) + "1" + &")".repeat(5000);
    assert!(matches!(XPath::parse(&deep), Err(XPathError::Syntax { .. })));
    let long = "1".to_owned() + &"+1".repeat(5000);
    assert!(matches!(XPath::parse(&long), Err(XPathError::Syntax { .. })));
}

#[test]
fn an_evaluation_stops_at_its_limit() {
    let text = format!("<a>{}</a>", "<b/>".repeat(100));
    let document = Document::parse(&text).unwrap();
    for expression in ["//b[count(//b) = 100]", "//b/following::b", "//b[//b = //b]"] {
        let expression = parser::parse(expression).unwrap();
        assert!(evaluate::evaluate(&expression, &document, 100_000).is_ok());
        let stopped = evaluate::evaluate(&expression, &document, 5_000);
        assert!(matches!(stopped, Err(XPathError::TooExpensive)));
    }
}
