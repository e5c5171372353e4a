//! Lines of the score report (spec 20 §9).

use cib_model::Score;

/// One line of the score report (spec 20 §9), in order of emission.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ScoreLine {
    /// `STAGE: RSC allocation score on NODE: SCORE`.
    Allocation {
        /// Which table.
        stage: AssignStage,
        /// Whose.
        resource: Box<str>,
        /// Where.
        node: Box<str>,
        /// How much.
        #[serde(serialize_with = "score_text")]
        score: Score,
    },
    /// `RSC promotion score on NODE: SCORE`.
    Promotion {
        /// Whose.
        resource: Box<str>,
        /// Where; none: inactive.
        node: Option<Box<str>>,
        /// How much.
        #[serde(serialize_with = "score_text")]
        score: Score,
    },
    /// `Original:`/`Remaining: NODE capacity: ...`.
    Capacity {
        /// `Original` or `Remaining`.
        comment: &'static str,
        /// Which node.
        node: Box<str>,
        /// Values.
        values: Vec<(String, String)>,
    },
    /// `pcmk__assign_resource: RSC utilization on NODE: ...`.
    Utilization {
        /// Whose.
        resource: Box<str>,
        /// Where.
        node: Box<str>,
        /// Values.
        values: Vec<(String, String)>,
    },
}

/// A score as people write it, infinities included.
fn score_text<S: serde::Serializer>(score: &Score, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(score)
}

/// Stage of a score line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AssignStage {
    /// A primitive was placed.
    Primitive,
    /// A group was placed.
    Group,
    /// A clone was placed.
    Clone,
    /// A bundle was placed.
    Bundle,
}

impl AssignStage {
    /// The literal prefix of score lines.
    pub fn function(self) -> &'static str {
        match self {
            AssignStage::Primitive => "pcmk__primitive_assign",
            AssignStage::Group => "pcmk__group_assign",
            AssignStage::Clone => "pcmk__clone_assign",
            AssignStage::Bundle => "pcmk__bundle_assign",
        }
    }
}
