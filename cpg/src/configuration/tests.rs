use super::*;
use std::net::IpAddr;

struct Numeric;

impl Names for Numeric {
    fn resolve(&self, name: &str, _: IpVersion) -> Option<IpAddr> {
        name.parse().ok().or_else(|| (name == "alpha").then(|| [10, 0, 0, 1].into()))
    }

    fn reverse(&self, _: IpAddr) -> Option<String> {
        None
    }
}

const BASIC: &str = "\
totem {
    version: 2
    cluster_name: demo
    transport: knet
    #options
}
nodelist {
    node {
        ring0_addr: 10.0.0.1
        name: a.example.org
        nodeid: 1
    }
    node {
        ring0_addr: 10.0.0.2
        name: b
        nodeid: 2
    }
    node {
        ring0_addr: 10.0.0.3
        name: c
        nodeid: 3
    }
}
quorum {
    provider: corosync_votequorum
    #quorum
}
logging {
    to_syslog: yes
    logger_subsys {
        subsys: TOTEM
        debug: on
    }
}
";

fn resolve(text: &str) -> Result<ClusterConfiguration, ConfigurationError> {
    let map = ConfigurationMap::parse("corosync.conf", text.as_bytes())?;
    let host = LocalHost { name: "b.example.org".to_owned(), addresses: vec![] };
    ClusterConfiguration::resolve(&map, &host, &Numeric)
}

fn with_options(options: &str) -> Result<ClusterConfiguration, ConfigurationError> {
    resolve(&BASIC.replace("    #options", options))
}

fn error(text: &str) -> String {
    resolve(text).expect_err(text).to_string()
}

#[test]
fn a_plain_configuration_gets_the_defaults() {
    let configuration = resolve(BASIC).unwrap();
    assert_eq!(configuration.local_node().id.get(), 2, "found with the domain stripped");
    let timing = configuration.timing;
    assert_eq!((timing.token, timing.consensus, timing.hold), (3650, 4380, 685));
    assert!(
        matches!(configuration.crypto, Crypto::On { cipher, .. } if cipher == Default::default())
    );
    let ring = configuration.ring();
    assert_eq!(ring.timing.token.as_millis(), 3650);
    let addresses = configuration.addresses(configuration.local_node());
    assert_eq!(addresses[0].address.to_string(), "10.0.0.2:5405");
    assert_eq!(configuration.logging.subsystems["TOTEM"].debug, Some(Debug::On));
}

#[test]
fn broken_lines_are_refused_with_their_number() {
    #[rustfmt::skip]
    let cases = [
        ("totem {\n version: 2 \n", "3: Missing closing brace"),
        ("}\n", "1: Unexpected closing brace"),
        ("{\n", "1: Missing section name before opening bracket '{'"),
        ("totem { version: 2\n", "1: Extra characters after opening bracket '{'"),
        ("totem {\n : 2\n", "2: Key name can't be empty"),
        ("totem {\n x } y\n", "2: Extra characters before or after closing bracket '}'"),
        ("totem {\n word\n", "2: Line is not opening or closing section or key value"),
        ("totem {\n token: soon\n}\n", "2: Value of key \"totem.token\" is expected to be integer in range (0..4294967295), but \"soon\" was given"),
        ("quorum {\n two_node: yes\n}\n", "2: Value of key \"quorum.two_node\" is expected to be integer in range (0..255), but \"yes\" was given"),
        ("totem {\n config_version: -1\n}\n", "2: Value of key \"totem.config_version\" is expected to be unsigned integer, but \"-1\" was given"),
        ("totem {\n ip_dscp: af99\n}\n", "2: Value of key \"totem.ip_dscp\" is expected to be number (0..63) or symbolical dscp value, but \"af99\" was given"),
        ("logging {\n logger_subsys {\n debug: on\n }\n}\n", "4: No subsys key in logger_subsys directive"),
        ("uidgid {\n pid: 3\n}\n", "2: uidgid: Only uid and gid are allowed items"),
        ("totem {\n interface {\n mcastport: 70000\n }\n}\n", "3: Value of key \"totem.interface.mcastport\" is expected to be integer in range (0..65535), but \"70000\" was given"),
        ("nodelist {\n node {\n nodeid: abc\n }\n}\n", "3: Value of key \"nodelist.node.0.nodeid\" is expected to be integer in range (0..4294967295), but \"abc\" was given"),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), format!("parser error: corosync.conf:{expected}"));
    }
    let long = format!("# {}\n", "x".repeat(600));
    assert_eq!(error(&long), "parser error: corosync.conf:1: Line too long");
}

