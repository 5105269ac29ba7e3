//! Readers of what clients write: documents, patches, manifests, options of deletions.

use coder_kube_core::api::v1alpha1::{CoderTemplateManifest, CoderWorkspaceManifest, WORKSPACES};
use coder_kube_core::coder::requests::Values;
use coder_kube_core::coder::{self, Evaluation, Workspace};
use coder_kube_core::convert::parameter_check::{self, Asked};
use coder_kube_core::convert::workspace_change::{change, projected};
use coder_kube_core::convert::{archive, paths, template_change, template_check, version, workspace_check};
use coder_kube_core::json::{self, Read};
use coder_kube_core::kube::delete_options::DeleteOptions;
use coder_kube_core::kube::document::{self, Document};
use coder_kube_core::kube::manifest::{Expected, Manifest};
use coder_kube_core::kube::patch::{self as patches, Merge, PatchType};
use coder_kube_core::kube::query::Query;
use coder_kube_core::kube::status::Cause;
use coder_kube_core::kube::write_options::FieldValidation;
use coder_kube_core::names::{TemplateName, WorkspaceName};
use coder_kube_core::time::Timestamp;
use serde_json::Value;

use super::text::{refused, utf8};

/// Splits off the first line.
fn line(data: &[u8]) -> (&str, &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (utf8(&data[..at]), data.get(at + 1..).unwrap_or_default())
}

/// The content type, then the body: JSON stays as it is, YAML becomes JSON, which is read as itself.
pub fn document(data: &[u8]) {
    let (content_type, body) = line(data);
    match document::read(Some(content_type), body.to_vec()) {
        Err(status) => refused(&status),
        Ok(document) if document.json == body => {}
        Ok(document) => {
            let media_type = content_type.split(';').next().unwrap_or_default().trim();
            assert!(media_type.eq_ignore_ascii_case("application/yaml"), "{content_type}");
            let again = document::read(Some(content_type), document.json.clone());
            // What aliases have nested too deeply for JSON is the next reader's business.
            if serde_json::from_slice::<Value>(&document.json).is_ok() {
                assert_eq!(again, Ok(document));
            }
        }
    }
}

/// The content type, the object as JSON on one line, then the patch: what comes out is JSON, and a merge done twice is done once.
pub fn patch(data: &[u8]) {
    const RULES: &[(&str, Merge)] =
        &[("spec.parameters", Merge::ByKey("name")), ("spec.files", Merge::Atomic)];
    let (content_type, rest) = line(data);
    let (base, body) = line(rest);
    let base = match serde_json::from_str::<Value>(base) {
        Ok(base) => base.to_string(),
        Err(_) => "{}".to_owned(),
    };
    let patch_type = match PatchType::of(Some(content_type)) {
        Ok(patch_type) => patch_type,
        Err(status) => return refused(&status),
    };
    match patches::patch(patch_type, body.to_vec(), base.as_bytes(), RULES) {
        Err(status) => refused(&status),
        Ok(patched) => {
            let object: Value = serde_json::from_slice(&patched.json).expect("an object is JSON");
            if patch_type == PatchType::Merge {
                assert!(object.is_object());
                assert_eq!(patches::patch(patch_type, body.to_vec(), &patched.json, RULES), Ok(patched));
            }
        }
    }
}

/// A manifest: what Ignore takes, Warn takes with the warnings that Strict refuses.
pub fn manifest(data: &[u8]) {
    let document = Document { json: data.to_vec(), ..Document::default() };
    strictness::<CoderWorkspaceManifest>(&document, "CoderWorkspace");
    strictness::<CoderTemplateManifest>(&document, "CoderTemplate");
}

fn strictness<'a, T: Read<'a> + Default>(document: &'a Document, kind: &str) {
    let expected = Expected {
        api_version: "aggregation.coder.com/v1alpha1",
        kind,
        resource: WORKSPACES,
        namespace: "coder",
        name: None,
    };
    let read =
        |validation| Manifest::<T>::read(document, &expected, validation).map(|manifest| manifest.warnings);
    let [ignore, warn, strict] =
        [FieldValidation::Ignore, FieldValidation::Warn, FieldValidation::Strict].map(read);
    match (ignore, warn, strict) {
        (Ok(none), Ok(warnings), strict) => {
            assert!(none.is_empty());
            assert_eq!(strict.is_ok(), warnings.is_empty(), "{warnings:?}");
            if let Err(status) = strict {
                refused(&status);
                assert!(warnings.iter().all(|warning| status.message.contains(warning)), "{warnings:?}");
            }
        }
        (Err(ignore), Err(warn), Err(strict)) => {
            refused(&ignore);
            assert_eq!(ignore, warn);
            assert!(strict == ignore || strict.message.contains("strict decoding error"), "{strict:?}");
        }
        (ignore, warn, strict) => panic!("{ignore:?}, {warn:?}, {strict:?}"),
    }
}

