//! Laws of changing a workspace: what is asked for is reached, asking again changes nothing, and what is refused has changed nothing.

use super::coder::*;
use super::*;
use proptest::prelude::*;
use proptest::sample::select;

const PATH: &str = "/namespaces/coder/coderworkspaces/coder.alice.w";

/// A spec; what is none is left out.
fn spec() -> impl Strategy<Value = Value> {
    let maybe = |values: Vec<Value>| prop::option::of(select(values));
    let parameter = |name: &'static str, values: Vec<Value>| {
        prop::option::weighted(
            0.3,
            select(values).prop_map(move |value| json!({"name": name, "value": value})),
        )
    };
    (
        maybe(vec![json!(true), json!(false)]),
        maybe(vec![json!(60_000), json!(120_000)]),
        maybe(vec![json!("0 9 * * 1"), json!("CRON_TZ=UTC 5 5 * * *")]),
        maybe(vec![json!("always"), json!("never")]),
        prop::option::weighted(0.3, select(vec![json!(true), json!(false)])),
        maybe(vec![json!(V1), json!(V2)]),
        parameter("cpu", vec![json!("2"), json!("4"), json!("99")]),
        parameter("zone", vec![json!("eu"), json!("us")]),
        parameter("home", vec![json!("small"), json!("big")]),
    )
        .prop_map(|(running, ttl, schedule, updates, dormant, version, cpu, zone, home)| {
            let mut spec = json!({"organization": "coder", "templateName": "dev"});
            let fields = [
                "running",
                "ttlMillis",
                "autostartSchedule",
                "automaticUpdates",
                "dormant",
                "templateVersionID",
            ];
            for (field, value) in fields.into_iter().zip([running, ttl, schedule, updates, dormant, version])
            {
                if let Some(value) = value {
                    spec[field] = value;
                }
            }
            let parameters: Vec<Value> = [cpu, zone, home].into_iter().flatten().collect();
            if !parameters.is_empty() {
                spec["parameters"] = parameters.into();
            }
            spec
        })
}

fn put(coder: &Coder, spec: &Value) -> (Reply, usize) {
    let world = coder.world();
    let object = json!({"apiVersion": "aggregation.coder.com/v1alpha1", "kind": "CoderWorkspace", "metadata": {"name": "coder.alice.w"}, "spec": spec});
    let reply = world.write("PUT", PATH, "application/json", &object);
    let writes = world.writes().len();
    (reply, writes)
}

/// Whether the object is as the spec says.
fn reached(object: &Value, wished: &Value) -> Result<(), TestCaseError> {
    let is = &object["spec"];
    for field in ["running", "automaticUpdates", "dormant", "templateVersionID"] {
        if wished.get(field).is_some() {
            prop_assert_eq!(&is[field], &wished[field], "{}: {} is {}", field, wished, is);
        }
    }
    for field in ["ttlMillis", "autostartSchedule"] {
        prop_assert_eq!(is.get(field), wished.get(field), "{}: {} is {}", field, wished, is);
    }
    for parameter in wished["parameters"].as_array().into_iter().flatten() {
        prop_assert!(is["parameters"].as_array().unwrap().contains(parameter), "{} is {}", wished, is);
    }
    Ok(())
}

proptest! {
    #[test]
    fn one_spec_after_the_other(first in spec(), second in spec(), runs: bool) {
        let coder = Coder::instant().with(if runs { "start" } else { "stop" }, "succeeded");
        for wished in [&first, &second] {
            let before = format!("{:?}", coder.first());
            let (reply, writes) = put(&coder, wished);
            if reply.status != 200 {
                prop_assert_eq!(reply.status, 422, "{}", body(&reply));
                prop_assert_eq!((writes, format!("{:?}", coder.first())), (0, before));
                continue;
            }
            let shown = body(&coder.world().get(PATH));
            prop_assert_eq!(&body(&reply), &shown);
            reached(&shown, wished)?;
            let (again, writes) = put(&coder, wished);
            prop_assert_eq!((again.status, writes), (200, 0), "{}", wished);
            // What a get shows can be put back.
            let (again, writes) = put(&coder, &shown["spec"]);
            prop_assert_eq!((again.status, writes), (200, 0), "{}", shown);
        }
    }

    #[test]
    fn what_is_refused_has_changed_nothing(wished in spec(), at in 0..5_usize, status in select(vec![400_u16, 403, 404, 409, 422, 429])) {
        let coder = Coder::instant().with("stop", "succeeded");
        let calls = ["PUT /workspaces/w-1/ttl", "PUT /workspaces/w-1/autostart", "PUT /workspaces/w-1/autoupdates", "PUT /workspaces/w-1/dormant", "POST /workspaces/w-1/builds"];
        coder.fail(calls[at], 1, answer(status, &json!({"message": "No."})));
        let before = format!("{:?}", coder.first());
        let (reply, _) = put(&coder, &wished);
        if reply.status != 200 {
            prop_assert_eq!(format!("{:?}", coder.first()), before, "{}", body(&reply));
        }
    }
}
