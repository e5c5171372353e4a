//! The server: its data on storage that all nodes see, its resources, and a record of its starts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::witness::Servers;
use crate::bed::node::Node;
use crate::bed::{Cluster, pairs};

/// Where clients find the server.
pub const ADDRESS: &str = "10.78.0.50";

pub struct Service {
    programs: PathBuf,
    shared: tempfile::TempDir,
}

/// A row as the server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub number: u64,
    /// When the server that took it was started.
    pub server: String,
}

fn must(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Service {
    /// The server's programs and agents, if they are installed; in CI they must be.
    pub fn find() -> Option<Service> {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let programs = versions.map(|entry| entry.path().join("bin"));
        let programs = programs.filter(|path| path.join("pg_ctl").exists()).max();
        let agents = ["pgsql", "IPaddr2"];
        let agents = agents
            .iter()
            .all(|agent| Path::new("/usr/lib/ocf/resource.d/heartbeat").join(agent).exists());
        match programs.filter(|_| agents) {
            Some(programs) => {
                let shared = tempfile::Builder::new().prefix("understudy-storage-").tempdir();
                Some(Service { programs, shared: shared.unwrap() })
            }
            None => {
                let why = "Debian's packages postgresql and resource-agents are not installed";
                assert!(std::env::var_os("CI").is_none(), "{why}");
                eprintln!("skipped: {why}");
                None
            }
        }
    }

    /// Where its data is.
    pub fn data(&self) -> PathBuf {
        self.shared.path().join("data")
    }

    fn starts(&self) -> PathBuf {
        self.shared.path().join("starts")
    }

    fn wrapper(&self) -> PathBuf {
        self.shared.path().join("pg_ctl")
    }

    /// A group of server and address.
    pub fn resources(&self) -> (String, String) {
        let text = |path: PathBuf| path.display().to_string();
        let (control, client) = (text(self.wrapper()), text(self.programs.join("psql")));
        let (data, log) = (text(self.data()), text(self.shared.path().join("log")));
        let server = [
            ("pgctl", control.as_str()),
            ("psql", client.as_str()),
            ("pgdata", data.as_str()),
            ("logfile", log.as_str()),
            ("socketdir", "/run/postgresql"),
        ];
        let address = [("ip", ADDRESS), ("cidr_netmask", "24"), ("nic", "eth0")];
        let primitive = |id: &str, kind: &str, parameters: &[(&str, &str)]| {
            format!(
                "<primitive id=\"{id}\" class=\"ocf\" provider=\"heartbeat\" type=\"{kind}\">\
                 <instance_attributes id=\"{id}-a\">{}</instance_attributes><operations>\
                 <op id=\"{id}-start\" name=\"start\" interval=\"0\" timeout=\"60s\"/>\
                 <op id=\"{id}-stop\" name=\"stop\" interval=\"0\" timeout=\"60s\"/>\
                 <op id=\"{id}-monitor\" name=\"monitor\" interval=\"5s\" timeout=\"30s\"/></operations></primitive>",
                pairs(id, parameters)
            )
        };
        let group = format!(
            "<group id=\"shop\">{}{}</group>",
            primitive("pgsql", "pgsql", &server),
            primitive("address", "IPaddr2", &address)
        );
        (group, String::new())
    }

    /// Makes the data and the record of starts.
    pub fn create(&self, cluster: &Cluster) {
        let shared = self.shared.path();
        fs::set_permissions(shared, fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(
            self.wrapper(),
            format!(
                "#!/bin/sh\nfor word; do [ \"$word\" != start ] || echo \"$(date +%s%N) $(uname -n) $$\" \
                 >>{}; done\nexec {} \"$@\"\n",
                self.starts().display(),
                self.programs.join("pg_ctl").display()
            ),
        )
        .unwrap();
        fs::set_permissions(self.wrapper(), fs::Permissions::from_mode(0o755)).unwrap();
        for file in ["starts", "log"] {
            fs::write(shared.join(file), "").unwrap();
            fs::set_permissions(shared.join(file), fs::Permissions::from_mode(0o666)).unwrap();
        }
        let line = format!(
            "{} -D {} -A trust --no-sync",
            self.programs.join("initdb").display(),
            self.data().display()
        );
        must(Command::new("su").args(["postgres", "-c", &line]).current_dir("/").output().unwrap());
        let append = |file: &str, text: &str| {
            let path = self.data().join(file);
            let before = fs::read_to_string(&path).unwrap();
            fs::write(path, before + text).unwrap();
        };
        append("postgresql.conf", "listen_addresses = '*'\nshared_buffers = '16MB'\n");
        append("pg_hba.conf", "host all all 10.78.0.0/24 trust\n");
        self.create_table(&cluster.nodes()[0]);
    }

    /// The table of rows, made by a server that is alone.
    fn create_table(&self, node: &Node) {
        let sql = "create table rows (place bigserial, number bigint primary key, server timestamptz \
                   default pg_postmaster_start_time());";
        let line = format!(
            "echo \"{sql}\" | {} --single -D {} postgres",
            self.programs.join("postgres").display(),
            self.data().display()
        );
        must(node.command("su").args(["postgres", "-c", &line]).output().unwrap());
    }

    /// The client program.
    pub fn psql(&self) -> PathBuf {
        self.programs.join("psql")
    }

    /// All rows in the order in which the server took them.
    pub fn rows(&self, node: &Node) -> Vec<Row> {
        let mut command = node.command(self.psql().to_str().unwrap());
        command.args(["-XqAt", "-U", "postgres", "-h", ADDRESS, "postgres", "-F", " "]);
        let sql = "select number, extract(epoch from server) from rows order by place";
        let text = must(command.args(["-c", sql]).output().unwrap());
        let row = |line: &str| {
            let (number, server) = line.split_once(' ').unwrap();
            Row { number: number.parse().unwrap(), server: server.to_owned() }
        };
        text.lines().map(row).collect()
    }

    /// Whether every server that was seen is in the record of starts.
    pub fn check_starts(&self, servers: &Servers) {
        let text = fs::read_to_string(self.starts()).unwrap();
        assert_eq!(text.lines().count(), servers.seen.len(), "{text}{servers:?}");
    }
}
