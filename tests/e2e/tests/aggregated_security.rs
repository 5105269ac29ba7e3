//! Behind an APIService: who is believed, and who is not. Whoever is not must not reach Coder, so each test counts its calls and holds the lab alone.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use e2e::{
    Endpoint, GROUP_VERSION, Lab, Request, Response,
    check::status,
    doors::{MASTERS, as_proxy, behind, past},
    envoy::{eventually, upstream_requests, without_coder_call},
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SigningKey};
use serde_json::{Value, json};
use std::{
    fs, io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Envoy asks for authorities every second or two, the filter reads the ConfigMap every five.
const PATIENCE: Duration = Duration::from_secs(30);

/// What `limits.decisionCacheSeconds` is where nothing is said: so long a worker believes what it was told of a token, and a little longer.
const BELIEVED: Duration = Duration::from_secs(11);

/// With the admin's client certificate, which the cluster's CA has signed.
fn as_admin(lab: &Lab, endpoint: Endpoint) -> Endpoint {
    let file = |name: &str| fs::read(lab.envoy_ca.with_file_name(name)).unwrap();
    endpoint.with_identity(&file("admin.crt"), &file("admin.key"))
}

/// An authority that a test has made up.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate of that common name, and its key.
    fn signs(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "system:masters");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn client(&self, name: &str, endpoint: Endpoint) -> Endpoint {
        let (certificate, key) = self.signs(name);
        endpoint.with_identity(certificate.as_bytes(), key.as_bytes())
    }
}

fn with<'a>(request: &Request, headers: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Request {
    headers.into_iter().fold(request.clone(), |request, (name, value)| request.header(name, value))
}

/// Reads and changes of both kinds, and what is none of ours.
fn requests(lab: &Lab) -> Vec<Request> {
    let workspace = json!({"apiVersion": "aggregation.coder.com/v1alpha1", "kind": "CoderWorkspace",
        "metadata": {"name": "coder.alice.intruder"}, "spec": {"organization": "coder", "templateName": "plain"}});
    vec![
        Request::get(&lab.path("coderworkspaces")),
        Request::get(&format!("{}?watch=1&timeoutSeconds=1", lab.path("coderworkspaces"))),
        Request::get(&format!("{GROUP_VERSION}/codertemplates")),
        Request::post(&lab.path("coderworkspaces"), &workspace),
        Request::new("DELETE", &lab.path("coderworkspaces")),
    ]
}

/// Refused with that code, or not even connected (`None`); and Coder is not called.
#[track_caller]
fn denied(lab: &Lab, what: &str, endpoint: &Endpoint, headers: &[(&str, &str)], code: Option<u16>) {
    for request in requests(lab) {
        let request = with(&request, headers);
        let answer: io::Result<Response> = without_coder_call(lab, what, || endpoint.try_send(&request));
        match (answer, code) {
            (Ok(response), Some(code)) => {
                let reason = if code == 401 { "Unauthorized" } else { "Forbidden" };
                status(&response, code, reason);
            }
            (Err(_), None) => {}
            (Ok(response), None) => panic!("{what}: answered {}", response.excerpt()),
            (Err(e), Some(_)) => panic!("{what}: {e}"),
        }
    }
}

#[test]
fn who_proves_nothing_is_nobody() {
    let Some(lab) = Lab::exclusive().filter(Lab::aggregated_only) else { return };
    let (behind, past) = (behind(&lab), past(&lab));
    for (door, endpoint) in [("behind", &behind), ("past", &past)] {
        let token = format!("Bearer {}", lab.user_token);
        let admin = format!("Bearer {}", lab.admin_token);
        let check = |what: &str, headers: &[(&str, &str)], code: u16| {
            denied(&lab, &format!("{door}: {what}"), endpoint, headers, Some(code));
        };
        check("no credentials", &[], 401);
        check("forged headers", &MASTERS, 401);
        check(
            "forged headers in odd case",
            &[("x-ReMoTe-uSeR", "admin"), ("X-REMOTE-GROUP", "system:masters")],
            401,
        );
        check("a token that is nobody's", &[("Authorization", "Bearer nonsense")], 401);
        check("a password", &[("Authorization", "Basic YWRtaW46YWRtaW4=")], 401);
        check("two tokens", &[("Authorization", &admin), ("Authorization", &token)], 401);
        check("a token without rights", &[("Authorization", &token)], 403);
        check(
            "forged headers beside such a token",
            &[("Authorization", &token), MASTERS[0], MASTERS[1]],
            403,
        );
        check("impersonation", &[("Authorization", &admin), ("Impersonate-User", "bob")], 403);
        check(
            "headers of the filter's own",
            &[("x-coder-kube-carrier", "1"), ("x-coder-kube-answered", "1")],
            401,
        );
    }
    // So that it is not the lab that is broken.
    let list = Request::get(&lab.path("coderworkspaces"));
    for endpoint in [behind, past] {
        assert_eq!(endpoint.with_token(&lab.admin_token).send(&list).status(), 200);
    }
}

