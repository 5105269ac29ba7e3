//! Behind an APIService: who is believed, whatever is sent and whatever kube-apiserver publishes.

use super::driver;
use super::text::utf8;
use coder_kube_core::config::Config;
use coder_kube_core::exchange::{Answer, Call, Certificate, Filter, Outcome, Request};
use coder_kube_core::kube::request_header::Authentication;
use coder_kube_core::kube::subject;
use serde_json::Value;

const PATH: &str = "/apis/aggregation.coder.com/v1alpha1/namespaces/coder/codertemplates";
/// What kube-apiserver publishes where nothing is changed.
const PUBLISHED: &[u8] =
    br#"{"data":{"requestheader-client-ca-file":"a","requestheader-username-headers":"[\"X-Remote-User\"]",
    "requestheader-uid-headers":"[\"X-Remote-Uid\"]","requestheader-group-headers":"[\"X-Remote-Group\"]",
    "requestheader-extra-headers-prefix":"[\"X-Remote-Extra-\"]"}}"#;

fn answer(status: u16, body: &[u8]) -> Outcome {
    Ok(Answer { status, headers: Vec::new(), body: body.to_vec() })
}

/// The first line is the route and the certificate's subject; headers follow, each on a line, and after a line `===` the ConfigMap.
pub fn front_proxy(data: &[u8]) {
    let end = data.windows(5).position(|part| part == b"\n===\n").unwrap_or(data.len());
    let published = data.get(end + 5..).unwrap_or_default();
    let mut lines = data[..end].split(|byte| *byte == b'\n');
    let (route, owner) = utf8(lines.next().unwrap_or_default()).split_once(' ').unwrap_or_default();
    let mut headers = vec![(":method".to_owned(), b"GET".to_vec()), (":path".to_owned(), PATH.into())];
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(at + 1..).unwrap_or_default().trim_ascii();
        headers.push((utf8(&line[..at]).to_ascii_lowercase(), value.to_vec()));
    }
    let text: Option<Vec<(&str, &str)>> =
        headers.iter().map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value).ok()?))).collect();
    let named = subject::parse(owner).ok();
    let authentication = Authentication::parse(published).ok();

    let mut asked = None;
    let config = br#"{"mode":"aggregated","kubernetes":{"cluster":"kube"},"controlPlanes":[{"namespace":"coder","cluster":"coder","authority":"coder","dashboardURL":"https://coder.example.com"}]}"#;
    let filter = Filter::new(Config::parse(config).expect("the configuration is good"));
    let request = Request::by_route(headers.clone(), route.as_bytes(), || Certificate {
        subject: owner.into(),
        ..Certificate::default()
    });
    let world = |call: &Call| match call.path.rsplit('/').next().unwrap_or_default() {
        _ if call.cluster == "coder" => {
            assert!(asked.is_some(), "Coder is asked for nobody");
            answer(500, b"")
        }
        "tokenreviews" => answer(201, br#"{"kind":"TokenReview","status":{}}"#),
        "subjectaccessreviews" => {
            asked = serde_json::from_slice::<Value>(&call.body).ok();
            answer(201, br#"{"kind":"SubjectAccessReview","status":{"allowed":true}}"#)
        }
        "coder" => answer(200, br#"{"kind":"Namespace","metadata":{}}"#),
        _ => answer(200, published),
    };
    let reply = driver::run(&filter, driver::NOW, request, false, world).expect("nothing is passed on");
    assert!(reply.status >= 200);

    if let Some(review) = asked {
        let user = review["spec"]["user"].as_str().expect("a review names its user").to_owned();
        let (name, authentication) = (named.expect("a certificate").name, authentication.expect("published"));
        let headers = text.expect("headers that are text");
        let believed = if route.starts_with("front-proxy") {
            authentication.user(&name, &headers).map(|user| user.name)
        } else {
            assert!(route.starts_with("client-certificate"), "{route}");
            (!authentication.client_authority.is_empty()).then_some(name)
        };
        assert_eq!(believed, Some(user));
    } else if let (Some(headers), Ok(standard)) = (text, Authentication::parse(PUBLISHED))
        && let Some(user) = standard.user("", &headers)
    {
        // Whoever is named, sent on as kube-apiserver does, is the same.
        let again = user.front_proxy_headers();
        let again: Vec<(&str, &str)> =
            again.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(standard.user("", &again), Some(user));
    }
}
