//! Rules and their conditions.
//!
//! What a condition may use came to the places where rules stand in different versions; hence one
//! grammar per place, made from one pattern.

use super::super::grammar::{Alternative, Choice, ElementRule, When, many, maybe, one, opt, req};
use super::super::value::Value;
use super::ALWAYS;
use crate::schema::{Schema, SchemaSet};

/// `rule` with an `expression` that knows `value-source` since `$source`, and with resource and
/// operation expressions since `$typed`.
macro_rules! rule_grammar {
    ($rule:ident, $expression:ident, $source:expr, $typed:expr) => {
        pub(super) static $rule: ElementRule = ElementRule {
            choices: &[
                Choice(&[
                    Alternative {
                        attributes: &[req("id-ref", Value::IdRef)],
                        ..Alternative::NOTHING
                    },
                    Alternative {
                        attributes: &[
                            req("id", Value::Id),
                            opt("boolean-op", Value::OneOf(&[("and", ALWAYS), ("or", ALWAYS)])),
                            opt("role", Value::Text),
                            opt("score", Value::Score),
                            opt("score-attribute", Value::Text),
                        ],
                        children: &[
                            many("rule", &$rule),
                            many("expression", &$expression),
                            many("date_expression", &DATE_EXPRESSION),
                            many("rsc_expression", &RSC_EXPRESSION).since($typed),
                            many("op_expression", &OP_EXPRESSION).since($typed),
                        ],
                        some_child: true,
                        ..Alternative::NOTHING
                    },
                ]),
                Choice(&[
                    Alternative {
                        attributes: &[req("id-ref", Value::IdRef)],
                        ..Alternative::NOTHING
                    },
                    Alternative { schemas: SchemaSet::since(Schema::V3_9), ..Alternative::NOTHING },
                    Alternative {
                        attributes: &[req("score", Value::Score)],
                        ..Alternative::NOTHING
                    },
                    Alternative {
                        attributes: &[req("score-attribute", Value::Text)],
                        ..Alternative::NOTHING
                    },
                ]),
            ],
            ..ElementRule::EMPTY
        };

        static $expression: ElementRule = ElementRule {
            attributes: &[
                req("id", Value::Id),
                req("attribute", Value::Text),
                req("operation", COMPARISON),
                opt("value", Value::Text),
                opt("type", COMPARISON_TYPE),
                opt("value-source", VALUE_SOURCE).since($source),
            ],
            ..ElementRule::EMPTY
        };
    };
}

rule_grammar!(OPTION_RULE, OPTION_EXPRESSION, Schema::V3_0, Schema::V3_4);
rule_grammar!(RESOURCE_RULE, RESOURCE_EXPRESSION, Schema::V2_9, Schema::V3_4);
rule_grammar!(LOCATION_RULE, LOCATION_EXPRESSION, Schema::V2_9, Schema::V3_5);

const COMPARISON: Value = Value::OneOf(&[
    ("lt", ALWAYS),
    ("gt", ALWAYS),
    ("lte", ALWAYS),
    ("gte", ALWAYS),
    ("eq", ALWAYS),
    ("ne", ALWAYS),
    ("defined", ALWAYS),
    ("not_defined", ALWAYS),
]);

const COMPARISON_TYPE: Value = Value::OneOf(&[
    ("string", ALWAYS),
    ("integer", SchemaSet::since(Schema::V3_5)),
    ("number", ALWAYS),
    ("version", ALWAYS),
]);

const VALUE_SOURCE: Value =
    Value::OneOf(&[("literal", ALWAYS), ("param", ALWAYS), ("meta", ALWAYS)]);

static RSC_EXPRESSION: ElementRule = ElementRule {
    attributes: &[
        req("id", Value::Id),
        opt("class", Value::Text),
        opt("provider", Value::Text),
        opt("type", Value::Text),
    ],
    ..ElementRule::EMPTY
};

static OP_EXPRESSION: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), req("name", Value::Text), opt("interval", Value::Text)],
    ..ElementRule::EMPTY
};

const STRICT_RANGE: SchemaSet = SchemaSet::until(Schema::V3_8);
const LOOSE_RANGE: SchemaSet = SchemaSet::since(Schema::V3_9);

static DATE_EXPRESSION: ElementRule = ElementRule {
    attributes: &[
        req("id", Value::Id),
        req(
            "operation",
            Value::OneOf(&[
                ("in_range", ALWAYS),
                ("gt", ALWAYS),
                ("lt", ALWAYS),
                ("date_spec", ALWAYS),
            ]),
        ),
    ],
    choices: &[Choice(&[
        Alternative {
            when: When::Is("operation", "gt"),
            attributes: &[req("start", Value::Text)],
            ..Alternative::NOTHING
        },
        Alternative {
            when: When::Is("operation", "lt"),
            attributes: &[req("end", Value::Text)],
            ..Alternative::NOTHING
        },
        Alternative {
            when: When::Is("operation", "date_spec"),
            children: &[one("date_spec", &DATE_SPEC)],
            ..Alternative::NOTHING
        },
        Alternative {
            schemas: STRICT_RANGE,
            when: When::Is("operation", "in_range"),
            attributes: &[opt("start", Value::Text), req("end", Value::Text)],
            ..Alternative::NOTHING
        },
        Alternative {
            schemas: STRICT_RANGE,
            when: When::Is("operation", "in_range"),
            attributes: &[req("start", Value::Text)],
            children: &[one("duration", &DURATION)],
            ..Alternative::NOTHING
        },
        Alternative {
            schemas: LOOSE_RANGE,
            when: When::Is("operation", "in_range"),
            attributes: &[req("start", Value::Text), opt("end", Value::Text)],
            children: &[maybe("duration", &DURATION)],
            ..Alternative::NOTHING
        },
        Alternative {
            schemas: LOOSE_RANGE,
            when: When::Is("operation", "in_range"),
            attributes: &[req("end", Value::Text), opt("start", Value::Text)],
            children: &[maybe("duration", &DURATION)],
            ..Alternative::NOTHING
        },
    ])],
    ..ElementRule::EMPTY
};

static DATE_SPEC: ElementRule = ElementRule {
    attributes: &[
        req("id", Value::Id),
        opt("years", Value::Text),
        opt("months", Value::Text),
        opt("monthdays", Value::Text),
        opt("hours", Value::Text),
        opt("minutes", Value::Text).since(Schema::V3_9),
        opt("seconds", Value::Text).since(Schema::V3_9),
        opt("yeardays", Value::Text).since(Schema::V3_9),
        opt("weekyears", Value::Text),
        opt("weeks", Value::Text),
        opt("weekdays", Value::Text),
        opt("yearsdays", Value::Text),
        opt("moon", Value::Text).until(Schema::V3_10),
    ],
    ..ElementRule::EMPTY
};

static DURATION: ElementRule = ElementRule {
    attributes: &[
        req("id", Value::Id),
        opt("years", Value::Text),
        opt("months", Value::Text),
        opt("monthdays", Value::Text),
        opt("hours", Value::Text),
        opt("minutes", Value::Text).since(Schema::V3_9),
        opt("seconds", Value::Text).since(Schema::V3_9),
        opt("days", Value::Text).since(Schema::V3_9),
        opt("weekyears", Value::Text),
        opt("weeks", Value::Text),
        opt("weekdays", Value::Text),
        opt("yearsdays", Value::Text),
        opt("moon", Value::Text).until(Schema::V3_10),
    ],
    ..ElementRule::EMPTY
};
