//! The walk from the schema a document claims to a newer one (spec 50 §5.3, 40 §2.5).

use super::{Schema, SchemaSet, to_2_0, to_3_0, to_4_0};
use crate::document::Document;
use crate::validate::conforming;

/// What tools print on standard error when a document claims `none`.
pub const VALIDATION_DISABLED: &str = "Schema validation of configuration is disabled (support for \
     validate-with set to \"none\" is deprecated and will be removed in a future release)";

/// What an upgrade did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeReport {
    /// The schema the document claimed.
    pub from: Schema,
    /// The schema it claims now.
    pub to: Schema,
    /// Whether content changed, and not only the claim.
    pub transformed: bool,
    /// What was dropped or rewritten in a way an administrator should know, one sentence each.
    pub notes: Vec<String>,
}

impl UpgradeReport {
    /// The warning that goes with the document's claim, if there is one: [`VALIDATION_DISABLED`].
    pub fn warning(&self) -> Option<&'static str> {
        (self.to == Schema::None).then_some(VALIDATION_DISABLED)
    }
}

/// Why a document cannot be brought to an acceptable schema. All of them end a tool with exit 78.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// `validate-with` is missing, or names no schema. Tools print nothing for this one.
    #[error(
        "the configuration claims {}: validate-with must be pacemaker-1.0 to {newest} or none",
        claim.as_ref().map_or("no schema".to_owned(), |claim| format!("the unknown schema {claim:?}")),
        newest = Schema::NEWEST
    )]
    UnknownSchema {
        /// The claim.
        claim: Option<String>,
    },
    /// The document conforms neither to the schema it claims nor to a newer one.
    #[error(
        "Cannot upgrade configuration (claiming {claim} schema) to at least {required} because it \
         does not validate with any schema from {claim} to the latest"
    )]
    Invalid {
        /// The claim.
        claim: Schema,
        /// The schema that was to be reached.
        required: Schema,
    },
    /// The document conforms to `reached`, but cannot be brought beyond.
    #[error(
        "Cannot upgrade configuration (claiming {claim} schema) to at least {required} because it \
         would not upgrade past {reached}"
    )]
    Stuck {
        /// The claim.
        claim: Schema,
        /// The schema that was to be reached.
        required: Schema,
        /// The newest schema reached.
        reached: Schema,
    },
}

impl UpgradeError {
    /// Whether tools print this error; an unknown claim fails silently.
    pub fn is_printed(&self) -> bool {
        !matches!(self, UpgradeError::UnknownSchema { .. })
    }
}

/// Why the walk of [`upgrade_to`] did not end at its maximum.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// The document does not conform to any schema from its claim on.
    #[error("the configuration does not conform to its schema or a newer one")]
    Validation,
    /// Converted to the successor of this schema, the document would not conform.
    #[error("the configuration cannot be converted from {0} to its successor")]
    Transform(Schema),
}

/// What [`upgrade_to`] did, and what stopped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// What was done.
    pub report: UpgradeReport,
    /// The newest schema the document conforms to on the way; none if it conforms to none.
    pub best: Option<Schema>,
    /// Why the walk stopped short.
    pub error: Option<WalkError>,
}

/// The schema a document claims in `validate-with`.
pub fn claimed(document: &Document) -> Result<Schema, UpgradeError> {
    let claim = document.root().attribute("validate-with");
    claim
        .and_then(|claim| claim.parse().ok())
        .ok_or_else(|| UpgradeError::UnknownSchema { claim: claim.map(str::to_owned) })
}

/// Makes a document acceptable to the scheduler: brings it to at least the first schema of the
/// newest major series.
///
/// A document already there, or claiming `none`, stays as it is. Version numbers of the CIB are not
/// touched. On error the document is unchanged.
pub fn upgrade(document: &mut Document) -> Result<UpgradeReport, UpgradeError> {
    let claim = claimed(document)?;
    let required = Schema::OLDEST_ACCEPTED;
    if claim >= required {
        return Ok(UpgradeReport { from: claim, to: claim, transformed: false, notes: Vec::new() });
    }
    // A document that conforms all the way needs no copy: only its claim changes.
    let way = SchemaSet::between(claim, Schema::NEWEST);
    if way.without(conforming(document)).is_empty() {
        document.set_attribute(document.root_id(), "validate-with", Schema::NEWEST.name());
        let (from, to) = (claim, Schema::NEWEST);
        return Ok(UpgradeReport { from, to, transformed: false, notes: Vec::new() });
    }
    let mut copy = document.clone();
    let walk = upgrade_to(&mut copy, Schema::NEWEST, true)?;
    match walk.best {
        None => Err(UpgradeError::Invalid { claim, required }),
        Some(reached) if reached < required => {
            Err(UpgradeError::Stuck { claim, required, reached })
        }
        Some(_) => {
            *document = copy;
            Ok(walk.report)
        }
    }
}

