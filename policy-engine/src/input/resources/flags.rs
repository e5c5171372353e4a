//! Facts and numbers of a resource that follow from its meta-attributes (spec 10 §9.3 to §9.6).

use super::{requires, standard};
use crate::input::generate::connection::is_connection;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::ResourceId;
use crate::model::resource::{MultipleActive, Resource};
use cib_model::Score;
use cib_model::scalar::{is_true, parse_boolean, parse_integer, parse_interval_ms};

/// Sets what is known before the variant is unpacked.
pub(super) fn set(cluster: &mut Cluster<'_>, id: ResourceId, variant: &str) {
    set_facts(cluster, id, variant);
    set_numbers(cluster, id);
    if cluster.resource(id).flags.fence_device {
        cluster.fence_device_exists = true;
    }
    requires::set(cluster, id);
    set_timeouts(cluster, id);
}

fn set_facts(cluster: &mut Cluster<'_>, id: ResourceId, variant: &str) {
    let element = cluster.definitions[cluster.resource(id).definition.index()].element;
    let in_clone = is_in_clone(cluster, id);
    let maintenance_mode = cluster.options.maintenance_mode;
    let r = cluster.resource(id);
    let truth = |name: &str| is_true(r.meta(name));
    let mut flags = r.flags;
    flags.managed = match r.meta("is-managed") {
        Some(text) if !text.eq_ignore_ascii_case("default") => is_true(Some(text)),
        _ => true,
    };
    if truth("maintenance") || maintenance_mode {
        flags.managed = false;
        flags.maintenance = true;
    }
    flags.critical = r.meta("critical").is_none_or(|text| is_true(Some(text)));
    flags.notify = truth("notify");
    flags.remote_connection = variant != "template" && is_connection(element);
    flags.migratable = match r.meta("allow-migrate") {
        Some(text) => is_true(Some(text)),
        None => flags.remote_connection && r.meta("container").is_none(),
    };
    flags.fence_device = standard::is_fence_device(r.class);
    flags.unique = match variant {
        "clone" => clone_is_unique(r),
        _ => !in_clone || truth("globally-unique"),
    };
    flags.promotable = (variant == "clone" || in_clone) && truth("promotable");
    cluster.resource_mut(id).flags = flags;
}

/// `globally-unique` if set, else whether several instances per node are asked for.
fn clone_is_unique(r: &Resource<'_>) -> bool {
    match r.meta("globally-unique") {
        Some(text) => is_true(Some(text)),
        None => r.meta("clone-node-max").and_then(parse_integer).is_some_and(|n| n > 1),
    }
}

/// Is any ancestor a clone?
pub(super) fn is_in_clone(cluster: &Cluster<'_>, id: ResourceId) -> bool {
    let mut next = cluster.resource(id).parent;
    while let Some(ancestor) = next {
        if cluster.resource(ancestor).is_clone() {
            return true;
        }
        next = cluster.resource(ancestor).parent;
    }
    false
}

fn set_numbers(cluster: &mut Cluster<'_>, id: ResourceId) {
    let r = cluster.resource(id);
    let mut complaints = Vec::new();
    let score = |text: Option<&str>| text.map(|t| cluster.parse_score(t));
    let priority = match score(r.meta("priority")) {
        Some(None) => {
            complaints
                .push(format!("Using default of 0 for priority of {}, which is invalid", r.id));
            Score::ZERO
        }
        other => other.flatten().unwrap_or(Score::ZERO),
    };
    let is_default = |text: &str| text.eq_ignore_ascii_case("default");
    let stickiness = score(r.meta("resource-stickiness").filter(|t| !is_default(t)));
    if stickiness == Some(None) {
        complaints.push(format!("Using default of 0 for stickiness of {}, which is invalid", r.id));
    }
    let threshold = match r.meta("migration-threshold").filter(|t| !is_default(t)) {
        None => Score::INFINITY,
        Some(text) => match cluster.parse_score(text).filter(|s| *s >= Score::ZERO) {
            Some(score) => score,
            None => {
                complaints
                    .push(format!("Invalid value '{text}' for migration-threshold of {}", r.id));
                Score::INFINITY
            }
        },
    };
    let multiple_active = match r.meta("multiple-active") {
        None => MultipleActive::StopStart,
        Some(text) => multiple_active(text).unwrap_or_else(|| {
            complaints
                .push(format!("'{text}' is not a valid value for multiple-active of {}", r.id));
            MultipleActive::StopStart
        }),
    };
    let r = cluster.resource_mut(id);
    r.priority = priority;
    r.stickiness = stickiness.flatten().unwrap_or(Score::ZERO);
    r.migration_threshold = threshold;
    r.multiple_active = multiple_active;
    for text in complaints {
        cluster.message(Level::Warning, text);
    }
}

