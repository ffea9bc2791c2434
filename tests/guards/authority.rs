//! A certificate authority of the test's own, and whom it has vouched for.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Certificate, key and authority, as files in a directory that goes with the last who knows it.
#[derive(Clone)]
pub struct Identity(Rc<tempfile::TempDir>);

impl Authority {
    pub fn new() -> Authority {
        let mut authority = CertificateParams::new(vec![]).unwrap();
        // Who is called as whoever signed him is taken for his own authority.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("authority {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap())
    }

    /// Of whoever goes by this name or address.
    pub fn identity(&self, name: &str) -> Identity {
        let identity = Identity(Rc::new(tempfile::tempdir().unwrap()));
        self.renew(&identity, name);
        identity
    }

    /// Puts others into the same files.
    pub fn renew(&self, identity: &Identity, name: &str) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        std::fs::write(identity.ca_file(), self.0.pem()).unwrap();
        std::fs::write(identity.cert_file(), certificate.pem()).unwrap();
        std::fs::write(identity.key_file(), key.serialize_pem()).unwrap();
    }
}

impl Identity {
    pub fn ca_file(&self) -> String {
        self.file("ca.pem")
    }

    pub fn cert_file(&self) -> String {
        self.file("cert.pem")
    }

    pub fn key_file(&self) -> String {
        self.file("key.pem")
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}
