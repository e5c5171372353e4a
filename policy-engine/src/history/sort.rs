//! Which of two remembered results is older (spec 11 §5.1).

use super::entry::{Entry, TransitionKey};
use crate::model::merge_sort::merge_sort;
use std::cmp::Ordering;

/// Entries of one `lrm_resource`, oldest first.
pub fn sorted<'d>(entries: &[Entry<'d>]) -> Vec<Entry<'d>> {
    let mut order: Vec<&Entry<'d>> = entries.iter().rev().collect();
    merge_sort(&mut order, &mut |a, b| compare(a, b));
    order.into_iter().copied().collect()
}

/// `Less` when `a` is older than `b`. Not transitive in the presence of duplicates and pending
/// entries.
pub fn compare(a: &Entry<'_>, b: &Entry<'_>) -> Ordering {
    let same_node = match (a.on_node, b.on_node) {
        (None, None) => true,
        (Some(x), Some(y)) => x.eq_ignore_ascii_case(y),
        _ => false,
    };
    if same_node && a.id == b.id {
        return Ordering::Equal;
    }
    if a.call_id == -1 && b.call_id == -1 {
        return Ordering::Equal;
    }
    if same_node && let Some(decided) = later_number(a.call_id, b.call_id) {
        return decided;
    }
    if a.call_id >= 0 && b.call_id >= 0 {
        let time = |e: &Entry<'_>| e.last_change.unwrap_or(-1);
        return later_number(time(a), time(b)).unwrap_or(Ordering::Equal);
    }
    compare_pending(a, b)
}

/// Compares two numbers of which negative ones do not count.
fn later_number(a: i64, b: i64) -> Option<Ordering> {
    match () {
        _ if a >= 0 && a < b => Some(Ordering::Less),
        _ if b >= 0 && a > b => Some(Ordering::Greater),
        _ => None,
    }
}

/// One of the two is pending: their transitions decide.
fn compare_pending(a: &Entry<'_>, b: &Entry<'_>) -> Ordering {
    let key = |e: &Entry<'_>| {
        e.magic
            .and_then(TransitionKey::from_magic)
            .map(|k| (k.transition, k.uuid.to_ascii_lowercase()))
    };
    let (Some((ta, ua)), Some((tb, ub))) = (key(a), key(b)) else {
        return Ordering::Equal;
    };
    if ua != ub || ta == tb {
        return match () {
            _ if a.call_id == -1 => Ordering::Greater,
            _ if b.call_id == -1 => Ordering::Less,
            _ => Ordering::Equal,
        };
    }
    match () {
        _ if ta == -1 => Ordering::Greater,
        _ if tb == -1 => Ordering::Less,
        _ => ta.cmp(&tb),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cib_model::Document;

    fn order(ops: &str) -> Vec<String> {
        let text = format!("<lrm_resource id=\"r\">{ops}</lrm_resource>");
        let document = Document::parse(&text).unwrap();
        sorted(&Entry::all(document.root())).iter().map(|e| e.id.to_owned()).collect()
    }

    #[test]
    fn call_ids_decide_and_ties_go_against_document_order() {
        let ops = r#"<lrm_rsc_op id="a" call-id="7"/><lrm_rsc_op id="b" call-id="3"/>"#;
        assert_eq!(order(ops), ["b", "a"]);
        let ops = r#"<lrm_rsc_op id="start" call-id="3" last-rc-change="5"/>
                     <lrm_rsc_op id="stop" call-id="3" last-rc-change="5"/>"#;
        assert_eq!(order(ops), ["stop", "start"]);
        let ops = r#"<lrm_rsc_op id="a" call-id="3" last-rc-change="9"/>
                     <lrm_rsc_op id="b" call-id="3" last-rc-change="5"/>"#;
        assert_eq!(order(ops), ["b", "a"]);
    }

    #[test]
    fn a_pending_entry_is_newer_unless_its_transition_is_older() {
        let ops = |pending: &str, done: &str| {
            format!(
                r#"<lrm_rsc_op id="pending" call-id="-1" transition-magic="{pending}"/>
                   <lrm_rsc_op id="done" call-id="4" transition-magic="{done}"/>"#
            )
        };
        assert_eq!(order(&ops("-1:193;1:5:0:u", "0:0;1:4:0:u")), ["done", "pending"]);
        assert_eq!(order(&ops("-1:193;1:3:0:u", "0:0;1:4:0:u")), ["pending", "done"]);
        assert_eq!(order(&ops("-1:193;1:3:0:v", "0:0;1:4:0:u")), ["done", "pending"]);
    }
}
