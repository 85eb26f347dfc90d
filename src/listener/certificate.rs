//! A certificate and its key, from two PEM files: reads them, checks them, and reports what is wrong and how to fix it.
//!
//! No text here repeats the content of the files.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error as RustlsError, InconsistentKeys};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// The files of a certificate, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and those that lead to its issuer, in this order.
    pub certificate: PathBuf,
    /// Its private key, not encrypted: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// Why a certificate cannot be used. Each message includes what to do.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file is absent, or this user may not read it.
    #[error("failed to read {key} {}; check the path, and that this user may read the file", path.display())]
    Unreadable {
        /// `ingest.tls_cert` or `ingest.tls_key`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// A file is no PEM.
    #[error(
        "{key} {} is not readable PEM; it must hold blocks between -----BEGIN …----- and -----END …----- lines, whole",
        path.display()
    )]
    Pem {
        /// As above.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The file contains no certificate.
    #[error(
        "tls_cert {} holds no certificate; it must hold a block BEGIN CERTIFICATE, and after it those that lead to the \
         issuer (fullchain.pem of certbot, tls.crt of Kubernetes)", path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The certificate's block contains something else.
    #[error("the certificate in tls_cert {} cannot be read; get a new one from its issuer", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: RustlsError,
    },
    /// The file contains no key.
    #[error(
        "tls_key {} holds no private key; it must hold a block BEGIN PRIVATE KEY (privkey.pem of certbot, tls.key of \
         Kubernetes)", path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A passphrase protects the key.
    #[error(
        "the private key in tls_key {} is encrypted, and a daemon has nobody to ask for the passphrase; decrypt it with \
         `openssl pkey -in ENCRYPTED -out PLAIN`, and let only this user read it", path.display()
    )]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The key belongs to another certificate.
    #[error(
        "the private key in tls_key {} is not that of the certificate in tls_cert {}; give both from the same renewal",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The key is of a kind that TLS cannot use.
    #[error("the private key in tls_key {} cannot be used; RSA from 2048 bits, ECDSA and Ed25519 can", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: RustlsError,
    },
    /// The TLS library refused its own settings.
    #[error("TLS cannot be set up")]
    Provider(#[source] RustlsError),
}

/// A certificate and its key, ready for handshakes.
pub(super) struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    /// When the first certificate of the chain expires, in milliseconds since 1970; `None` when that cannot be parsed,
    /// which does not affect handshakes.
    pub(super) expires_at_ms: Option<i64>,
}

/// Detects a change of the two files, through any links that lead to them: certbot and Kubernetes replace links. `None`
/// for a file that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp([Option<FileStamp>; 2]);

/// Device, inode and size, and when the content and the inode changed, each in seconds and nanoseconds.
type FileStamp = (u64, u64, u64, [i64; 4]);

impl Files {
    /// The state of the files now.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp([&self.certificate, &self.key].map(|path| {
            let file = fs::metadata(path).ok()?;
            let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
            Some((file.dev(), file.ino(), file.size(), times))
        }))
    }

    /// Reads and checks both.
    pub(super) fn read(&self, provider: &CryptoProvider) -> Result<Pair, CertificateError> {
        let chain = chain(&self.certificate)?;
        let expires_at_ms = expires_at_ms(&chain[0]);
        let key = private_key(&self.key)?;
        match CertifiedKey::from_der(chain, key, provider) {
            Ok(certified) => Ok(Pair {
                certified: Arc::new(certified),
                expires_at_ms,
            }),
            Err(RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(CertificateError::Mismatch {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
            }),
            Err(source @ RustlsError::InvalidCertificate(_)) => Err(CertificateError::Certificate {
                path: self.certificate.clone(),
                source,
            }),
            Err(source) => Err(CertificateError::Key {
                path: self.key.clone(),
                source,
            }),
        }
    }
}

/// The certificates of a file; at least one.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = read(path, "tls_cert")?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|_| CertificateError::Pem {
        key: "tls_cert",
        path: path.to_owned(),
    })?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate { path: path.to_owned() });
    }
    Ok(chain)
}

fn expires_at_ms(certificate: &CertificateDer<'_>) -> Option<i64> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let not_after = certificate.tbs_certificate().validity().not_after;
    i64::try_from(not_after.to_unix_duration().as_millis()).ok()
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = read(path, "tls_key")?;
    // PKCS #8 has a separate block for encrypted keys, the older forms have a header inside of theirs.
    let is_encrypted = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| text.windows(mark.len()).any(|at| at == mark.as_bytes()));
    if is_encrypted {
        return Err(CertificateError::EncryptedKey { path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let path = path.to_owned();
        if matches!(error, PemError::NoItemsFound) {
            return CertificateError::NoKey { path };
        }
        let key = "tls_key";
        CertificateError::Pem { key, path }
    })
}

fn read(path: &Path, key: &'static str) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Unreadable {
        key,
        path: path.to_owned(),
        source,
    })
}
