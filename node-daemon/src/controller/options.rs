//! The cluster options that a controller follows (spec 60 §2.1).

use std::time::Duration;

use cib_model::document::References;
use cib_model::nvpair::{BOOTSTRAP_OPTIONS, Blocks, NameValues};
use cib_model::rule::{NextChange, RuleInput};
use cib_model::scalar::{parse_boolean, parse_interval_ms};
use cib_model::{DateTime, Document, Element};

/// The options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for a DC before electing one.
    pub dc_deadtime: Duration,
    /// How long an election may take.
    pub election_timeout: Duration,
    /// How long to wait for nodes to answer an offer.
    pub integration_timeout: Duration,
    /// How long to wait for nodes to confirm.
    pub finalization_timeout: Duration,
    /// How long an orderly shutdown may take.
    pub shutdown_escalation: Duration,
    /// A resource waits for its node while that is shut down.
    pub shutdown_lock: bool,
    /// Pause before a new transition; zero for none.
    pub transition_delay: Duration,
    /// How often to look for changes that only time brings; zero for never.
    pub recheck_interval: Duration,
    /// How long a member may be without a controller before it is fenced; zero for ever.
    pub node_pending_timeout: Duration,
    /// How often fencing of a node may fail before it is given up.
    pub fencing_max_attempts: u32,
    /// The node goes down hard when it learns that it was fenced, instead of leaving the cluster.
    pub panic_when_fenced: bool,
    /// Most actions under way per node.
    pub node_action_limit: u32,
    /// Alerts to send.
    pub alerts: Vec<super::alerts::Alert>,
    /// Id of the `nvpair` of an option, and its value, for those that a DC writes.
    pub written: Vec<(String, String, String)>,
    /// Id of the set that such options go to.
    pub set: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            dc_deadtime: Duration::from_secs(20),
            election_timeout: Duration::from_secs(120),
            integration_timeout: Duration::from_secs(180),
            finalization_timeout: Duration::from_secs(1800),
            shutdown_escalation: Duration::from_secs(1200),
            shutdown_lock: false,
            transition_delay: Duration::ZERO,
            recheck_interval: Duration::from_secs(900),
            node_pending_timeout: Duration::ZERO,
            fencing_max_attempts: 10,
            panic_when_fenced: false,
            node_action_limit: 0,
            alerts: Vec::new(),
            written: Vec::new(),
            set: None,
        }
    }
}

impl Options {
    /// Reads them from a `configuration`; what is invalid has its default.
    pub fn read(configuration: &Document, now: DateTime) -> Options {
        let root = configuration.root();
        let mut options = Options { alerts: super::alerts::read(root, now), ..Options::default() };
        let Some(crm_config) = root.child("crm_config") else { return options };
        let references = References::new(configuration);
        let mut values = NameValues::default();
        let set = "cluster_property_set";
        Blocks::read(crm_config, set, Some(BOOTSTRAP_OPTIONS), &references, now).fill(
            &RuleInput::at(now),
            &mut values,
            &mut NextChange::default(),
        );
        let given = |names: &[&str]| names.iter().find_map(|name| values.get(name));
        let time = |names: &[&str], default: Duration| {
            let millis = given(names).and_then(|text| parse_interval_ms(text).ok());
            millis.map_or(default, Duration::from_millis)
        };
        let number = |names: &[&str], default: u32| {
            given(names).and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        options.dc_deadtime = time(&["dc-deadtime"], options.dc_deadtime);
        options.election_timeout = time(&["election-timeout"], options.election_timeout);
        options.integration_timeout = time(
            &["join-integration-timeout", "crmd-integration-timeout"],
            options.integration_timeout,
        );
        options.finalization_timeout = time(
            &["join-finalization-timeout", "crmd-finalization-timeout"],
            options.finalization_timeout,
        );
        options.shutdown_escalation = time(&["shutdown-escalation"], options.shutdown_escalation);
        options.shutdown_lock = given(&["shutdown-lock"]).is_some_and(is_true);
        options.transition_delay =
            time(&["transition-delay", "crmd-transition-delay"], Duration::ZERO);
        options.recheck_interval = time(&["cluster-recheck-interval"], options.recheck_interval);
        options.node_pending_timeout = time(&["node-pending-timeout"], Duration::ZERO);
        options.fencing_max_attempts =
            number(&["fencing-max-attempts", "stonith-max-attempts"], options.fencing_max_attempts);
        options.panic_when_fenced = given(&["fencing-reaction", "fence-reaction"]) == Some("panic");
        options.node_action_limit = number(&["node-action-limit"], 0);
        options.read_written(crm_config);
        options
    }

    fn read_written(&mut self, crm_config: Element<'_>) {
        for set in crm_config.children_named("cluster_property_set") {
            if self.set.is_none() || set.xml_id() == Some(BOOTSTRAP_OPTIONS) {
                self.set = set.xml_id().map(str::to_owned);
            }
            for pair in set.children_named("nvpair") {
                let facts = (pair.xml_id(), pair.attribute("name"), pair.attribute("value"));
                if let (Some(id), Some(name), Some(value)) = facts {
                    self.written.push((id.to_owned(), name.to_owned(), value.to_owned()));
                }
            }
        }
    }
}

/// Whether a text says yes.
pub fn is_true(text: &str) -> bool {
    parse_boolean(text).unwrap_or(false)
}
