use proptest::prelude::*;

use super::*;
use crate::digest;
use crate::model::CibVersion;

fn cib(version: [i64; 3], sections: &str) -> Document {
    let [admin_epoch, epoch, num_updates] = version;
    Document::parse(&format!(
        "<cib admin_epoch='{admin_epoch}' epoch='{epoch}' num_updates='{num_updates}'>{sections}</cib>"
    ))
    .unwrap()
}

/// The changes between two contents of the status, in compact form without the version block.
fn changes(old: &str, new: &str) -> String {
    let wrap = |text: &str| cib([0, 1, 1], &format!("<status>{text}</status>"));
    let (old, new) = (wrap(old), wrap(new));
    let Some(patch) = Patch::between(&old, &new, AttributeOrder::Significant) else {
        return String::new();
    };
    let document = patch.to_document();
    assert_eq!(Patch::read(document.root()).unwrap().to_document().to_xml(), document.to_xml());
    let mut result = old.clone();
    patch.apply_changes(&mut result).unwrap();
    assert_eq!(result.to_xml(), new.to_xml());
    let changes = document.root().children_named("change");
    changes
        .map(|change| change.to_xml_compact().replace('"', "~").replace("/cib/status", "S"))
        .collect()
}

#[test]
fn changes_are_written_as_the_reference_writes_them() {
    let cases = [
        ("<x id='a'/>", "<x id='a'/>", ""),
        (
            "<x id='a'/><x id='b'/>",
            "<x id='b'/>",
            "<change operation=~delete~ path=~S/x[@id='a']~/>",
        ),
        (
            "<x id='a'/>",
            "<y><z/></y><x id='a'/>",
            "<change operation=~create~ path=~S~ position=~0~><y><z/></y></change>",
        ),
        (
            "<x id='a' k='1' l='2'/>",
            "<x id='a' k='3' m='4'/>",
            "<change operation=~modify~ path=~S/x[@id='a']~><change-list>\
             <change-attr name=~k~ operation=~set~ value=~3~/>\
             <change-attr name=~m~ operation=~set~ value=~4~/>\
             <change-attr name=~l~ operation=~unset~/></change-list>\
             <change-result><x id=~a~ k=~3~ m=~4~/></change-result></change>",
        ),
        // One element put before two others moves the first of them, too.
        (
            "<x id='a'/><x id='b'/><x id='c'/>",
            "<x id='c'/><x id='a'/><x id='b'/>",
            "<change operation=~move~ path=~S/x[@id='c']~ position=~0~/>\
             <change operation=~move~ path=~S/x[@id='a']~ position=~1~/>",
        ),
        // The order of attributes counts.
        (
            "<x id='a' k='1'/>",
            "<x k='1' id='a'/>",
            "<change operation=~modify~ path=~S/x[@id='a']~><change-list>\
             <change-attr name=~k~ operation=~set~ value=~1~/>\
             <change-attr name=~id~ operation=~set~ value=~a~/></change-list>\
             <change-result><x k=~1~ id=~a~/></change-result></change>",
        ),
        (
            "<x id='a'/><!--c--><x id='b'/>",
            "<x id='b'/><!--d-->",
            "<change operation=~delete~ path=~S/x[@id='a']~/>\
             <change operation=~delete~ path=~S/comment~ position=~0~/>\
             <change operation=~create~ path=~S~ position=~1~><!--d--></change>",
        ),
    ];
    for (old, new, expected) in cases {
        let found = changes(old, new);
        assert_eq!(found, expected, "{old} -> {new}");
    }
}

#[test]
fn attribute_order_can_be_ignored() {
    let old = cib([0, 1, 1], "<status a='1' b='2'/>");
    let new = cib([0, 1, 1], "<status b='2' a='1'/>");
    assert!(Patch::between(&old, &new, AttributeOrder::Ignored).is_none());
    assert!(Patch::between(&old, &new, AttributeOrder::Significant).is_some());
}

