//! The outermost elements, fencing topology and tags.

use super::super::grammar::{Alternative, Choice, ElementRule, many, maybe, one, opt, req, some};
use super::super::value::Value;
use super::access::ACLS;
use super::alerts::ALERTS;
use super::constraints::CONSTRAINTS;
use super::nodes::NODES;
use super::nvset::{CLUSTER_PROPERTIES, OP_DEFAULTS_META, RSC_DEFAULTS_META};
use super::resources::RESOURCES;
use crate::schema::{Schema, SchemaSet};

/// The root element.
pub(in super::super) static CIB: ElementRule = ElementRule {
    attributes: &[
        opt("validate-with", Value::Text),
        req("admin_epoch", Value::NonNegative),
        req("epoch", Value::NonNegative),
        req("num_updates", Value::NonNegative),
        opt("crm_feature_set", Value::Text),
        opt("have-quorum", Value::Boolean),
        opt("dc-uuid", Value::Text),
        opt("cib-last-written", Value::Text),
        opt("update-origin", Value::Text).since(Schema::V1_2),
        opt("update-client", Value::Text).since(Schema::V1_2),
        opt("update-user", Value::Text).since(Schema::V1_2),
        opt("execution-date", Value::Text).since(Schema::V1_2),
        opt("no-quorum-panic", Value::Boolean),
        opt("remote-tls-port", Value::NonNegative),
        opt("remote-clear-port", Value::NonNegative),
    ],
    children: &[one("configuration", &CONFIGURATION), maybe("status", &STATUS).rank(1)],
    ordered: SchemaSet::ALL,
    ..ElementRule::EMPTY
};

static STATUS: ElementRule = ElementRule { open: true, ..ElementRule::EMPTY };

static CONFIGURATION: ElementRule = ElementRule {
    children: &[
        one("crm_config", &CRM_CONFIG),
        one("nodes", &NODES),
        one("resources", &RESOURCES),
        one("constraints", &CONSTRAINTS),
        maybe("rsc_defaults", &RSC_DEFAULTS),
        maybe("op_defaults", &OP_DEFAULTS),
        maybe("fencing-topology", &FENCING_TOPOLOGY).since(Schema::V1_2),
        maybe("acls", &ACLS).since(Schema::V1_2),
        maybe("tags", &TAGS).since(Schema::V1_3),
        maybe("alerts", &ALERTS).since(Schema::V2_5),
    ],
    ..ElementRule::EMPTY
};

static CRM_CONFIG: ElementRule = ElementRule {
    children: &[many("cluster_property_set", &CLUSTER_PROPERTIES)],
    ..ElementRule::EMPTY
};

static RSC_DEFAULTS: ElementRule =
    ElementRule { children: &[many("meta_attributes", &RSC_DEFAULTS_META)], ..ElementRule::EMPTY };

static OP_DEFAULTS: ElementRule =
    ElementRule { children: &[many("meta_attributes", &OP_DEFAULTS_META)], ..ElementRule::EMPTY };

static FENCING_TOPOLOGY: ElementRule =
    ElementRule { children: &[many("fencing-level", &FENCING_LEVEL)], ..ElementRule::EMPTY };

static FENCING_LEVEL: ElementRule = ElementRule {
    attributes: &[
        req("id", Value::Id),
        req(
            "index",
            Value::BySchema(&[
                (SchemaSet::until(Schema::V3_10), &Value::Positive),
                (SchemaSet::since(Schema::V4_0), &Value::OneToNine),
            ]),
        ),
        req("devices", Value::Devices),
    ],
    choices: &[Choice(&[
        Alternative { attributes: &[req("target", Value::Text)], ..Alternative::NOTHING },
        Alternative { attributes: &[req("target-pattern", Value::Text)], ..Alternative::NOTHING },
        Alternative {
            schemas: SchemaSet::since(Schema::V2_4),
            attributes: &[req("target-attribute", Value::Text), req("target-value", Value::Text)],
            ..Alternative::NOTHING
        },
    ])],
    ..ElementRule::EMPTY
};

static TAGS: ElementRule = ElementRule { children: &[many("tag", &TAG)], ..ElementRule::EMPTY };

static TAG: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id)],
    children: &[some("obj_ref", &OBJ_REF)],
    ..ElementRule::EMPTY
};

static OBJ_REF: ElementRule = ElementRule {
    attributes: &[req(
        "id",
        Value::BySchema(&[
            (SchemaSet::until(Schema::V3_2), &Value::IdRef),
            (SchemaSet::since(Schema::V3_3), &Value::Text),
        ]),
    )],
    ..ElementRule::EMPTY
};