#[test]
fn wrong_values_are_refused_with_the_known_texts() {
    #[rustfmt::skip]
    let cases = [
        ("token: 20\ntoken_coefficient: 0", "parse error in config: The token timeout parameter (20 ms) may not be less than (30 ms)."),
        ("token: 125\ntoken_coefficient: 0", "parse error in config: Not appropriate token or token_retransmits_before_loss_const value set"),
        ("token_retransmit: 20", "parse error in config: The token retransmit timeout parameter (20 ms) may not be less than (30 ms)."),
        ("token_warning: 101", "parse error in config: The token warning parameter (101%) must be between 0 (disabled) and 100."),
        ("consensus: 40", "parse error in config: The consensus timeout parameter (40 ms) may not be less than join timeout (50 ms)."),
        ("link_mode: fast", "parse error in config: The Knet link mode \"fast\" specified is invalid.  It must be active, passive or rr."),
        ("crypto_cipher: aes256\ncrypto_hash: none", "crypto_cipher requires crypto_hash with value other than none"),
        ("transport: tcp", "Invalid transport type. Should be udpu, udp or knet"),
        ("transport: udpu\nsecauth: on", "parse error in config: crypto_cipher & crypto_hash are only valid for the Knet transport."),
        ("interface {\n linknumber: 9\n mcastport: 5\n}", "parse error in config: interface ring number 9 is bigger than allowed maximum 7"),
        ("interface {\n linknumber: 1\n mcastport: 5\n}", "parse error in config: Not all nodes have the same number of links"),
        ("interface {\n ttl: 3\n}", "parse error in config: Can only set ttl on multicast transport types for interface 0"),
        ("version: 1", "parse error in config: This totem parser can only parse version 2 configurations."),
    ];
    for (options, expected) in cases {
        let error = with_options(options).expect_err(options);
        let (text, status) = (error.to_string(), error.exit_status());
        let ConfigurationError::Placed { place, source } = error else { panic!("{text}: where?") };
        assert_eq!((source.to_string().as_str(), status), (expected, 8));
        let line = place.strip_prefix("corosync.conf:").and_then(|line| line.parse().ok());
        let line: usize = line.unwrap_or_else(|| panic!("{place}"));
        let written = BASIC.replace("    #options", options);
        let blamed = written.lines().nth(line - 1).unwrap_or_default();
        assert!(
            options.lines().any(|line| line == blamed) || blamed.contains("version"),
            "{blamed}"
        );
    }
    assert_eq!(with_options("token: 126\ntoken_coefficient: 0").unwrap().timing.token, 126);
}

#[test]
fn node_lists_are_checked() {
    let replace = |from: &str, to: &str| {
        let text = error(&BASIC.replace(from, to));
        text.split(" (corosync.conf:").next().unwrap_or_default().to_owned()
    };
    let twice = error(&BASIC.replace("nodeid: 3", "nodeid: 2"));
    assert!(twice.ends_with(" (corosync.conf:21)"), "{twice}");
    assert_eq!(replace("nodeid: 3", "nodeid: 2"), "Nodeid 2 appears twice in corosync.conf");
    assert_eq!(replace("10.0.0.3", "nowhere"), "failed to parse node address 'nowhere'");
    assert_eq!(
        replace("nodeid: 3", "nodeid: 70000"),
        "Knet requires nodeid to be less than 65536 for address '10.0.0.3'."
    );
    assert_eq!(
        replace("name: b", "name: z"),
        "parse error in config: No valid name found for local host"
    );
    assert_eq!(
        replace("name: c", "ring1_addr: 10.1.0.3\n name: c"),
        "parse error in config: Not all nodes have the same number of links"
    );
    assert_eq!(
        replace("10.0.0.3", "fd00::3"),
        "parse error in config: Nodes for link 0 have different IP families (compared fd00::3 with 10.0.0.1)"
    );
    assert_eq!(error("totem {\n version: 2\n}\n"), "No interfaces defined");
}

