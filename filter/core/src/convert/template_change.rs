//! What a wished-for spec changes of a template: its settings, its files, and the version that then has to be there.
//!
//! Pure: says nothing of whether Coder will agree.

use super::archive::{Files, is_shown};
use super::paths;
use super::version::{self, Tags};
use crate::api::v1alpha1::CoderTemplateManifest;
use crate::coder::{Template, TemplateSettings, TemplateVersion, Text};
use crate::kube::status::Cause;
use std::borrow::Cow;

/// What may not be changed at all, and is not what it was.
pub fn immutable(template: &Template<'_>, spec: &CoderTemplateManifest<'_>) -> Vec<Cause> {
    let fields = [
        ("spec.organization", &spec.organization, &template.organization_name),
        ("spec.versionID", &spec.version_id, &template.active_version_id),
    ];
    let changed = fields.into_iter().filter_map(|(field, wished, is)| {
        let wished = wished.as_deref().filter(|wished| !wished.eq_ignore_ascii_case(is))?;
        Some(Cause::invalid(field, wished, "field is immutable"))
    });
    changed.collect()
}

/// The settings with what the spec says: texts that it leaves out are emptied, and left out where they stay; all else stays where it is left out. `None`
/// when nothing is different.
pub fn settings<'a>(
    current: &TemplateSettings<'a>,
    spec: &'a CoderTemplateManifest<'_>,
) -> Option<TemplateSettings<'a>> {
    let text = |wished: &'a Option<Cow<'_, str>>, is: &Option<Text<'_>>| {
        let wished = wished.as_deref().unwrap_or_default();
        (wished != is.as_deref().unwrap_or_default()).then(|| Text::from(wished))
    };
    let changed = TemplateSettings {
        display_name: text(&spec.display_name, &current.display_name),
        description: text(&spec.description, &current.description),
        icon: text(&spec.icon, &current.icon),
        deprecation_message: text(&spec.deprecation_message, &current.deprecation_message),
        default_ttl_ms: spec.default_ttl_millis.unwrap_or(current.default_ttl_ms),
        activity_bump_ms: spec.activity_bump_millis.unwrap_or(current.activity_bump_ms),
        allow_user_cancel_workspace_jobs: spec
            .allow_user_cancel_workspace_jobs
            .unwrap_or(current.allow_user_cancel_workspace_jobs),
        require_active_version: spec.require_active_version.unwrap_or(current.require_active_version),
        ..*current
    };
    let unchanged = TemplateSettings {
        display_name: None,
        description: None,
        icon: None,
        deprecation_message: None,
        ..*current
    };
    (changed != unchanged).then_some(changed)
}

/// Paths of the fields in the spec that are not as they were asked for.
pub fn not_kept(asked: &TemplateSettings<'_>, kept: &TemplateSettings<'_>) -> Vec<&'static str> {
    let text = |asked: &Option<Text<'_>>, kept: &Option<Text<'_>>| {
        asked.as_deref().is_some_and(|asked| asked != kept.as_deref().unwrap_or_default())
    };
    let fields = [
        ("spec.displayName", text(&asked.display_name, &kept.display_name)),
        ("spec.description", text(&asked.description, &kept.description)),
        ("spec.icon", text(&asked.icon, &kept.icon)),
        ("spec.deprecationMessage", text(&asked.deprecation_message, &kept.deprecation_message)),
        ("spec.defaultTTLMillis", asked.default_ttl_ms != kept.default_ttl_ms),
        ("spec.activityBumpMillis", asked.activity_bump_ms != kept.activity_bump_ms),
        (
            "spec.allowUserCancelWorkspaceJobs",
            asked.allow_user_cancel_workspace_jobs != kept.allow_user_cancel_workspace_jobs,
        ),
        ("spec.requireActiveVersion", asked.require_active_version != kept.require_active_version),
    ];
    fields.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect()
}

