//! Agents of Debian's packages, with the servers they manage: metadata, validation, start, monitors,
//! stop. `tests/install-agents.sh` installs them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use lrm::driver::AgentPaths;
use lrm::metadata::AgentMetadata;

use crate::rig::{Rig, has_program, request, skip};

const OCF_ROOT: &str = "/usr/lib/ocf";

/// Servers take their time, on a loaded machine above all.
const SLOWLY: Duration = Duration::from_secs(90);

/// A rig with the system's agents, and in front of them those in `agents` in its scratch directory.
/// `None`, with a note, if something is missing.
fn rig(agents: &[&str], programs: &[&str]) -> Option<Rig> {
    for agent in agents {
        if !Path::new(OCF_ROOT).join("resource.d").join(agent).exists() {
            skip(&format!("the agent {agent}"));
            return None;
        }
    }
    for program in programs {
        if !has_program(program) {
            skip(program);
            return None;
        }
    }
    if !programs.is_empty() && !rustix::process::geteuid().is_root() {
        skip("root");
        return None;
    }
    Some(Rig::with(|config, scratch| {
        config.paths = AgentPaths::below(OCF_ROOT.into());
        config.paths.ocf.insert(0, scratch.join("agents"));
        // Agents for Debian's servers look for their tools where root has them.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        config.environment.push(("PATH".into(), Some(path.into())));
    }))
}

/// A port that is free now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run_expect(rig: &mut Rig, action: &str, parameters: &[(&str, &str)], expected: &str) {
    let key = format!("r_{action}");
    let mut request = request(&key, parameters);
    request.timeout = SLOWLY;
    rig.execute(request).unwrap();
    rig.expect_within(&key, expected, SLOWLY);
}

/// Ends whatever a failed test left running.
struct Stop<'a, 'p>(&'a mut Rig, &'a [(&'p str, &'p str)]);

impl Drop for Stop<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.execute(request("r_stop_0", self.1));
            self.0.pass(Duration::from_secs(5));
        }
    }
}

/// The agent's whole life; `while_running` is called while it runs.
fn live(
    rig: &mut Rig,
    agent: &str,
    parameters: &[(&str, &str)],
    validates: bool,
    while_running: impl FnOnce(),
) {
    let text = rig.metadata(agent).unwrap();
    let metadata = AgentMetadata::from_xml(&text).unwrap();
    assert_eq!(Some(metadata.name.as_str()), agent.rsplit(':').next());
    for (name, _) in parameters {
        let known = metadata.parameters.iter().any(|parameter| parameter.name == *name);
        assert!(known, "{agent} has no parameter {name}");
    }
    rig.register("r", agent);
    if validates {
        run_expect(rig, "validate-all_0", parameters, "OK/Done");
    }
    run_expect(rig, "monitor_0", parameters, "Not running/Done");
    let rig = Stop(rig, parameters);
    run_expect(rig.0, "start_0", parameters, "OK/Done");
    run_expect(rig.0, "monitor_0", parameters, "OK/Done");
    while_running();
    run_expect(rig.0, "monitor_200", parameters, "OK/Done");
    rig.0.expect("r_monitor_200", "OK/Done");
    run_expect(rig.0, "stop_0", parameters, "OK/Done");
    run_expect(rig.0, "monitor_0", parameters, "Not running/Done");
}

#[test]
fn pacemaker_dummy() {
    let Some(mut rig) = rig(&["pacemaker/Dummy"], &[]) else { return };
    let state = format!("{}/state", rig.dir());
    let parameters = [("state", state.as_str())];
    live(&mut rig, "ocf:pacemaker:Dummy", &parameters, true, || {
        assert!(Path::new(&state).exists());
    });
    run_expect(&mut rig, "frobnicate_0", &parameters, "Unimplemented/Done");
}