#[test]
fn crypto_is_off_only_when_written_down() {
    let crypto = |options: &str| with_options(options).unwrap().crypto;
    assert_eq!(crypto("crypto_cipher: none\ncrypto_hash: none"), Crypto::Off);
    assert_eq!(crypto("crypto_cipher: none"), Crypto::Off);
    assert_eq!(crypto("secauth: off"), Crypto::Off);
    for options in ["", "secauth: on", "crypto_hash: sha512", "crypto_cipher: aes192"] {
        assert!(matches!(crypto(options), Crypto::On { .. }), "{options}");
    }
}

#[test]
fn logging_errors_have_their_own_status() {
    let wrong = BASIC.replace("to_syslog: yes", "to_syslog: maybe");
    let error = resolve(&wrong).unwrap_err();
    let text = "parse error in config: unknown value for to_syslog. (corosync.conf:29)";
    assert_eq!(error.to_string(), text);
    assert_eq!(error.exit_status(), 7);
}

/// Spec 70 §11; two of the four defaults are told apart from the reference's in [`crate::link::Probing`].
#[test]
fn every_link_has_ping_settings_of_its_own() {
    let two_links = BASIC
        .replace("name: a.example", "ring1_addr: 10.1.0.1\n        name: a.example")
        .replace("name: b", "ring1_addr: 10.1.0.2\n        name: b")
        .replace("name: c", "ring1_addr: 10.1.0.3\n        name: c");
    let with = |options: &str| resolve(&two_links.replace("    #options", options)).unwrap();
    let ms = |probing: &crate::link::Probing| {
        let (interval, timeout) = (probing.interval.as_millis(), probing.timeout.as_millis());
        (interval, timeout, probing.pong_count, probing.precision)
    };
    let plain = with("");
    let links = plain.links();
    assert_eq!(ms(links.probing_of(0)), (456, 1825, 2, 2048), "from the token in force, 3650 ms");
    assert_eq!(links.probing_of(0), links.probing_of(1));
    let set = with(
        "interface {\n linknumber: 1\n knet_ping_interval: 100\n knet_ping_timeout: 700\n \
         knet_pong_count: 5\n knet_ping_precision: 64\n }\n interface {\n linknumber: 0\n \
         knet_pong_count: 5\n }\n",
    );
    let links = set.links();
    assert_eq!(ms(links.probing_of(0)), (182, 730, 5, 2048));
    assert_eq!(ms(links.probing_of(1)), (100, 700, 5, 64));
    assert_eq!(set.warnings, Vec::<String>::new());
    let rare = with("interface {\n linknumber: 1\n knet_ping_interval: 2000\n }\n");
    let expected = "corosync.conf:7: link 1 is pinged every 2000 ms, which must be less than the 1825 ms \
                    after which it is taken for down";
    assert_eq!(rare.warnings, [expected]);
}

#[test]
fn ports_of_a_link_are_fixed_only_while_there_is_that_link() {
    let second = "interface {\n linknumber: 1\n mcastport: 6000\n }\n";
    let map = |text: &str| ConfigurationMap::parse("corosync.conf", text.as_bytes()).unwrap();
    let one = map(BASIC);
    let two_links = BASIC.replace("name: b", "ring1_addr: 10.1.0.2\n        name: b");
    let two = map(&two_links.replace("    #options", second));
    let added = reload(&one, &two);
    assert_eq!(added.notices, Vec::<String>::new());
    assert_eq!(added.map.number("totem.interface.1.mcastport"), Some(6000));
    let moved = reload(&two, &map(&two_links.replace("    #options", &second.replace("6", "7"))));
    let expected = "Modified entry 'totem.interface.1.mcastport' in corosync.conf cannot be changed at run-time";
    assert_eq!(moved.notices, [expected]);
    let removed = reload(&two, &one);
    assert_eq!(removed.notices, Vec::<String>::new());
    assert_eq!(removed.map.number("totem.interface.1.mcastport"), None);
}

#[test]
fn a_reload_keeps_fixed_keys_and_drops_what_is_gone() {
    let old = ConfigurationMap::parse("f", BASIC.as_bytes()).unwrap();
    let text = BASIC
        .replace("cluster_name: demo", "cluster_name: other\n    token: 5000")
        .replace("    to_syslog: yes\n", "");
    let new = ConfigurationMap::parse("f", text.as_bytes()).unwrap();
    let outcome = reload(&old, &new);
    assert_eq!(
        outcome.notices,
        ["Modified entry 'totem.cluster_name' in corosync.conf cannot be changed at run-time"]
    );
    assert_eq!(outcome.changed, ["logging.to_syslog", "totem.token"]);
    assert_eq!(outcome.map.text("totem.cluster_name"), Some("demo"));
    assert_eq!(outcome.map.number("totem.token"), Some(5000));
}