/// The files that there are to be: those that are asked for, and those of the present ones that a get does not show and that none takes the
/// place of. `None` when they are those that there are.
///
/// # Errors
/// A cause for each path that there may not be.
pub fn files<'a>(
    present: &Files<'a>,
    asked: &'a [(Cow<'_, str>, Cow<'_, str>)],
) -> Result<Option<Files<'a>>, Vec<Cause>> {
    // What was left as it is shown is not judged: somebody else's archive may have paths that none is given here.
    let is_there = |(path, text): &(Cow<'_, str>, Cow<'_, str>)| {
        present
            .get(path.as_bytes())
            .is_some_and(|content| content == text.as_bytes() && is_shown(path.as_bytes(), content))
    };
    let is_asked = |path: &[u8]| asked.iter().any(|(asked, _)| asked.as_bytes() == path);
    if asked.iter().all(is_there)
        && present.iter().all(|(path, content)| !is_shown(path, content) || is_asked(path))
    {
        return Ok(None);
    }
    let mut files = paths::clean(asked)?;
    if files.is_empty() {
        return Err(vec![Cause::required("spec.files", "a template must have files")]);
    }
    let mut causes = Vec::new();
    let hidden = || present.iter().filter(|(path, content)| !is_shown(path, content));
    for (path, _) in hidden() {
        let name = String::from_utf8_lossy(path);
        if let Some(file) = paths::parents(path).find(|parent| files.contains(parent)) {
            let file = String::from_utf8_lossy(file);
            let why = format!("is a folder of the template's binary file {name}");
            causes.push(Cause::invalid(&paths::field(&file), &file, &why));
        }
        let below = [path, b"/"].concat();
        if let Some(file) = files.iter().map(|(file, _)| file).find(|file| file.starts_with(&below)) {
            let file = String::from_utf8_lossy(file);
            let why = format!("{name} is a binary file of the template");
            causes.push(Cause::invalid(&paths::field(&file), &file, &why));
        }
    }
    for (path, content) in hidden() {
        if !files.contains(path) {
            files.insert(path.to_vec(), content);
        }
    }
    match causes.is_empty() {
        true => Ok((files != *present).then_some(files)),
        false => Err(causes),
    }
}

/// Where the version that is asked for comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is active already: nothing else may be promoted.
    Active,
    /// It has been imported before: it only has to be made active. Its place in the list.
    Promote(usize),
    /// It has been made and not (yet) been imported: it only has to be marked. Its place in the list.
    Mark(usize),
    /// It has to be made, under this name.
    Make(String),
}