/// The query, the content type, then the body: a dry run in either is one.
pub fn delete_options(data: &[u8]) {
    let (query, rest) = line(data);
    let (content_type, body) = line(rest);
    let query = Query::parse(query).unwrap_or_default();
    match DeleteOptions::read(&query, Some(content_type), body.to_vec()) {
        Err(status) => refused(&status),
        Ok(options) => assert!(options.dry_run || query.get("dryRun").is_none(), "{options:?}"),
    }
}

/// The spec of a template as JSON on one line, then the archive of the version that there is. What is asked for is packed and read back the same;
/// asked for once more, there is nothing to do.
pub fn template(data: &[u8]) {
    let (spec, base) = line(data);
    let Ok(spec) = json::read::<CoderTemplateManifest<'_>>(spec.as_bytes()) else { return };
    let name = TemplateName::parse("coder.dev").expect("a name");
    let causes = template_check::check(&spec).into_iter().chain(template_check::check_new(&name, &spec));
    assert!(causes.into_iter().all(|cause| !cause.field.is_empty() && !cause.message.is_empty()));
    let tags = template_change::tags(&spec).unwrap_or_default();
    assert!(tags.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(version::is_ours(&version::name(base, "terraform", &tags)));
    let Some(asked) = &spec.files else { return };
    if let Ok(files) = paths::clean(&asked.0) {
        let archive = archive::build(&files);
        assert_eq!(archive::read(&archive).expect("it was just packed"), files);
    }
    let present = archive::read(base).unwrap_or_default();
    match template_change::files(&present, &asked.0) {
        Ok(None) => {}
        Err(causes) => assert!(!causes.is_empty()),
        Ok(Some(files)) => {
            let archive = archive::build(&files);
            let packed = archive::read(&archive).expect("it was just packed");
            assert_eq!(packed, files);
            assert!(archive::build(&packed) == archive && archive.len() >= archive::size(&files));
            assert_eq!(template_change::files(&packed, &asked.0), Ok(None));
            // What was not shown is still there, unless something has taken its place.
            for (path, content) in present.iter() {
                let stays = archive::is_shown(path, content) || packed.contains(path);
                assert!(stays, "{}", String::from_utf8_lossy(path));
            }
        }
    }
}

/// The spec of a workspace as JSON on one line, then what Coder makes of parameters. What is asked for is reached, and asked for once more it is
/// there.
pub fn workspace(data: &[u8]) {
    let (spec, evaluation) = line(data);
    let said = |causes: &[Cause]| {
        assert!(
            causes.iter().all(|cause| !cause.field.is_empty() && !cause.message.is_empty()),
            "{causes:?}"
        );
    };
    let values = Values::default();
    if let Ok(evaluation) = coder::parse::<Evaluation<'_>>(evaluation) {
        let asked = Asked { values: &values, kept: &["cpu"], preset: None, previous: Some(&values) };
        said(&parameter_check::judge(&evaluation, asked));
        let _ = parameter_check::values(&evaluation);
    }
    let Ok(spec) = json::read::<CoderWorkspaceManifest>(spec.as_bytes()) else { return };
    let name = WorkspaceName::parse("coder.alice.dev").expect("a name");
    let causes = workspace_check::check(&spec);
    said(&causes);
    said(&workspace_check::check_new(&name, &spec));
    let current =
        Workspace { organization_name: "coder".into(), template_name: "dev".into(), ..Workspace::default() };
    match change(&current, &values, &spec, true) {
        Err(causes) => said(&causes),
        Ok(changed) if causes.is_empty() => {
            let built = changed.build.as_ref().map(|build| build.rich_parameter_values.clone());
            let after = projected(current, &changed, "alice", Timestamp::from_millis(0));
            let again = change(&after, &built.unwrap_or_default(), &spec, true);
            assert!(again.is_ok_and(|again| again.is_empty()), "{changed:?}");
        }
        Ok(_) => {}
    }
}