#[test]
fn options_without_effect_are_accepted_and_named_with_their_place() {
    let warnings = |options: &str| with_options(options).unwrap().warnings;
    let found = warnings("knet_mtu: 1400\nmiss_count_const: 5\nheartbeat_failures_allowed: 0");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("corosync.conf:6: totem.miss_count_const has no effect here"));
    assert!(found[1].starts_with("corosync.conf:5: totem.knet_mtu has no effect here"));
    assert!(warnings("").is_empty());
    let text = BASIC.replace("to_syslog: yes", "blackbox: on\n    fileline: off");
    let found = resolve(&text).unwrap().warnings;
    let expected =
        "corosync.conf:29: logging.blackbox has no effect here: there is no flight recorder";
    assert_eq!(found, [expected]);
}

/// The rest of spec 70 §10 and §13: every refusal has the text that operators know.
#[test]
fn every_other_refusal_has_the_known_text() {
    let of_line = |options: &str| {
        let text = with_options(options).expect_err(options).to_string();
        text.split(" (corosync.conf:").next().unwrap_or_default().to_owned()
    };
    #[rustfmt::skip]
    let cases = [
        ("max_network_delay: 29", "parse error in config: The max_network_delay parameter (29 ms) may not be less than (30 ms)."),
        ("hold: 13", "parse error in config: The token hold timeout parameter (13 ms) may not be less than (14 ms)."),
        ("join: 29", "parse error in config: The join timeout parameter (29 ms) may not be less than (30 ms)."),
        ("consensus: 29", "parse error in config: The consensus timeout parameter (29 ms) may not be less than (30 ms)."),
        ("merge: 29", "parse error in config: The merge timeout parameter (29 ms) may not be less than (30 ms)."),
        ("downcheck: 29", "parse error in config: The downcheck timeout parameter (29 ms) may not be less than (30 ms)."),
        ("transport: udp\ncrypto_cipher: none\ninterface {\n knet_link_priority: 3\n}", "parse error in config: Can only set link priority on knet transport type for interface 0"),
        ("interface {\n knet_transport: tcp\n}", "Unrecognised knet_transport. expected 'udp' or 'sctp'"),
        ("crypto_cipher: rot13", "parser error: corosync.conf:5: Invalid cipher type. Should be none, aes256, aes192, aes128 or chacha20-poly1305"),
        ("ip_version: ipv5", "parser error: corosync.conf:5: Invalid ip_version type"),
    ];
    for (options, expected) in cases {
        assert_eq!(of_line(options), expected, "{options}");
    }
    #[rustfmt::skip]
    let cases = [
        ("uidgid {\n x {\n }\n}\n", "2: uidgid: Subsections are not allowed within uidgid section"),
        ("system {\n qb_ipc_type: pipe\n}\n", "2: Invalid system.qb_ipc_type"),
        ("system {\n sched_rr: maybe\n}\n", "2: Invalid system.sched_rr value"),
        ("system {\n move_to_root_cgroup: 1\n}\n", "2: Invalid system.move_to_root_cgroup"),
        ("system {\n allow_knet_handle_fallback: 1\n}\n", "2: Invalid system.allow_knet_handle_fallback"),
        ("logging {\n logging_daemon {\n debug: on\n }\n}\n", "4: No name key in logging_daemon directive"),
    ];
    for (text, expected) in cases {
        let found = error(text);
        let (place, what) = expected.split_once(": ").unwrap();
        let what = what.strip_prefix("uidgid: ").unwrap_or(what);
        assert!(found.starts_with(&format!("parser error: corosync.conf:{place}: ")), "{found}");
        assert!(found.contains(what), "{found}");
    }
    let deep = format!("{}key: value\n{}", "section {\n".repeat(40), "}\n".repeat(40));
    assert!(error(&deep).contains("makes total cmap path too long"), "{}", error(&deep));
    #[rustfmt::skip]
    let logging = [
        ("timestamp: maybe", "unknown value for timestamp"),
        ("fileline: maybe", "unknown value for fileline"),
        ("function_name: maybe", "unknown value for function_name"),
        ("blackbox: maybe", "unknown value for blackbox"),
        ("to_stderr: maybe", "unknown value for to_stderr"),
        ("to_logfile: maybe", "unknown value for to_logfile"),
        ("debug: maybe", "unknown value for debug"),
        ("syslog_facility: nobody", "unknown syslog facility specified"),
        ("syslog_priority: never", "unknown syslog priority specified"),
        ("logfile_priority: never", "unknown logfile priority specified"),
    ];
    for (line, expected) in logging {
        let text = BASIC.replace("to_syslog: yes", line);
        let error = resolve(&text).expect_err(line);
        let expected = format!("parse error in config: {expected}. (corosync.conf:29)");
        assert_eq!((error.to_string(), error.exit_status()), (expected, 7));
    }
}

