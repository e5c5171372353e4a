//! Certificates like those of `corosync-qnetd-certutil` and `corosync-qdevice-net-certutil`, which know
//! only their fixed directories: an authority, the arbiter's, and one per cluster.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(directory: &Path, line: &str, further: &[&str]) {
    let words: Vec<_> = line.split_whitespace().chain(further.iter().copied()).collect();
    let output = Command::new(words[0]).args(&words[1..]).current_dir(directory).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", words[0]));
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// `NAME.key` and `NAME.crt` of a new authority.
fn authority(directory: &Path, name: &str) {
    let line = format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout {name}.key -out {name}.crt -subj"
    );
    run(directory, &line, &["/CN=QNet CA"]);
}

/// `NAME.key` and `NAME.crt` for a subject.
fn sign(directory: &Path, authority: &str, name: &str, subject: &str) {
    let request =
        format!("openssl req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj");
    run(directory, &request, &[&format!("/CN={subject}")]);
    fs::write(directory.join("extensions"), "basicConstraints = CA:FALSE\n").unwrap();
    let line = format!(
        "openssl x509 -req -in {name}.csr -CA {authority}.crt -CAkey {authority}.key -days 30 \
         -CAcreateserial -extfile extensions -out {name}.crt"
    );
    run(directory, &line, &[]);
}

/// The arbiter's database, with a certificate for this name.
pub fn create(directory: &Path, subject: &str) {
    authority(directory, "arbiter-ca");
    authority(directory, "stranger-ca");
    sign(directory, "arbiter-ca", "arbiter", subject);
    fs::create_dir(directory.join("nss")).unwrap();
    run(directory, "certutil -N -d sql:nss --empty-password", &[]);
    run(directory, "certutil -A -d sql:nss -t CT,, -i arbiter-ca.crt -n", &["QNet CA"]);
    let export = "openssl pkcs12 -export -in arbiter.crt -inkey arbiter.key -out arbiter.p12 -passout pass: -name";
    run(directory, export, &["QNetd Cert"]);
    run(directory, "pk12util -i arbiter.p12 -d sql:nss -W", &[""]);
}

/// See [`super::arbiter::Arbiter::certificate`].
pub fn certify(directory: &Path, cluster: &str, of_arbiter: bool) -> PathBuf {
    let authority = if of_arbiter { "arbiter-ca" } else { "stranger-ca" };
    sign(directory, authority, cluster, cluster);
    let export = format!(
        "openssl pkcs12 -export -in {cluster}.crt -inkey {cluster}.key -certfile {authority}.crt \
         -out {cluster}.p12 -passout pass:"
    );
    run(directory, &export, &[]);
    let path = directory.join(format!("{cluster}-{authority}.pem"));
    let text = path.to_str().unwrap();
    // The command of the documentation.
    run(
        directory,
        &format!("openssl pkcs12 -in {cluster}.p12 -passin pass: -nodes -out {text}"),
        &[],
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}
