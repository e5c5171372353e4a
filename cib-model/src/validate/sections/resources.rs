//! The `resources` section.

use super::super::grammar::{
    Alternative, AttributeRule, Choice, ElementRule, When, many, maybe, one, opt, req, some,
};
use super::super::value::Value;
use super::nvset::{COLLECTIVE_META, INSTANCE, META, OP_INSTANCE, OP_META, PLAIN_SET};
use super::{ALWAYS, ROLE};
use crate::schema::{Schema, SchemaSet};

pub(super) static RESOURCES: ElementRule = ElementRule {
    children: &[
        many("primitive", &PRIMITIVE),
        many("template", &TEMPLATE).since(Schema::V1_2),
        many("group", &GROUP),
        many("clone", &CLONE),
        many("master", &CLONE).until(Schema::V3_10),
        many("bundle", &BUNDLE).since(Schema::V2_8),
    ],
    ..ElementRule::EMPTY
};

const CLASS: Value = Value::OneOf(&[
    ("ocf", ALWAYS),
    ("lsb", ALWAYS),
    ("heartbeat", ALWAYS),
    ("stonith", ALWAYS),
    ("service", SchemaSet::since(Schema::V1_2)),
    ("systemd", SchemaSet::since(Schema::V1_2)),
    ("upstart", SchemaSet::until(Schema::V3_10)),
    ("nagios", SchemaSet::between(Schema::V1_2, Schema::V3_10)),
]);

const TEMPLATE_CLASS: Value = Value::OneOf(&[
    ("ocf", ALWAYS),
    ("lsb", ALWAYS),
    ("heartbeat", ALWAYS),
    ("stonith", ALWAYS),
    ("service", SchemaSet::since(Schema::V2_7)),
    ("systemd", SchemaSet::since(Schema::V2_7)),
    ("upstart", SchemaSet::until(Schema::V3_10)),
    ("nagios", SchemaSet::between(Schema::V2_7, Schema::V3_10)),
]);

static PRIMITIVE: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), opt("description", Value::Text)],
    children: &[
        many("instance_attributes", &INSTANCE),
        many("meta_attributes", &META),
        many("utilization", &PLAIN_SET).since(Schema::V1_2),
        maybe("operations", &OPERATIONS),
    ],
    choices: &[Choice(&[
        Alternative {
            when: When::Is("class", "ocf"),
            attributes: &[
                req("class", CLASS),
                req("provider", Value::Text),
                req("type", Value::Text),
            ],
            ..Alternative::NOTHING
        },
        Alternative {
            when: When::IsNot("class", "ocf"),
            attributes: &[req("class", CLASS), req("type", Value::Text)],
            ..Alternative::NOTHING
        },
        Alternative {
            schemas: SchemaSet::since(Schema::V1_2),
            attributes: &[req("template", Value::IdRef)],
            ..Alternative::NOTHING
        },
    ])],
    ..ElementRule::EMPTY
};

static TEMPLATE: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), opt("description", Value::Text)],
    children: &[
        many("instance_attributes", &INSTANCE),
        many("meta_attributes", &META),
        many("utilization", &PLAIN_SET),
        maybe("operations", &OPERATIONS),
    ],
    choices: &[Choice(&[
        Alternative {
            when: When::Is("class", "ocf"),
            attributes: &[
                req("class", TEMPLATE_CLASS),
                req("provider", Value::Text),
                req("type", Value::Text),
            ],
            ..Alternative::NOTHING
        },
        Alternative {
            when: When::IsNot("class", "ocf"),
            attributes: &[req("class", TEMPLATE_CLASS), req("type", Value::Text)],
            ..Alternative::NOTHING
        },
    ])],
    ..ElementRule::EMPTY
};

static OPERATIONS: ElementRule = ElementRule {
    attributes: &[opt("id", Value::Id), opt("id-ref", Value::IdRef)],
    children: &[many("op", &OP)],
    ..ElementRule::EMPTY
};

static OP: ElementRule = ElementRule {
    attributes: &[
        req("id", Value::Id),
        req("name", Value::Text),
        req("interval", Value::Text),
        opt("description", Value::Text),
        opt("timeout", Value::Text),
        opt("enabled", Value::Boolean),
        opt("record-pending", Value::Boolean),
        opt("role", ROLE),
        opt("on-fail", ON_FAIL),
        opt(
            "requires",
            Value::OneOf(&[
                ("nothing", ALWAYS),
                ("quorum", ALWAYS),
                ("fencing", ALWAYS),
                ("unfencing", SchemaSet::since(Schema::V1_3)),
            ]),
        )
        .until(Schema::V2_10),
    ],
    children: &[many("instance_attributes", &OP_INSTANCE), many("meta_attributes", &OP_META)],
    choices: &[Choice(&[
        Alternative::NOTHING,
        Alternative { attributes: &[req("start-delay", Value::Text)], ..Alternative::NOTHING },
        Alternative { attributes: &[req("interval-origin", Value::Text)], ..Alternative::NOTHING },
    ])],
    ..ElementRule::EMPTY
};