/// Spec 70 §13.4: transport, crypto, link mode's length, interfaces, node list, final validation.
#[test]
fn the_first_wrong_thing_in_the_order_of_checks_wins() {
    let wrong = [
        ("transport: tcp", "Invalid transport type"),
        ("crypto_cipher: aes256\ncrypto_hash: none", "crypto_cipher requires crypto_hash"),
        ("interface {\n linknumber: 9\n mcastport: 5\n}", "interface ring number 9"),
        ("version: 1", "This totem parser can only parse version 2"),
        ("link_mode: fast", "The Knet link mode"),
        ("token: 20\ntoken_coefficient: 0", "The token timeout parameter"),
    ];
    for first in 0..wrong.len() {
        let options: Vec<&str> = wrong[first..].iter().rev().map(|(option, _)| *option).collect();
        let error = with_options(&options.join("\n")).unwrap_err().to_string();
        assert!(error.contains(wrong[first].1), "{options:?}: {error}");
    }
}

/// Spec 70 §13.5, each way of finding this node before the next.
#[test]
fn the_local_node_is_found_in_the_known_order() {
    struct Reverse;
    impl Names for Reverse {
        fn resolve(&self, name: &str, _: IpVersion) -> Option<IpAddr> {
            let known = [("one", 1u8), ("two.site", 2), ("three", 3), ("four.x.y", 4)];
            let last = known.iter().find(|(known, _)| *known == name).map(|(_, last)| *last);
            name.parse().ok().or(last.map(|last| IpAddr::from([10, 0, 0, last])))
        }

        fn reverse(&self, address: IpAddr) -> Option<String> {
            (address == IpAddr::from([10, 0, 0, 99])).then(|| "three.example".to_owned())
        }
    }
    let text = "totem {\n version: 2\n}\nnodelist {\n node {\n ring0_addr: 10.0.0.1\n name: one\n \
                nodeid: 1\n }\n node {\n ring0_addr: two.site\n nodeid: 2\n }\n node {\n ring0_addr: \
                10.0.0.3\n name: three\n nodeid: 3\n }\n node {\n ring0_addr: four.x.y\n nodeid: \
                4\n }\n}\n";
    let map = ConfigurationMap::parse("corosync.conf", text.as_bytes()).unwrap();
    let find = |name: &str, addresses: &[[u8; 4]]| {
        let addresses = addresses.iter().map(|address| IpAddr::from(*address)).collect();
        let host = LocalHost { name: name.to_owned(), addresses };
        ClusterConfiguration::resolve(&map, &host, &Reverse).ok().map(|c| c.local_node().id.get())
    };
    assert_eq!(find("one", &[[10, 0, 0, 3]]), Some(1), "the name, before any address");
    assert_eq!(find("two.site", &[]), Some(2), "the name among the addresses");
    assert_eq!(find("one.far.away", &[]), Some(1), "without its domain, part by part");
    assert_eq!(find("four", &[]), Some(4), "an entry without its domain");
    assert_eq!(find("nobody", &[[10, 0, 0, 99]]), Some(3), "the reverse name of an address");
    assert_eq!(find("nobody", &[[10, 0, 0, 1]]), Some(1), "an address as it is written");
    assert_eq!(find("nobody", &[[10, 0, 0, 2]]), Some(2), "an entry that resolves to an address");
    assert_eq!(find("nobody", &[[10, 0, 0, 7]]), None);
}
