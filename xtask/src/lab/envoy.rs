//! Envoy with a shipped configuration, changed only where a person would change it: every literal that is replaced
//! must occur, so that a configuration and this list cannot drift apart unseen.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::pki::Pki;
use super::{ports, process};
use crate::command::{output, write_atomically};
use crate::paths;
use crate::progress::step;

/// Where the shipped configurations expect their files.
const ETC: &str = "/etc/coder-kube-filter";

/// As unix(7) has it, without the byte that ends it.
const LONGEST_SOCKET: usize = 107;

/// A configuration that is shipped, below `envoy/`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shipped {
    /// Envoy stands before kube-apiserver; a Lease that is rung keeps watches open.
    Front,
    /// The same without a bell: each watch ends after a batch of events.
    FrontLongPoll,
    /// Envoy stands behind kube-apiserver, as an APIService says.
    Aggregated,
}

impl Shipped {
    pub(crate) const ALL: [Self; 3] = [Self::Front, Self::FrontLongPoll, Self::Aggregated];

    /// Its file.
    fn file(self) -> &'static str {
        match self {
            Self::Front => "front.yaml",
            Self::FrontLongPoll => "front-long-poll.yaml",
            Self::Aggregated => "aggregated.yaml",
        }
    }

    /// What is applied to the cluster before it can work; empty when the filter is nobody there.
    pub(crate) fn manifests(self) -> &'static [&'static str] {
        match self {
            Self::Front => &["bell.yaml", "control-planes-rbac.yaml"],
            Self::FrontLongPoll => &[],
            Self::Aggregated => &["bell.yaml", "aggregated-rbac.yaml", "control-planes-rbac.yaml"],
        }
    }

    /// What keeps watches open, as `WATCH` says it.
    pub(crate) fn watch(self) -> &'static str {
        match self {
            Self::Front | Self::Aggregated => "bell",
            Self::FrontLongPoll => "long-poll",
        }
    }
}

/// What a shipped configuration is told about the lab.
pub(crate) struct Place<'a> {
    pub(crate) lab: &'a Path,
    pub(crate) module: &'a Path,
    pub(crate) pki: &'a Pki,
    pub(crate) kube_port: u16,
    pub(crate) coder_url: &'a str,
    pub(crate) coder_token: &'a str,
    /// The filter's own token for kube-apiserver, where it has one.
    pub(crate) kube_token: Option<&'a str>,
}

/// An Envoy that is up.
pub(crate) struct Running {
    pub(crate) pid: i32,
    pub(crate) ports: Ports,
    pub(crate) config: PathBuf,
    pub(crate) access_log: PathBuf,
    /// Where it reads Coder's token.
    pub(crate) coder_token: PathBuf,
    /// Where it reads the filter's own, if it does.
    pub(crate) kube_token: Option<PathBuf>,
}

/// Where an Envoy listens.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    /// Clients, or kube-apiserver.
    pub(crate) main: u16,
    /// Clients that do not come through kube-apiserver, where Envoy stands behind it.
    pub(crate) direct: u16,
    pub(crate) admin: u16,
    pub(crate) probes: u16,
}

impl Ports {
    pub(crate) fn free() -> Result<Self> {
        let free = ports::free;
        Ok(Self { main: free()?, direct: free()?, admin: free()?, probes: free()? })
    }
}

/// A shipped configuration with the lab's places in it.
pub(crate) struct Rendered {
    pub(crate) config: PathBuf,
    pub(crate) access_log: PathBuf,
    coder_token: PathBuf,
    kube_token: Option<PathBuf>,
}

/// Renders a configuration and starts Envoy with it; returns when it serves.
pub(crate) fn start(program: &Path, shipped: Shipped, place: &Place) -> Result<Running> {
    step("Envoy with the module", |step| {
        let ports = Ports::free()?;
        let rendered = render(shipped, place, ports)?;
        let (address, admin) = (format!("https://127.0.0.1:{}", ports.main), ports.admin);
        let server =
            process::Server { lab: place.lab, name: "envoy", address: address.clone(), temporary: None };
        let pid = server.start(&mut command(program, place.lab, &rendered.config))?;
        let ready = format!("http://127.0.0.1:{admin}/ready");
        process::wait(place.lab, "envoy", step, Duration::from_secs(30), || {
            ports::answers(admin) && ureq::get(&ready).call().is_ok() && has_checked_the_token(place.lab)
        })?;
        let Rendered { config, access_log, coder_token, kube_token } = rendered;
        Ok((Running { pid, ports, config, access_log, coder_token, kube_token }, address))
    })
}

