//! The `nodes` section.

use super::super::grammar::{ElementRule, many, opt, req};
use super::super::value::Value;
use super::ALWAYS;
use super::nvset::PLAIN_SET;
use crate::schema::{Schema, SchemaSet};

pub(super) static NODES: ElementRule =
    ElementRule { children: &[many("node", &NODE)], ..ElementRule::EMPTY };

static NODE: ElementRule = ElementRule {
    attributes: &[
        req("id", Value::Text),
        req("uname", Value::Text),
        opt(
            "type",
            Value::OneOf(&[
                ("member", ALWAYS),
                ("remote", SchemaSet::since(Schema::V1_3)),
                ("normal", SchemaSet::until(Schema::V2_10)),
                ("ping", SchemaSet::until(Schema::V3_10)),
            ]),
        )
        .required_in(SchemaSet::only(Schema::V1_0)),
        opt("description", Value::Text),
        opt("score", Value::Score).since(Schema::V1_2),
    ],
    children: &[
        many("instance_attributes", &PLAIN_SET),
        many("utilization", &PLAIN_SET).since(Schema::V1_2),
    ],
    ..ElementRule::EMPTY
};
