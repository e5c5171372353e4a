//! Which keys are numbers, and of what size (spec 70 §13.3).

use std::fmt;

/// A typed value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Value {
    U8(u8),
    U16(u16),
    U32(u32),
    I32(i32),
    U64(u64),
    Text(String),
}

impl Value {
    /// The type as the configuration map prints it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Value::U8(_) => "u8",
            Value::U16(_) => "u16",
            Value::U32(_) => "u32",
            Value::I32(_) => "i32",
            Value::U64(_) => "u64",
            Value::Text(_) => "str",
        }
    }

    /// The number, if it is one that is not negative.
    pub fn number(&self) -> Option<u64> {
        match self {
            Value::U8(value) => Some((*value).into()),
            Value::U16(value) => Some((*value).into()),
            Value::U32(value) => Some((*value).into()),
            Value::I32(value) => u64::try_from(*value).ok(),
            Value::U64(value) => Some(*value),
            Value::Text(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::U8(value) => write!(f, "{value}"),
            Value::U16(value) => write!(f, "{value}"),
            Value::U32(value) => write!(f, "{value}"),
            Value::I32(value) => write!(f, "{value}"),
            Value::U64(value) => write!(f, "{value}"),
            Value::Text(value) => f.write_str(value),
        }
    }
}

/// A value that its key does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ValueError {
    #[error(
        "Value of key \"{key}\" is expected to be integer in range ({min}..{max}), but \"{given}\" was given"
    )]
    Range { key: String, min: i64, max: i64, given: String },
    #[error("Value of key \"{key}\" is expected to be unsigned integer, but \"{given}\" was given")]
    Unsigned { key: String, given: String },
    #[error(
        "Value of key \"{key}\" is expected to be number (0..63) or symbolical dscp value, but \"{given}\" was given"
    )]
    Dscp { key: String, given: String },
    #[error("Invalid {what}. Should be {accepted}")]
    Choice { what: &'static str, accepted: &'static str },
    #[error("{0}")]
    Word(&'static str),
}

