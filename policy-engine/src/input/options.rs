//! Cluster options: names, defaults, validation (spec 10 §5).

use super::blocks::Context;
use super::sections::Sections;
use crate::model::cluster::{Cluster, Level};
use crate::model::options::{HealthStrategy, NoQuorumPolicy, Options, PlacementStrategy};
use cib_model::nvpair::{BOOTSTRAP_OPTIONS, Blocks, NameValues};
use cib_model::scalar::{HealthScores, is_true, parse_boolean, parse_integer, parse_interval_ms};
use cib_model::{Element, Score};

/// What an option's value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Duration,
    /// Integer or ±INFINITY.
    Integer,
    Positive,
    /// One of these words, letter case ignored.
    Words(&'static [&'static str]),
    /// One of these words exactly.
    ExactWords(&'static [&'static str]),
    Any,
}

impl Kind {
    fn admits(self, text: &str) -> bool {
        match self {
            Kind::Boolean => parse_boolean(text).is_some(),
            Kind::Duration => parse_interval_ms(text).is_ok(),
            Kind::Integer => Score::parse(text).is_ok() && !is_health_word(text),
            Kind::Positive => parse_integer(text).is_some_and(|n| n > 0) || text == "INFINITY",
            Kind::Words(words) => words.iter().any(|w| text.eq_ignore_ascii_case(w)),
            Kind::ExactWords(words) => words.contains(&text),
            Kind::Any => true,
        }
    }
}

fn is_health_word(text: &str) -> bool {
    ["red", "yellow", "green"].iter().any(|w| text.eq_ignore_ascii_case(w))
}

/// A known option: name, older name, kind, default.
type Known = (&'static str, &'static str, Kind, &'static str);

const POLICIES: Kind = Kind::Words(&["stop", "freeze", "ignore", "demote", "fence", "suicide"]);
const STRATEGIES: Kind =
    Kind::Words(&["none", "migrate-on-red", "only-green", "progressive", "custom"]);
const PLACEMENTS: Kind = Kind::Words(&["default", "utilization", "minimal", "balanced"]);

#[rustfmt::skip]
const KNOWN: &[Known] = &[
    ("no-quorum-policy", "", POLICIES, "stop"),
    ("symmetric-cluster", "", Kind::Boolean, "true"),
    ("stop-all-resources", "", Kind::Boolean, "false"),
    ("maintenance-mode", "", Kind::Boolean, "false"),
    ("start-failure-is-fatal", "", Kind::Boolean, "true"),
    ("enable-startup-probes", "", Kind::Boolean, "true"),
    ("fencing-enabled", "stonith-enabled", Kind::Boolean, "true"),
    ("fencing-action", "stonith-action", Kind::ExactWords(&["reboot", "off"]), "reboot"),
    ("fencing-timeout", "stonith-timeout", Kind::Duration, "60s"),
    ("fencing-watchdog-timeout", "stonith-watchdog-timeout", Kind::Any, "0"),
    ("fencing-reaction", "fence-reaction", Kind::Words(&["stop", "panic"]), "stop"),
    ("fencing-max-attempts", "stonith-max-attempts", Kind::Positive, "10"),
    ("have-watchdog", "", Kind::Boolean, "false"),
    ("concurrent-fencing", "", Kind::Boolean, "true"),
    ("startup-fencing", "", Kind::Boolean, "true"),
    ("priority-fencing-delay", "", Kind::Duration, "0"),
    ("node-pending-timeout", "", Kind::Duration, "0"),
    ("fence-remote-without-quorum", "", Kind::Boolean, "false"),
    ("cluster-delay", "", Kind::Duration, "60s"),
    ("batch-limit", "", Kind::Integer, "0"),
    ("migration-limit", "", Kind::Integer, "-1"),
    ("stop-removed-resources", "stop-orphan-resources", Kind::Boolean, "true"),
    ("cancel-removed-actions", "stop-orphan-actions", Kind::Boolean, "true"),
    ("pe-error-series-max", "", Kind::Integer, "-1"),
    ("pe-warn-series-max", "", Kind::Integer, "5000"),
    ("pe-input-series-max", "", Kind::Integer, "4000"),
    ("node-health-strategy", "", STRATEGIES, "none"),
    ("node-health-base", "", Kind::Integer, "0"),
    ("node-health-green", "", Kind::Integer, "0"),
    ("node-health-yellow", "", Kind::Integer, "0"),
    ("node-health-red", "", Kind::Integer, "-INFINITY"),
    ("placement-strategy", "", PLACEMENTS, "default"),
    ("shutdown-lock", "", Kind::Boolean, "false"),
    ("shutdown-lock-limit", "", Kind::Duration, "0"),
];

/// Configured values, valid or replaced by the default.
struct Values<'a> {
    table: &'a NameValues<'a>,
    messages: Vec<(Level, String)>,
}