#[test]
fn heartbeat_dummy() {
    let Some(mut rig) = rig(&["heartbeat/Dummy"], &[]) else { return };
    let state = format!("{}/state", rig.dir());
    live(&mut rig, "ocf:heartbeat:Dummy", &[("state", &state)], true, || ());
}

#[test]
fn heartbeat_delay() {
    let Some(mut rig) = rig(&["heartbeat/Delay"], &[]) else { return };
    let delays = [("startdelay", "0"), ("stopdelay", "0"), ("mondelay", "0")];
    live(&mut rig, "ocf:heartbeat:Delay", &delays, true, || ());
}

/// Like ClusterMon, an agent that keeps a program of any kind running.
#[test]
fn heartbeat_anything() {
    let Some(mut rig) = rig(&["heartbeat/anything"], &["su"]) else { return };
    let pidfile = format!("{}/pid", rig.dir());
    let parameters =
        [("binfile", "/bin/sleep"), ("cmdline_options", "1000"), ("pidfile", pidfile.as_str())];
    live(&mut rig, "ocf:heartbeat:anything", &parameters, true, || {
        let pid = std::fs::read_to_string(&pidfile).unwrap();
        assert!(crate::rig::is_alive(&pid));
    });
}

#[test]
fn pacemaker_stateful() {
    let Some(mut rig) = rig(&["pacemaker/Stateful"], &[]) else { return };
    let state = format!("{}/state", rig.dir());
    let parameters = [("state", state.as_str())];
    rig.register("r", "ocf:pacemaker:Stateful");
    run_expect(&mut rig, "monitor_0", &parameters, "Not running/Done");
    run_expect(&mut rig, "start_0", &parameters, "OK/Done");
    run_expect(&mut rig, "monitor_0", &parameters, "OK/Done");
    run_expect(&mut rig, "promote_0", &parameters, "OK/Done");
    run_expect(&mut rig, "monitor_0", &parameters, "Promoted/Done");
    run_expect(&mut rig, "demote_0", &parameters, "OK/Done");
    run_expect(&mut rig, "monitor_0", &parameters, "OK/Done");
    run_expect(&mut rig, "stop_0", &parameters, "OK/Done");
    run_expect(&mut rig, "monitor_0", &parameters, "Not running/Done");
}

#[test]
fn list_ocf_providers() {
    let Some(rig) = rig(&["heartbeat/Dummy", "pacemaker/ping"], &[]) else { return };
    let paths = rig.driver.paths();
    let providers = paths.providers();
    for provider in ["heartbeat", "pacemaker"] {
        assert!(providers.iter().any(|name| name == provider), "{providers:?}");
    }
    for (agent, its) in [("ping", &["pacemaker"][..]), ("DUMMY", &["heartbeat", "pacemaker"])] {
        assert_eq!(paths.providers_of(agent), its, "{agent}");
    }
    assert_eq!(paths.providers_of("no-such-agent"), [] as [&str; 0]);
}

#[test]
fn all_installed_agents_have_metadata_that_is_read() {
    let Some(mut rig) = rig(&["heartbeat/Dummy", "pacemaker/Dummy"], &[]) else { return };
    let mut read = 0;
    for provider in ["heartbeat", "pacemaker"] {
        for kind in rig.driver.paths().ocf_agents(Some(provider)) {
            // An agent whose interpreter or library is missing prints nothing.
            let Ok(text) = rig.metadata(&format!("ocf:{provider}:{kind}")) else { continue };
            let metadata = AgentMetadata::from_xml(&text);
            let metadata = metadata.unwrap_or_else(|error| panic!("{provider}:{kind}: {error}"));
            assert!(metadata.actions.iter().any(|action| action.name == "start"), "{kind}");
            read += 1;
        }
    }
    assert!(read > 50, "only {read} agents described themselves");
}

/// A network namespace with two linked interfaces.
struct Namespace(String);

