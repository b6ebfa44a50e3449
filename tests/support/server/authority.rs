//! Certificates, made with openssl.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Folder, output, run};

/// An authority of the test's own, made with openssl.
pub struct Authority {
    folder: Folder,
}

pub struct Certificate {
    pub chain: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new() -> Authority {
        let folder = Folder::new();
        let at = |name: &str| folder.join(name).display().to_string();
        openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={} -days 2 -keyout {} -out {}",
            folder.path().file_name().unwrap().display(),
            at("ca.key"),
            at("ca.crt")
        ));
        Authority { folder }
    }

    /// The authority's own certificate.
    pub fn root(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// A certificate for `name` (`IP:127.0.0.1`, `DNS:x.test`) that is good for `days`.
    pub fn certificate(&self, name: &str, days: i32) -> Certificate {
        let stem = name.replace([':', '.', '/'], "-") + &days.to_string();
        let at = |end: &str| self.folder.join(format!("{stem}.{end}")).display().to_string();
        self.folder.write(&format!("{stem}.ext"), format!("subjectAltName={name}\n"));
        openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout {} -out {}",
            at("key"),
            at("csr")
        ));
        let ca = |end: &str| self.folder.join(format!("ca.{end}")).display().to_string();
        // A certificate of another day: openssl took negative days until it learnt to name both ends.
        let help = run(Command::new("openssl").args(["x509", "-help"])).stderr;
        let validity = match days < 0 && help.contains("-not_after") {
            true => "-not_before 20200101000000Z -not_after 20200102000000Z".to_string(),
            false => format!("-days {days}"),
        };
        openssl(&format!(
            "x509 -req -in {} -CA {} -CAkey {} {validity} -extfile {} -out {} -set_serial {}",
            at("csr"),
            ca("crt"),
            ca("key"),
            at("ext"),
            at("crt"),
            days + 1000
        ));
        Certificate { chain: at("crt").into(), key: at("key").into() }
    }
}

fn openssl(arguments: &str) {
    output("openssl", &arguments.split(' ').collect::<Vec<_>>());
}
