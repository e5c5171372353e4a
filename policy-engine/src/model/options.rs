//! Cluster options that scheduling consults (spec 10 §5).

use cib_model::Score;

/// What happens without quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoQuorumPolicy {
    /// Go on as with quorum.
    Ignore,
    /// Keep what runs, start nothing.
    Freeze,
    /// Stop everything.
    #[default]
    Stop,
    /// Demote what is promoted, stop the rest.
    Demote,
    /// Fence own partition.
    Fence,
}

/// How node capacity counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlacementStrategy {
    /// Not at all.
    #[default]
    Default,
    /// As a limit.
    Utilization,
    /// As a limit, on as few nodes as possible.
    Minimal,
    /// As a limit and a preference.
    Balanced,
}

/// How node health counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HealthStrategy {
    /// Not at all.
    #[default]
    None,
    /// Red bans.
    MigrateOnRed,
    /// Red and yellow ban.
    OnlyGreen,
    /// Options as scores, with a base.
    Progressive,
    /// Options as scores.
    Custom,
}

/// Options in effect.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Effective no-quorum policy (spec 10 §5.1).
    pub no_quorum_policy: NoQuorumPolicy,
    /// `symmetric-cluster`.
    pub symmetric: bool,
    /// `stop-all-resources`.
    pub stop_all_resources: bool,
    /// `maintenance-mode`.
    pub maintenance_mode: bool,
    /// `start-failure-is-fatal`.
    pub start_failure_is_fatal: bool,
    /// `enable-startup-probes`.
    pub startup_probes: bool,
    /// `fencing-enabled`.
    pub fencing_enabled: bool,
    /// `fencing-action`.
    pub fencing_action: String,
    /// `fencing-timeout` text, copied to the graph.
    pub fencing_timeout: String,
    /// `have-watchdog`.
    pub have_watchdog: bool,
    /// `concurrent-fencing`.
    pub concurrent_fencing: bool,
    /// `startup-fencing` in effect (only with fencing enabled).
    pub startup_fencing: bool,
    /// `priority-fencing-delay` in ms.
    pub priority_fencing_delay_ms: u64,
    /// `node-pending-timeout` in ms.
    pub node_pending_timeout_ms: u64,
    /// `fence-remote-without-quorum`.
    pub fence_remote_without_quorum: bool,
    /// `cluster-delay` text.
    pub cluster_delay: String,
    /// `batch-limit` text.
    pub batch_limit: String,
    /// `migration-limit` text.
    pub migration_limit: String,
    /// `stop-removed-resources`.
    pub stop_removed_resources: bool,
    /// `cancel-removed-actions`.
    pub cancel_removed_actions: bool,
    /// `node-health-strategy`.
    pub health_strategy: HealthStrategy,
    /// `node-health-base`.
    pub health_base: Score,
    /// Score of the word `red` in effect.
    pub health_red: Score,
    /// Score of the word `yellow` in effect.
    pub health_yellow: Score,
    /// Score of the word `green` in effect.
    pub health_green: Score,
    /// `placement-strategy`.
    pub placement_strategy: PlacementStrategy,
    /// `shutdown-lock`.
    pub shutdown_lock: bool,
    /// `shutdown-lock-limit` in ms.
    pub shutdown_lock_limit_ms: u64,
    /// `cluster-name`.
    pub cluster_name: Option<String>,
}