/// Whether the filter has asked Coder what its token allows. It does so by itself, once, and who counts calls to Coder must not see it.
fn has_checked_the_token(lab: &Path) -> bool {
    fs::read_to_string(lab.join("logs/envoy.log")).is_ok_and(|log| log.contains("Coder of namespace"))
}

/// Envoy as every lab runs it.
pub(crate) fn command(program: &Path, lab: &Path, config: &Path) -> Command {
    let mut envoy = Command::new(program);
    envoy.current_dir(lab).arg("--config-path").arg(config);
    envoy.args(["--disable-hot-restart", "--concurrency", "2"]);
    envoy.args(["--log-level", "warning", "--component-log-level", "wasm:info"]);
    envoy
}

/// Lets Envoy judge a configuration without starting it.
pub(crate) fn validate(program: &Path, shipped: Shipped, place: &Place) -> Result<()> {
    let rendered = render(shipped, place, Ports::free()?)?;
    let mut envoy = Command::new(program);
    envoy.args(["--mode", "validate", "--log-level", "error", "--config-path"]).arg(&rendered.config);
    output(&mut envoy).map(drop)
}

/// Writes a shipped configuration, its secrets and its tokens into the lab.
pub(crate) fn render(shipped: Shipped, place: &Place, ports: Ports) -> Result<Rendered> {
    let folder = place.lab.join("envoy");
    let access_log = place.lab.join("logs/access.log");
    fs::create_dir_all(place.lab.join("logs"))?;
    fs::write(&access_log, "")?;
    let Some((coder_host, coder_port)) = place.coder_url.trim_start_matches("http://").rsplit_once(':')
    else {
        bail!("Coder's URL has no port: {}", place.coder_url)
    };
    let address = |host: &str, port: &str| format!("address: {host}, port_value: {port}");
    let local = |port: u16| address("127.0.0.1", &port.to_string());
    let admin_address = format!("socket_address: {{ {} }}", local(ports.admin));
    let pki = |name: &str| place.pki.file(name).display().to_string();
    let etc = |name: &str| format!("{ETC}/{name}");
    let mut replacements = vec![
        (etc("module/plugin.wasm"), place.module.display().to_string()),
        (etc("kube-ca/ca.crt"), pki("kube-ca.crt")),
        ("pipe: { path: /run/coder-kube-filter/admin.sock, mode: 384 }".to_owned(), admin_address),
        // Tests look into it to see that no token is in it.
        ("allow_paths: [".to_owned(), "allow_paths: [{ exact: /config_dump }, ".to_owned()),
        ("path: /dev/stdout".to_owned(), format!("path: {}", access_log.display())),
        (address("0.0.0.0", "8081"), local(ports.probes)),
        (address("kubernetes.default.svc", "443"), local(place.kube_port)),
        (address("coder.coder.svc.cluster.local", "80"), address(coder_host, coder_port)),
        ("https://coder.example.com".to_owned(), place.coder_url.to_owned()),
    ];
    replacements.extend(match shipped {
        Shipped::Front | Shipped::FrontLongPoll => vec![
            (etc("tls/tls.crt"), pki("envoy.crt")),
            (etc("tls/tls.key"), pki("envoy.key")),
            (etc("client-ca/ca.crt"), pki("client-ca.crt")),
            (etc("front-proxy/tls.crt"), pki("front-proxy.crt")),
            (etc("front-proxy/tls.key"), pki("front-proxy.key")),
            (address("0.0.0.0", "6443"), local(ports.main)),
        ],
        Shipped::Aggregated => {
            let tls = Secret::certificate(&folder, place.pki)?;
            let socket = folder.join("authorities.sock").display().to_string();
            if socket.len() > LONGEST_SOCKET {
                bail!("{socket} is too long for a socket: have the checkout in a folder with a shorter name");
            }
            vec![
                (etc("tls/secret.yaml"), tls.resource.display().to_string()),
                (etc("tls"), tls.folder.display().to_string()),
                ("/run/coder-kube-filter/authorities.sock".to_owned(), socket),
                (address("0.0.0.0", "8443"), local(ports.main)),
                (address("0.0.0.0", "8444"), local(ports.direct)),
            ]
        }
    });
    if shipped != Shipped::FrontLongPoll {
        // Not every machine has the system's CAs, and here nobody is signed by them.
        replacements.push(("/etc/ssl/certs/ca-certificates.crt".to_owned(), pki("kube-ca.crt")));
    }
    let mut secret = |name: &str, token: &str| {
        let secret = Secret::token(&folder, name, token)?;
        replacements.push((etc(&format!("{name}/secret.yaml")), secret.resource.display().to_string()));
        replacements.push((etc(name), secret.folder.display().to_string()));
        anyhow::Ok(secret.token)
    };
    let coder_token = secret("coder-token", place.coder_token)?;
    let kube_token = match shipped.manifests() {
        [] => None,
        _ => Some(secret("kube-token", place.kube_token.context("the filter's own token is missing")?)?),
    };
    let name = shipped.file();
    let config = folder.join(name);
    write_atomically(&config, replace(name, &read(name)?, &replacements)?.as_bytes())?;
    Ok(Rendered { config, access_log, coder_token, kube_token })
}

