//! The cluster information base (CIB): the XML document that holds a cluster's configuration and status.
//!
//! The modules follow the way of the data. [`document`] holds any CIB text as a lossless, mutable
//! arena. [`scalar`] and [`date`] read what stands in its attributes: scores, intervals, dates. On them
//! rest [`rule`]s, and on rules the choice among blocks of options ([`nvpair`]). [`digest`] gives
//! documents and operation parameters a fingerprint, [`xpath`] names parts of a document. [`validate`]
//! tells what is wrong with a document and [`schema`] brings an old one up to date; [`model`] is the
//! whole CIB as types.
//!
//! A CIB that lives changes by [`operation`]s, which [`acl`] permits or not and which leave a [`patch`]
//! behind. [`replica`] keeps the copies on all nodes equal, and [`attribute_table`] the transient node
//! attributes that one of them writes into it. Both are state machines: inputs and the time in, outputs
//! out.
//!
//! Nothing here reads a clock, a file or a socket: the current time is an argument.
//!
//! ```
//! use cib_model::date::DateTime;
//! use cib_model::document::{Document, References};
//! use cib_model::nvpair::{BOOTSTRAP_OPTIONS, Blocks, NameValues};
//! use cib_model::rule::{NextChange, RuleInput};
//!
//! let cib = Document::parse(
//!     r#"<cib validate-with="pacemaker-4.0" admin_epoch="0" epoch="1" num_updates="0">
//!          <configuration>
//!            <crm_config>
//!              <cluster_property_set id="cib-bootstrap-options">
//!                <nvpair id="option-1" name="no-quorum-policy" value="freeze"/>
//!              </cluster_property_set>
//!              <cluster_property_set id="night">
//!                <rule id="night-rule">
//!                  <date_expression id="night-hours" operation="date_spec">
//!                    <date_spec id="night-spec" hours="22-"/>
//!                  </date_expression>
//!                </rule>
//!                <nvpair id="option-2" name="maintenance-mode" value="true"/>
//!              </cluster_property_set>
//!            </crm_config>
//!          </configuration>
//!        </cib>"#,
//! )?;
//! let crm_config = cib.root().descendants().find(|e| e.name() == "crm_config").unwrap();
//! let now = DateTime::parse("2024-02-29 23:15 +01:00", DateTime::from_epoch(0, 0))?;
//!
//! let references = References::new(&cib);
//! let first = Some(BOOTSTRAP_OPTIONS);
//! let blocks = Blocks::read(crm_config, "cluster_property_set", first, &references, now);
//! let mut options = NameValues::default();
//! blocks.fill(&RuleInput::at(now), &mut options, &mut NextChange::default());
//! assert_eq!(options.get("no-quorum-policy"), Some("freeze"));
//! assert_eq!(options.get("maintenance-mode"), Some("true"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod document;

pub mod scalar;

pub mod date;

pub mod rule;

pub mod nvpair;

pub mod digest;

pub mod xpath;

pub mod validate;

pub mod schema;

pub mod model;

pub mod patch;

pub mod acl;

pub mod operation;

pub mod replica;

pub mod attribute_table;

pub use date::DateTime;
pub use document::{Document, Element, ElementId, NodeId, ParseError};
pub use scalar::{Score, Version};
