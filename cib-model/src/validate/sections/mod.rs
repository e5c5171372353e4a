//! The grammar of the configuration, section by section (spec 50 §1, §5.1).

mod access;
mod alerts;
mod constraints;
mod nodes;
mod nvset;
mod outline;
mod resources;
mod rule;

pub(super) use outline::CIB;

use super::value::Value;
use crate::schema::{Schema, SchemaSet};

const ALWAYS: SchemaSet = SchemaSet::ALL;

/// Roles a resource can be asked to have.
const ROLE: Value = Value::OneOf(&[
    ("Stopped", ALWAYS),
    ("Started", ALWAYS),
    ("Promoted", SchemaSet::since(Schema::V3_7)),
    ("Unpromoted", SchemaSet::since(Schema::V3_7)),
    ("Master", ALWAYS),
    ("Slave", ALWAYS),
]);
