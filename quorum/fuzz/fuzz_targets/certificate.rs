//! A file of certificates and keys is read or refused, whatever is in it.
#![no_main]

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use libfuzzer_sys::fuzz_target;
use quorum::device::net::Credentials;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A section of a PEM file.
fn section(out: &mut Vec<u8>, kind: &str, content: &[u8]) {
    let base64 = content.chunks(3).flat_map(|chunk| {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        let digit = move |at: usize| ALPHABET[(bits >> (18 - 6 * at)) as usize & 63];
        (0..4).map(move |at| if at <= chunk.len() { digit(at) } else { b'=' })
    });
    out.extend_from_slice(format!("-----BEGIN {kind}-----\n").as_bytes());
    out.extend(base64);
    out.extend_from_slice(format!("\n-----END {kind}-----\n").as_bytes());
}

fuzz_target!(|input: (bool, Vec<&[u8]>)| {
    let (raw, sections) = input;
    let mut text = Vec::new();
    for (at, content) in sections.iter().take(8).enumerate() {
        match (raw, at) {
            (true, _) => text.extend_from_slice(content),
            (false, 0) => section(&mut text, "PRIVATE KEY", content),
            (false, _) => section(&mut text, "CERTIFICATE", content),
        }
    }
    let path = std::env::temp_dir().join(format!("certificate-{}", std::process::id()));
    let file =
        std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(&text)).expect("a file can be written");
    let _ = Credentials::read(&path, "lab");
    std::fs::remove_file(&path).expect("it was there");
});
