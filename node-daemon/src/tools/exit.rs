//! Exit codes of the tools, and what they mean (spec 41 §11.1).

pub const OK: u8 = 0;
pub const ERROR: u8 = 1;
pub const UNSUPPORTED: u8 = 3;
pub const PERMISSION: u8 = 4;
pub const USAGE: u8 = 64;
pub const DATA: u8 = 65;
pub const NO_INPUT: u8 = 66;
pub const NO_HOST: u8 = 68;
pub const SOFTWARE: u8 = 70;
pub const OS: u8 = 71;
pub const CANNOT_CREATE: u8 = 73;
pub const PROTOCOL: u8 = 76;
pub const CONFIGURATION: u8 = 78;
pub const DISCONNECTED: u8 = 102;
pub const OLD: u8 = 103;
pub const NO_SUCH: u8 = 105;
pub const UNSAFE: u8 = 107;
pub const EXISTS: u8 = 108;
pub const MULTIPLE: u8 = 109;
pub const TIMEOUT: u8 = 124;

/// What a code means.
pub fn text(code: u8) -> &'static str {
    match code {
        OK => "OK",
        ERROR => "Error occurred",
        UNSUPPORTED => "Unimplemented",
        PERMISSION => "Insufficient privileges",
        USAGE => "Incorrect usage",
        DATA => "Invalid data given",
        NO_INPUT => "Input file not available",
        NO_HOST => "Host does not exist",
        SOFTWARE => "Internal software bug",
        OS => "Operating system error occurred",
        CANNOT_CREATE => "Cannot create output file",
        PROTOCOL => "Protocol violated",
        CONFIGURATION => "Invalid configuration",
        DISCONNECTED => "Not connected",
        OLD => "Update was older than existing configuration",
        NO_SUCH => "No such object",
        UNSAFE => "Operation not safe",
        EXISTS => "Requested item already exists",
        MULTIPLE => "Multiple items match request",
        TIMEOUT => "Timeout occurred",
        _ => "Unknown exit status",
    }
}

/// The exit code for a code of the CIB manager (spec 50 §12.9).
pub fn of_cib(code: i32) -> u8 {
    match code {
        0 => OK,
        -1 | -13 => PERMISSION,
        -2 | -6 | -19 => NO_SUCH,
        -17 => EXISTS,
        -22 => SOFTWARE,
        -62 | -110 => TIMEOUT,
        -71 => PROTOCOL,
        -93 | -95 => UNSUPPORTED,
        -107 | -111 => DISCONNECTED,
        -203 => CONFIGURATION,
        -205 => OLD,
        -211 => CONFIGURATION,
        _ => ERROR,
    }
}

/// The text for a code of the CIB manager.
pub fn text_of_cib(code: i32) -> &'static str {
    match code {
        0 => "OK",
        -1 => "Operation not permitted",
        -2 => "No such file or directory",
        -6 => "No such device or address",
        -13 => "Permission denied",
        -17 => "File exists",
        -22 => "Invalid argument",
        -62 | -110 => "Timer expired",
        -71 => "Protocol error",
        -93 => "Protocol not supported",
        -95 => "Operation not supported",
        -107 => "Transport endpoint is not connected",
        -111 => "Connection refused",
        -203 => "Update does not conform to the configured schema",
        -205 => "Update was older than existing configuration",
        -206 => "Application of update diff failed",
        -211 => "Schema is already the latest available",
        _ => "Unknown error",
    }
}