/// A secret that Envoy reads by file: the folder that it watches, the resource that names its files, and the token if it is one.
struct Secret {
    folder: PathBuf,
    resource: PathBuf,
    token: PathBuf,
}

impl Secret {
    /// Writes the shipped resource `<name>.yaml` and the token into a folder of that name.
    fn token(envoy: &Path, name: &str, token: &str) -> Result<Self> {
        Self::write(envoy, name, &format!("{name}.yaml"), &[("token", token.as_bytes())])
    }

    /// Envoy's own certificate, where it may be replaced while it runs.
    fn certificate(envoy: &Path, pki: &Pki) -> Result<Self> {
        let (certificate, key) = (fs::read(pki.file("envoy.crt"))?, fs::read(pki.file("envoy.key"))?);
        let files = [("tls.crt", certificate.as_slice()), ("tls.key", &key)];
        Self::write(envoy, "tls", "serving-certificate.yaml", &files)
    }

    fn write(envoy: &Path, name: &str, shipped: &str, files: &[(&str, &[u8])]) -> Result<Self> {
        let folder = envoy.join(name);
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let mut places = Vec::new();
        for (file, content) in files {
            let path = folder.join(file);
            write_atomically(&path, content)?;
            places.push((format!("{ETC}/{name}/{file}"), path.display().to_string()));
        }
        let shipped_text = read(shipped)?;
        let watched = (format!("{ETC}/{name} "), format!("{} ", folder.display()));
        places.extend(shipped_text.contains(&watched.0).then_some(watched));
        let secret = Self { resource: folder.join("secret.yaml"), token: folder.join("token"), folder };
        write_atomically(&secret.resource, replace(shipped, &shipped_text, &places)?.as_bytes())?;
        Ok(secret)
    }
}

fn read(name: &str) -> Result<String> {
    Ok(fs::read_to_string(paths::root().join("envoy").join(name))?)
}

/// Replaces every literal everywhere outside comments; one that does not occur is an error that names it.
fn replace(name: &str, text: &str, replacements: &[(String, String)]) -> Result<String> {
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let mut lines: Vec<String> = text.lines().filter(|line| !is_comment(line)).map(str::to_owned).collect();
    for (literal, value) in replacements {
        let mut found = false;
        for line in lines.iter_mut().filter(|line| line.contains(literal.as_str())) {
            *line = line.replace(literal.as_str(), value);
            found = true;
        }
        if !found {
            bail!("envoy/{name} does not say `{literal}`, which the lab replaces by `{value}`");
        }
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_literal_that_is_gone_is_named() {
        let check = |text: &str, expect: Result<&str, &str>| {
            let replaced = super::replace("x.yaml", text, &[("here".to_owned(), "there".to_owned())]);
            assert_eq!(replaced.as_deref().map_err(ToString::to_string), expect.map_err(str::to_owned));
        };
        check("a: here\nb: here, here\n", Ok("a: there\nb: there, there\n"));
        check("# here\na: b\n", Err("envoy/x.yaml does not say `here`, which the lab replaces by `there`"));
    }
}