#[test]
fn a_certificate_counts_where_its_authority_does() {
    let Some(lab) = Lab::exclusive().filter(Lab::aggregated_only) else { return };
    let (behind, past) = (behind(&lab), past(&lab));
    let list = Request::get(&lab.path("coderworkspaces"));
    // kube-apiserver is believed about others, and only about them.
    let proxy = as_proxy(&lab, behind.clone());
    assert_eq!(proxy.send(&with(&list, &MASTERS)).status(), 200);
    denied(&lab, "a user without rights", &proxy, &[("X-Remote-User", "alice")], Some(403));
    denied(&lab, "no user", &proxy, &[], Some(401));
    denied(&lab, "groups alone", &proxy, &[MASTERS[1]], Some(401));
    let bearer = format!("Bearer {}", lab.admin_token);
    denied(&lab, "a token beside it", &proxy, &[("Authorization", &bearer)], Some(401));
    let impersonating = [MASTERS[0], MASTERS[1], ("Impersonate-User", "bob")];
    denied(&lab, "impersonation", &proxy, &impersonating, Some(403));
    // A client of the cluster is itself, and does not speak for others.
    let admin = as_admin(&lab, past.clone());
    assert_eq!(admin.send(&list).status(), 200);
    assert_eq!(admin.send(&with(&list, &[("X-Remote-User", "alice")])).status(), 200);
    denied(&lab, "a client's certificate behind", &as_admin(&lab, behind.clone()), &MASTERS, None);
    denied(&lab, "kube-apiserver's past itself", &as_proxy(&lab, past.clone()), &MASTERS, None);
    for name in ["front-proxy", "admin"] {
        let forger = Authority::new("front-proxy-ca");
        denied(&lab, "another authority behind", &forger.client(name, behind.clone()), &MASTERS, None);
        denied(&lab, "another authority past", &forger.client(name, past.clone()), &MASTERS, None);
    }
}

#[test]
fn the_filters_own_places_are_not_for_clients() {
    let Some(lab) = Lab::exclusive().filter(Lab::aggregated_only) else { return };
    let leases = "/apis/coordination.k8s.io/v1/namespaces/coder-kube-filter/leases?watch=true&fieldSelector=metadata.name%3Dbell";
    let carrier = Request::get(leases).header("x-coder-kube-carrier", "1");
    let secrets = Request::post("/v3/discovery:secrets", &json!({}));
    let own = Request::get("/metrics");
    for endpoint in [behind(&lab), past(&lab)] {
        // Everybody who is known may look below /apis, where there is nothing but our group.
        for (request, code, reason) in
            [(&carrier, 404, "NotFound"), (&secrets, 403, "Forbidden"), (&own, 403, "Forbidden")]
        {
            status(&endpoint.send(request), 401, "Unauthorized");
            status(&endpoint.clone().with_token(&lab.user_token).send(request), code, reason);
            status(&endpoint.clone().with_token(&lab.admin_token).send(request), 404, "NotFound");
        }
    }
}

#[test]
fn what_everybody_is_told_needs_nobody() {
    let Some(lab) = Lab::exclusive().filter(Lab::aggregated_only) else { return };
    let document = format!("/openapi/v3{GROUP_VERSION}");
    let targets =
        ["/apis", GROUP_VERSION, "/openapi/v2", "/openapi/v3", &document, "/healthz", "/livez", "/readyz"];
    for endpoint in [behind(&lab), past(&lab)] {
        for target in targets {
            let reviews = upstream_requests(&lab, "kube-filter");
            let response = without_coder_call(&lab, target, || endpoint.get(target));
            assert_eq!(response.status(), 200, "{target}: {}", response.excerpt());
            let asked = upstream_requests(&lab, "kube-filter") - reviews;
            // What Envoy asks about authorities, and nothing for each request.
            assert!(asked < 8, "{target}: kube-apiserver was asked {asked} times");
            if let Some(tag) = response.header("etag") {
                let again = endpoint.send(&Request::get(target).header("If-None-Match", tag));
                assert_eq!((again.status(), again.body.len()), (304, 0), "{target}");
                let stale = endpoint.get(&format!("{target}?hash=stale"));
                assert_eq!((stale.status(), stale.header("etag")), (200, Some(tag)), "{target}");
            }
        }
    }
}

/// The ConfigMap in which kube-apiserver publishes how it proves itself. What is added stays until this is dropped; kube-apiserver keeps its own.
struct Published<'lab> {
    lab: &'lab Lab,
    original: Value,
}

impl<'lab> Published<'lab> {
    fn of(lab: &'lab Lab) -> Self {
        let found = lab
            .kubectl_direct()
            .run("-n kube-system get configmap extension-apiserver-authentication -o json");
        Self { lab, original: found.json()["data"].clone() }
    }

    fn text(&self, key: &str) -> String {
        self.original[key].as_str().expect("it is published").to_owned()
    }

