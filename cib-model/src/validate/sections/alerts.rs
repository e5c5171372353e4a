//! The `alerts` section.

use super::super::grammar::{ElementRule, many, maybe, opt, req};
use super::super::value::Value;
use super::nvset::ALERT_SET;
use crate::schema::{Schema, SchemaSet};

pub(super) static ALERTS: ElementRule =
    ElementRule { children: &[many("alert", &ALERT)], ..ElementRule::EMPTY };

/// Until 2.9 the attribute sets had to come before the recipients.
static ALERT: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), req("path", Value::Text), opt("description", Value::Text)],
    children: &[
        many("meta_attributes", &ALERT_SET),
        many("instance_attributes", &ALERT_SET),
        maybe("select", &SELECT).since(Schema::V2_10),
        many("recipient", &RECIPIENT).rank(1),
    ],
    ordered: SchemaSet::until(Schema::V2_9),
    ..ElementRule::EMPTY
};

static RECIPIENT: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), req("value", Value::Text), opt("description", Value::Text)],
    children: &[many("meta_attributes", &ALERT_SET), many("instance_attributes", &ALERT_SET)],
    ..ElementRule::EMPTY
};

static SELECT: ElementRule = ElementRule {
    children: &[
        maybe("select_attributes", &SELECT_ATTRIBUTES),
        maybe("select_fencing", &ElementRule::EMPTY),
        maybe("select_nodes", &ElementRule::EMPTY),
        maybe("select_resources", &ElementRule::EMPTY),
    ],
    ..ElementRule::EMPTY
};

static SELECT_ATTRIBUTES: ElementRule =
    ElementRule { children: &[many("attribute", &ATTRIBUTE)], ..ElementRule::EMPTY };

static ATTRIBUTE: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), req("name", Value::Text)],
    ..ElementRule::EMPTY
};