enum Kind {
    U8,
    U16,
    U32,
    I32,
    U64,
    Dscp,
    Choice(&'static str, &'static [&'static str], &'static str),
    Word(&'static [&'static str], &'static str),
    Text,
}

const TOTEM_U32: [&str; 25] = [
    "version",
    "nodeid",
    "threads",
    "token",
    "token_coefficient",
    "token_retransmit",
    "token_warning",
    "hold",
    "token_retransmits_before_loss_const",
    "join",
    "send_join",
    "consensus",
    "merge",
    "downcheck",
    "fail_recv_const",
    "seqno_unchanged_const",
    "heartbeat_failures_allowed",
    "max_network_delay",
    "window_size",
    "max_messages",
    "miss_count_const",
    "knet_pmtud_interval",
    "knet_mtu",
    "knet_compression_threshold",
    "netmtu",
];
const INTERFACE_U32: [&str; 4] =
    ["knet_ping_interval", "knet_ping_timeout", "knet_ping_precision", "knet_pong_count"];
const QUORUM_U8: [&str; 6] = [
    "two_node",
    "expected_votes_tracking",
    "allow_downscale",
    "wait_for_all",
    "auto_tie_breaker",
    "last_man_standing",
];

fn totem(key: &str) -> Kind {
    match key {
        "ip_version" => {
            Kind::Word(&["ipv4", "ipv6", "ipv4-6", "ipv6-4"], "Invalid ip_version type")
        }
        "crypto_model" => {
            Kind::Choice("crypto model", &["nss", "openssl", "gcrypt"], "nss or openssl")
        }
        "crypto_cipher" => Kind::Choice(
            "cipher type",
            &["none", "aes256", "aes192", "aes128", "chacha20-poly1305"],
            "none, aes256, aes192, aes128 or chacha20-poly1305",
        ),
        "crypto_hash" => Kind::Choice(
            "hash type",
            &["none", "md5", "sha1", "sha256", "sha384", "sha512"],
            "none, md5, sha1, sha256, sha384 or sha512",
        ),
        "knet_compression_model" => Kind::Choice(
            "compression model",
            &["none", "zlib", "lz4", "lz4hc", "lzo2", "lzma", "bzip2", "zstd"],
            "zlib, lz4, lz4hc, lzo2, lzma, bzip2 or zstd",
        ),
        "knet_compression_level" => Kind::I32,
        "config_version" => Kind::U64,
        "ip_dscp" => Kind::Dscp,
        _ if TOTEM_U32.contains(&key) => Kind::U32,
        _ => Kind::Text,
    }
}

fn kind(section: &[&str], key: &str) -> Kind {
    match section {
        ["totem"] => totem(key),
        ["totem", "interface"] => match key {
            "linknumber" | "ringnumber" | "ttl" | "knet_link_priority" => Kind::U8,
            "mcastport" => Kind::U16,
            _ if INTERFACE_U32.contains(&key) => Kind::U32,
            _ => Kind::Text,
        },
        ["nodelist", "node"] if matches!(key, "nodeid" | "quorum_votes") => Kind::U32,
        ["quorum"] => match key {
            "expected_votes" | "votes" | "last_man_standing_window" => Kind::U32,
            _ if QUORUM_U8.contains(&key) => Kind::U8,
            _ => Kind::Text,
        },
        ["quorum", "device"] => match key {
            "timeout" | "sync_timeout" | "votes" => Kind::U32,
            "master_wins" => Kind::U8,
            _ => Kind::Text,
        },
        ["system"] => match key {
            "qb_ipc_type" => Kind::Word(&["native", "shm", "socket"], "Invalid system.qb_ipc_type"),
            "sched_rr" => Kind::Word(&["yes", "no"], "Invalid system.sched_rr value"),
            "move_to_root_cgroup" => {
                Kind::Word(&["yes", "no", "auto"], "Invalid system.move_to_root_cgroup")
            }
            "allow_knet_handle_fallback" => {
                Kind::Word(&["yes", "no"], "Invalid system.allow_knet_handle_fallback")
            }
            _ => Kind::Text,
        },
        _ => Kind::Text,
    }
}

/// Differentiated services names and their numbers.
fn dscp(word: &str) -> Option<u8> {
    if let Ok(number) = word.parse::<u8>() {
        return (number <= 63).then_some(number);
    }
    if word == "ef" {
        return Some(46);
    }
    if let Some(class) = word.strip_prefix("cs") {
        let class: u8 = class.parse().ok()?;
        return (class <= 7).then_some(class * 8);
    }
    let digits = word.strip_prefix("af")?.as_bytes();
    let [class @ b'1'..=b'4', drop @ b'1'..=b'3'] = digits else { return None };
    Some((class - b'0') * 8 + (drop - b'0') * 2)
}

/// Gives `text` the type that `key` in `section` has; `path` is the whole key for messages.
pub(super) fn typed(
    section: &[&str],
    key: &str,
    path: &str,
    text: &str,
) -> Result<Value, ValueError> {
    let range = |min: i64, max: i64| {
        text.parse::<i64>().ok().filter(|number| (min..=max).contains(number)).ok_or_else(|| {
            ValueError::Range { key: path.to_owned(), min, max, given: text.to_owned() }
        })
    };
    let value =
        match kind(section, key) {
            Kind::U8 => Value::U8(range(0, u8::MAX.into())? as u8),
            Kind::U16 => Value::U16(range(0, u16::MAX.into())? as u16),
            Kind::U32 => Value::U32(range(0, u32::MAX.into())? as u32),
            Kind::I32 => Value::I32(range(i32::MIN.into(), i32::MAX.into())? as i32),
            Kind::U64 => Value::U64(text.parse().map_err(|_| ValueError::Unsigned {
                key: path.to_owned(),
                given: text.to_owned(),
            })?),
            Kind::Dscp => Value::U8(dscp(text).ok_or_else(|| ValueError::Dscp {
                key: path.to_owned(),
                given: text.to_owned(),
            })?),
            Kind::Choice(what, words, accepted) if !words.contains(&text) => {
                return Err(ValueError::Choice { what, accepted });
            }
            Kind::Word(words, message) if !words.contains(&text) => {
                return Err(ValueError::Word(message));
            }
            Kind::Choice(..) | Kind::Word(..) | Kind::Text => Value::Text(text.to_owned()),
        };
    Ok(value)
}
