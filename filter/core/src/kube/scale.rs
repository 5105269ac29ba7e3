//! `autoscaling/v1` Scale, the object of the `scale` subresource: how many there should be, and how many there are.

use super::duration::HumanDuration;
use super::meta::ObjectMeta;
use super::object_writer::Object;
use super::table::{ColumnDefinition, Row};
use crate::json::object;
use crate::time::Millis;
use serde::Serialize;

/// `apiVersion` of a [`Scale`].
pub const API_VERSION: &str = "autoscaling/v1";
/// Its kind.
pub const KIND: &str = "Scale";

/// A Scale as it is written.
#[derive(Clone, Debug, Serialize)]
pub struct Scale<'a> {
    metadata: ObjectMeta<'a>,
    spec: Spec,
    status: StatusPart,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Spec {
    /// 0 is left out, as Go does it.
    #[serde(skip_serializing_if = "is_zero")]
    replicas: i64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct StatusPart {
    replicas: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

impl<'a> Scale<'a> {
    /// The scale of the object with this metadata, of which a Scale shows the name, the uid and when it was made.
    #[must_use]
    pub fn new(of: &ObjectMeta<'a>, wished: i64, there: i64) -> Self {
        let metadata = ObjectMeta {
            name: of.name.clone(),
            namespace: of.namespace.clone(),
            uid: of.uid.clone(),
            creation_timestamp: of.creation_timestamp,
            ..ObjectMeta::default()
        };
        Self { metadata, spec: Spec { replicas: wished }, status: StatusPart { replicas: there } }
    }
}

const fn column(
    name: &'static str,
    column_type: &'static str,
    description: &'static str,
) -> ColumnDefinition {
    ColumnDefinition { name, column_type, format: "", description, priority: 0 }
}

impl Object for Scale<'_> {
    const API_VERSION: &'static str = API_VERSION;
    const KIND: &'static str = KIND;
    /// As kube-apiserver has them.
    const COLUMNS: &'static [ColumnDefinition] = &[
        ColumnDefinition { format: "name", ..column("Name", "string", "Name of the object.") },
        column("Desired", "integer", "How many there should be."),
        column("Available", "integer", "How many there are."),
        column("Age", "string", "How long ago it was made."),
    ];

    fn metadata(&self) -> &ObjectMeta<'_> {
        &self.metadata
    }

    fn cells(&self, now: Millis, row: &mut Row<'_>) {
        row.string(&self.metadata.name);
        row.integer(self.spec.replicas);
        row.integer(self.status.replicas);
        match self.metadata.creation_timestamp {
            Some(made) => row.display(format_args!("{}", HumanDuration(now.saturating_sub(made.millis())))),
            None => row.string("<unknown>"),
        }
    }
}

/// The spec of a Scale as it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScaleManifest {
    /// Go's clients leave 0 out, so that is what none means.
    pub replicas: Option<i64>,
}

object!(ScaleManifest {} { replicas });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::negotiation::{Form, IncludeObject, MetaVersion};
    use crate::kube::object_writer::write_object;
    use crate::time::Timestamp;

    fn check(form: Form, wished: i64, there: i64, expect: &str) {
        let of = ObjectMeta {
            name: "a".into(),
            namespace: "n".into(),
            uid: "u".into(),
            generation: 3,
            creation_timestamp: Some(Timestamp::from_millis(0)),
            ..ObjectMeta::default()
        };
        let bytes = write_object(form, &Scale::new(&of, wished, there), 7, 60_000).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), expect);
    }

    #[test]
    fn as_kube_apiserver_writes_it() {
        let meta = r#""metadata":{"resourceVersion":"7","name":"a","namespace":"n","uid":"u","creationTimestamp":"1970-01-01T00:00:00Z"}"#;
        let scale = |rest: &str| format!(r#"{{"apiVersion":"autoscaling/v1","kind":"Scale",{meta},{rest}}}"#);
        check(Form::Object, 1, 0, &scale(r#""spec":{"replicas":1},"status":{"replicas":0}"#));
        check(Form::Object, 0, 1, &scale(r#""spec":{},"status":{"replicas":1}"#));
        let bytes = {
            let of = ObjectMeta { name: "a".into(), ..ObjectMeta::default() };
            let form = Form::Table(MetaVersion::V1, IncludeObject::None);
            write_object(form, &Scale::new(&of, 1, 1), 7, 0).unwrap()
        };
        assert!(
            String::from_utf8(bytes)
                .unwrap()
                .ends_with(r#""rows":[{"cells":["a",1,1,"<unknown>"],"object":null}]}"#)
        );
    }

    #[test]
    fn what_is_left_out() {
        let read =
            |json: &str| crate::json::read::<ScaleManifest>(json.as_bytes()).map(|scale| scale.replicas);
        assert_eq!(read("{}"), Ok(None));
        assert_eq!(read(r#"{"replicas":1,"selector":"x"}"#), Ok(Some(1)));
        assert!(read(r#"{"replicas":"1"}"#).is_err());
    }
}
