//! What ACLs let a user see and change (spec 50 §8). Every node judges an ordered change by the same document
//! and the same time, so all come to the same end.

use std::time::Duration;

use cib_model::acl::{self, Permissions, User};
use cib_model::{DateTime, Document};

use crate::subsystem::{CibError, UpdateOrigin};

/// Finds the groups of a user.
pub type GroupsOf = fn(&str) -> Vec<String>;

/// The permissions that count for a user; nothing if everything is allowed.
fn limits(document: &Document, origin: &UpdateOrigin, wall: Duration) -> Option<Permissions> {
    let user = origin.user.as_deref().filter(|user| !acl::is_exempt(user))?;
    let now = DateTime::from_epoch(i64::try_from(wall.as_secs()).unwrap_or(i64::MAX), 0);
    let enabled = acl::is_enabled(document, now);
    let groups: Vec<&str> = origin.groups.iter().map(String::as_str).collect();
    enabled.then(|| Permissions::of(document, &User { name: user, groups: &groups }))
}

/// What a user sees of a document; nothing if that is all of it.
///
/// # Errors
/// When the user may see none of it.
pub fn visible(
    document: &Document,
    origin: &UpdateOrigin,
    wall: Duration,
) -> Result<Option<Document>, CibError> {
    match limits(document, origin, wall) {
        None => Ok(None),
        Some(limits) => limits.visible(document).map(Some).ok_or(CibError::Denied),
    }
}

/// Whether a user may turn one document into another.
///
/// # Errors
/// When not.
pub fn check(old: &Document, new: &Document, origin: &UpdateOrigin) -> Result<(), CibError> {
    let Some(limits) = limits(old, origin, origin.wall) else { return Ok(()) };
    limits.check(old, new).map_err(|refusal| {
        log::info!("cib: {} may not {refusal:?}", origin.user.as_deref().unwrap_or_default());
        CibError::Denied
    })
}
