//! The `acls` section: the first syntax (until 1.3) and the present one.

use super::super::grammar::{Alternative, Choice, ElementRule, many, opt, req};
use super::super::value::Value;
use super::ALWAYS;
use crate::schema::{Schema, SchemaSet};

const FIRST: SchemaSet = SchemaSet::until(Schema::V1_3);
const PRESENT: SchemaSet = SchemaSet::since(Schema::V2_0);

pub(super) static ACLS: ElementRule = ElementRule {
    children: &[
        many("acl_target", &TARGET).since(Schema::V2_0),
        many("acl_group", &GROUP).since(Schema::V2_0),
        many("acl_role", &ROLE),
        many("acl_user", &USER).until(Schema::V1_3),
    ],
    ..ElementRule::EMPTY
};

static TARGET: ElementRule = ElementRule {
    attributes: &[req("id", Value::Text), opt("name", Value::Text).since(Schema::V3_8)],
    children: &[many("role", &ROLE_REFERENCE)],
    ..ElementRule::EMPTY
};

static GROUP: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), opt("name", Value::Text).since(Schema::V3_8)],
    children: &[many("role", &ROLE_REFERENCE)],
    ..ElementRule::EMPTY
};

static ROLE_REFERENCE: ElementRule =
    ElementRule { attributes: &[req("id", Value::IdRef)], ..ElementRule::EMPTY };

static ROLE: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), opt("description", Value::Text).since(Schema::V2_0)],
    choices: &[Choice(&[
        Alternative {
            schemas: PRESENT,
            children: &[many("acl_permission", &PERMISSION)],
            ..Alternative::NOTHING
        },
        Alternative {
            schemas: FIRST,
            children: &[
                many("read", &FIRST_PERMISSION),
                many("write", &FIRST_PERMISSION),
                many("deny", &FIRST_PERMISSION),
            ],
            ..Alternative::NOTHING
        },
    ])],
    ..ElementRule::EMPTY
};

static PERMISSION: ElementRule = ElementRule {
    attributes: &[
        req("id", Value::Id),
        req("kind", Value::OneOf(&[("read", ALWAYS), ("write", ALWAYS), ("deny", ALWAYS)])),
        opt("description", Value::Text),
    ],
    choices: &[Choice(&[
        Alternative { attributes: &[req("xpath", Value::Text)], ..Alternative::NOTHING },
        Alternative { attributes: &[req("reference", Value::IdRef)], ..Alternative::NOTHING },
        Alternative {
            attributes: &[req("object-type", Value::Text), opt("attribute", Value::Text)],
            ..Alternative::NOTHING
        },
    ])],
    ..ElementRule::EMPTY
};

static USER: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id)],
    choices: &[Choice(&[
        Alternative { children: &[many("role_ref", &ROLE_REFERENCE)], ..Alternative::NOTHING },
        Alternative {
            children: &[
                many("read", &FIRST_PERMISSION),
                many("write", &FIRST_PERMISSION),
                many("deny", &FIRST_PERMISSION),
            ],
            ..Alternative::NOTHING
        },
    ])],
    ..ElementRule::EMPTY
};

static FIRST_PERMISSION: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), opt("attribute", Value::Text)],
    choices: &[Choice(&[
        Alternative { attributes: &[req("xpath", Value::Text)], ..Alternative::NOTHING },
        Alternative {
            attributes: &[req("tag", Value::Text), opt("ref", Value::IdRef)],
            ..Alternative::NOTHING
        },
        Alternative {
            attributes: &[opt("tag", Value::Text), req("ref", Value::IdRef)],
            ..Alternative::NOTHING
        },
    ])],
    ..ElementRule::EMPTY
};