impl Namespace {
    fn new() -> Option<Self> {
        // Its name outlives a killed test, and a process id may come again in another namespace.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let name = format!("lrm-test-{}-{now:x}", std::process::id());
        let ip = |arguments: &[&str]| {
            let run = Command::new("ip").args(arguments).status();
            run.is_ok_and(|status| status.success())
        };
        let made = ip(&["netns", "add", &name]);
        let this = made.then_some(Self(name))?;
        let name = this.0.as_str();
        let linked = ip(&["-n", name, "link", "add", "v0", "type", "veth", "peer", "name", "v1"])
            && ip(&["-n", name, "link", "set", "v0", "up"])
            && ip(&["-n", name, "link", "set", "v1", "up"]);
        linked.then_some(this)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

#[test]
fn ipaddr2_in_a_network_namespace() {
    let Some(mut rig) = rig(&["heartbeat/IPaddr2"], &["ip"]) else { return };
    let Some(namespace) = Namespace::new() else { return skip("network namespaces with veth") };
    // The agent, inside the namespace: a provider of its own that enters it first.
    let script = format!(
        "#!/bin/sh\nexec ip netns exec {} {OCF_ROOT}/resource.d/heartbeat/IPaddr2 \"$@\"\n",
        namespace.0
    );
    install(&rig.scratch.path().join("agents/inside"), "IPaddr2", &script);
    let parameters = [("ip", "10.9.8.7"), ("nic", "v0"), ("cidr_netmask", "24")];
    live(&mut rig, "ocf:inside:IPaddr2", &parameters, true, || {
        let mut ip = Command::new("ip");
        let listed = ip.args(["-n", &namespace.0, "addr", "show", "v0"]).output().unwrap();
        assert!(String::from_utf8_lossy(&listed.stdout).contains("10.9.8.7/24"));
    });
}

/// Writes a script by another process, so that no child of this one inherits it open for writing.
fn install(directory: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(directory).unwrap();
    let source = directory.join(format!(".{name}"));
    std::fs::write(&source, text).unwrap();
    let mut install = Command::new("install");
    let installed = install.args(["-m", "755"]).arg(&source).arg(directory.join(name)).status();
    assert!(installed.unwrap().success());
}

#[test]
fn filesystem_in_memory() {
    let Some(mut rig) = rig(&["heartbeat/Filesystem"], &["mount", "modprobe"]) else { return };
    let mountpoint = format!("{}/mnt", rig.dir());
    let parameters = [("device", "tmpfs"), ("directory", mountpoint.as_str()), ("fstype", "tmpfs")];
    live(&mut rig, "ocf:heartbeat:Filesystem", &parameters, true, || {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        assert!(mounts.contains(&format!("tmpfs {mountpoint} tmpfs")));
    });
}

#[test]
fn filesystem_on_a_loop_device() {
    let needed = ["mount", "modprobe", "mkfs.ext4", "losetup"];
    let Some(mut rig) = rig(&["heartbeat/Filesystem"], &needed) else { return };
    let (image, mountpoint) = (format!("{}/image", rig.dir()), format!("{}/mnt", rig.dir()));
    std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let made = Command::new("/sbin/mkfs.ext4").args(["-q", &image]).status().unwrap();
    assert!(made.success());
    let parameters = [
        ("device", image.as_str()),
        ("directory", mountpoint.as_str()),
        ("fstype", "ext4"),
        ("options", "loop"),
    ];
    live(&mut rig, "ocf:heartbeat:Filesystem", &parameters, true, || {
        std::fs::write(Path::new(&mountpoint).join("file"), "kept").unwrap();
    });
}

#[test]
fn nginx_serves_while_it_runs() {
    let needed = ["nginx", "curl", "pgrep"];
    let Some(mut rig) = rig(&["heartbeat/nginx"], &needed) else { return };
    let (dir, port) = (rig.dir(), free_port());
    let config = format!("{dir}/nginx.conf");
    let text = format!(
        "pid {dir}/pid;\nerror_log {dir}/errors;\nevents {{}}\nhttp {{ access_log {dir}/access;\n\
         server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"here\\n\"; }} }} }}\n"
    );
    std::fs::write(&config, text).unwrap();
    let port_text = port.to_string();
    let url = format!("http://127.0.0.1:{port}/");
    let parameters = [
        ("configfile", config.as_str()),
        ("port", port_text.as_str()),
        ("httpd", "/usr/sbin/nginx"),
        ("status10url", url.as_str()),
    ];
    live(&mut rig, "ocf:heartbeat:nginx", &parameters, true, || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("here\n"), "{answer}");
    });
}