fn multiple_active(text: &str) -> Option<MultipleActive> {
    [
        ("block", MultipleActive::Block),
        ("stop_only", MultipleActive::StopOnly),
        ("stop_start", MultipleActive::StopStart),
        ("stop_unexpected", MultipleActive::StopUnexpected),
    ]
    .into_iter()
    .find_map(|(name, policy)| text.eq_ignore_ascii_case(name).then_some(policy))
}

fn set_timeouts(cluster: &mut Cluster<'_>, id: ResourceId) {
    let r = cluster.resource(id);
    let mut failure_timeout = 0;
    if let Some(text) = r.meta("failure-timeout") {
        match parse_interval_ms(text) {
            Ok(ms) => failure_timeout = ms,
            Err(error) => {
                let text = format!("failure-timeout of {}: {error}", r.id);
                cluster.message(Level::Error, text);
            }
        }
    }
    let r = cluster.resource(id);
    let remote = r.flags.remote_connection && r.meta("container").is_none();
    let mut reconnect = 0;
    if remote && let Some(text) = cluster.parameters(id, None).get("reconnect_interval") {
        reconnect = parse_interval_ms(text).unwrap_or(0);
        failure_timeout = reconnect;
    }
    let r = cluster.resource_mut(id);
    r.failure_timeout_ms = failure_timeout;
    r.reconnect_interval_ms = reconnect;
}

/// A boolean that is on unless it is valid and off.
pub(super) fn unless_false(text: Option<&str>) -> bool {
    text.and_then(parse_boolean).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};

    #[test]
    fn meta_attributes_become_facts() {
        let cases = [
            (
                "is-managed",
                "false",
                "managed=false maintenance=false critical=true threshold=1000000",
            ),
            (
                "is-managed",
                "default",
                "managed=true maintenance=false critical=true threshold=1000000",
            ),
            (
                "is-managed",
                "junk",
                "managed=false maintenance=false critical=true threshold=1000000",
            ),
            (
                "maintenance",
                "yes",
                "managed=false maintenance=true critical=true threshold=1000000",
            ),
            ("critical", "junk", "managed=true maintenance=false critical=false threshold=1000000"),
            (
                "migration-threshold",
                "0",
                "managed=true maintenance=false critical=true threshold=0",
            ),
            (
                "migration-threshold",
                "-3",
                "managed=true maintenance=false critical=true threshold=1000000",
            ),
        ];
        for (name, value, expected) in cases {
            let resources = format!(
                "<primitive id='p' class='ocf' provider='x' type='y'><meta_attributes id='m'>
                 <nvpair id='a' name='{name}' value='{value}'/></meta_attributes></primitive>"
            );
            fixture::with(&cib("", "", "", &resources, "", ""), |c| {
                let r = c.resource(c.find_resource("p").unwrap());
                let f = r.flags;
                let seen = format!(
                    "managed={} maintenance={} critical={} threshold={}",
                    f.managed,
                    f.maintenance,
                    f.critical,
                    r.migration_threshold.value()
                );
                assert_eq!(seen, expected, "{name}={value}");
            });
        }
    }
}
