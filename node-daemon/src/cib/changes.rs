//! A change is made to the replica when its place in the order has come.

use std::sync::Arc;

use cib_model::Document;
use cib_model::model::CibVersion;
use cib_model::patch::{self, AttributeOrder, Patch};

use super::apply::Versioning;
use super::{Certificate, CibManager, QUIET, access, apply};
use crate::subsystem::{
    CibChanged, CibError, CibUpdate, Interest, Now, Outputs, SharedPatch, UpdateOrigin,
};

impl CibManager {
    /// Applies ordered changes, all or none.
    pub(super) fn apply(
        &mut self,
        now: Now,
        origin: &UpdateOrigin,
        updates: &[CibUpdate],
        dry_run: bool,
        out: &mut Outputs,
    ) -> Result<(), CibError> {
        let mut changed = (*self.document).clone();
        let mut versioning = Versioning::Raised;
        for update in updates {
            if apply::apply(&mut changed, update)? == Versioning::Given {
                versioning = Versioning::Given;
            }
        }
        access::check(&self.document, &changed, origin)?;
        let (have, made) =
            (CibVersion::of(self.document.root(), 0), CibVersion::of(changed.root(), 0));
        if made < have {
            return Err(CibError::OldData { have: have.to_string(), offered: made.to_string() });
        }
        let patch = match versioning {
            Versioning::Raised => {
                let patch = Patch::between(&self.document, &changed, AttributeOrder::Significant);
                let Some(patch) = patch else { return Ok(()) };
                if patch.touches_configuration() {
                    stamp(&mut changed, origin);
                    check(&changed)?;
                }
                patch::complete(patch, &self.document, &mut changed)
            }
            Versioning::Given => {
                check(&changed)?;
                versioned(&self.document, &changed)
            }
        };
        if dry_run {
            return Ok(());
        }
        let Some(patch) = patch else { return Ok(()) };
        self.become_document(now, changed, patch, origin.clone(), out);
        Ok(())
    }

    pub(super) fn become_document(
        &mut self,
        now: Now,
        document: Document,
        patch: Patch,
        origin: UpdateOrigin,
        out: &mut Outputs,
    ) {
        let configuration = patch.touches_configuration();
        self.document = Arc::new(document);
        if self.certified {
            self.certificate = Certificate::new(self.unity.ring(), &self.document);
        }
        self.applied += 1;
        self.pinged = None;
        if self.primary {
            self.ping_at = Some(now.elapsed + QUIET);
        }
        if configuration && self.disk_writes {
            let saved = self.store.save(&self.document, &patch, self.certificate);
            self.saved(saved);
        }
        let changed = CibChanged { origin, patch: SharedPatch::new(patch) };
        for (room, interest) in &self.subscribers {
            let wanted = match interest {
                Interest::Nothing => false,
                Interest::Options => changed.touches_options(),
                Interest::Configuration => configuration,
                Interest::All => true,
            };
            if wanted {
                out.here(*room, changed.clone());
            }
        }
    }

    pub(super) fn saved(&mut self, result: Result<(), String>) {
        match result {
            Ok(()) => self.saves += 1,
            Err(error) => {
                log::error!("cib: {error}; no more writes to disk");
                self.disk_writes = false;
            }
        }
    }
}

/// Notes who changed the configuration, and when.
fn stamp(document: &mut Document, origin: &UpdateOrigin) {
    let root = document.root_id();
    let at = cib_model::DateTime::from_epoch(origin.wall.as_secs() as i64, 0);
    document.set_attribute(root, "cib-last-written", &written(at));
    document.set_attribute(root, "update-origin", &origin.node_name);
    document.set_attribute(root, "update-client", &origin.client);
    match &origin.user {
        Some(user) => document.set_attribute(root, "update-user", user),
        None => drop(document.remove_attribute(root, "update-user")),
    }
}

/// A date as `cib-last-written` holds it, in UTC so that all nodes write the same.
fn written(at: cib_model::DateTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let day = DAYS[at.epoch().div_euclid(86_400).rem_euclid(7) as usize];
    let month = MONTHS[(at.month() as usize).clamp(1, 12) - 1];
    format!(
        "{day} {month} {:2} {:02}:{:02}:{:02} {}",
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.year()
    )
}

/// Refuses a configuration that does not conform to the schema it claims.
fn check(document: &Document) -> Result<(), CibError> {
    let schema =
        cib_model::schema::claimed(document).map_err(|e| CibError::Schema(e.to_string()))?;
    match cib_model::validate::validate(document, schema).first() {
        None => Ok(()),
        Some(finding) => Err(CibError::Schema(finding.to_string())),
    }
}

/// The patch between two documents whose versions are given.
pub(super) fn versioned(old: &Document, new: &Document) -> Option<Patch> {
    let mut patch = Patch::between(old, new, AttributeOrder::Significant)?;
    patch.versions = Some(patch::Versions {
        source: Some(CibVersion::of(old.root(), 1)),
        target: Some(CibVersion::of(new.root(), 1)),
    });
    Some(patch)
}