/// Walks a document from the schema it claims towards `max`, schema by schema, as a pure relabelling
/// wherever it already conforms to the next, and through a conversion only where it does not and
/// `transforms` allows it. The document claims the newest schema reached afterwards.
pub fn upgrade_to(
    document: &mut Document,
    max: Schema,
    transforms: bool,
) -> Result<Walk, UpgradeError> {
    let from = claimed(document)?;
    let max = max.min(Schema::NEWEST);
    let mut walk = Walk {
        report: UpgradeReport { from, to: from, transformed: false, notes: Vec::new() },
        best: None,
        error: None,
    };
    if from >= max {
        walk.best = Some(from);
        return Ok(walk);
    }
    let mut good = conforming(document);
    for schema in SchemaSet::between(from, max).iter() {
        if !good.contains(schema) {
            if walk.best.is_some() {
                break;
            }
            walk.error = Some(WalkError::Validation);
            continue;
        }
        walk.best = Some(schema);
        walk.error = None;
        let Some(next) = schema.successor().filter(|_| schema < max) else { break };
        let Some(convert) = conversion_to(next).filter(|_| transforms) else { continue };
        if good.contains(next) {
            continue;
        }
        let mut copy = document.clone();
        let mut notes = Vec::new();
        let converted = convert(&mut copy, &mut notes).is_ok();
        let conforms_now = conforming(&copy);
        if converted && conforms_now.contains(next) {
            *document = copy;
            good = conforms_now;
            walk.report.transformed = true;
            walk.report.notes.append(&mut notes);
        } else {
            walk.error = Some(WalkError::Transform(schema));
        }
    }
    if let Some(best) = walk.best.filter(|&best| best > from) {
        document.set_attribute(document.root_id(), "validate-with", best.name());
        walk.report.to = best;
    }
    Ok(walk)
}

/// The document would outgrow all bounds if its references were expanded.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

type Conversion = fn(&mut Document, &mut Vec<String>) -> Result<(), TooLarge>;

