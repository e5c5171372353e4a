//! TLS to the arbiter: the node's certificate, and who may call itself the arbiter.
//!
//! `corosync-qdevice-net-certutil` leaves the cluster's certificate and key, with the certificate of the
//! arbiter's authority, in `qdevice-net-node.p12`. This client wants the same in one PEM file that only
//! its owner can read:
//!
//! ```sh
//! cd /etc/corosync/qdevice/net
//! (umask 077; openssl pkcs12 -in nssdb/qdevice-net-node.p12 -passin pass: -nodes -out qdevice-net-node.pem)
//! ```
//!
//! (older files need `-legacy` too), and finds it there or where `quorum.device.net.tls_file` says. The
//! arbiter must show a certificate of that authority for the name `Qnetd Server`; the cluster's
//! certificate must be for `totem.cluster_name`.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

/// Where the PEM file is unless `net.tls_file` says otherwise.
pub const TLS_FILE: &str = "/etc/corosync/qdevice/net/qdevice-net-node.pem";
/// Name in the arbiter's certificate.
const ARBITER: &[u8] = b"Qnetd Server";
/// Longest PEM file.
const MAX_FILE: u64 = 1 << 20;

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error(
        "quorum.device.net.tls needs {path}: {source}; it is made with openssl pkcs12 -nodes from \
         qdevice-net-node.p12 (or use tls: off)"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds a private key that others can read.
    #[error(
        "{path} has mode {mode:04o}: a file with a key may be accessible by its owner only (0400 or 0600)"
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Somebody else can change it.
    #[error("{path} belongs to user {owner}, not to root or the user of this process ({user})")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Whose it may be besides root.
        user: u32,
    },
    /// It lacks something.
    #[error("{path}: {what}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What.
        what: String,
    },
}

/// What a node shows the arbiter, and what it wants to see.
#[derive(Clone)]
pub struct Credentials(Arc<ClientConfig>);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl Credentials {
    /// Reads the PEM file for a node of this cluster.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, or it does not fit the cluster.
    pub fn read(path: &Path, cluster: &str) -> Result<Credentials, TlsError> {
        let content = |what: String| TlsError::Content { path: path.to_owned(), what };
        let text = read_private(path)?;
        let all: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|error| content(format!("a certificate cannot be read: {error}")))?;
        let key = PrivateKeyDer::from_pem_slice(&text)
            .map_err(|error| content(format!("the private key cannot be read: {error}")))?;
        let mut roots = RootCertStore::empty();
        let mut own = Vec::new();
        for certificate in all {
            let (subject, issuer) = names(&certificate)
                .map_err(|error| content(format!("a certificate cannot be read: {error}")))?;
            if subject == issuer {
                roots
                    .add(certificate)
                    .map_err(|error| content(format!("the authority's certificate: {error}")))?;
            } else {
                own.push(certificate);
            }
        }
        if roots.is_empty() {
            return Err(content(
                "the certificate of the arbiter's authority is missing".to_owned(),
            ));
        }
        let Some(first) = own.first() else {
            return Err(content("the cluster's certificate is missing".to_owned()));
        };
        let (subject, _) = names(first).map_err(|error| content(error.to_string()))?;
        let name = common_name(&subject).unwrap_or_default();
        if name != cluster.as_bytes() {
            let name = String::from_utf8_lossy(name);
            return Err(content(format!(
                "the certificate is for cluster '{name}', not '{cluster}'"
            )));
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(Authority { roots, provider: Arc::clone(&provider) });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| content(error.to_string()))?
            .dangerous() // the arbiter's certificate names no host; see `Authority`
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(own, key)
            .map_err(|error| content(error.to_string()))?;
        config.enable_sni = false;
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Credentials(Arc::new(config)))
    }

    pub(super) fn connect(&self) -> io::Result<ClientConnection> {
        let name = ServerName::try_from("qnetd").map_err(io::Error::other)?;
        ClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)
    }
}

/// Reads a file that only its owner can access.
fn read_private(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(TlsError::Permissions { path: path.to_owned(), mode });
    }
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != 0 && owner != user {
        return Err(TlsError::Owner { path: path.to_owned(), owner, user });
    }
    let mut text = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// Subject and issuer of a certificate, in DER.
fn names(certificate: &CertificateDer<'_>) -> Result<(Vec<u8>, Vec<u8>), webpki::Error> {
    let certificate = webpki::EndEntityCert::try_from(certificate)?;
    Ok((certificate.subject().to_vec(), certificate.issuer().to_vec()))
}

/// The first common name in a subject: a sequence of sets of (object identifier, text).
fn common_name(mut subject: &[u8]) -> Option<&[u8]> {
    const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
    while let Some((0x31, set, rest)) = element(subject) {
        let (_, pair, _) = element(set)?;
        let (tag, kind, text) = element(pair)?;
        if tag == 0x06 && kind == COMMON_NAME {
            return element(text).map(|(_, text, _)| text);
        }
        subject = rest;
    }
    None
}

/// The first element: its tag, its content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// Accepts a certificate of the cluster's own authority that is for the arbiter. It names no host, and
/// nobody but that authority is trusted, so there is no host name to hold it against.
#[derive(Debug)]
struct Authority {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Authority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )?;
        let (subject, _) = names(end_entity)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if common_name(&subject) != Some(ARBITER) {
            return Err(Error::InvalidCertificate(CertificateError::NotValidForName));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_name_is_found_and_nothing_upsets_the_reader() {
        let attribute = |oid: u8, text: &[u8]| {
            let mut pair = vec![0x06, 3, 0x55, 0x04, oid, 0x13, text.len() as u8];
            pair.extend(text);
            let mut set = vec![0x31, pair.len() as u8 + 2, 0x30, pair.len() as u8];
            set.extend(pair);
            set
        };
        let subject = [attribute(10, b"Org"), attribute(3, ARBITER)].concat();
        assert_eq!(common_name(&subject), Some(ARBITER));
        assert_eq!(common_name(&attribute(10, b"Qnetd Server")), None);
        for end in 0..subject.len() {
            assert_eq!(common_name(&subject[..end]), None);
        }
        assert_eq!(common_name(&[0x31, 0x82, 0xff]), None);
        assert_eq!(common_name(&[0x31, 0x84, 0, 0, 0, 1, 0]), None);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_and_a_missing_one_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.pem");
        let error = |path: &Path| Credentials::read(path, "lab").unwrap_err().to_string();
        assert!(error(&path).contains("openssl pkcs12 -nodes"), "{}", error(&path));
        std::fs::write(&path, "").unwrap();
        for (mode, expected) in [(0o644, "mode 0644"), (0o640, "mode 0640"), (0o600, "private key")]
        {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(error(&path).contains(expected), "{}", error(&path));
        }
    }
}
