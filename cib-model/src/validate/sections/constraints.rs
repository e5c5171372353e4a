//! The `constraints` section.

use super::super::grammar::{Alternative, Choice, ElementRule, many, maybe, opt, req, some};
use super::super::value::Value;
use super::rule::LOCATION_RULE;
use super::{ALWAYS, ROLE};
use crate::schema::{Schema, SchemaSet};

pub(super) static CONSTRAINTS: ElementRule = ElementRule {
    children: &[
        many("rsc_location", &LOCATION),
        many("rsc_colocation", &COLOCATION),
        many("rsc_order", &ORDER),
        many("rsc_ticket", &TICKET).since(Schema::V1_2),
    ],
    ..ElementRule::EMPTY
};

const KIND: Value =
    Value::OneOf(&[("Optional", ALWAYS), ("Mandatory", ALWAYS), ("Serialize", ALWAYS)]);

const ACTION: Value =
    Value::OneOf(&[("start", ALWAYS), ("promote", ALWAYS), ("demote", ALWAYS), ("stop", ALWAYS)]);

/// Set and rule come before the lifetime, in this order.
static LOCATION: ElementRule = ElementRule {
    attributes: &[
        req("id", Value::Id),
        opt(
            "resource-discovery",
            Value::OneOf(&[("always", ALWAYS), ("never", ALWAYS), ("exclusive", ALWAYS)]),
        )
        .since(Schema::V2_2),
    ],
    children: &[maybe("lifetime", &LIFETIME).until(Schema::V3_10).rank(2)],
    choices: &[
        Choice(&[
            Alternative {
                attributes: &[req("rsc", Value::IdRef), opt("role", ROLE).since(Schema::V1_2)],
                ..Alternative::NOTHING
            },
            Alternative {
                schemas: SchemaSet::since(Schema::V2_6),
                attributes: &[req("rsc-pattern", Value::Text), opt("role", ROLE)],
                ..Alternative::NOTHING
            },
            Alternative {
                schemas: SchemaSet::since(Schema::V1_2),
                children: &[some("resource_set", &RESOURCE_SET)],
                ..Alternative::NOTHING
            },
        ]),
        Choice(&[
            Alternative {
                attributes: &[req("node", Value::Text), req("score", Value::Score)],
                ..Alternative::NOTHING
            },
            Alternative {
                children: &[some("rule", &LOCATION_RULE)
                    .single_in(SchemaSet::since(Schema::V4_0))
                    .rank(1)],
                ..Alternative::NOTHING
            },
        ]),
    ],
    ordered: SchemaSet::ALL,
    ..ElementRule::EMPTY
};

static LIFETIME: ElementRule =
    ElementRule { children: &[some("rule", &LOCATION_RULE)], ..ElementRule::EMPTY };

static COLOCATION: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), opt("influence", Value::Text).since(Schema::V3_6)],
    choices: &[
        Choice(&[
            Alternative {
                attributes: &[
                    req("rsc", Value::IdRef),
                    req("with-rsc", Value::IdRef),
                    opt("node-attribute", Value::Text),
                    opt("rsc-role", ROLE),
                    opt("with-rsc-role", ROLE),
                ],
                children: &[maybe("lifetime", &LIFETIME).until(Schema::V3_10)],
                ..Alternative::NOTHING
            },
            Alternative {
                children: &[some("resource_set", &RESOURCE_SET)],
                ..Alternative::NOTHING
            },
        ]),
        Choice(&[
            Alternative::NOTHING,
            Alternative { attributes: &[req("score", Value::Score)], ..Alternative::NOTHING },
            Alternative {
                schemas: SchemaSet::until(Schema::V2_10),
                attributes: &[req("score-attribute", Value::Text)],
                ..Alternative::NOTHING
            },
            Alternative {
                schemas: SchemaSet::until(Schema::V2_10),
                attributes: &[req("score-attribute-mangle", Value::Text)],
                ..Alternative::NOTHING
            },
        ]),
    ],
    ..ElementRule::EMPTY
};

static ORDER: ElementRule = ElementRule {
    attributes: &[
        req("id", Value::Id),
        opt("symmetrical", Value::Boolean),
        opt("require-all", Value::Boolean).since(Schema::V2_3),
    ],
    choices: &[
        Choice(&[
            Alternative {
                attributes: &[
                    req("first", Value::IdRef),
                    req("then", Value::IdRef),
                    opt("first-action", ACTION),
                    opt("then-action", ACTION),
                ],
                children: &[maybe("lifetime", &LIFETIME).until(Schema::V3_10)],
                ..Alternative::NOTHING
            },
            Alternative {
                children: &[some("resource_set", &RESOURCE_SET)],
                ..Alternative::NOTHING
            },
        ]),
        Choice(&[
            Alternative::NOTHING,
            Alternative { attributes: &[req("score", Value::Score)], ..Alternative::NOTHING },
            Alternative { attributes: &[req("kind", KIND)], ..Alternative::NOTHING },
        ]),
    ],
    ..ElementRule::EMPTY
};

static TICKET: ElementRule = ElementRule {
    attributes: &[
        req("id", Value::Id),
        req("ticket", Value::Text),
        opt(
            "loss-policy",
            Value::OneOf(&[
                ("stop", ALWAYS),
                ("demote", ALWAYS),
                ("fence", ALWAYS),
                ("freeze", ALWAYS),
            ]),
        ),
    ],
    choices: &[Choice(&[
        Alternative {
            attributes: &[req("rsc", Value::IdRef), opt("rsc-role", ROLE)],
            ..Alternative::NOTHING
        },
        Alternative { children: &[some("resource_set", &RESOURCE_SET)], ..Alternative::NOTHING },
    ])],
    ..ElementRule::EMPTY
};

static RESOURCE_SET: ElementRule = ElementRule {
    choices: &[
        Choice(&[
            Alternative { attributes: &[req("id-ref", Value::IdRef)], ..Alternative::NOTHING },
            Alternative {
                attributes: &[
                    req("id", Value::Id),
                    opt("sequential", Value::Boolean),
                    opt("require-all", Value::Boolean).since(Schema::V1_2),
                    opt("ordering", Value::OneOf(&[("group", ALWAYS), ("listed", ALWAYS)]))
                        .since(Schema::V2_1),
                    opt("action", ACTION),
                    opt("role", ROLE),
                    opt("score", Value::Score),
                    opt("kind", KIND),
                ],
                children: &[some("resource_ref", &RESOURCE_REF)],
                ..Alternative::NOTHING
            },
        ]),
        Choice(&[
            Alternative::NOTHING,
            Alternative { attributes: &[req("score", Value::Score)], ..Alternative::NOTHING },
            Alternative {
                schemas: SchemaSet::since(Schema::V3_0),
                attributes: &[req("kind", KIND)],
                ..Alternative::NOTHING
            },
        ]),
    ],
    ..ElementRule::EMPTY
};

static RESOURCE_REF: ElementRule =
    ElementRule { attributes: &[req("id", Value::IdRef)], ..ElementRule::EMPTY };