impl<'a> Values<'a> {
    fn text(&mut self, name: &str) -> &'a str {
        let Some(&(name, old, kind, default)) = KNOWN.iter().find(|k| k.0 == name) else {
            return "";
        };
        let mut value = self.table.get(name);
        if value.is_none() && !old.is_empty() {
            value = self.table.get(old);
            if value.is_some() {
                let text = format!(
                    "Support for legacy name '{old}' for cluster option '{name}' is deprecated"
                );
                self.messages.push((Level::Info, text));
            }
        }
        match value {
            None => default,
            Some(text) if kind.admits(text) => text,
            Some(text) => {
                let text = format!(
                    "Using default value for cluster option '{name}' because '{text}' is invalid"
                );
                self.messages.push((Level::Error, text));
                default
            }
        }
    }

    fn flag(&mut self, name: &str) -> bool {
        is_true(Some(self.text(name)))
    }

    fn score(&mut self, name: &str) -> Score {
        Score::parse(self.text(name)).unwrap_or(Score::ZERO)
    }

    fn ms(&mut self, name: &str) -> u64 {
        parse_interval_ms(self.text(name)).unwrap_or(0)
    }
}

/// Reads the options section into the model.
pub(super) fn unpack<'d>(cluster: &mut Cluster<'d>, sections: &Sections<'d>) {
    let mut table = NameValues::default();
    if let Some(section) = sections.crm_config {
        let (first, now) = (Some(BOOTSTRAP_OPTIONS), cluster.now);
        let references = &cluster.lookups.references;
        let blocks = Blocks::read(section, "cluster_property_set", first, references, now);
        cluster.report_problems(&blocks);
        cluster.fill_from(&blocks, Context::default(), &mut table);
    }
    let mut values = Values { table: &table, messages: Vec::new() };
    let options = read(&mut values, cluster.document.root(), cluster.quorate);
    let messages = values.messages;
    cluster.options = options;
    for (level, text) in messages {
        cluster.message(level, text);
    }
    cluster.fence_device_exists = cluster.options.have_watchdog;
    cluster.unfencing = unfencing_in_use(sections);
}

