//! Client certificates: Envoy verifies them, the filter names their user, kube-apiserver believes the front proxy, and nothing
//! else gives that right. These tests count Coder's calls, so each holds the lab alone.

use e2e::{
    Lab, Request,
    check::{user_info, who_am_i},
    envoy::{stats, without_coder_call},
};
use rcgen::{CertificateParams, DnType, IsCa, Issuer, KeyPair};

#[test]
fn a_client_certificate_is_the_user_that_it_names() {
    let Some(lab) = Lab::exclusive() else { return };
    let through = user_info(&lab.front_cert().send(&who_am_i(&[])));
    let direct = user_info(&lab.kubectl_direct().context("cert").endpoint().send(&who_am_i(&[])));
    assert_eq!(through, direct);
    assert_eq!(lab.front_cert().get(&lab.path("coderworkspaces")).status(), 200);
    let said = lab.kubectl().context("cert").run("auth whoami -o jsonpath={.status.userInfo.username}");
    assert_eq!(said.ok(), direct["username"]);
}

#[test]
fn a_second_connection_is_the_same_user() {
    let Some(lab) = Lab::exclusive() else { return };
    // Both have TLS settings of their own, with which a client may resume a session whose certificate Envoy has verified before.
    for (front, path) in
        [(lab.front_cert(), lab.path("coderworkspaces")), (lab.front_cert(), "/api/v1/pods".into())]
    {
        for _ in 0..4 {
            let response = front.get(&path);
            assert_eq!(response.status(), 200, "{path}: {}", response.excerpt());
        }
    }
}

#[test]
fn a_token_beside_a_certificate_neither_wins_nor_travels() {
    let Some(lab) = Lab::exclusive() else { return };
    let alone = user_info(&lab.front_cert().send(&who_am_i(&[])));
    for token in [&lab.user_token, "nonsense", ""] {
        let authorization = ("Authorization", format!("Bearer {token}"));
        let both = user_info(&lab.front_cert().send(&who_am_i(std::slice::from_ref(&authorization))));
        assert_eq!(both["username"], alone["username"], "{token}");
        let list = Request::get(&lab.path("coderworkspaces")).header(authorization.0, &authorization.1);
        assert_eq!(lab.front_cert().send(&list).status(), 200, "{token}");
    }
}

#[test]
fn certificates_and_tokens_use_connections_of_their_own() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.front_only("nothing of the client's travels back to kube-apiserver") {
        return;
    }
    let front_proxy = || stats(&lab, "cluster%5C.kube-front-proxy%5C.upstream_rq_total");
    let before = front_proxy();
    for target in
        ["/version", "/api/v1/namespaces/default", "/apis", "/openapi/v3", &lab.path("coderworkspaces")]
    {
        lab.front().get(target);
        lab.front_user().get(target);
        lab.front_anonymous().get(target);
    }
    assert_eq!(front_proxy(), before, "a bearer token went over the front-proxy connection");
    lab.front_cert().get("/version");
    assert_ne!(front_proxy(), before);
}

/// A certificate with the admin's subject, signed by nobody whom Envoy knows.
fn forged(issuer: Option<&str>) -> (String, String) {
    let params = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "system:masters");
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let key = KeyPair::generate().unwrap();
    let certificate = match issuer {
        None => params("admin").self_signed(&key).unwrap(),
        Some(name) => {
            let mut authority = params(name);
            authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let issuer = Issuer::new(authority, KeyPair::generate().unwrap());
            params("admin").signed_by(&key, &issuer).unwrap()
        }
    };
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn a_certificate_that_the_clusters_ca_did_not_sign_is_nobody() {
    let Some(lab) = Lab::exclusive() else { return };
    for issuer in [None, Some("client-ca"), Some("front-proxy")] {
        let (certificate, key) = forged(issuer);
        for request in
            [Request::get(&lab.path("coderworkspaces")), Request::get("/api/v1/namespaces"), who_am_i(&[])]
        {
            let endpoint = lab.front_anonymous().with_identity(certificate.as_bytes(), key.as_bytes());
            let answer = without_coder_call(&lab, "a forged certificate", || endpoint.try_send(&request));
            if let Ok(response) = answer {
                assert!([401, 403].contains(&response.status()), "{issuer:?}: {}", response.excerpt());
            }
        }
    }
}