/// Looks for the version of that name ([`version::name`]) among the template's, oldest first: what is asked for again is not made again. One that
/// is older than the active one and was never imported could not become active by itself any more, and is made anew.
pub fn next(versions: &[TemplateVersion<'_>], active: &str, name: &str) -> Next {
    let is_active = |version: &TemplateVersion<'_>| version.id.as_str() == active;
    let known = |version: &TemplateVersion<'_>| version::has_name(version, name) && !version.archived;
    if versions.iter().any(|version| is_active(version) && known(version)) {
        return Next::Active;
    }
    let now = versions.iter().position(is_active);
    match versions.iter().enumerate().rfind(|(_, version)| known(version)) {
        Some((at, version)) if version.job.status.as_str() == "succeeded" => Next::Promote(at),
        Some((at, _)) if now.is_none_or(|now| now < at) => Next::Mark(at),
        _ => Next::Make(version::free_name(versions, name)),
    }
}

/// The tags that are asked for, sorted; `None` means those that there are. Of equal names the last counts.
pub fn tags<'a>(spec: &'a CoderTemplateManifest<'_>) -> Option<Tags<'a>> {
    let mut tags: Tags<'a> = Vec::new();
    for (name, value) in &spec.tags.as_ref()?.0 {
        tags.retain(|(earlier, _)| earlier != name);
        // There are few; inserting is less code than sorting.
        let place = tags.partition_point(|(earlier, _)| earlier < name);
        tags.insert(place, (Cow::Borrowed(name), Cow::Borrowed(value)));
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn present() -> Files<'static> {
        [("main.tf", &b"x"[..]), ("a//b", b"y"), ("bin/logo", b"\x89"), ("nul", b"\0")]
            .into_iter()
            .map(|(path, content)| (path.as_bytes().to_vec(), content))
            .collect()
    }

    /// Contents by path.
    type Contents<'a> = &'a [(&'a str, &'a [u8])];

    #[track_caller]
    fn check_files(asked: &str, expect: Result<Option<Contents<'_>>, &[&str]>) {
        let text = format!(r#"{{"files":{asked}}}"#);
        let spec: CoderTemplateManifest<'_> = json::read(text.as_bytes()).unwrap();
        let present = present();
        let found = files(&present, &spec.files.as_ref().unwrap().0);
        match (found, expect) {
            (Ok(found), Ok(expect)) => {
                let expect = expect.map(|files| {
                    files.iter().map(|(path, content)| (path.as_bytes().to_vec(), *content)).collect()
                });
                assert_eq!(found, expect);
            }
            (Err(causes), Err(expect)) => {
                let fields: Vec<&str> = causes.iter().map(|cause| cause.field.as_str()).collect();
                assert_eq!(fields, expect);
            }
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn binary_files_stay() {
        // As it is shown, and with a binary file as it is.
        check_files(r#"{"main.tf":"x","a//b":"y"}"#, Ok(None));
        let cleaned: Contents<'_> =
            &[("a/b", b"y"), ("bin/logo", b"\x89"), ("main.tf", b"x"), ("nul", b"\0")];
        check_files(r#"{"main.tf":"x","a/b":"y"}"#, Ok(Some(cleaned)));
        check_files(r#"{"main.tf":"x","./a/b":"y","nul":"\u0000"}"#, Ok(Some(cleaned)));
        check_files(
            r#"{"main.tf":"z"}"#,
            Ok(Some(&[("bin/logo", b"\x89"), ("main.tf", b"z"), ("nul", b"\0")])),
        );
        check_files(r#"{"nul":"","bin/logo":"l"}"#, Ok(Some(&[("bin/logo", b"l"), ("nul", b"")])));
        check_files(r#"{"bin":"","nul/x":"","../y":""}"#, Err(&["spec.files[../y]"]));
        check_files(r#"{"bin":"","nul/x":""}"#, Err(&["spec.files[bin]", "spec.files[nul/x]"]));
        check_files("{}", Err(&["spec.files"]));
    }

    const SETTINGS: &str = r#"{"display_name":"D","description":"d","icon":"","deprecation_message":"","default_ttl_ms":1,
        "activity_bump_ms":2,"allow_user_autostart":true,"allow_user_autostop":true,"failure_ttl_ms":3}"#;

    #[track_caller]
    fn check_settings(spec: &str, expect: Option<&str>) {
        let current: TemplateSettings<'_> = json::read(SETTINGS.as_bytes()).unwrap();
        let spec: CoderTemplateManifest<'_> = json::read(spec.as_bytes()).unwrap();
        let changed = settings(&current, &spec).map(|settings| serde_json::to_string(&settings).unwrap());
        assert_eq!(changed.as_deref(), expect);
    }

    #[test]
    fn only_what_is_different_is_sent() {
        let rest = |ttl: i64| {
            format!(
                r#""default_ttl_ms":{ttl},"activity_bump_ms":2,"allow_user_autostart":true,"allow_user_autostop":true,"allow_user_cancel_workspace_jobs":false,"failure_ttl_ms":3,"time_til_dormant_ms":0,"time_til_dormant_autodelete_ms":0,"require_active_version":false}}"#
            )
        };
        check_settings(r#"{"displayName":"D","description":"d","defaultTTLMillis":1}"#, None);
        check_settings(r#"{"displayName":"D","description":"d"}"#, None);
        check_settings(r#"{"description":"d"}"#, Some(&format!(r#"{{"display_name":"",{}"#, rest(1))));
        check_settings(
            r#"{"displayName":"D","description":"d","defaultTTLMillis":0}"#,
            Some(&format!("{{{}", rest(0))),
        );
    }

    #[test]
    fn what_coder_did_not_keep() {
        let kept: TemplateSettings<'_> = json::read(SETTINGS.as_bytes()).unwrap();
        let asked = TemplateSettings {
            display_name: None,
            deprecation_message: Some("old".into()),
            require_active_version: true,
            ..kept.clone()
        };
        assert_eq!(not_kept(&asked, &kept), ["spec.deprecationMessage", "spec.requireActiveVersion"]);
    }

    #[test]
    fn what_may_not_change() {
        let template = Template {
            organization_name: "Coder".into(),
            active_version_id: "v".into(),
            ..Template::default()
        };
        let check = |spec: &str, expect: &[&str]| {
            let spec: CoderTemplateManifest<'_> = json::read(spec.as_bytes()).unwrap();
            let causes = immutable(&template, &spec);
            assert_eq!(causes.iter().map(|cause| cause.field.as_str()).collect::<Vec<_>>(), expect);
        };
        check("{}", &[]);
        check(r#"{"organization":"coder","versionID":"v"}"#, &[]);
        check(r#"{"organization":"x","versionID":"w"}"#, &["spec.organization", "spec.versionID"]);
    }

    #[test]
    fn what_is_asked_for_again_is_not_made_again() {
        let version = |id: &'static str, name: &'static str, status: &'static str| {
            let mut version =
                TemplateVersion { id: id.into(), name: name.into(), ..TemplateVersion::default() };
            version.job.status = status.into();
            version
        };
        let archived = |version: TemplateVersion<'static>| TemplateVersion { archived: true, ..version };
        let check =
            |versions: &[TemplateVersion<'_>], expect: Next| assert_eq!(next(versions, "now", "k"), expect);
        let now = || version("now", "x", "succeeded");
        let make = |name: &str| Next::Make(name.to_owned());
        check(&[now()], make("k"));
        check(&[version("now", "k", "failed")], Next::Active);
        check(&[version("now", "k", "failed"), version("1", "k-2", "failed")], Next::Active);
        check(&[version("1", "k", "succeeded"), now()], Next::Promote(0));
        check(&[now(), version("1", "k", "succeeded")], Next::Promote(1));
        check(&[now(), version("1", "k", "pending")], Next::Mark(1));
        check(&[now(), version("1", "k", "failed")], Next::Mark(1));
        check(&[version("1", "k", "failed"), now()], make("k-2"));
        check(&[version("1", "k", "pending"), now(), version("2", "k-2", "running")], Next::Mark(2));
        check(&[archived(version("1", "k", "succeeded")), now()], make("k-2"));
    }
}