fn read(values: &mut Values<'_>, root: Element<'_>, quorate: bool) -> Options {
    for (name, ..) in KNOWN {
        values.text(name);
    }
    values.messages.dedup();
    // From here on every look-up would repeat its messages.
    let reported = std::mem::take(&mut values.messages);
    let fencing_enabled = values.flag("fencing-enabled");
    let health_strategy = match lower(values.text("node-health-strategy")).as_str() {
        "migrate-on-red" => HealthStrategy::MigrateOnRed,
        "only-green" => HealthStrategy::OnlyGreen,
        "progressive" => HealthStrategy::Progressive,
        "custom" => HealthStrategy::Custom,
        _ => HealthStrategy::None,
    };
    let health = health_words(health_strategy, values);
    let options = Options {
        no_quorum_policy: NoQuorumPolicy::Stop,
        symmetric: values.flag("symmetric-cluster"),
        stop_all_resources: values.flag("stop-all-resources"),
        maintenance_mode: values.flag("maintenance-mode"),
        start_failure_is_fatal: values.flag("start-failure-is-fatal"),
        startup_probes: values.flag("enable-startup-probes"),
        fencing_enabled,
        fencing_action: values.text("fencing-action").to_owned(),
        fencing_timeout: values.text("fencing-timeout").to_owned(),
        have_watchdog: values.flag("have-watchdog"),
        concurrent_fencing: values.flag("concurrent-fencing"),
        startup_fencing: fencing_enabled && values.flag("startup-fencing"),
        priority_fencing_delay_ms: values.ms("priority-fencing-delay"),
        node_pending_timeout_ms: values.ms("node-pending-timeout"),
        fence_remote_without_quorum: values.flag("fence-remote-without-quorum"),
        cluster_delay: values.text("cluster-delay").to_owned(),
        batch_limit: values.text("batch-limit").to_owned(),
        migration_limit: values.text("migration-limit").to_owned(),
        stop_removed_resources: values.flag("stop-removed-resources"),
        cancel_removed_actions: values.flag("cancel-removed-actions"),
        health_strategy,
        health_base: values.score("node-health-base"),
        health_red: health.red,
        health_yellow: health.yellow,
        health_green: health.green,
        placement_strategy: match lower(values.text("placement-strategy")).as_str() {
            "utilization" => PlacementStrategy::Utilization,
            "minimal" => PlacementStrategy::Minimal,
            "balanced" => PlacementStrategy::Balanced,
            _ => PlacementStrategy::Default,
        },
        shutdown_lock: values.flag("shutdown-lock"),
        shutdown_lock_limit_ms: values.ms("shutdown-lock-limit"),
        cluster_name: values.table.get("cluster-name").map(str::to_owned),
    };
    let policy = lower(values.text("no-quorum-policy"));
    values.messages = reported;
    let no_quorum_policy = no_quorum_policy(&policy, fencing_enabled, root, quorate, values);
    if !quorate && no_quorum_policy != NoQuorumPolicy::Ignore {
        let text = "Fencing and resource management disabled due to lack of quorum";
        values.messages.push((Level::Warning, text.to_owned()));
    }
    Options { no_quorum_policy, ..options }
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// The policy in effect (spec 10 §5.1).
fn no_quorum_policy(
    policy: &str,
    fencing_enabled: bool,
    root: Element<'_>,
    quorate: bool,
    values: &mut Values<'_>,
) -> NoQuorumPolicy {
    match policy {
        "ignore" => NoQuorumPolicy::Ignore,
        "freeze" => NoQuorumPolicy::Freeze,
        "demote" => NoQuorumPolicy::Demote,
        "fence" | "suicide" if !fencing_enabled => {
            let text = "Resetting no-quorum-policy to 'stop' because fencing is disabled";
            values.messages.push((Level::Error, text.to_owned()));
            NoQuorumPolicy::Stop
        }
        "fence" | "suicide" => {
            let panicking =
                root.attribute("no-quorum-panic").and_then(parse_integer).is_some_and(|n| n != 0);
            if panicking || quorate {
                NoQuorumPolicy::Fence
            } else {
                let text =
                    "Resetting no-quorum-policy to 'stop' because cluster has never had quorum";
                values.messages.push((Level::Notice, text.to_owned()));
                NoQuorumPolicy::Stop
            }
        }
        _ => NoQuorumPolicy::Stop,
    }
}

/// Scores of the words under a strategy (spec 10 §12).
fn health_words(strategy: HealthStrategy, values: &mut Values<'_>) -> HealthScores {
    let mut words = HealthScores { red: Score::ZERO, yellow: Score::ZERO, green: Score::ZERO };
    match strategy {
        HealthStrategy::None => {}
        HealthStrategy::MigrateOnRed => words.red = Score::MINUS_INFINITY,
        HealthStrategy::OnlyGreen => {
            words.red = Score::MINUS_INFINITY;
            words.yellow = Score::MINUS_INFINITY;
        }
        HealthStrategy::Progressive | HealthStrategy::Custom => {
            words.red = values.score("node-health-red");
            words.yellow = values.score("node-health-yellow");
            words.green = values.score("node-health-green");
        }
    }
    words
}

/// Does any resource, or the resource defaults, speak of unfencing (spec 10 §5.2)?
fn unfencing_in_use(sections: &Sections<'_>) -> bool {
    let speaks = |block: Element<'_>| {
        block.descendants().any(|pair| {
            pair.name() == "nvpair"
                && matches!(pair.attribute("name"), Some("provides" | "requires"))
                && pair.attribute("value") == Some("unfencing")
        })
    };
    let in_resources = sections.resources.is_some_and(|resources| {
        resources.descendants().any(|e| e.name() == "meta_attributes" && speaks(e))
    });
    in_resources
        || sections
            .rsc_defaults
            .is_some_and(|defaults| defaults.children_named("meta_attributes").any(speaks))
}

