//! The lab's certificates. Four authorities, because in a cluster they are four: who signs kube-apiserver, who signs
//! its clients, who signs front proxies, and who signs Envoy. A client certificate must never pass for a front proxy.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// The folder that holds the certificates, and the names of what is in it.
#[derive(Clone)]
pub(crate) struct Pki(PathBuf);

impl Pki {
    /// Makes every certificate of the lab.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let pki = Self(folder.to_owned());
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let server = [ExtendedKeyUsagePurpose::ServerAuth];
        let client = [ExtendedKeyUsagePurpose::ClientAuth];

        let authority = pki.authority("kube-ca")?;
        let mut names = vec![
            "kubernetes".to_owned(),
            "kubernetes.default".to_owned(),
            "kubernetes.default.svc".to_owned(),
        ];
        names.extend(["localhost".to_owned(), "127.0.0.1".to_owned(), "10.0.0.1".to_owned()]);
        pki.leaf("kube-apiserver", &[], names, &server, &authority)?;

        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        pki.leaf("kube-controller-manager", &[], names.clone(), &server, &authority)?;

        let authority = pki.authority("client-ca")?;
        pki.leaf("admin", &["system:masters"], Vec::new(), &client, &authority)?;
        pki.leaf("system:kube-controller-manager", &[], Vec::new(), &client, &authority)?;

        let authority = pki.authority("front-proxy-ca")?;
        pki.leaf("front-proxy", &[], Vec::new(), &client, &authority)?;

        let authority = pki.authority("envoy-ca")?;
        // The second is what kube-apiserver calls the Service that an APIService names.
        let service = format!("{0}.{0}.svc", super::FILTER);
        pki.leaf("envoy", &[], [names, vec![service]].concat(), &server, &authority)?;

        let service_accounts = KeyPair::generate()?;
        pki.write("service-accounts.key", &service_accounts.serialize_pem())?;
        pki.write("service-accounts.pub", &service_accounts.public_key_pem())?;
        Ok(pki)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn authority(&self, name: &str) -> Result<Issuer<'static, KeyPair>> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("lab {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        self.write(&format!("{name}.crt"), &params.self_signed(&key)?.pem())?;
        Ok(Issuer::new(params, key))
    }

    fn leaf(
        &self,
        name: &str,
        organizations: &[&str],
        alternatives: Vec<String>,
        purposes: &[ExtendedKeyUsagePurpose],
        authority: &Issuer<'static, KeyPair>,
    ) -> Result<()> {
        let mut params = CertificateParams::new(alternatives)?;
        for organization in organizations {
            params.distinguished_name.push(DnType::OrganizationName, *organization);
        }
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = purposes.to_vec();
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        self.write(&format!("{name}.crt"), &params.signed_by(&key, authority)?.pem())?;
        self.write(&format!("{name}.key"), &key.serialize_pem())
    }

    fn write(&self, name: &str, pem: &str) -> Result<()> {
        Ok(fs::write(self.file(name), pem)?)
    }
}
