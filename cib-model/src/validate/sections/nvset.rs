//! Sets of name/value pairs, and the names each place no longer accepts.

use super::super::grammar::{Alternative, Ban, Choice, ElementRule, many, maybe, opt, req};
use super::super::value::Value;
use super::rule::{LOCATION_RULE, OPTION_RULE, RESOURCE_RULE};
use crate::schema::{Schema, SchemaSet};

/// A set whose pairs may refer to others since `$reference`, with rules of one grammar and names
/// that are banned.
macro_rules! nvset_grammar {
    ($set:ident, $pair:ident, $rule:ident, $reference:expr, $bans:expr) => {
        pub(super) static $set: ElementRule = ElementRule {
            choices: &[Choice(&[
                Alternative { attributes: &[req("id-ref", Value::IdRef)], ..Alternative::NOTHING },
                Alternative {
                    attributes: &[req("id", Value::Id), opt("score", Value::Score)],
                    children: &[maybe("rule", &$rule), many("nvpair", &$pair)],
                    ..Alternative::NOTHING
                },
            ])],
            ..ElementRule::EMPTY
        };

        static $pair: ElementRule = ElementRule {
            choices: &[Choice(&[
                Alternative {
                    schemas: SchemaSet::since($reference),
                    attributes: &[
                        req("id-ref", Value::IdRef),
                        opt("name", Value::Text).until(Schema::V3_10),
                    ],
                    ..Alternative::NOTHING
                },
                Alternative {
                    attributes: &[
                        req("id", Value::Id),
                        req("name", Value::Text),
                        opt("value", Value::Text).required_in(SchemaSet::since(Schema::V4_0)),
                    ],
                    ..Alternative::NOTHING
                },
            ])],
            bans: $bans,
            ..ElementRule::EMPTY
        };
    };
}

nvset_grammar!(CLUSTER_PROPERTIES, CLUSTER_PROPERTY, OPTION_RULE, Schema::V3_0, CLUSTER_BANS);
nvset_grammar!(RSC_DEFAULTS_META, RSC_DEFAULT, OPTION_RULE, Schema::V3_0, RSC_DEFAULT_BANS);
nvset_grammar!(OP_DEFAULTS_META, OP_DEFAULT, OPTION_RULE, Schema::V3_0, OP_DEFAULT_BANS);
nvset_grammar!(INSTANCE, PARAMETER, RESOURCE_RULE, Schema::V1_3, INSTANCE_BANS);
nvset_grammar!(META, META_ATTRIBUTE, RESOURCE_RULE, Schema::V1_3, META_BANS);
nvset_grammar!(
    COLLECTIVE_META,
    COLLECTIVE_ATTRIBUTE,
    RESOURCE_RULE,
    Schema::V1_3,
    RSC_DEFAULT_BANS
);
nvset_grammar!(OP_INSTANCE, OP_PARAMETER, RESOURCE_RULE, Schema::V1_3, OP_INSTANCE_BANS);
nvset_grammar!(OP_META, OP_META_ATTRIBUTE, RESOURCE_RULE, Schema::V1_3, OP_META_BANS);
nvset_grammar!(PLAIN_SET, PLAIN_PAIR, RESOURCE_RULE, Schema::V1_3, &[]);
nvset_grammar!(ALERT_SET, ALERT_PAIR, LOCATION_RULE, Schema::V1_3, &[]);

const SERIES_3: SchemaSet = SchemaSet::between(Schema::V3_0, Schema::V3_10);
const ONLY_3_0: SchemaSet = SchemaSet::only(Schema::V3_0);
const SERIES_4: SchemaSet = SchemaSet::since(Schema::V4_0);

const fn ban(name: &'static str, schemas: SchemaSet) -> Ban {
    Ban { name, values: &[], schemas }
}

static CLUSTER_BANS: &[Ban] = &[
    Ban {
        name: "cluster-infrastructure",
        values: &[
            "heartbeat",
            "openais",
            "classic openais",
            "classic openais (with plugin)",
            "cman",
        ],
        schemas: SERIES_3,
    },
    ban("cluster_recheck_interval", SERIES_3),
    ban("dc_deadtime", SERIES_3),
    ban("default-action-timeout", SERIES_3),
    ban("default_action_timeout", SERIES_3),
    ban("default-migration-threshold", SERIES_3),
    ban("default_migration_threshold", SERIES_3),
    ban("default-resource-failure-stickiness", SERIES_3),
    ban("default_resource_failure_stickiness", SERIES_3),
    ban("default-resource-stickiness", SERIES_3),
    ban("default_resource_stickiness", SERIES_3),
    ban("election_timeout", SERIES_3),
    ban("expected-quorum-votes", SERIES_3),
    ban("is-managed-default", SERIES_3),
    ban("is_managed_default", SERIES_3),
    ban("no_quorum_policy", SERIES_3),
    ban("notification-agent", SERIES_3),
    ban("notification-recipient", SERIES_3),
    ban("remove_after_stop", SERIES_3),
    ban("shutdown_escalation", SERIES_3),
    ban("startup_fencing", SERIES_3),
    ban("stonith_action", SERIES_3),
    ban("stonith_enabled", SERIES_3),
    ban("stop_orphan_actions", SERIES_3),
    ban("stop_orphan_resources", SERIES_3),
    ban("symmetric_cluster", SERIES_3),
    ban("transition_idle_timeout", SERIES_3),
    ban("crmd-finalization-timeout", SERIES_4),
    ban("crmd-integration-timeout", SERIES_4),
    ban("crmd-transition-delay", SERIES_4),
    ban("remove-after-stop", SERIES_4),
    Ban { name: "stonith-action", values: &["poweroff"], schemas: SERIES_4 },
];

static RSC_DEFAULT_BANS: &[Ban] = &[ban("restart-type", SERIES_4)];

static OP_DEFAULT_BANS: &[Ban] = &[ban("can_fail", SERIES_4), ban("role_after_failure", SERIES_4)];

static INSTANCE_BANS: &[Ban] = &[
    ban("pcmk_list_cmd", ONLY_3_0),
    ban("pcmk_monitor_cmd", ONLY_3_0),
    ban("pcmk_off_cmd", ONLY_3_0),
    ban("pcmk_on_cmd", ONLY_3_0),
    ban("pcmk_reboot_cmd", ONLY_3_0),
    ban("pcmk_status_cmd", ONLY_3_0),
    ban("pcmk_arg_map", ONLY_3_0),
];

static META_BANS: &[Ban] = &[
    ban("isolation", SERIES_3),
    ban("isolation-host", SERIES_3),
    ban("isolation-instance", SERIES_3),
    ban("isolation-wrapper", SERIES_3),
    ban("restart-type", SERIES_4),
];

static OP_INSTANCE_BANS: &[Ban] = &[
    ban("requires", ONLY_3_0),
    ban("interval-origin", ONLY_3_0),
    ban("start-delay", ONLY_3_0),
    ban("enabled", ONLY_3_0),
    ban("on-fail", ONLY_3_0),
    ban("record-pending", ONLY_3_0),
    ban("role", ONLY_3_0),
    ban("timeout", ONLY_3_0),
];

static OP_META_BANS: &[Ban] =
    &[ban("requires", SERIES_3), ban("can_fail", SERIES_4), ban("role_after_failure", SERIES_4)];