/// The conversion that leads to `schema`, for the three that changed what older ones accept.
fn conversion_to(schema: Schema) -> Option<Conversion> {
    match schema {
        Schema::V2_0 => Some(to_2_0::convert),
        Schema::V3_0 => Some(to_3_0::convert),
        Schema::V4_0 => Some(to_4_0::convert),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claiming(claim: &str, resources: &str) -> Document {
        Document::parse(&format!(
            "<cib {claim} admin_epoch='0' epoch='7' num_updates='3'><configuration><crm_config/>\
             <nodes/><resources>{resources}</resources><constraints/></configuration></cib>"
        ))
        .unwrap()
    }

    const PLAIN: &str = "<primitive id='A' class='lsb' type='x'/>";
    const MASTER: &str = "<master id='M'><primitive id='A' class='lsb' type='x'/></master>";
    const WRONG: &str = "<cookie/>";

    #[test]
    fn documents_become_acceptable_or_say_why_not() {
        let cases = [
            ("validate-with='pacemaker-1.0'", PLAIN, Ok((Schema::V4_0, false))),
            ("validate-with='pacemaker-4.0'", WRONG, Ok((Schema::V4_0, false))),
            ("validate-with='none'", WRONG, Ok((Schema::None, false))),
            ("validate-with='pacemaker-2.10'", MASTER, Ok((Schema::V4_0, true))),
            (
                "validate-with='pacemaker-3.1'",
                WRONG,
                Err("Cannot upgrade configuration (claiming pacemaker-3.1 schema) to at least \
                     pacemaker-4.0 because it does not validate with any schema from \
                     pacemaker-3.1 to the latest"),
            ),
            (
                "",
                PLAIN,
                Err("the configuration claims no schema: validate-with must be pacemaker-1.0 to \
                     pacemaker-4.0 or none"),
            ),
            (
                "validate-with='pacemaker-9'",
                PLAIN,
                Err("the configuration claims the unknown schema \"pacemaker-9\": validate-with \
                     must be pacemaker-1.0 to pacemaker-4.0 or none"),
            ),
        ];
        for (claim, resources, expected) in cases {
            let mut document = claiming(claim, resources);
            let before = document.to_xml();
            let result = upgrade(&mut document);
            match expected {
                Ok((to, transformed)) => {
                    let report = result.unwrap();
                    assert_eq!((report.to, report.transformed), (to, transformed), "{claim}");
                    assert_eq!(document.root().attribute("validate-with"), Some(to.name()));
                    assert_eq!(document.root().attribute("epoch"), Some("7"));
                }
                Err(text) => {
                    assert_eq!(result.unwrap_err().to_string(), text);
                    assert_eq!(document.to_xml(), before, "unchanged on error");
                }
            }
        }
    }

    #[test]
    fn the_walk_stops_where_a_document_conforms_no_more() {
        // `requires` is gone in 3.0, but the conversion to it brings the document along.
        let required = "<primitive id='A' class='lsb' type='x'><operations><op id='o' name='start' \
                        interval='0' requires='quorum'/></operations></primitive>";
        let mut document = claiming("validate-with='pacemaker-1.2'", required);
        let walk = upgrade_to(&mut document, Schema::NEWEST, false).unwrap();
        assert_eq!((walk.best, walk.error), (Some(Schema::V2_10), None));
        let walk = upgrade_to(&mut document, Schema::V3_4, true).unwrap();
        assert_eq!((walk.best, walk.report.transformed), (Some(Schema::V3_4), true));
        let walk = upgrade_to(&mut document, Schema::V3_0, true).unwrap();
        assert_eq!((walk.best, walk.report.to), (Some(Schema::V3_4), Schema::V3_4));
        // A document that conforms from a later schema on only is relabelled all the same.
        let podman = "<bundle id='B'><podman image='i'/></bundle>";
        let mut document = claiming("validate-with='pacemaker-2.0'", podman);
        let walk = upgrade_to(&mut document, Schema::V3_1, true).unwrap();
        assert_eq!((walk.best, walk.error), (None, Some(WalkError::Validation)));
        assert_eq!(upgrade(&mut document).unwrap().to, Schema::V4_0);
    }

    #[test]
    fn a_conversion_that_does_not_conform_is_not_kept() {
        // An id that the conversion makes is taken.
        let taken = "<master id='M'><primitive id='A' class='lsb' type='x'/></master><primitive \
                     id='pcmk__3_10_upgrade-promotable-legacy-M-meta_attributes' class='lsb' type='x'/>";
        let mut document = claiming("validate-with='pacemaker-3.10'", taken);
        assert_eq!(
            upgrade(&mut document).unwrap_err().to_string(),
            "Cannot upgrade configuration (claiming pacemaker-3.10 schema) to at least \
             pacemaker-4.0 because it would not upgrade past pacemaker-3.10"
        );
        let walk = upgrade_to(&mut document, Schema::NEWEST, true).unwrap();
        assert_eq!(walk.error, Some(WalkError::Transform(Schema::V3_10)));
    }

    #[test]
    fn the_first_acl_syntax_is_converted() {
        let acls = "</resources><constraints/><acls><acl_user id='u'><role_ref id='ro'/></acl_user>\
            <acl_user id='v'><read id='a' xpath='/cib' attribute='x'/><deny id='b' ref='A' tag='t'/>\
            <write id='c' tag='node' attribute='y'/></acl_user><acl_role id='ro'/></acls></configuration>\
            </cib>";
        let text = claiming("validate-with='pacemaker-1.3'", PLAIN).to_xml();
        let (head, _) = text.split_once("</resources>").unwrap();
        let mut document = Document::parse(&format!("{head}{acls}")).unwrap();
        upgrade(&mut document).unwrap();
        let acls = document.root().child("configuration").unwrap().child("acls").unwrap();
        assert_eq!(
            acls.to_xml_compact().replace('"', "'"),
            "<acls><acl_target id='u'><role id='ro'/></acl_target>\
             <acl_target id='v'><role id='auto-v'/></acl_target><acl_role id='auto-v'>\
             <acl_permission id='a' kind='read' xpath='/cib[@x]'/>\
             <acl_permission id='b' kind='deny' reference='A'/>\
             <acl_permission id='c' kind='write' object-type='node' attribute='y'/></acl_role>\
             <acl_role id='ro'/></acls>"
        );
    }
}
