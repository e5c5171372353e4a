//! The whole CIB as Rust types, borrowing from the document (spec 50 §1).
//!
//! Reading never fails as a whole: what cannot be understood is left out or takes the place of an
//! absent value, and is reported with line, element and what would be accepted. What the types do not
//! hold, unknown attributes for example, stays in the document, to which every record keeps its
//! [`Element`](crate::Element). References (`id-ref`) are kept as references.
//!
//! ```
//! use cib_model::Document;
//! use cib_model::model::{Cib, Resource};
//!
//! let document = Document::parse(
//!     r#"<cib admin_epoch="0" epoch="4" num_updates="0"><configuration><crm_config/><nodes/>
//!        <resources><primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2"/></resources>
//!        <constraints/></configuration><status/></cib>"#,
//! )?;
//! let reading = Cib::read(&document);
//! assert!(reading.errors.is_empty());
//! let Resource::Primitive(ip) = &reading.cib.configuration.resources[0] else { panic!() };
//! assert_eq!((ip.id, reading.cib.version.epoch), ("ip", 4));
//! # Ok::<(), cib_model::ParseError>(())
//! ```

mod access;
mod alerts;
mod bundle;
mod configuration;
mod constraints;
mod error;
mod history;
mod keywords;
mod reader;
mod resources;
mod rules;
mod sets;
mod status;
mod version;

pub use access::{AccessControl, Permission, PermissionRole, Selector, Subject};
pub use alerts::{Alert, AlertSelection, Recipient};
pub use bundle::{Bundle, Container, ContainerKind, Network, PortMapping, Ports, StorageMapping};
pub use configuration::{Cib, Configuration, FencingLevel, FencingTarget, Node, Reading, Tag};
pub use constraints::{
    Colocation, Constraint, ConstraintSubject, Location, Order, OrderStrength,
    Pair as ConstraintPair, Placement, ResourceSet, ResourceSetBody, Ticket,
};
pub use error::{ModelError, ModelProblem};
pub use history::{HistoryEntry, TransitionKey, TransitionMagic};
pub use keywords::{
    Access, Action, BooleanOp, Comparison, ComparisonType, DateOperation, Discovery, LossPolicy,
    NodeKind, OnFail, OrderKind, ResourceClass, Role, SetOrdering, ValueSource,
};
pub use resources::{
    Agent, AgentSource, Clone, Group, Operation, Operations, Primitive, Resource, Template,
};
pub use rules::{Condition, DateFields, Rule, RuleBody, RuleScore};
pub use sets::{NameValue, ValueSet};
pub use status::{NodeState, Presence, ResourceHistory, Status, TicketState};
pub use version::CibVersion;

#[cfg(test)]
mod tests;
