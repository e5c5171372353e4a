//! What goes with every operation: access control, version, patch, validation (spec 50 §12.9).

use super::create::create;
use super::delete::{delete, erase, raise, sections};
use super::error::{Failure, OperationError};
use super::merge::modify;
use super::query::query;
use super::replace::replace;
use super::request::{Operation, Request};
use super::transaction::commit;
use super::upgrade::upgrade;
use crate::acl::{Permissions, User, is_enabled, is_exempt};
use crate::date::DateTime;
use crate::document::Document;
use crate::model::CibVersion;
use crate::operation::CallOptions;
use crate::patch::{AttributeOrder, Patch, PatchFailure, record};
use crate::scalar::Version;
use crate::schema::{Schema, claimed};
use crate::validate::conforms;

/// What an operation depends on besides CIB and request.
#[derive(Clone, Debug)]
pub struct Context<'c> {
    /// The current time.
    pub now: DateTime,
    /// The current local time as it is recorded in `cib-last-written`, such as
    /// `Thu Jan  1 00:00:00 2020`.
    pub now_text: &'c str,
    /// Our feature set, when a live CIB must not come from a newer one.
    pub feature_set: Option<&'c str>,
    /// The groups of the operating system the request's user belongs to.
    pub groups: &'c [&'c str],
}

impl Default for Context<'_> {
    /// For CIBs in files: no feature set is too new.
    fn default() -> Self {
        let now = DateTime::from_epoch(0, 0);
        Context { now, now_text: "", feature_set: None, groups: &[] }
    }
}

/// What came of an operation.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether it succeeded.
    pub result: Result<(), OperationError>,
    /// The CIB as it is to be from now on; nothing when it stays as it is.
    pub document: Option<Document>,
    /// What changed. It is there for some failures, too, where the result was found too old.
    pub patch: Option<Patch>,
    /// Whether the configuration changed.
    pub configuration_changed: bool,
    /// What goes back with the reply.
    pub output: Option<Document>,
}

impl Outcome {
    fn of(result: Result<(), OperationError>) -> Outcome {
        Outcome { result, document: None, patch: None, configuration_changed: false, output: None }
    }

    fn failed(error: OperationError) -> Outcome {
        Outcome::of(Err(error))
    }
}

/// A new CIB without content, for a schema. `epoch` is 0, or 1 for one that is printed for editing.
pub fn empty_cib(schema: Schema, feature_set: &str, epoch: u32) -> Document {
    let mut document = Document::new("cib");
    let root = document.root_id();
    document.set_attribute(root, "crm_feature_set", feature_set);
    document.set_attribute(root, "validate-with", schema.name());
    document.set_attribute(root, "admin_epoch", "0");
    document.set_attribute(root, "epoch", &epoch.to_string());
    document.set_attribute(root, "num_updates", "0");
    sections(&mut document, root);
    document
}

/// Processes a request on a CIB.
pub fn process(current: &Document, request: &Request, context: &Context<'_>) -> Outcome {
    let user = request.user.as_deref().unwrap_or_default();
    let subject = !is_exempt(user) && is_enabled(current, context.now);
    let permissions =
        subject.then(|| Permissions::of(current, &User { name: user, groups: context.groups }));
    if request.operation.modifies() {
        change(current, request, context, permissions.as_ref())
    } else {
        look(current, request, permissions.as_ref())
    }
}

fn look(current: &Document, request: &Request, permissions: Option<&Permissions>) -> Outcome {
    if request.operation == Operation::Noop {
        return Outcome::of(Ok(()));
    }
    let found = match permissions {
        None => query(current, request),
        Some(permissions) => match permissions.visible(current) {
            Some(visible) => query(&visible, request),
            None => Err(OperationError::Denied),
        },
    };
    match found {
        Ok(output) => Outcome { output: Some(output), ..Outcome::of(Ok(())) },
        Err(error) => Outcome::failed(error),
    }
}

