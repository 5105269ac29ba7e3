//! What a lab tells its users: the shell file `.lab/env` and the kubeconfigs it names.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::pki::Pki;
use crate::command::write_atomically;

/// The bearer tokens that kube-apiserver (or its stand-in) knows.
pub(crate) struct Tokens {
    /// User admin, group system:masters.
    pub(crate) admin: String,
    /// User alice, who has no rights.
    pub(crate) alice: String,
    /// The filter's own ServiceAccount, at the stand-in. A real kube-apiserver makes its token itself.
    pub(crate) filter: String,
}

impl Tokens {
    pub(crate) fn generate() -> Result<Self> {
        Ok(Self { admin: super::secret()?, alice: super::secret()?, filter: super::secret()? })
    }
}

/// One way into the cluster: through Envoy, or past it.
#[derive(Clone)]
pub(crate) struct Entry {
    server: String,
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Entry {
    /// kube-apiserver itself.
    pub(crate) fn direct(port: u16, pki: &Pki) -> Self {
        Self::new(port, pki, "kube-ca.crt")
    }

    /// Through Envoy.
    pub(crate) fn envoy(port: u16, pki: &Pki) -> Self {
        Self::new(port, pki, "envoy-ca.crt")
    }

    /// kube-apiserver itself, for kube-controller-manager.
    pub(crate) fn controllers(port: u16, pki: &Pki) -> Self {
        let name = "system:kube-controller-manager";
        let (certificate, key) = (pki.file(&format!("{name}.crt")), pki.file(&format!("{name}.key")));
        Self { certificate, key, ..Self::direct(port, pki) }
    }

    fn new(port: u16, pki: &Pki, authority: &str) -> Self {
        Self {
            server: format!("https://127.0.0.1:{port}"),
            authority: pki.file(authority),
            certificate: pki.file("admin.crt"),
            key: pki.file("admin.key"),
        }
    }

    /// Writes a kubeconfig with the contexts `admin` (bearer token, the current one), `cert` (the same by client
    /// certificate) and `alice` (bearer token, no rights). JSON is YAML.
    pub(crate) fn write(&self, lab: &Path, name: &str, tokens: &Tokens) -> Result<PathBuf> {
        let users = [
            json!({ "name": "admin", "user": { "token": tokens.admin } }),
            self.certified("cert"),
            json!({ "name": "alice", "user": { "token": tokens.alice } }),
        ];
        self.write_for(lab, name, &users)
    }

    /// Writes a kubeconfig for whom the certificate names, and nobody else.
    pub(crate) fn write_certified(&self, lab: &Path, name: &str) -> Result<PathBuf> {
        self.write_for(lab, name, &[self.certified("cert")])
    }

    fn certified(&self, name: &str) -> Value {
        json!({ "name": name, "user": { "client-certificate": self.certificate, "client-key": self.key } })
    }

    /// The first of the users is the current one.
    fn write_for(&self, lab: &Path, name: &str, users: &[Value]) -> Result<PathBuf> {
        let context = |user: &Value| {
            let context = json!({ "cluster": "lab", "user": user["name"], "namespace": super::NAMESPACE });
            json!({ "name": user["name"], "context": context })
        };
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "lab", "cluster": { "server": self.server, "certificate-authority": self.authority } }],
            "users": users,
            "contexts": users.iter().map(context).collect::<Vec<_>>(),
            "current-context": users.first().map(|user| &user["name"]),
        });
        let path = lab.join(name);
        write_atomically(&path, &serde_json::to_vec_pretty(&config)?)?;
        Ok(path)
    }
}

/// The variables of a lab, in the order in which they are written.
#[derive(Default)]
pub(crate) struct Environment(Vec<(String, String)>);

impl Environment {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    pub(crate) fn path(&mut self, name: &str, value: &Path) {
        self.set(name, value.to_string_lossy());
    }

    pub(crate) fn get(&self, name: &str) -> Result<&str> {
        let found = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        found.with_context(|| format!("the lab's environment has no {name}"))
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Writes `NAME='value'` lines that a shell can source and a simple parser can read.
    pub(crate) fn write(&self, lab: &Path) -> Result<PathBuf> {
        let mut text = String::new();
        for (name, value) in &self.0 {
            writeln!(text, "{name}='{}'", value.replace('\'', r"'\''"))?;
        }
        let path = lab.join("env");
        write_atomically(&path, text.as_bytes())?;
        Ok(path)
    }

    /// Reads what [`Self::write`] wrote.
    pub(crate) fn read(lab: &Path) -> Result<Self> {
        let path = lab.join("env");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("no lab is up: no {}", path.display()))?;
        let variables = text.lines().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            let value = value.strip_prefix('\'')?.strip_suffix('\'')?.replace(r"'\''", "'");
            Some((name.to_owned(), value))
        });
        Ok(Self(variables.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let lab = std::env::temp_dir().join(format!("xtask-environment-{}", std::process::id()));
        let mut environment = Environment::default();
        environment.set("A", "it's = 'quoted'");
        environment.set("B", "");
        environment.write(&lab).unwrap();
        let read = Environment::read(&lab).unwrap();
        assert_eq!(read.variables().collect::<Vec<_>>(), environment.variables().collect::<Vec<_>>());
        assert_eq!(read.get("A").unwrap(), "it's = 'quoted'");
        assert!(read.get("C").is_err());
    }
}
