//! Parsers of what Coder answers, and what becomes of what they read.

use super::driver;
use coder_kube_core::coder::errors::{CoderError, Failure, Intent};
use coder_kube_core::coder::{
    self as wire, Build, BuildParameter, ProvisionerJob, Template, TemplateVersion, Workspace, WorkspaceList,
};
use coder_kube_core::convert::resource_version::{newest_of_template, newest_of_workspace, resource_version};
use coder_kube_core::convert::{self, Import, files as archives, logs as texts};
use coder_kube_core::kube::list_writer::ListWriter;
use coder_kube_core::kube::meta::ListMeta;
use coder_kube_core::kube::negotiation::{Form, IncludeObject, MetaVersion};
use coder_kube_core::kube::object_writer::{Object, content_hash, write_object};
use coder_kube_core::kube::yaml;
use serde_json::Value;

const FORMS: [Form; 4] = [
    Form::Object,
    Form::PartialObjectMetadata(MetaVersion::V1),
    Form::Table(MetaVersion::V1, IncludeObject::Object),
    Form::Table(MetaVersion::V1beta1, IncludeObject::None),
];

/// Any answer, read as each of Coder's types; what can be read becomes an object, which is written in every form.
pub fn coder(data: &[u8]) {
    if let Ok(list) = wire::parse::<WorkspaceList<'_>>(data) {
        list.workspaces.iter().for_each(workspace);
    }
    if let Ok(read) = wire::parse::<Workspace<'_>>(data) {
        workspace(&read);
    }
    if let Ok(list) = wire::parse::<Vec<Template<'_>>>(data) {
        list.iter().for_each(|read| template(read, Import::Unknown));
    }
    if let Ok(read) = wire::parse::<Template<'_>>(data) {
        template(&read, Import::Succeeded);
    }
    if let Ok(version) = wire::parse::<TemplateVersion<'_>>(data) {
        let plain = Template { organization_name: "coder".into(), name: "dev".into(), ..Template::default() };
        let import = Import::from_job(&version.job);
        template(&plain, import);
        let mut object = convert::template(&plain, "coder", import).expect("its name is good");
        let view = convert::View { active: &version, wanted: Some(&version), latest: &version };
        convert::details(&mut object, &plain, view, "log");
        written(&object, 1);
    }
    if let Ok(versions) = wire::parse::<Vec<TemplateVersion<'_>>>(data) {
        let active = versions.first().map_or("", |version| version.id.as_str());
        if let Some(wanted) = convert::version::wanted(&versions, active) {
            assert_ne!(wanted.id.as_str(), active);
        }
        let _ = convert::template_change::next(
            &versions,
            active,
            &convert::version::name(data, "terraform", &[]),
        );
    }
    let _ = wire::parse::<Build<'_>>(data);
    for job in wire::parse::<Vec<ProvisionerJob<'_>>>(data).unwrap_or_default() {
        let _ = (job.tags(), job.since(), job.is_finished());
    }
    if let Ok(list) = wire::parse::<Vec<BuildParameter>>(data) {
        let list = wire::requests::Values(list);
        let empty = Workspace {
            organization_name: "coder".into(),
            owner_name: "alice".into(),
            name: "ws".into(),
            ..Workspace::default()
        };
        let mut object = convert::workspace(&empty, "coder", "http://c").expect("its name is good");
        convert::parameters(&mut object, &list);
        written(&object, 1);
    }
    for status in [400, 401, 404, 409, 429, 500] {
        let error =
            CoderError::new(Intent::Build, Failure::Answer { status, body: data, retry_after: Some("1") });
        assert!(!error.text().contains("://") && !error.text().chars().any(char::is_control), "{error:?}");
        assert!(error.message.len() < 1100 && error.detail.len() < 1100 && error.validations.len() <= 32);
    }
}

fn workspace(read: &Workspace<'_>) {
    let Some(object) = convert::workspace(read, "coder", "https://coder.example.com") else { return };
    let hash = content_hash(&object, &mut Vec::new()).expect("it can be written");
    written(&object, resource_version(newest_of_workspace(read), hash));
}

fn template(read: &Template<'_>, import: Import<'_>) {
    let Some(object) = convert::template(read, "coder", import) else { return };
    let hash = content_hash(&object, &mut Vec::new()).expect("it can be written");
    written(&object, resource_version(newest_of_template(read, import), hash));
}

/// Each form is JSON, and YAML, with the object's name and this version.
fn written<T: Object>(object: &T, version: u64) {
    assert!((1..1 << 63).contains(&version));
    for form in FORMS {
        let bytes = write_object(form, object, version, driver::NOW).expect("it can be written");
        let json: Value = serde_json::from_slice(&bytes).expect("it is JSON");
        assert_eq!(json["metadata"]["resourceVersion"], version.to_string());
        match form {
            Form::Table(..) => {
                assert_eq!(json["rows"][0]["cells"].as_array().map(Vec::len), Some(T::COLUMNS.len()));
            }
            _ => assert_eq!(json["metadata"]["name"], *object.metadata().name),
        }
        assert!(yaml::from_json(&bytes).is_some());
        let mut list =
            ListWriter::new::<T>(form, &ListMeta::default(), driver::NOW, Vec::new()).expect("so can a list");
        list.push(object, |_| version).expect("so can a list");
        serde_json::from_slice::<Value>(&list.finish()).expect("it is JSON");
    }
}

/// An archive: paths are in order and occur once, texts have no NUL.
pub fn files(data: &[u8]) {
    let Ok(files) = archives::files(data) else { return };
    assert!(files.0.windows(2).all(|pair| pair[0].0 < pair[1].0), "{files:?}");
    assert!(files.0.iter().all(|(_, text)| !text.contains('\0')));
    serde_json::to_vec(&files).expect("they can be written");
}

/// The first byte is how many lines are wanted: they are the last of all of them.
pub fn logs(data: &[u8]) {
    let (tail, body) = data.split_first().map_or((0, data), |(first, body)| (*first, body));
    for log in [texts::build_log, texts::agent_log] {
        let Ok(whole) = log(body, None) else { continue };
        let some = log(body, Some(tail.into())).expect("the body is the same");
        let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
        assert!(whole.ends_with(&some) && whole.last().is_none_or(|last| *last == b'\n'));
        assert_eq!(lines(&some), lines(&whole).min(tail.into()));
        std::str::from_utf8(&some).expect("it is text");
    }
}
