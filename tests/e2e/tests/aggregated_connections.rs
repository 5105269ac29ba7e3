//! Behind an APIService: what becomes of connections and streams when certificates, their time and tokens end. Each test holds the lab alone.

use e2e::{
    Balancer, Endpoint, Http1, Lab, Protocol, Replica, Request, Stream,
    balancer::Led,
    doors::{MASTERS, as_proxy, past},
    envoy::eventually,
    stream::Next,
    watch::request,
};
use serde_json::json;
use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);
/// Rights are looked at again about once a minute; the last look is believed for some seconds more.
const CUT_OFF: Duration = Duration::from_secs(100);

/// What Go's net/http says where it had begun to send a body on a connection that went away, and cannot begin again: kube-apiserver answers 503 then, and nothing has
/// been passed on (<https://github.com/golang/go/issues/62450>).
const NOT_SENT: &str = "cannot rewind body after connection loss";

#[test]
fn no_request_is_lost_when_connections_end_for_their_age() {
    let Some(lab) = Lab::exclusive().filter(Lab::aggregated_only) else { return };
    let replica = Replica::start(&lab, &[("max_connection_duration: 600s", "max_connection_duration: 1s")]);
    let balancer = Balancer::before(&[replica.address()]);
    let led = Led::to(&lab, &balancer, &lab.namespace);
    let (list, all) = (lab.path("codertemplates?limit=1"), lab.path("coderworkspaces"));
    // Nothing is made, but a client repeats no POST that got lost.
    let make = Request::post(
        &lab.path("coderworkspaces?dryRun=All"),
        &json!({"apiVersion": "aggregation.coder.com/v1alpha1", "kind": "CoderWorkspace",
            "metadata": {"name": "coder.alice.aged"}, "spec": {"organization": "coder", "templateName": "plain"}}),
    );
    let mut watch = Stream::open(&led.front(), Protocol::Http2, &request(&all, "timeoutSeconds=120"));
    assert_eq!(watch.head().status, 200);
    let ended = || {
        let stats =
            Endpoint::from_url(replica.admin()).get("/stats?filter=downstream_cx_max_duration_reached");
        stats.text().lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    let not_sent = AtomicU64::new(0);
    let before = ended();
    let until = Instant::now() + Duration::from_secs(15);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while Instant::now() < until {
                    assert_eq!(led.front().get(&list).status(), 200);
                    let made = led.front().send(&make);
                    if made.status() == 503 && made.text().contains(NOT_SENT) {
                        not_sent.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    assert_eq!(made.status(), 201, "{}", made.excerpt());
                }
            });
        }
    });
    let (ended, not_sent) = (ended() - before, not_sent.into_inner());
    assert!(ended > 0, "no connection was old enough");
    assert!(not_sent <= ended, "{not_sent} were not sent, and {ended} connections have ended");
    loop {
        match watch.next(Duration::from_millis(10)) {
            Next::Line(_) => {}
            Next::Quiet => break,
            Next::Ended(how) => panic!("the watch has ended with its connection: {how:?}"),
        }
    }
}

#[test]
fn a_watch_ends_with_its_token() {
    let Some(lab) = Lab::exclusive().filter(Lab::aggregated_only) else { return };
    let kubectl = |arguments: &str| lab.kubectl_direct().run(&format!("-n {} {arguments}", lab.namespace));
    kubectl("create serviceaccount watcher").ok();
    kubectl("create role watcher --verb=list,watch --resource=coderworkspaces.aggregation.coder.com").ok();
    kubectl(&format!("create rolebinding watcher --role=watcher --serviceaccount={}:watcher", lab.namespace))
        .ok();
    let token = kubectl("create token watcher").ok().trim().to_owned();
    let endpoint = past(&lab).with_token(&token);
    let path = lab.path("coderworkspaces");
    eventually("the role takes effect", PATIENCE, || (endpoint.get(&path).status() == 200).then_some(()));
    let watch = request(&path, "timeoutSeconds=300");
    let mut stream = Stream::open(&endpoint, Protocol::Http2, &watch);
    assert_eq!(stream.head().status, 200);
    // The rights stay, and whose they are is gone.
    kubectl("delete serviceaccount watcher").ok();
    let since = Instant::now();
    loop {
        let left = CUT_OFF.checked_sub(since.elapsed()).expect("the watch ends when its token does");
        if let Next::Ended(_) = stream.next(left) {
            break;
        }
    }
    assert_eq!(endpoint.send(&watch).status(), 401);
    kubectl("delete role,rolebinding watcher").ok();
}

#[test]
fn the_serving_certificate_is_replaced_under_open_connections() {
    let Some(lab) = Lab::exclusive().filter(Lab::aggregated_only) else { return };
    let folder = std::env::temp_dir().join(format!("coder-kube-tls-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    // By renaming, as kubelet does.
    let write = |name: &str, content: &[u8]| {
        fs::write(folder.join("next"), content).unwrap();
        fs::rename(folder.join("next"), folder.join(name)).unwrap();
    };
    // The lab's own configuration and resource, with that folder in place of its own.
    let served = lab.coder_token_file.ancestors().nth(2).unwrap().join("tls").display().to_string();
    let resource = fs::read_to_string(Path::new(&served).join("secret.yaml")).unwrap();
    for name in ["tls.key", "tls.crt"] {
        write(name, &fs::read(Path::new(&served).join(name)).unwrap());
    }
    let place = folder.display().to_string();
    fs::write(folder.join("secret.yaml"), resource.replace(&served, &place)).unwrap();
    let replica = Replica::start(&lab, &[(&served, &place)]);

    let url = format!("https://{}", replica.address());
    let client = |authority: &[u8]| {
        as_proxy(&lab, Endpoint::from_url(&url).with_ca(authority))
            .with_header(MASTERS[0].0, MASTERS[0].1)
            .with_header(MASTERS[1].0, MASTERS[1].1)
    };
    let list = Request::get(&lab.path("coderworkspaces"));
    let code =
        |endpoint: &Endpoint| endpoint.try_send(&list).map(|response| response.status()).unwrap_or_default();
    let new = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (new.cert.pem(), new.signing_key.serialize_pem());
    let (before, after) = (client(&fs::read(&lab.envoy_ca).unwrap()), client(certificate.as_bytes()));
    let mut open = Http1::connect(&before).unwrap();
    let mut ask =
        || open.send(&list).and_then(|()| open.read_response("GET")).map(|response| response.status());
    assert_eq!(ask().unwrap(), 200);
    write("tls.key", key.as_bytes());
    write("tls.crt", certificate.as_bytes());
    eventually("the new certificate is shown", PATIENCE, || {
        // None of the requests on the way there is lost.
        assert_eq!(ask().unwrap(), 200);
        (code(&after) == 200).then_some(())
    });
    assert_eq!(code(&before), 0, "the old certificate is still shown");
    assert_eq!(ask().unwrap(), 200);
    fs::remove_dir_all(&folder).unwrap();
}
