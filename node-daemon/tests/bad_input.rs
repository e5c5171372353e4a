//! What `simulate` does with input that is wrong, hostile, or far too much: it says where and what, ends
//! with the exit code of the classic tool (spec 40 §2.8), and uses neither time nor memory without bound.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Processor time a run may use, in seconds; unoptimised the longest takes a small part of it.
const PROCESSOR_SECONDS: u32 = 180;

/// A run that waits for something that does not come has used none; on a busy machine others take long, too.
const TIME: Duration = Duration::from_secs(1_800);

/// Address space a run may use, in KiB.
const MEMORY_KIB: u32 = 3 << 20;

/// What a run left.
struct Ended {
    code: Option<i32>,
    out: String,
    errors: String,
}

/// Starts a tool with bounded memory and processor time.
fn start(tool: &Path, arguments: &[&str]) -> Child {
    Command::new("sh")
        .args([
            "-c",
            &format!("ulimit -v {MEMORY_KIB}; ulimit -t {PROCESSOR_SECONDS}; exec \"$0\" \"$@\""),
        ])
        .arg(tool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell")
}

/// Waits for the end, for a bounded time.
fn finish(mut child: Child) -> Ended {
    let drain = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = pipe.expect("piped").read_to_string(&mut text);
            text
        })
    };
    let out = drain(child.stdout.take().map(|p| Box::new(p) as Box<dyn Read + Send>));
    let errors = drain(child.stderr.take().map(|p| Box::new(p) as Box<dyn Read + Send>));
    let deadline = Instant::now() + TIME;
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().expect("a child");
                panic!("not done after {TIME:?}");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    Ended { code: status.code(), out: out.join().unwrap(), errors: errors.join().unwrap() }
}

fn node_daemon() -> PathBuf {
    env!("CARGO_BIN_EXE_node-daemon").into()
}

/// `node-daemon simulate` with the CIB on standard input.
fn simulate(cib: &[u8], arguments: &[&str]) -> Ended {
    let arguments: Vec<&str> = ["simulate", "-p"].iter().chain(arguments).copied().collect();
    let mut child = start(&node_daemon(), &arguments);
    let mut input = child.stdin.take().expect("piped");
    let cib = cib.to_vec();
    let feed = std::thread::spawn(move || {
        let _ = input.write_all(&cib);
    });
    let ended = finish(child);
    feed.join().unwrap();
    ended
}