#[test]
fn a_patch_tells_which_sections_it_touches() {
    let old = cib([0, 1, 1], "<configuration><nodes/></configuration><status/>");
    let new = cib([0, 1, 1], "<configuration><nodes/><tags/></configuration><status a='1'/>");
    let patch = Patch::between(&old, &new, AttributeOrder::Significant).unwrap();
    assert!(patch.touches_configuration());
    assert!(patch.touches("/cib/configuration/tags"), "it is created");
    assert!(patch.touches("/cib/status"));
    assert!(!patch.touches("/cib/configuration/nodes"));
    assert!(!patch.touches("/cib/stat"), "a path is not a prefix of letters");
}

#[test]
fn recording_raises_the_version_a_change_demands() {
    let versions = |old: &str, new: &str| {
        let old = cib([0, 5, 3], old);
        let mut new = cib([0, 5, 3], new);
        let patch = record(&old, &mut new)?;
        let mut again = old.clone();
        patch.apply_changes(&mut again).unwrap();
        assert_eq!(again.to_xml(), new.to_xml(), "the patch carries the version");
        assert_eq!(patch.versions.unwrap().target, Some(CibVersion::of(new.root(), 0)));
        patch.applied(&old).unwrap();
        Some(CibVersion::of(new.root(), 0).fields())
    };
    assert_eq!(versions("<status/>", "<status/>"), None);
    assert_eq!(versions("<status/>", "<status a='1'/>"), Some([0, 5, 4]));
    assert_eq!(
        versions("<configuration/>", "<configuration><x/></configuration>"),
        Some([0, 6, 0])
    );
    assert_eq!(versions("<configuration/><status/>", "<status/>"), Some([0, 6, 0]));
}

#[test]
fn versions_decide_whether_a_patch_is_due() {
    let block = |text: &str| format!("<diff format='2'><version>{text}</version></diff>");
    let version = |name: &str, [a, e, n]: [i64; 3]| {
        format!("<{name} admin_epoch='{a}' epoch='{e}' num_updates='{n}'/>")
    };
    let due = |source: [i64; 3], target: [i64; 3]| {
        block(&(version("source", source) + &version("target", target)))
    };
    let cases = [
        (due([0, 5, 3], [0, 5, 4]), None),
        (due([0, 5, 3], [0, 6, 0]), None),
        (due([0, 5, 2], [0, 5, 3]), Some(PatchFailure::OldData)),
        (due([0, 4, 9], [0, 5, 0]), Some(PatchFailure::OldData)),
        (due([0, 5, 4], [0, 5, 5]), Some(PatchFailure::DiffFailed)),
        (due([1, 0, 0], [1, 0, 1]), Some(PatchFailure::DiffFailed)),
        (due([0, 5, 3], [0, 5, 3]), Some(PatchFailure::OldData)),
        ("<diff format='2'/>".to_owned(), None),
        (block(""), None),
        (block(&version("source", [0, 5, 3])), None),
        (block("<source epoch='5'/>"), Some(PatchFailure::Invalid)),
        ("<diff format='1'/>".to_owned(), Some(PatchFailure::Invalid)),
        ("<diff/>".to_owned(), Some(PatchFailure::Invalid)),
        ("<patch format='2'/>".to_owned(), Some(PatchFailure::Invalid)),
    ];
    let current = cib([0, 5, 3], "<status/>");
    for (text, expected) in cases {
        let document = Document::parse(&text).unwrap();
        let result = Patch::read(document.root()).and_then(|patch| patch.applied(&current));
        assert_eq!(result.err().map(|error| error.failure()), expected, "{text}");
    }
}

