//! The sections of a CIB that scheduling reads, found in one walk (spec 10 §0.1).

use cib_model::{Document, Element};

/// Each the **only** element of its name anywhere in the document; none or several: absent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sections<'d> {
    pub crm_config: Option<Element<'d>>,
    pub nodes: Option<Element<'d>>,
    pub resources: Option<Element<'d>>,
    pub constraints: Option<Element<'d>>,
    pub status: Option<Element<'d>>,
    pub rsc_defaults: Option<Element<'d>>,
    pub op_defaults: Option<Element<'d>>,
    pub tags: Option<Element<'d>>,
    pub fencing_topology: Option<Element<'d>>,
}

impl<'d> Sections<'d> {
    /// Walks the document once.
    pub fn find(document: &'d Document) -> Sections<'d> {
        const NAMES: [&str; 9] = [
            "crm_config",
            "nodes",
            "resources",
            "constraints",
            "status",
            "rsc_defaults",
            "op_defaults",
            "tags",
            "fencing-topology",
        ];
        let mut found: [(Option<Element<'d>>, bool); 9] = [(None, false); 9];
        for element in document.root().descendants() {
            if let Some(slot) = NAMES.iter().position(|n| *n == element.name()) {
                found[slot] = (Some(element), found[slot].0.is_some());
            }
        }
        let [a, b, c, d, e, f, g, h, i] = found.map(|(e, several)| if several { None } else { e });
        Sections {
            crm_config: a,
            nodes: b,
            resources: c,
            constraints: d,
            status: e,
            rsc_defaults: f,
            op_defaults: g,
            tags: h,
            fencing_topology: i,
        }
    }
}
