//! Access control lists: who may see and change which parts of a CIB (spec 50 §8).
//!
//! Permissions are collected for a user from the `acls` section and mark elements. For an element the
//! nearest marked one among itself and its ancestors decides; on one element deny comes before write
//! before read. Everything is judged by the access rules in force *before* a change.
//!
//! ```
//! use cib_model::Document;
//! use cib_model::acl::{Permissions, User};
//!
//! let cib = Document::parse(
//!     r#"<cib epoch="1"><configuration><resources><primitive id="db"/></resources><acls>
//!          <acl_target id="eve"><role id="viewer"/></acl_target>
//!          <acl_role id="viewer"><acl_permission id="p" kind="read" reference="db"/></acl_role>
//!        </acls></configuration></cib>"#,
//! )?;
//! let eve = Permissions::of(&cib, &User { name: "eve", groups: &[] });
//! let visible = eve.visible(&cib).unwrap();
//! assert_eq!(
//!     visible.root().to_xml_compact(),
//!     r#"<cib><configuration><resources><primitive id="db"/></resources></configuration></cib>"#
//! );
//! # Ok::<(), cib_model::ParseError>(())
//! ```

mod change;
mod marks;
mod permissions;
mod visible;

pub use change::Refusal;
pub use marks::Marks;
pub use permissions::{Permissions, User, is_enabled, is_exempt};

#[cfg(test)]
mod tests;
