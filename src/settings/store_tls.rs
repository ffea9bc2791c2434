//! TLS towards the store that several guards share: whom to trust, and what to show it.
//!
//! The files are checked when settings are loaded and read again for each connection, so that a
//! certificate that was renewed needs no restart.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::StorageUrl;
use super::read::Reader;
use crate::engine::policy::yaml::Fields;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreTls {
    /// In place of the system's roots.
    pub ca_file: Option<PathBuf>,
    /// What a store asks for that wants to know its clients.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

impl StoreTls {
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, fields: Fields<'_>) {
        let certificates = |path: &Path| has_certificates(path).then_some(()).ok_or("there is no certificate in PEM");
        let key = |path: &Path| PrivateKeyDer::from_pem_file(path).map(drop).map_err(|_| "there is no key in PEM");
        file(reader, fields, "ca_file", &mut self.ca_file, certificates);
        file(reader, fields, "cert_file", &mut self.cert_file, certificates);
        file(reader, fields, "key_file", &mut self.key_file, key);
    }

    /// What does not go together, once everything has been read.
    pub(super) fn mistake(&self, url: Option<&StorageUrl>) -> Option<&'static str> {
        if self.cert_file.is_some() != self.key_file.is_some() {
            return Some("storage.cert_file and storage.key_file go together: one of them is missing");
        }
        // Whoever names certificates believes that nobody listens.
        let is_given = self.ca_file.is_some() || self.cert_file.is_some();
        let is_plain = url.is_some_and(|url| !url.is_tls());
        (is_given && is_plain).then_some(
            "storage.ca_file and storage.cert_file are about TLS, which storage.url does not speak: write rediss:// or valkeys://",
        )
    }
}

fn file(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    key: &str,
    into: &mut Option<PathBuf>,
    check: impl Fn(&Path) -> Result<(), &'static str>,
) {
    let Some(path) = reader.path(fields, key) else { return };
    let at = fields.get(key).map_or(fields.at(), |node| node.at);
    if let Some(path) = &path {
        reader.files.push(path.clone());
        match std::fs::File::open(path).map(|_| check(path)) {
            Ok(Ok(())) => {}
            Ok(Err(why)) => reader.check.error(at, format!("{why} in {}", path.display())),
            Err(error) => reader.check.error(at, format!("cannot read {}: {error}", path.display())),
        }
    }
    *into = path;
}

fn has_certificates(path: &Path) -> bool {
    let found = CertificateDer::pem_file_iter(path).ok().map(Iterator::collect::<Result<Vec<_>, _>>);
    matches!(found, Some(Ok(found)) if !found.is_empty())
}