impl Cluster<'_> {
    /// Scores of `red`, `yellow` and `green`, wherever a score is read.
    pub fn health_scores(&self) -> HealthScores {
        let o = &self.options;
        HealthScores { red: o.health_red, yellow: o.health_yellow, green: o.health_green }
    }

    /// Reads a score; the words of node health included.
    pub fn parse_score(&self, text: &str) -> Option<Score> {
        Score::parse_with(text, &self.health_scores()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::fixture::{self, cib};

    fn options(pairs: &str, root: &str) -> Options {
        let set = format!("<cluster_property_set id='o'>{pairs}</cluster_property_set>");
        fixture::with(&cib(root, &set, "", "", "", ""), |c| c.options.clone())
    }

    fn pair(name: &str, value: &str) -> String {
        format!("<nvpair id='{name}' name='{name}' value='{value}'/>")
    }

    #[test]
    fn invalid_values_fall_back_and_old_names_count() {
        let o = options(&pair("stonith-enabled", "off"), "");
        assert!(!o.fencing_enabled);
        let both = pair("stonith-enabled", "off") + &pair("fencing-enabled", "on");
        assert!(options(&both, "").fencing_enabled, "the new name wins");
        let o = options(&(pair("fencing-action", "Off") + &pair("symmetric-cluster", "maybe")), "");
        assert_eq!(o.fencing_action, "reboot", "fencing-action is compared exactly");
        assert!(o.symmetric);
        let o = options(&pair("placement-strategy", "BALANCED"), "");
        assert_eq!(o.placement_strategy, PlacementStrategy::Balanced);
    }

    #[test]
    fn fencing_policy_needs_fencing_and_some_quorum_history() {
        let fence = pair("no-quorum-policy", "suicide");
        for (pairs, root, expected) in [
            (fence.clone(), "have-quorum='1'", NoQuorumPolicy::Fence),
            (fence.clone(), "have-quorum='0'", NoQuorumPolicy::Stop),
            (fence.clone(), "have-quorum='0' no-quorum-panic='1'", NoQuorumPolicy::Fence),
            (fence + &pair("fencing-enabled", "false"), "have-quorum='1'", NoQuorumPolicy::Stop),
        ] {
            assert_eq!(options(&pairs, root).no_quorum_policy, expected, "{root}");
        }
    }

    #[test]
    fn health_words_follow_the_strategy() {
        let o = options(&pair("node-health-strategy", "only-green"), "");
        assert_eq!((o.health_red, o.health_yellow), (Score::MINUS_INFINITY, Score::MINUS_INFINITY));
        let o = options(&pair("node-health-red", "-5"), "");
        assert_eq!(o.health_red, Score::ZERO, "no strategy, no value");
        let o =
            options(&(pair("node-health-strategy", "custom") + &pair("node-health-red", "-5")), "");
        assert_eq!(o.health_red, Score::from(-5));
    }
}