/// A directory of its own for a test.
fn directory() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name =
        format!("bad-input-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // One of an earlier run may be there, whose process had the same id in another namespace.
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A cluster of two nodes.
fn cib(resources: &str, constraints: &str, tags: &str) -> String {
    let state = |n: u32| {
        format!(
            r#"<node_state id="{n}" uname="n{n}" in_ccm="true" crmd="online" join="member" expected="member"/>"#
        )
    };
    format!(
        r#"<cib crm_feature_set="3.20.5" validate-with="pacemaker-4.0" epoch="1" num_updates="1"
     admin_epoch="0" have-quorum="1" dc-uuid="1"><configuration>
<crm_config><cluster_property_set id="o"><nvpair id="o1" name="fencing-enabled" value="false"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
<resources>{resources}</resources>
<constraints>{constraints}</constraints>{tags}
</configuration><status>{}{}</status></cib>"#,
        state(1),
        state(2)
    )
}

fn primitive(id: &str) -> String {
    format!(r#"<primitive id="{id}" class="ocf" provider="pacemaker" type="Dummy"/>"#)
}

fn primitives(count: usize) -> String {
    (0..count).map(|i| primitive(&format!("r{i}"))).collect()
}

/// Orderings between numbered primitives.
fn orders(pairs: impl Iterator<Item = (usize, usize)>) -> String {
    let mut out = String::new();
    for (i, (first, then)) in pairs.enumerate() {
        let _ = writeln!(out, r#"<rsc_order id="o-{i}" first="r{first}" then="r{then}"/>"#);
    }
    out
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    let good = cib(&primitive("a"), "", "");
    let bombs: String = (1..9)
        .map(|i| format!("<!ENTITY e{i} \"{}\">", format!("&e{};", i - 1).repeat(10)))
        .collect();
    let bomb = format!("<!DOCTYPE cib [<!ENTITY e0 \"ha\">{bombs}]><cib>&e8;</cib>");
    let crowd: String = (0..100_000).map(|i| format!(" a{i}=''")).collect();
    let cases: [(&str, Vec<u8>, &str); 10] = [
        ("empty", Vec::new(), "line 1, column 1: the text has no element"),
        ("no XML", b"hello".to_vec(), "line 1, column 1: text or markup outside"),
        ("truncated", good.as_bytes()[..400].to_vec(), "the text ends inside"),
        ("bytes", (0..=255).collect(), "not UTF-8"),
        ("entities", bomb.into_bytes(), "document type declaration"),
        ("open", "<a>".repeat(900).into_bytes(), "the text ends inside"),
        ("deep", ["<a>".repeat(100_000), "</a>".repeat(100_000)].concat().into_bytes(), "1000"),
        ("crowded", format!("<cib{crowd}/>").into_bytes(), "more than 4096 attributes"),
        ("prefix", b"<x:cib/>".to_vec(), "prefix 'x' is not declared"),
        ("mismatch", b"<cib>\n<a></b>\n</cib>".to_vec(), "line 2"),
    ];
    for (name, text, expected) in cases {
        let ended = simulate(&text, &["-R"]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(65), ""), "{name}: {}", ended.errors);
        assert!(ended.errors.contains("Could not read input XML: "), "{name}: {}", ended.errors);
        assert!(ended.errors.contains(expected), "{name}: {}", ended.errors);
    }
}

#[test]
fn a_gigabyte_is_not_read() {
    for piece in ["<a>", "x", "<!---->", "<a b='"] {
        let mut child = start(&node_daemon(), &["simulate", "-p", "-R"]);
        let mut input = child.stdin.take().expect("piped");
        let block = piece.repeat((1 << 20) / piece.len());
        let feed = std::thread::spawn(move || {
            let mut sent = 0;
            while sent < 1 << 30 && input.write_all(block.as_bytes()).is_ok() {
                sent += block.len();
            }
            sent
        });
        let ended = finish(child);
        assert_eq!(ended.code, Some(65), "{piece}: {}", ended.errors);
        assert!(ended.errors.contains("larger than 256 MiB"), "{piece}: {}", ended.errors);
        assert!(feed.join().unwrap() < 300 << 20, "{piece}");
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let directory = directory();
    let secret = directory.join("secret.xml");
    std::fs::write(&secret, cib("", "", "")).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o0)).unwrap();
    let missing = directory.join("missing.xml");
    let mut cases = vec![(missing, "No such file or directory"), (directory, "Is a directory")];
    // Permissions bind nobody who may do anything.
    if std::fs::read(&secret).is_err() {
        cases.push((secret, "Permission denied"));
    }
    for (path, reason) in cases {
        let path = path.to_str().unwrap();
        let ended = finish(start(&node_daemon(), &["simulate", "-x", path, "-R"]));
        assert_eq!(ended.code, Some(65), "{path}");
        let expected = format!("Could not read input XML: {path}: {reason}\n");
        assert!(ended.errors.ends_with(&expected), "{}", ended.errors);
    }
}

#[test]
fn what_breaks_the_schema_is_listed_with_its_line() {
    let good = cib(&primitive("a"), "", "");
    let reference = r#"<primitive id="b" class="ocf" provider="p" type="t"><meta_attributes id-ref="nothing"/></primitive>"#;
    let cases = [
        (good.replace("pacemaker-4.0", "pacemaker-77.1"), "unknown schema \"pacemaker-77.1\""),
        (good.replace(" validate-with=\"pacemaker-4.0\"", ""), "claims no schema"),
        (
            cib(&primitive("a").repeat(2), "", ""),
            "line 5: <primitive id=\"a\">: id \"a\" is already used",
        ),
        (cib("<group id='g'/>", "", ""), "line 5: <group id=\"g\">"),
        (
            cib("<group id='g'><group id='h'/></group>", "", ""),
            "line 5: <group id=\"h\">: not allowed in <group>",
        ),
        (
            cib(&primitive("a"), "<rsc_location id='l' rsc='a' node='n1' score='plenty'/>", ""),
            "line 6: <rsc_location id=\"l\">: score=\"plenty\" is not accepted",
        ),
        (
            cib(&primitive("a"), "<rsc_order id='l' first='a' then='zzz'/>", ""),
            "line 6: <rsc_order id=\"l\">: then=\"zzz\" does not name the id",
        ),
        (cib(reference, "", ""), "id-ref=\"nothing\" does not name the id"),
        (good.replace("<status>", "<cookie/><status>"), "<cookie>"),
        (
            good.replace("pacemaker-4.0", "pacemaker-3.0").replace("class=\"ocf\" ", ""),
            "Cannot upgrade configuration (claiming pacemaker-3.0 schema)",
        ),
    ];
    for (text, expected) in cases {
        let ended = simulate(text.as_bytes(), &["-R"]);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(78), ""),
            "{expected}: {}",
            ended.errors
        );
        assert!(ended.errors.contains(expected), "{expected}: {}", ended.errors);
    }
    let many = cib("", &"<rsc_order id='l' first='x' then='y'/>".repeat(1000), "");
    assert!(simulate(many.as_bytes(), &["-R"]).errors.lines().count() < 20);
}

