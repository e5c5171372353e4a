//! Operation specifications: `RESOURCE_TASK_INTERVALMS@NODE=RC` (spec 40 §4.5).

/// An operation key taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationKey<'t> {
    /// Resource name.
    pub resource: &'t str,
    /// Task; notify and migration tasks keep their underscores.
    pub task: &'t str,
    /// Interval in ms.
    pub interval_ms: u64,
}

impl<'t> OperationKey<'t> {
    /// Splits `RSC_TASK_INTERVAL`.
    pub fn parse(key: &'t str) -> Option<OperationKey<'t>> {
        const NOTIFY: [&str; 4] =
            ["_confirmed-pre_notify", "_confirmed-post_notify", "_pre_notify", "_post_notify"];
        let (front, interval) = key.rsplit_once('_')?;
        let interval_ms = interval.parse().ok()?;
        let mut resource = ["_migrate_to", "_migrate_from"]
            .into_iter()
            .find_map(|end| front.strip_suffix(end))
            .or_else(|| front.rsplit_once('_').map(|(resource, _)| resource))?;
        for end in NOTIFY {
            if let Some(shorter) = resource.strip_suffix(end) {
                resource = shorter;
                break;
            }
        }
        let task = front.get(resource.len() + 1..)?;
        (!resource.is_empty() && !task.is_empty()).then_some(OperationKey {
            resource,
            task,
            interval_ms,
        })
    }
}

/// An injected result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationSpec {
    /// As typed.
    pub text: String,
    /// Resource name as typed.
    pub resource: String,
    /// Task.
    pub task: String,
    /// Interval in ms.
    pub interval_ms: u64,
    /// Node.
    pub node: String,
    /// Exit code.
    pub rc: i32,
}

/// Why a text is no operation specification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid operation spec: {text}.  Only found {fields} fields")]
pub struct OperationSpecError {
    /// As typed.
    pub text: String,
    /// How many of the three fields were found.
    pub fields: u8,
}

impl OperationSpec {
    /// Reads a specification.
    pub fn parse(text: &str) -> Result<OperationSpec, OperationSpecError> {
        let error = |fields| OperationSpecError { text: text.to_owned(), fields };
        let (key, rest) = text.split_once('@').ok_or_else(|| error(u8::from(!text.is_empty())))?;
        let (node, rc) = rest.split_once('=').ok_or_else(|| error(2))?;
        let rc = rc.parse().map_err(|_| error(2))?;
        let key = OperationKey::parse(key).ok_or_else(|| error(0))?;
        Ok(OperationSpec {
            text: text.to_owned(),
            resource: key.resource.to_owned(),
            task: key.task.to_owned(),
            interval_ms: key.interval_ms,
            node: node.to_owned(),
            rc,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_underscores_in_every_part() {
        let cases = [
            ("a_b_start_0", ("a_b", "start", 0)),
            ("a_migrate_to_0", ("a", "migrate_to", 0)),
            ("a_b:1_post_notify_start_0", ("a_b:1", "post_notify_start", 0)),
            ("a_confirmed-pre_notify_stop_0", ("a", "confirmed-pre_notify_stop", 0)),
            ("p_monitor_10000", ("p", "monitor", 10_000)),
        ];
        for (text, (resource, task, interval_ms)) in cases {
            let want = OperationKey { resource, task, interval_ms };
            assert_eq!(OperationKey::parse(text), Some(want), "{text}");
        }
        for text in ["", "a", "a_0", "_start_0", "a_start_x"] {
            assert_eq!(OperationKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn specs_say_what_is_missing() {
        let spec = OperationSpec::parse("memcached:0_monitor_20000@n1=7").unwrap();
        assert_eq!((spec.resource.as_str(), spec.node.as_str(), spec.rc), ("memcached:0", "n1", 7));
        assert_eq!(
            OperationSpec::parse("r_start_0@n1").unwrap_err().to_string(),
            "Invalid operation spec: r_start_0@n1.  Only found 2 fields"
        );
    }
}