const ON_FAIL: Value = Value::OneOf(&[
    ("ignore", ALWAYS),
    ("block", ALWAYS),
    ("demote", SchemaSet::since(Schema::V3_4)),
    ("stop", ALWAYS),
    ("restart", ALWAYS),
    ("standby", ALWAYS),
    ("fence", ALWAYS),
    ("restart-container", SchemaSet::since(Schema::V1_2)),
]);

static GROUP: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), opt("description", Value::Text)],
    children: &[
        many("instance_attributes", &PLAIN_SET),
        many("meta_attributes", &COLLECTIVE_META),
        some("primitive", &PRIMITIVE),
    ],
    ..ElementRule::EMPTY
};

static CLONE: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), opt("description", Value::Text)],
    children: &[many("instance_attributes", &PLAIN_SET), many("meta_attributes", &COLLECTIVE_META)],
    choices: &[Choice(&[
        Alternative { children: &[one("primitive", &PRIMITIVE)], ..Alternative::NOTHING },
        Alternative { children: &[one("group", &GROUP)], ..Alternative::NOTHING },
    ])],
    ..ElementRule::EMPTY
};

static BUNDLE: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id), opt("description", Value::Text)],
    children: &[
        many("instance_attributes", &PLAIN_SET),
        many("meta_attributes", &COLLECTIVE_META),
        maybe("network", &NETWORK),
        maybe("storage", &STORAGE),
        maybe("primitive", &PRIMITIVE),
    ],
    choices: &[Choice(&[
        Alternative { children: &[one("docker", &CONTAINER)], ..Alternative::NOTHING },
        Alternative {
            schemas: SchemaSet::since(Schema::V3_2),
            children: &[one("podman", &CONTAINER)],
            ..Alternative::NOTHING
        },
        Alternative {
            schemas: SchemaSet::between(Schema::V2_10, Schema::V3_10),
            children: &[one("rkt", &CONTAINER)],
            ..Alternative::NOTHING
        },
    ])],
    ..ElementRule::EMPTY
};

static CONTAINER: ElementRule = ElementRule {
    attributes: &[
        req("image", Value::Text),
        opt("replicas", Value::Integer),
        opt("replicas-per-host", Value::Integer),
        opt("run-command", Value::Text),
        opt("network", Value::Text),
        opt("options", Value::Text),
    ],
    choices: &[Choice(&[
        Alternative::NOTHING,
        Alternative {
            schemas: SchemaSet::since(Schema::V3_0),
            attributes: &[req("promoted-max", Value::Integer)],
            ..Alternative::NOTHING
        },
        Alternative {
            schemas: SchemaSet::until(Schema::V3_10),
            attributes: &[req("masters", Value::Integer)],
            ..Alternative::NOTHING
        },
    ])],
    ..ElementRule::EMPTY
};

const ADD_HOST: AttributeRule = opt("add-host", Value::Boolean).since(Schema::V3_0);

static NETWORK: ElementRule = ElementRule {
    attributes: &[
        opt("ip-range-start", Value::Text),
        opt("control-port", Value::Integer),
        opt("host-interface", Value::Text),
        opt("host-netmask", Value::Integer),
        ADD_HOST,
    ],
    children: &[many("port-mapping", &PORT_MAPPING)],
    ..ElementRule::EMPTY
};

static PORT_MAPPING: ElementRule = ElementRule {
    attributes: &[req("id", Value::Id)],
    choices: &[Choice(&[
        Alternative {
            attributes: &[req("port", Value::Integer), opt("internal-port", Value::Integer)],
            ..Alternative::NOTHING
        },
        Alternative { attributes: &[req("range", Value::PortRange)], ..Alternative::NOTHING },
    ])],
    ..ElementRule::EMPTY
};

static STORAGE: ElementRule =
    ElementRule { children: &[many("storage-mapping", &STORAGE_MAPPING)], ..ElementRule::EMPTY };

static STORAGE_MAPPING: ElementRule = ElementRule {
    attributes: &[
        req("id", Value::Id),
        req("target-dir", Value::Text),
        opt("options", Value::Text),
    ],
    choices: &[Choice(&[
        Alternative { attributes: &[req("source-dir", Value::Text)], ..Alternative::NOTHING },
        Alternative { attributes: &[req("source-dir-root", Value::Text)], ..Alternative::NOTHING },
    ])],
    ..ElementRule::EMPTY
};
