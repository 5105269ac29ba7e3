//! Coder's token: injected by Envoy from a file, replaced while everything runs, and shown nowhere. Each test holds the lab
//! alone and puts the lab's own token back at the end.

use e2e::{
    Endpoint, Lab, Request,
    check::status,
    envoy::{eventually, vm_reloads},
};
use serde_json::json;
use std::{fs, path::PathBuf, time::Duration};

/// Envoy's token file; its content comes back when this value is dropped.
struct TokenFile {
    path: PathBuf,
    original: Vec<u8>,
}

impl TokenFile {
    fn of(lab: &Lab) -> TokenFile {
        let path = lab.coder_token_file.clone();
        let original = fs::read(&path).expect("CODER_TOKEN_FILE can be read");
        TokenFile { path, original }
    }

    /// Replaces the file by renaming, which is what Envoy watches for and what kubelet does.
    fn replace(&self, content: &[u8]) {
        let next = self.path.with_extension("next");
        fs::write(&next, content).expect("the folder of CODER_TOKEN_FILE can be written");
        fs::rename(&next, &self.path).expect("CODER_TOKEN_FILE can be replaced");
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        self.replace(&self.original);
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

/// The first answer of several connections that is not 200: each of Envoy's workers learns of a new token by itself.
fn answer(lab: &Lab) -> u16 {
    let mut answers = (0..8).map(|_| lab.front().get(&lab.path("coderworkspaces")).status());
    answers.find(|status| *status != 200).unwrap_or(200)
}

#[test]
fn a_token_is_replaced_while_everything_runs() {
    let Some(lab) = Lab::exclusive() else { return };
    let reloads = vm_reloads(&lab);
    let file = TokenFile::of(&lab);
    assert_eq!(answer(&lab), 200);

    let created = lab.coder().send(&Request::post(
        "/api/v2/users/me/keys/tokens",
        &json!({"token_name": format!("e2e-{}", std::process::id())}),
    ));
    assert_eq!(created.status(), 201, "{}", created.excerpt());
    let token = created.json()["key"].as_str().unwrap().to_owned();
    file.replace(token.as_bytes());
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(answer(&lab), 200, "the new token works");

    let id = token.split('-').next().unwrap();
    let revoked = lab.coder().send(&Request::new("DELETE", &format!("/api/v2/users/me/keys/{id}")));
    assert_eq!(revoked.status(), 204, "{}", revoked.excerpt());
    let response = eventually("the revoked token is refused", PATIENCE, || {
        let response = lab.front().get(&lab.path("coderworkspaces"));
        (response.status() != 200).then_some(response)
    });
    status(&response, 503, "ServiceUnavailable");
    assert_eq!(response.header("retry-after"), None);
    assert!(!response.text().contains(&token));

    drop(file);
    eventually("the lab's own token works again", PATIENCE, || (answer(&lab) == 200).then_some(()));
    assert_eq!(vm_reloads(&lab), reloads);
}

#[test]
fn a_token_that_never_worked_is_our_fault_not_the_callers() {
    let Some(lab) = Lab::exclusive() else { return };
    let file = TokenFile::of(&lab);
    file.replace(b"nonsense-0123456789");
    let response = eventually("the bad token is in use", PATIENCE, || {
        let response = lab.front().get(&lab.path("codertemplates"));
        (response.status() != 200).then_some(response)
    });
    status(&response, 503, "ServiceUnavailable");
    assert_eq!(response.header("retry-after"), None);
    // Callers are still told apart, and what passes still passes.
    assert_eq!(lab.front_user().get(&lab.path("codertemplates")).status(), 403);
    assert_eq!(lab.front().get("/version").status(), 200);
    drop(file);
    eventually("the lab's own token works again", PATIENCE, || (answer(&lab) == 200).then_some(()));
}

#[test]
fn the_token_is_shown_nowhere() {
    let Some(lab) = Lab::exclusive() else { return };
    let file = TokenFile::of(&lab);
    let token = String::from_utf8(file.original.clone()).unwrap().trim().to_owned();
    assert!(token.len() > 10, "CODER_TOKEN_FILE holds the token");
    lab.front().get(&lab.path("coderworkspaces"));
    let admin = Endpoint::from_url(&lab.envoy_admin);
    for target in ["/config_dump", "/config_dump?include_eds", "/stats", "/clusters"] {
        assert!(!admin.get(target).text().contains(&token), "{target} shows the token");
    }
    for log in lab.logs() {
        let text = fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for secret in [&token, &lab.admin_token, &lab.user_token] {
            assert!(!text.contains(secret.as_str()), "{} shows a token", log.display());
        }
    }
}