#[test]
fn circles_end() {
    let two = [primitive("a"), primitive("b")].concat();
    let colocation = |id: &str, rsc: &str, with: &str| {
        format!(r#"<rsc_colocation id="{id}" rsc="{rsc}" with-rsc="{with}" score="INFINITY"/>"#)
    };
    let template = |id: &str, of: &str| {
        format!(r#"<template id="{id}" class="ocf" provider="p" type="t"/>"#)
            .replace("class", if of.is_empty() { "class" } else { of })
    };
    let ring = (0..2000).map(|i| (i, (i + 1) % 2000));
    let cases = [
        ("orderings", cib(&primitives(2), &orders([(0, 1), (1, 0)].into_iter()), ""), 0),
        ("an ordering with itself", cib(&primitives(1), &orders([(0, 0)].into_iter()), ""), 0),
        ("a ring of orderings", cib(&primitives(2000), &orders(ring), ""), 0),
        (
            "colocations",
            cib(&two, &[colocation("c1", "a", "b"), colocation("c2", "b", "a")].concat(), ""),
            0,
        ),
        ("a template of itself", cib(r#"<primitive id="a" template="a"/>"#, "", ""), 0),
        (
            "templates",
            cib(
                &[template("t", "template=\"u\" class"), template("u", "template=\"t\" class")]
                    .concat(),
                "",
                "",
            ),
            78,
        ),
        (
            "tags",
            cib(
                &primitive("a"),
                "<rsc_location id='l' rsc='t' node='n1' score='1'/>",
                "<tags><tag id='t'><obj_ref id='u'/></tag><tag id='u'><obj_ref id='t'/></tag></tags>",
            ),
            0,
        ),
        (
            "references",
            cib(
                r#"<primitive id="a" class="ocf" provider="p" type="t"><meta_attributes id="m" id-ref="m"/></primitive>"#,
                "",
                "",
            ),
            78,
        ),
    ];
    for (name, text, code) in cases {
        let ended = simulate(text.as_bytes(), &["-R"]);
        assert_eq!(ended.code, Some(code), "{name}: {}", ended.errors);
    }
}

#[test]
fn long_chains_and_crowds_are_planned() {
    let mut random = 7u64;
    let mut below = |bound: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) as usize % bound
    };
    let crowd: Vec<(usize, usize)> = (0..100_000)
        .map(|_| {
            let first = below(499);
            (first, first + 1 + below(499 - first))
        })
        .collect();
    let members: String = (0..5000).map(|i| primitive(&format!("m{i}"))).collect();
    let colocations: String = (0..1500)
        .map(|i| {
            format!(
                r#"<rsc_colocation id="c{i}" rsc="r{}" with-rsc="r{i}" score="INFINITY"/>"#,
                i + 1
            )
        })
        .collect();
    let chain = |count: usize| (0..count - 1).map(|i| (i, i + 1));
    let cases = [
        ("chain", cib(&primitives(10_000), &orders(chain(10_000)), ""), 10_000),
        (
            "chain, told backwards",
            cib(&primitives(10_000), &orders(chain(10_000).map(|(a, b)| (b, a))), ""),
            10_000,
        ),
        ("orderings", cib(&primitives(500), &orders(crowd.into_iter()), ""), 500),
        ("group", cib(&format!("<group id='g'>{members}</group>"), "", ""), 5000),
        ("colocations", cib(&primitives(1501), &colocations, ""), 1501),
    ];
    for (name, text, starts) in cases {
        let ended = simulate(text.as_bytes(), &["-R"]);
        assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{name}");
        let started = ended.out.lines().filter(|l| l.contains("* Start ")).count();
        assert_eq!(started, starts, "{name}");
    }
}

#[test]
fn numbers_and_dates_beyond_all_measure_are_bounded() {
    let clone = r#"<clone id="c"><meta_attributes id="m"><nvpair id="m1" name="clone-max" value="2000000000"/></meta_attributes><primitive id="a" class="ocf" provider="p" type="t"/></clone>"#;
    let bundle = r#"<bundle id="b"><podman image="i" replicas="2000000000"/></bundle>"#;
    let dated = |id: &str, inner: &str| {
        format!(
            r#"<rsc_location id="{id}" rsc="a"><rule id="{id}r" score="5"><date_expression id="{id}d" {inner}</rule></rsc_location>"#
        )
    };
    let dates = [
        dated("x", r#"operation="gt" start="99999-99-99T99:99:99"/>"#),
        dated(
            "y",
            r#"operation="date_spec"><date_spec id="ys" years="0-999999999999" weeks="99"/></date_expression>"#,
        ),
        dated(
            "z",
            r#"operation="in_range" start="2020-01-01"><duration id="zu" years="999999999999999"/></date_expression>"#,
        ),
    ];
    let scores = "<rsc_location id='l1' rsc='a' node='n1' score='99999999999999999999999'/>\
                  <rsc_location id='l2' rsc='a' node='n2' score='-99999999999999999999999'/>";
    let op = r#"<primitive id="a" class="ocf" provider="p" type="t"><operations><op id="o1m" name="monitor" interval="99999999999999999999s" timeout="-7parsecs"/></operations></primitive>"#;
    for (name, text) in [
        ("instances", cib(clone, "", "")),
        ("replicas", cib(bundle, "", "")),
        ("dates", cib(&primitive("a"), &dates.concat(), "")),
        ("scores", cib(&primitive("a"), scores, "")),
        ("durations", cib(op, "", "")),
    ] {
        let ended = simulate(text.as_bytes(), &["-R", "-Q"]);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.errors);
    }
    let shown = simulate(cib(&primitive("a"), scores, "").as_bytes(), &["-R", "-s", "-Q"]).out;
    assert!(shown.contains("allocation score on n1: INFINITY"), "{shown}");
}

#[test]
fn under_the_classic_name_only_what_the_classic_tool_says_is_said() {
    let directory = directory();
    let tool = directory.join("crm_simulate");
    symlink(node_daemon(), &tool).unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good.xml", &cib(&primitive("a"), "", ""));
    let twice = file("twice.xml", &cib(&primitive("a").repeat(2), "", ""));
    let nowhere = directory.join("no/where").to_str().unwrap().to_owned();
    let here = directory.to_str().unwrap().to_owned();
    let cannot =
        |path: &str, why: &str| format!("crm_simulate: Could not create '{path}': {why}\n");
    let cases: [(&[&str], i32, String); 14] = [
        (&["-x", &good, "-R"], 0, String::new()),
        (&["-x", &good, "-R", "what", "else"], 0, String::new()),
        (&["-x", &good, "-R", "-t", "someday"], 0, String::new()),
        (&["-x", &good, "-R", "-G", &nowhere], 74, String::new()),
        (&["-x", &good, "-R", "-D", &here], 74, String::new()),
        (&["-x", &good, "-S", "-O", &nowhere], 105, cannot(&nowhere, "No such file or directory")),
        (&["-x", &good, "-S", "-O", &here], 73, cannot(&here, "Is a directory")),
        (&["-x", &good, "-R", "-I", &nowhere], 105, cannot(&nowhere, "No such file or directory")),
        (&["-x", &twice, "-R"], 78, String::new()),
        (&["-P", &nowhere], 105, String::new()),
        (&["-P", &here, "-N", "1"], 0, String::new()),
        (
            &["-x", &good, "-R", "-i", "junk"],
            0,
            "Invalid operation spec: junk.  Only found 1 fields\n".to_owned(),
        ),
        (&["-x", &good, "-S", "-F", "junk"], 0, String::new()),
        (
            &["-x", &nowhere, "-R"],
            65,
            format!(
                "crm_simulate: Could not read input XML: {nowhere}: No such file or directory\n"
            ),
        ),
    ];
    for (arguments, code, errors) in cases {
        let ended = finish(start(&tool, arguments));
        assert_eq!((ended.code, ended.errors), (Some(code), errors), "{arguments:?}");
    }
    for arguments in [&["--bogus"][..], &["-x", &good, "-g"], &["-N", "many", "-P", &here]] {
        let ended = finish(start(&tool, arguments));
        assert_eq!(ended.code, Some(64), "{arguments:?}");
        assert!(!ended.errors.is_empty(), "{arguments:?}");
    }
    for (arguments, code) in [
        (&["simulate", "-x", &good, "-R", "-t", "someday"][..], 64),
        (&["simulate", "-x", &good, "-R", "-G", &nowhere], 74),
        (&["simulate", &good, "-x", &good], 64),
        (&["simulate", "-P", &nowhere], 105),
    ] {
        let ended = finish(start(&node_daemon(), arguments));
        assert_eq!(ended.code, Some(code), "{arguments:?}");
        assert!(!ended.errors.is_empty(), "{arguments:?}");
    }
}
