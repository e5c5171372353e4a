//! Which agents there are, and what they say of themselves.

use std::sync::Arc;

use lrm::agent::{AgentSpec, Standard};
use lrm::driver::{AgentPaths, Driver, DriverConfig, SystemdConfig, list_units};
use lrm::executor::EventKind;
use lrm::operation::ClientId;

use crate::tools::exit;
use crate::tools::output::{Output, escape};

/// Where agents are, as the environment says.
pub fn paths() -> AgentPaths {
    let mut paths = AgentPaths::default();
    if let Some(directory) = std::env::var_os(crate::tools::stonith_admin::AGENTS_VARIABLE) {
        paths.fence = directory.into();
    }
    paths
}

/// Names of units; none without systemd.
fn units() -> Vec<String> {
    list_units(&SystemdConfig::default()).unwrap_or_default()
}

fn refused(text: String, code: u8, out: &mut Output) -> u8 {
    out.error(format!("crm_resource: {text}"));
    out.error(format!("Error performing operation: {}", exit::text(code)));
    code
}

/// `--list-standards`
pub fn standards(out: &mut Output) -> u8 {
    let names: Vec<String> =
        paths().standards(&units()).iter().map(|name| (*name).to_owned()).collect();
    names.iter().for_each(|name| out.line(name));
    out.items("standards", None, &names);
    exit::OK
}

fn listed(open: &str, close: &str, item: &str, names: &[String], out: &mut Output) {
    out.xml(&format!("  <{open}>\n"));
    for name in names {
        out.line(name);
        out.xml(&format!("    <{item}>{}</{item}>\n", escape(name)));
    }
    out.xml(&format!("  </{close}>\n"));
}

/// `--list-ocf-providers`
pub fn providers(out: &mut Output) -> u8 {
    listed("providers standard=\"ocf\"", "providers", "provider", &paths().providers(), out);
    exit::OK
}

/// `--list-ocf-alternatives`
pub fn alternatives(agent: &str, out: &mut Output) -> u8 {
    let names = paths().providers_of(agent);
    if names.is_empty() {
        return refused(format!("No OCF providers found for {agent}"), exit::NO_SUCH, out);
    }
    let open = format!("providers for=\"{}\"", escape(agent));
    listed(&open, "providers", "provider", &names, out);
    exit::OK
}

/// `--list-agents`
pub fn agents(of: &str, out: &mut Output) -> u8 {
    let (standard, provider) = match of.split_once(':') {
        Some((standard, provider)) => (standard, Some(provider)),
        None => (of, None),
    };
    let found = paths().agents(Some(&Standard::from_name(standard)), provider, &units());
    let Ok(names) = found else {
        let provider = provider.map(|p| format!(" and provider '{p}'")).unwrap_or_default();
        let text = format!("No agents found for standard '{standard}'{provider}");
        return refused(text, exit::ERROR, out);
    };
    let of_provider = provider.map(|p| format!(" provider=\"{}\"", escape(p))).unwrap_or_default();
    let open = format!("agents standard=\"{}\"{of_provider}", escape(standard));
    listed(&open, "agents", "agent", &names, out);
    exit::OK
}

/// `--show-metadata`
pub fn metadata(of: &str, out: &mut Output) -> u8 {
    let invalid = || format!("'{of}' is not a valid agent specification");
    let Ok(agent) = of.parse::<AgentSpec>() else {
        return refused(invalid(), exit::NO_SUCH, out);
    };
    let text = match agent.standard() {
        Standard::Stonith => crate::tools::stonith_admin::describe(agent.kind()),
        _ => ask(agent),
    };
    match text {
        Ok(text) => {
            if out.is_xml() {
                let inner = text.replace("]]>", "]]]]><![CDATA[>");
                out.xml(&format!("  <metadata><![CDATA[{inner}]]></metadata>\n"));
            } else {
                out.raw(&text);
            }
            exit::OK
        }
        Err(reason) => {
            log::debug!("{reason}");
            let text = format!("Metadata query for {of} failed: No such device or address");
            refused(text, exit::NO_SUCH, out)
        }
    }
}

fn ask(agent: AgentSpec) -> Result<String, String> {
    let config = DriverConfig { paths: paths(), ..DriverConfig::default() };
    let mut driver = Driver::new(config).map_err(|error| error.to_string())?;
    driver.metadata(ClientId(1), Arc::new(agent)).map_err(|error| error.to_string())?;
    loop {
        driver.turn(None).map_err(|error| error.to_string())?;
        while let Some(event) = driver.poll_event() {
            if let EventKind::Metadata { result, .. } = event.kind {
                return result;
            }
        }
    }
}
