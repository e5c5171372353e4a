//! What ACLs let a user see and change (spec 50 §8). Every node judges an ordered change by the same document
//! and the same time, so all come to the same end.

use std::time::Duration;

use cib_model::acl::{self, Permissions, User};
use cib_model::{DateTime, Document};

use crate::subsystem::CibError;

/// The permissions that count for a user; nothing if everything is allowed.
fn limits(document: &Document, user: Option<&str>, wall: Duration) -> Option<Permissions> {
    let user = user.filter(|user| !acl::is_exempt(user))?;
    let now = DateTime::from_epoch(i64::try_from(wall.as_secs()).unwrap_or(i64::MAX), 0);
    let enabled = acl::is_enabled(document, now);
    enabled.then(|| Permissions::of(document, &User { name: user, groups: &[] }))
}

/// What a user sees of a document; nothing if that is all of it.
///
/// # Errors
/// When the user may see none of it.
pub fn visible(
    document: &Document,
    user: Option<&str>,
    wall: Duration,
) -> Result<Option<Document>, CibError> {
    match limits(document, user, wall) {
        None => Ok(None),
        Some(limits) => limits.visible(document).map(Some).ok_or(CibError::Denied),
    }
}

/// Whether a user may turn one document into another.
///
/// # Errors
/// When not.
pub fn check(
    old: &Document,
    new: &Document,
    user: Option<&str>,
    wall: Duration,
) -> Result<(), CibError> {
    let Some(limits) = limits(old, user, wall) else { return Ok(()) };
    limits.check(old, new).map_err(|refusal| {
        log::info!("cib: {} may not {refusal:?}", user.unwrap_or_default());
        CibError::Denied
    })
}