#[test]
fn a_patch_that_does_not_fit_fails_and_says_where() {
    let current = cib([0, 5, 3], "<status><x id='a'/><x id='b'/></status>");
    let cases = [
        ("<change operation='delete' path='/cib/status/x[@id=\"a\"]'/>", None),
        ("<change operation='delete' path=\"/cib/status/x[@id='z']\"/>", None),
        ("<change operation='delete' path='/cib'/>", Some("no /cib to delete")),
        (
            "<change operation='move' path=\"/cib/status/x[@id='z']\" position='0'/>",
            Some("no /cib/status/x[@id='z'] to move"),
        ),
        (
            "<change operation='move' path=\"/cib/status/x[@id='a']\" position='7'/>",
            Some("/cib/status/x[@id='a'] cannot be moved to position 7"),
        ),
        (
            "<change operation='create' path='/cib/nowhere' position='0'><y/></change>",
            Some("no /cib/nowhere to create something in"),
        ),
        (
            "<change operation='create' path=\"/cib/status/x[@id='a']\" position='0'><y/></change>\
             <change operation='delete' path=\"/cib/status/x[@id='a']\"/>",
            Some("no /cib/status/x[@id='a'] to create something in"),
        ),
        (
            "<change operation='modify' path='/cib/nowhere'><change-result><x/></change-result>\
             </change>",
            Some("no /cib/nowhere to modify"),
        ),
        (
            "<change operation='modify' path='/cib'/>",
            Some("line 1: <change> of a patch needs a change-result with an element"),
        ),
        (
            "<change operation='explode' path='/cib'/>",
            Some("line 1: unknown operation \"explode\": expected delete, modify, create or move"),
        ),
    ];
    for (text, expected) in cases {
        let text = format!("<diff format='2'>{text}</diff>");
        let document = Document::parse(&text).unwrap();
        let result = Patch::read(document.root()).and_then(|patch| patch.applied(&current));
        assert_eq!(result.err().map(|error| error.to_string()).as_deref(), expected, "{text}");
    }
}

#[test]
fn the_digest_of_the_result_is_checked() {
    let old = cib([0, 1, 1], "<status/>");
    let mut new = cib([0, 1, 1], "<status a='1'/>");
    let mut patch = record(&old, &mut new).unwrap();
    patch.digest = Some(digest::on_wire(new.root()).to_uppercase());
    patch.applied(&old).unwrap();
    patch.digest = Some(digest::on_wire(old.root()));
    assert_eq!(patch.applied(&old).unwrap_err().failure(), PatchFailure::DiffFailed);
}

#[test]
fn ids_may_hold_quotes_and_slashes() {
    let old = "<x id=\"it's/[odd]\" k='1'/><x id='b'/>";
    changes(old, &old.replace("k='1'", "k='2'"));
    changes(old, "<x id='b'/>");
}

/// Children of one element in order, each with an id, attributes and children of its own.
#[derive(Clone, Debug)]
struct Tree(Vec<(u8, Attributes, Tree)>);

/// Names and values.
type Attributes = Vec<(u8, u8)>;

fn tree() -> impl Strategy<Value = Tree> {
    let attributes = prop::collection::vec((0u8..4, 0u8..3), 0..4);
    let leaf = Just(Tree(Vec::new()));
    leaf.prop_recursive(4, 60, 6, move |inner| {
        prop::collection::vec((0u8..8, attributes.clone(), inner), 0..6).prop_map(Tree)
    })
}

fn write(tree: &Tree, text: &mut String) {
    let mut seen: Vec<u8> = Vec::new();
    for (id, attributes, children) in &tree.0 {
        if seen.contains(id) {
            continue;
        }
        seen.push(*id);
        text.push_str(&format!("<x id='{id}'"));
        let mut names: Vec<u8> = Vec::new();
        for (name, value) in attributes {
            if !names.contains(name) {
                names.push(*name);
                text.push_str(&format!(" a{name}='{value}'"));
            }
        }
        text.push('>');
        write(children, text);
        text.push_str("</x>");
    }
}

proptest! {
    #[test]
    fn a_patch_leads_from_any_tree_to_any_other(old in tree(), new in tree()) {
        let document = |tree: &Tree| {
            let mut text = "<status>".to_owned();
            write(tree, &mut text);
            cib([0, 1, 1], &(text + "</status>"))
        };
        let (old, mut new) = (document(&old), document(&new));
        match record(&old, &mut new) {
            None => prop_assert_eq!(old.to_xml(), new.to_xml()),
            Some(patch) => {
                let sent = Document::parse(&patch.to_document().to_xml()).unwrap();
                let received = Patch::read(sent.root()).unwrap();
                prop_assert_eq!(received.applied(&old).unwrap().to_xml(), new.to_xml());
            }
        }
    }
}
