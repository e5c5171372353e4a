//! Texts of results, execution states, dates and durations (spec 41 §11).

use cib_model::DateTime;

/// Text of an agent's exit code.
pub fn result_text(rc: i32) -> &'static str {
    match rc {
        0 => "OK",
        1 | 255 => "Error occurred",
        2 => "Invalid parameter",
        3 => "Unimplemented",
        4 | 77 => "Insufficient privileges",
        5 => "Not installed",
        6 => "Not configured",
        7 => "Not running",
        8 => "Promoted",
        9 => "Failed in promoted role",
        64 => "Incorrect usage",
        65 => "Invalid data given",
        66 => "Input file not available",
        67 => "User does not exist",
        68 => "Host does not exist",
        69 => "Necessary service unavailable",
        70 => "Internal software bug",
        71 => "Operating system error occurred",
        72 => "System file not available",
        73 => "Cannot create output file",
        74 => "I/O error occurred",
        75 => "Temporary failure, try again",
        76 => "Protocol violated",
        78 => "Invalid configuration",
        100 => "Fatal error occurred, will not respawn",
        101 => "System panic required",
        102 => "Not connected",
        103 => "Update was older than existing configuration",
        104 => "Digest mismatch",
        105 => "No such object",
        106 => "Quorum required",
        107 => "Operation not safe",
        108 => "Requested item already exists",
        109 => "Multiple items match request",
        110 => "Requested item has expired",
        111 => "Requested item is not yet in effect",
        112 => "Could not determine status",
        113 => "Not applicable under current conditions",
        114 => "DC is not yet elected",
        124 => "Timeout occurred",
        190 => "Service is active but might fail soon",
        191 => "Service is promoted but might fail soon",
        193 => "No exit status available",
        129..=254 => "Interrupted by signal",
        _ => "Unknown exit status",
    }
}

/// Text of an execution status.
pub fn execution_text(status: i32) -> &'static str {
    match status {
        -1 => "Pending",
        0 => "Done",
        1 => "Cancelled",
        2 => "Timed out",
        3 => "Unsupported",
        4 => "Error",
        5 => "Hard error",
        6 => "Fatal error",
        7 => "Not installed",
        8 => "Internal communication failure",
        9 => "Cannot execute now",
        10 => "No fence device",
        11 => "CIB secrets unavailable",
        _ => "Unrecognized status (bug?)",
    }
}

/// `Www Mmm dd hh:mm:ss yyyy`, in the zone of `now`.
pub fn date(epoch: i64, now: DateTime) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let at = DateTime::from_epoch(epoch, now.offset());
    let day = DAYS[(at.iso_week().weekday - 1).rem_euclid(7) as usize];
    let month = MONTHS[(at.month() - 1).rem_euclid(12) as usize];
    format!(
        "{day} {month} {:>2} {:02}:{:02}:{:02} {}",
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.year()
    )
}

/// A duration in ms as `1d2h3m4.005s`, `250ms`, `0s`.
pub fn duration_text(ms: u64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    let (hours, rest) = (rest / 3_600_000, rest % 3_600_000);
    let (minutes, rest) = (rest / 60_000, rest % 60_000);
    for (count, unit) in [(days, 'd'), (hours, 'h'), (minutes, 'm')] {
        if count > 0 {
            out.push_str(&format!("{count}{unit}"));
        }
    }
    let (seconds, millis) = (rest / 1000, rest % 1000);
    match (seconds, millis) {
        (0, 0) => {}
        (0, ms) => out.push_str(&format!("{ms}ms")),
        (s, 0) => out.push_str(&format!("{s}s")),
        (s, ms) => out.push_str(&format!("{s}.{ms:03}s")),
    }
    out
}