    fn set(&self, data: &Value) {
        let patch = json!({ "data": data }).to_string();
        let patched =
            ["-n", "kube-system", "patch", "configmap", "extension-apiserver-authentication", "-p", &patch];
        self.lab.kubectl_direct().run_args(&patched).ok();
    }
}

impl Drop for Published<'_> {
    fn drop(&mut self) {
        self.set(&self.original);
    }
}

#[test]
fn authorities_and_names_are_those_that_are_published_now() {
    let Some(lab) = Lab::exclusive().filter(Lab::aggregated_only) else { return };
    let authority = Authority::new("another");
    let list = with(&Request::get(&lab.path("coderworkspaces")), &MASTERS);
    let (allowed, other) =
        (authority.client("front-proxy", behind(&lab)), authority.client("other-proxy", behind(&lab)));
    denied(&lab, "an authority that is not published", &allowed, &MASTERS, None);

    let published = Published::of(&lab);
    let authorities = format!("{}{}", published.text("requestheader-client-ca-file"), authority.pem);
    published.set(&json!({ "requestheader-client-ca-file": authorities }));
    let code =
        |endpoint: &Endpoint| endpoint.try_send(&list).map(|response| response.status()).unwrap_or_default();
    eventually("the new authority is believed", PATIENCE, || (code(&allowed) == 200).then_some(()));
    // kube-apiserver itself goes on with its own.
    assert_eq!(code(&as_proxy(&lab, behind(&lab))), 200);
    denied(&lab, "a name that is not allowed", &other, &MASTERS, Some(401));
    denied(&lab, "at the other door", &authority.client("front-proxy", past(&lab)), &MASTERS, None);

    published.set(&json!({"requestheader-allowed-names": "[\"front-proxy\",\"other-proxy\"]"}));
    eventually("the new name is allowed", PATIENCE, || (code(&other) == 200).then_some(()));

    drop(published);
    eventually("the authority is gone", PATIENCE, || (code(&allowed) == 0).then_some(()));
    denied(&lab, "a replaced authority", &allowed, &MASTERS, None);
    denied(&lab, "a replaced authority", &other, &MASTERS, None);
    assert_eq!(code(&as_proxy(&lab, behind(&lab))), 200);
}

/// A token of a service account, signed as kube-apiserver does, that ends in so many seconds.
fn token(lab: &Lab, account: &Value, seconds: i64) -> String {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let (name, namespace) = (&account["metadata"]["name"], &account["metadata"]["namespace"]);
    let issuer = "https://kubernetes.default.svc";
    let claims = json!({
        "iss": issuer, "aud": [issuer], "iat": now - 7200, "nbf": now - 7200, "exp": now + seconds,
        "sub": format!("system:serviceaccount:{}:{}", namespace.as_str().unwrap(), name.as_str().unwrap()),
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]}},
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let said = format!("{}.{}", part(&json!({"alg": "ES256"})), part(&claims));
    let key = fs::read_to_string(lab.envoy_ca.with_file_name("service-accounts.key")).unwrap();
    let signature = KeyPair::from_pem(&key).unwrap().sign(said.as_bytes()).unwrap();
    format!("{said}.{}", URL_SAFE_NO_PAD.encode(raw(&signature)))
}

/// Both numbers of an ECDSA signature in DER, 32 bytes each.
fn raw(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut raw = Vec::new();
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let number = &number[number.len().saturating_sub(32)..];
        raw.extend(vec![0; 32 - number.len()]);
        raw.extend(number);
        rest = after;
    }
    raw
}

#[test]
fn a_token_ends_when_it_says() {
    let Some(lab) = Lab::exclusive().filter(Lab::aggregated_only) else { return };
    let account =
        lab.kubectl_direct().run(&format!("-n {} get serviceaccount default -o json", lab.namespace)).json();
    let (valid, expired) = (token(&lab, &account, 600), token(&lab, &account, -60));
    for endpoint in [behind(&lab), past(&lab)] {
        // Known, though it may do nothing; and not known any more.
        denied(&lab, "a valid token", &endpoint.clone().with_token(&valid), &[], Some(403));
        denied(&lab, "an expired token", &endpoint.clone().with_token(&expired), &[], Some(401));
    }
}

#[test]
fn a_token_ends_with_its_owner() {
    let Some(lab) = Lab::exclusive().filter(Lab::aggregated_only) else { return };
    let kubectl = |arguments: &str| lab.kubectl_direct().run(&format!("-n {} {arguments}", lab.namespace));
    kubectl("create serviceaccount leaver").ok();
    let token = kubectl("create token leaver").ok().trim().to_owned();
    let endpoint = past(&lab).with_token(&token);
    let list = Request::get(&lab.path("coderworkspaces"));
    assert_eq!(endpoint.send(&list).status(), 403);
    kubectl("delete serviceaccount leaver").ok();
    eventually("the token is nobody's", PATIENCE, || (endpoint.send(&list).status() == 401).then_some(()));
    // Another worker may have asked last just before that.
    std::thread::sleep(BELIEVED);
    denied(&lab, "the token of who is gone", &endpoint, &[], Some(401));
}
