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
        let mut found = Sections::default();
        let mut several = Vec::new();
        for element in document.root().descendants() {
            let Some(slot) = found.slot(element.name()) else { continue };
            if slot.replace(element).is_some() {
                several.push(element.name());
            }
        }
        for name in several {
            if let Some(slot) = found.slot(name) {
                *slot = None;
            }
        }
        found
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<Element<'d>>> {
        Some(match name {
            "crm_config" => &mut self.crm_config,
            "nodes" => &mut self.nodes,
            "resources" => &mut self.resources,
            "constraints" => &mut self.constraints,
            "status" => &mut self.status,
            "rsc_defaults" => &mut self.rsc_defaults,
            "op_defaults" => &mut self.op_defaults,
            "tags" => &mut self.tags,
            "fencing-topology" => &mut self.fencing_topology,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Sections;
    use cib_model::Document;

    #[test]
    fn a_section_that_exists_twice_counts_as_absent() {
        let text = "<cib><nodes/><a><tags/><nodes/></a><nodes/></cib>";
        let document = Document::parse(text).unwrap();
        let found = Sections::find(&document);
        assert!(found.tags.is_some() && found.nodes.is_none() && found.status.is_none());
    }
}
