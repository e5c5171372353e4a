//! Who may do what: members of the cluster's group as ACLs allow, others nothing. It needs root, to be
//! other users.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use nix::unistd::{Group, Uid, User};

use super::{Cib, Endpoint, Node, PATIENCE};

/// A user of this machine while the test runs.
struct Member(User);

impl Member {
    /// Makes a user who is in the cluster's group, if this is root and the machine has the group.
    fn make() -> Option<Member> {
        if !Uid::effective().is_root() || Group::from_name("haclient").ok().flatten().is_none() {
            let here = "this is not root, or the machine has no group haclient";
            assert!(std::env::var_os("CI").is_none(), "{here}: access cannot be tested");
            eprintln!("{here}: access is not tested");
            return None;
        }
        // Process ids do not tell runs apart: each may have a namespace of its own for them.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let name = format!("understudy{:x}", now.as_nanos());
        let end = Instant::now() + PATIENCE;
        // Another who changes the users of this machine may hold the lock.
        loop {
            let mut useradd = Command::new("useradd");
            if useradd.args(["-M", "-N", "-G", "haclient", &name]).status().unwrap().success() {
                return Some(Member(User::from_name(&name).unwrap().unwrap()));
            }
            assert!(Instant::now() < end, "no user {name}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.0.name).status();
    }
}

/// Runs cibadmin as a user; gives its output and code.
fn cibadmin(node: &Node, program: &Path, user: &User, line: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(program)
        .arg0("cibadmin")
        .args(line)
        .uid(user.uid.as_raw())
        .gid(user.gid.as_raw())
        .current_dir("/")
        .env_remove("CIB_file")
        .env("UNDERSTUDY_IPC_DIRECTORY", node.directory())
        .output()
        .unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn members_of_the_group_do_what_acls_allow_and_others_nothing() {
    let Some(member) = Member::make() else { return };
    let node = Node::start("access");
    let mut root = Cib::open(&node, Endpoint::CibWrite);
    let name = &member.0.name;
    let options = r#"<cluster_property_set id="o"><nvpair id="secret" name="enable-acl" value="true"/></cluster_property_set>"#;
    let acls = format!(
        r#"<acls><acl_target id="{name}"><role id="nodes"/></acl_target><acl_role id="nodes"><acl_permission id="p" kind="write" xpath="/cib/configuration/nodes"/></acl_role></acls>"#
    );
    for (operation, section, data) in [
        ("cib_create", "nodes", r#"<node id="1" uname="first"/>"#),
        ("cib_create", "crm_config", options),
        ("cib_modify", "", &format!("<cib><configuration>{acls}</configuration></cib>")),
    ] {
        let (code, reply) = root.call(operation, section, data);
        assert_eq!(code, "0", "{}", reply.root().to_xml());
    }
    // Where it was built others may have no access.
    let program = node.directory().join("node-daemon");
    std::fs::copy(env!("CARGO_BIN_EXE_node-daemon"), &program).unwrap();
    let nobody = User::from_name("nobody").unwrap().unwrap();
    let cases: [(&User, &[&str], Option<i32>); 5] = [
        (&member.0, &["-Q"], Some(0)),
        (&member.0, &["-C", "-o", "nodes", "-X", "<node id='2' uname='second'/>"], Some(0)),
        (
            &member.0,
            &["-C", "-o", "resources", "-X", "<template id='t' class='lsb' type='x'/>"],
            Some(4),
        ),
        (&member.0, &["-E", "--force"], Some(4)),
        (&nobody, &["-Q"], Some(102)),
    ];
    for (user, line, code) in cases {
        let (out, ended) = cibadmin(&node, &program, user, line);
        assert_eq!(ended, code, "{} {line:?}: {out}", user.name);
        assert!(!out.contains("secret"), "{} sees all: {out}", user.name);
        assert_eq!(out.contains("first"), line == ["-Q"] && code == Some(0), "{line:?}: {out}");
    }
    let (_, all) = root.call("cib_query", "", "");
    let text = all.root().to_xml();
    assert!(text.contains("second") && text.contains("secret") && !text.contains("template"));

    // What a group may do, its members may.
    let group = r#"<cib><configuration><acls><acl_group id="haclient"><role id="resources"/></acl_group><acl_role id="resources"><acl_permission id="q" kind="write" xpath="/cib/configuration/resources"/></acl_role></acls></configuration></cib>"#;
    assert_eq!(root.call("cib_modify", "", group).0, "0");
    let line = ["-C", "-o", "resources", "-X", "<template id='t' class='lsb' type='x'/>"];
    assert_eq!(cibadmin(&node, &program, &member.0, &line).1, Some(0));
    // Root may act for others.
    for (user, code) in [(name.as_str(), Some(0)), ("nobody", Some(4))] {
        let line = ["-U", user, "-Q", "-o", "resources"];
        let root = User::from_name("root").unwrap().unwrap();
        assert_eq!(cibadmin(&node, &program, &root, &line).1, code, "{user}");
    }
}