/// A directory that a server's user may use, below one that it may enter.
fn directory_of(rig: &Rig, user: &str, name: &str) -> PathBuf {
    let open = Command::new("chmod").arg("755").arg(rig.scratch.path()).status().unwrap();
    assert!(open.success());
    let path = rig.scratch.path().join(name);
    let mut install = Command::new("install");
    let made = install.args(["-d", "-m", "700", "-o", user]).arg(&path).status().unwrap();
    assert!(made.success(), "no user {user}?");
    path
}

#[test]
fn redis_answers_while_it_runs() {
    let needed = ["redis-server", "redis-cli"];
    let Some(mut rig) = rig(&["heartbeat/redis"], &needed) else { return };
    let data = directory_of(&rig, "redis", "redis").display().to_string();
    let (port, config) = (free_port(), format!("{}/redis.conf", rig.dir()));
    let text = format!(
        "port {port}\ndir {data}\nlogfile {data}/log\npidfile {data}/pid\nunixsocket {data}/sock\n"
    );
    std::fs::write(&config, text).unwrap();
    let port_text = port.to_string();
    let parameters = [
        ("bin", "/usr/bin/redis-server"),
        ("client_bin", "/usr/bin/redis-cli"),
        ("user", "redis"),
        ("rundir", data.as_str()),
        ("pidfile_name", "pid"),
        ("socket_name", "sock"),
        ("port", port_text.as_str()),
        ("config", config.as_str()),
    ];
    live(&mut rig, "ocf:heartbeat:redis", &parameters, true, || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"PING\r\n").unwrap();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+PONG\r\n");
    });
}

/// Where the newest installed PostgreSQL has its programs.
fn postgresql() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let mut bins: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    bins.retain(|bin| bin.join("initdb").exists() && bin.join("postgres").exists());
    bins.sort();
    bins.pop()
}

#[test]
fn postgresql_answers_while_it_runs() {
    let Some(mut rig) = rig(&["heartbeat/pgsql"], &["psql"]) else { return };
    let Some(bin) = postgresql() else { return skip("a PostgreSQL server") };
    let base = directory_of(&rig, "postgres", "pg").display().to_string();
    let (data, port) = (format!("{base}/data"), free_port().to_string());
    let initdb = format!("{} -D {data} -A trust -N >/dev/null", bin.join("initdb").display());
    let made = Command::new("su").args(["postgres", "-s", "/bin/sh", "-c", &initdb]).status();
    assert!(made.unwrap().success());
    let config = Path::new(&data).join("postgresql.conf");
    let mut config = std::fs::OpenOptions::new().append(true).open(config).unwrap();
    writeln!(config, "unix_socket_directories = '{base}'\nfsync = off").unwrap();
    let (pgctl, log) = (bin.join("pg_ctl").display().to_string(), format!("{base}/log"));
    let parameters = [
        ("pgctl", pgctl.as_str()),
        ("psql", "/usr/bin/psql"),
        ("pgdata", data.as_str()),
        ("pgport", port.as_str()),
        ("socketdir", base.as_str()),
        ("logfile", log.as_str()),
    ];
    live(&mut rig, "ocf:heartbeat:pgsql", &parameters, true, || {
        let mut psql = Command::new("psql");
        let query = ["-h", &base, "-p", &port, "-U", "postgres", "-Atc", "select 6 * 7"];
        let answer = psql.args(query).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&answer.stdout), "42\n");
    });
}
