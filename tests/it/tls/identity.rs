//! Self-signed certificates for `localhost`, made for each test.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// A certificate and its key, in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
    /// The certificate as it stands on the wire.
    pub(crate) der: Vec<u8>,
}

impl Identity {
    /// One that is valid for long.
    pub(crate) fn new() -> Self {
        Self::until(4096)
    }

    /// One that is valid until this year begins.
    pub(crate) fn until(year: i32) -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }

    /// Writes both files into a folder, each in one step.
    pub(crate) fn write(&self, folder: &Path) {
        for (name, text) in [("cert.pem", &self.certificate), ("key.pem", &self.key)] {
            let fresh: PathBuf = folder.join(format!("{name}.new"));
            fs::write(&fresh, text).unwrap();
            fs::rename(fresh, folder.join(name)).unwrap();
        }
    }
}
