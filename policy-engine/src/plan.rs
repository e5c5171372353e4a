//! The plan: what a scheduling run decided, independent of the input it came from.

use crate::explain::{ExplainError, Explanation, Record};
use crate::model::cluster::{Level, Message, Switches};
use crate::model::score_line::ScoreLine;
use crate::report::summary::Summary;
use crate::schedule::{schedule, unpack};
use crate::transition::Transition;
use cib_model::{DateTime, Document};

/// What a plan shall contain besides the transition.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Number of the transition; a controller counts, a single run uses 1.
    pub transition_id: u32,
    /// Collect allocation and promotion scores.
    pub scores: bool,
    /// Collect utilization lines.
    pub utilization: bool,
    /// Draw the transition as DOT.
    pub dot: bool,
    /// Private parameters of the input may be masked (as in reports): changes that masking could explain
    /// do not count (spec 11 §12.3).
    pub sanitized: bool,
    /// Record what decides, for [`Plan::explain`].
    pub explain: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            transition_id: 1,
            scores: false,
            utilization: false,
            dot: false,
            sanitized: false,
            explain: false,
        }
    }
}

/// What a run decided.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What has to be done, in which order.
    pub transition: Transition,
    /// The same for people, resource by resource.
    pub summary: Summary,
    /// Score and utilization lines in order of emission, as far as asked for.
    pub scores: Vec<ScoreLine>,
    /// Configuration and processing errors, warnings and notices, in order.
    pub messages: Vec<Message>,
    /// Epoch seconds at which the result may change by itself: plan again by then.
    pub recheck_by: Option<i64>,
    /// The transition as DOT, if asked for.
    pub dot: Option<String>,
    /// Everything that can be explained, if asked for.
    pub record: Option<Record>,
}

impl Plan {
    /// Explains a resource, an action key (`web_start_0`, `web_monitor_10000@node1`) or an action number
    /// (`#12`); needs [`Options::explain`]. See [`explain`](crate::explain).
    pub fn explain(&self, id: &str) -> Result<Explanation, ExplainError> {
        self.record.as_ref().ok_or(ExplainError::NotRecorded)?.explain(id)
    }

    /// Was there a message of at least this level?
    pub fn worst(&self) -> Option<Level> {
        self.messages.iter().map(|m| m.level).max()
    }
}

/// Plans what a cluster has to do.
///
/// Pure: the same document, time and options give the same plan, byte for byte; nothing is read but the
/// arguments. `document` is a CIB of the current schema series (see
/// [`cib_model::schema::upgrade`](cib_model::schema)); what cannot be used of it is skipped with a message
/// in [`Plan::messages`], never with a panic. `now` decides rules, expiries and timeouts; its offset is the
/// time zone of calendar rules.
///
/// ```
/// use cib_model::{DateTime, Document};
/// use policy_engine::{Options, plan};
///
/// let cib = Document::parse(r#"<cib validate-with="pacemaker-4.0" have-quorum="1" dc-uuid="1">
///   <configuration>
///     <crm_config><cluster_property_set id="o">
///       <nvpair id="o1" name="fencing-enabled" value="false"/>
///     </cluster_property_set></crm_config>
///     <nodes><node id="1" uname="alpha"/></nodes>
///     <resources><primitive id="web" class="ocf" provider="pacemaker" type="Dummy"/></resources>
///     <constraints/>
///   </configuration>
///   <status><node_state id="1" uname="alpha" in_ccm="true" crmd="online" join="member" expected="member"/></status>
/// </cib>"#)?;
/// let plan = plan(&cib, DateTime::from_epoch(1_790_000_000, 0), &Options::default());
/// let line = &plan.summary.resources[0];
/// assert_eq!((line.verb, line.resource.as_str()), ("Start", "web"));
/// assert_eq!(line.destination.as_deref(), Some("alpha"));
/// # Ok::<(), cib_model::ParseError>(())
/// ```
pub fn plan(document: &Document, now: DateTime, options: &Options) -> Plan {
    let generated = crate::input::generate(document);
    let switches = Switches {
        sanitized: options.sanitized,
        scores: options.scores,
        utilization: options.utilization,
        trace: options.explain,
    };
    let mut cluster = unpack(document, &generated, now, switches);
    let transition = schedule(&mut cluster, options.transition_id);
    let summary = Summary::of(&cluster);
    let record = options.explain.then(|| Record::of(&cluster));
    let dot = options.dot.then(|| crate::graph::dot(&cluster, false, false));
    Plan {
        transition,
        summary,
        scores: cluster.score_lines,
        messages: cluster.messages,
        recheck_by: cluster.recheck_by,
        dot,
        record,
    }
}
