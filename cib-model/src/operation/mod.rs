//! Operations on a CIB: query, create, modify, replace, delete and the rest (spec 50 §12).
//!
//! [`process`] does everything that goes with an operation: access control, version, patch, validation.
//! It is deterministic: managers that start from the same CIB and process the same requests in the same
//! order arrive at the same CIB.
//!
//! ```
//! use cib_model::Document;
//! use cib_model::operation::{CallOptions, Context, Operation, Request, process};
//!
//! let cib = Document::parse(
//!     r#"<cib validate-with="none" admin_epoch="0" epoch="1" num_updates="7"><configuration>
//!        <nodes/></configuration><status/></cib>"#,
//! )?;
//! let request = Request {
//!     section: Some("nodes".into()),
//!     data: Some(Document::parse(r#"<node id="1" uname="n1"/>"#)?),
//!     ..Request::new(Operation::Create)
//! };
//! let outcome = process(&cib, &request, &Context::default());
//! assert_eq!(outcome.result, Ok(()));
//! let changed = outcome.document.unwrap();
//! assert_eq!(changed.root().attribute("epoch"), Some("2"));
//! # Ok::<(), cib_model::ParseError>(())
//! ```

mod create;
mod delete;
mod error;
mod merge;
mod options;
mod process;
mod query;
mod replace;
mod request;
mod section;
mod transaction;
mod upgrade;

pub use error::OperationError;
pub use options::CallOptions;
pub use process::{Context, Outcome, empty_cib, process};
pub use request::{Operation, Request};
pub use section::{SECTIONS, section_element};

#[cfg(test)]
mod tests;