fn change(
    current: &Document,
    request: &Request,
    context: &Context<'_>,
    permissions: Option<&Permissions>,
) -> Outcome {
    let mut document = current.clone();
    if let Err(Failure { error, output }) = perform(&mut document, request) {
        return Outcome { output: output.map(|output| *output), ..Outcome::failed(error) };
    }
    if let Some(permissions) = permissions
        && let Err(refusal) = permissions.check(current, &document)
    {
        log::info!("{}: {refusal}", request.user.as_deref().unwrap_or_default());
        return Outcome::failed(OperationError::Denied);
    }
    if is_too_new(&document, context) {
        return Outcome::failed(OperationError::ProtocolNotSupported);
    }
    let (before, after) = (CibVersion::of(current.root(), 0), CibVersion::of(document.root(), 0));
    if (after.admin_epoch, after.epoch) < (before.admin_epoch, before.epoch) {
        let patch = Patch::between(current, &document, AttributeOrder::Significant);
        return Outcome { patch, ..Outcome::failed(OperationError::OldData) };
    }
    let patch = if request.is_sync {
        Patch::between(current, &document, AttributeOrder::Significant)
    } else {
        record(current, &mut document)
    };
    let Some(patch) = patch else { return Outcome::of(Ok(())) };
    let configuration_changed = patch.touches_configuration();
    if configuration_changed && !request.options.has(CallOptions::NO_MTIME) {
        sign(&mut document, request, context);
    }
    if !request.is_status_only() && !is_valid(&document) {
        let output = visible_output(document, permissions);
        return Outcome { output, ..Outcome::failed(OperationError::Schema) };
    }
    let dry_run = request.options.has(CallOptions::DRY_RUN);
    Outcome {
        result: Ok(()),
        output: dry_run.then(|| document.clone()).and_then(|d| visible_output(d, permissions)),
        document: (!dry_run).then_some(document),
        patch: Some(patch),
        configuration_changed,
    }
}

/// Does the operation itself, without what goes with it.
pub(super) fn perform(document: &mut Document, request: &Request) -> Result<(), Failure> {
    match request.operation {
        Operation::Query | Operation::Noop => {}
        Operation::Create => create(document, request)?,
        Operation::Modify => modify(document, request)?,
        Operation::Replace => replace(document, request)?,
        Operation::Delete => delete(document, request)?,
        Operation::Erase => erase(document),
        Operation::Bump => raise(document, "epoch"),
        Operation::Upgrade => upgrade(document, request)?,
        Operation::ApplyPatch => apply_patch(document, request)?,
        Operation::CommitTransaction => commit(document, request)?,
    }
    Ok(())
}

fn apply_patch(document: &mut Document, request: &Request) -> Result<(), OperationError> {
    let data = request.data.as_ref().ok_or(OperationError::Invalid)?;
    let applied = Patch::read(data.root()).and_then(|patch| patch.applied(document));
    match applied {
        Ok(patched) => {
            *document = patched;
            Ok(())
        }
        Err(error) => {
            log::info!("a patch cannot be applied: {error}");
            Err(match error.failure() {
                PatchFailure::Invalid => OperationError::Invalid,
                PatchFailure::OldData => OperationError::OldData,
                PatchFailure::DiffFailed => OperationError::DiffFailed,
            })
        }
    }
}

fn is_too_new(document: &Document, context: &Context<'_>) -> bool {
    let theirs = document.root().attribute("crm_feature_set");
    matches!((context.feature_set, theirs), (Some(ours), Some(theirs)) if Version(theirs) > Version(ours))
}

fn is_valid(document: &Document) -> bool {
    claimed(document).is_ok_and(|schema| conforms(document, schema))
}

/// Records when, where, by what and by whom the configuration was changed.
fn sign(document: &mut Document, request: &Request, context: &Context<'_>) {
    let root = document.root_id();
    document.set_attribute(root, "cib-last-written", context.now_text);
    if claimed(document).is_ok_and(|schema| schema < Schema::V1_2) {
        return;
    }
    for (name, value) in [
        ("update-origin", &request.origin),
        ("update-client", &request.client),
        ("update-user", &request.user),
    ] {
        match value {
            Some(value) => document.set_attribute(root, name, value),
            None => {
                document.remove_attribute(root, name);
            }
        }
    }
}

/// What a user may see of a CIB that is not installed.
fn visible_output(document: Document, permissions: Option<&Permissions>) -> Option<Document> {
    match permissions {
        None => Some(document),
        Some(permissions) => permissions.visible(&document),
    }
}
