//! The templates of the lab: what each is for, and the archive that the echo provisioner runs.

use anyhow::{Context, Result, bail};
use echo_archive::{Agent, App, Archive, Parameter, Phase, Transition};
use serde_json::{Value, json};

use super::client::{Coder, text};

const MAIN_TF: &str = r#"terraform {
  required_providers {
    coder = { source = "coder/coder" }
  }
}

data "coder_parameter" "cpu" {
  name = "cpu"
  type = "number"
}
"#;

/// The template that is deprecated, and the message that says so.
pub(crate) const RETIRED: (&str, &str) = ("retired", "use dev instead");

/// One template of the lab.
struct Template {
    name: &'static str,
    display_name: &'static str,
    description: &'static str,
    archive: Archive,
    then: Then,
}

/// What happens to it after its first version.
enum Then {
    Nothing,
    /// Its variable has no default: every version must be given a value.
    GiveZone,
    /// Nobody serves its provisioner: the import of its only version stays pending.
    NeverImported,
    /// A second version that fails to import; the first stays active.
    FailToImport(&'static str),
}

fn all() -> Vec<Template> {
    let dev = Agent::new("example").app(App::new("code", "code-server", "http://localhost:8080"));
    let params = Archive::plain()
        .parameter(Parameter::number("cpu"))
        .parameter(Parameter::string("region").default("eu").mutable().display_name("Region"))
        .preset("small", &[("cpu", "2")])
        .file("main.tf", MAIN_TF);
    let undeletable =
        Archive::plain().fail_on(Phase::Apply, Transition::Delete, "the volume is still attached");
    let template = |name, display_name, description, archive, then| Template {
        name,
        display_name,
        description,
        archive,
        then,
    };
    vec![
        template("plain", "Plain", "Nothing but a name", Archive::plain(), Then::Nothing),
        template(
            "dev",
            "Development",
            "One agent with an editor",
            Archive::plain().agent(dev),
            Then::Nothing,
        ),
        template("params", "Parameters", "Asks how many processors", params, Then::Nothing),
        template(
            "broken",
            "Broken",
            "Its builds fail",
            Archive::plain().fail_apply("failed!"),
            Then::Nothing,
        ),
        template("undeletable", "Undeletable", "Its deletions fail", undeletable, Then::Nothing),
        template("slow", "Slow", "Its builds never end", Archive::plain().hang(Phase::Apply), Then::Nothing),
        template("rolling", "Rolling", "Has a newer version", Archive::plain(), Then::Nothing),
        template(RETIRED.0, "Retired", "Nobody should use it", Archive::plain(), Then::Nothing),
        template(
            "flawed",
            "Flawed",
            "Its newest version does not import",
            Archive::plain(),
            Then::FailToImport("main.tf:3: unexpected closing brace"),
        ),
        template(
            "zoned",
            "Zoned",
            "Wants to know its zone",
            Archive::plain().required_variable("zone"),
            Then::GiveZone,
        ),
        template("unserved", "Unserved", "No provisioner takes it", Archive::plain(), Then::NeverImported),
    ]
}

/// Creates every template. Imports run side by side.
pub(super) fn create(coder: &Coder, organization: &str) -> Result<()> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = all()
            .into_iter()
            .map(|template| scope.spawn(move || template.create(coder, organization).context(template.name)))
            .collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(outcome) => outcome,
            Err(_) => bail!("a template's creation panicked"),
        })
    })
}

/// Deprecates [`RETIRED`]. coderd heeds this only with a licence; without one it changes nothing, and that is no error.
pub(super) fn deprecate(coder: &Coder, organization: &str) -> Result<()> {
    let (name, message) = RETIRED;
    let template = text(&coder.get(&format!("/organizations/{organization}/templates/{name}"))?, "id")?;
    coder.patch(&format!("/templates/{template}"), &json!({ "deprecation_message": message })).map(drop)
}

/// Gives a template a new version, which becomes the active one.
pub(super) fn promote_new_version(coder: &Coder, organization: &str, name: &str) -> Result<()> {
    let template = text(&coder.get(&format!("/organizations/{organization}/templates/{name}"))?, "id")?;
    let archive = Archive::plain().file("README.md", "# The second version\n");
    let version = version(coder, organization, &archive, &json!({ "template_id": template, "name": "v2" }))?;
    imported(coder, &version)?;
    coder.patch(&format!("/templates/{template}/versions"), &json!({ "id": version })).map(drop)
}

impl Template {
    fn create(&self, coder: &Coder, organization: &str) -> Result<()> {
        let more = match self.then {
            Then::NeverImported => json!({ "provisioner": "terraform" }),
            Then::GiveZone => json!({ "user_variable_values": [{ "name": "zone", "value": "eu" }] }),
            Then::Nothing | Then::FailToImport(_) => json!({}),
        };
        let version = version(coder, organization, &self.archive, &more)?;
        if !matches!(self.then, Then::NeverImported) {
            imported(coder, &version)?;
        }
        let template = json!({
            "name": self.name,
            "display_name": self.display_name,
            "description": self.description,
            "template_version_id": version,
        });
        let template =
            text(&coder.post(&format!("/organizations/{organization}/templates"), &template)?, "id")?;
        match self.then {
            Then::Nothing | Then::GiveZone | Then::NeverImported => {}
            Then::FailToImport(message) => {
                let broken = Archive::plain().fail(Phase::Plan, message);
                let flawed = self::version(
                    coder,
                    organization,
                    &broken,
                    &json!({ "template_id": template, "name": "v2" }),
                )?;
                finished(coder, &flawed)?;
            }
        }
        Ok(())
    }
}

fn version(coder: &Coder, organization: &str, archive: &Archive, more: &Value) -> Result<String> {
    let file = coder.upload(&archive.build())?;
    let mut version =
        json!({ "name": "v1", "storage_method": "file", "file_id": file, "provisioner": "echo", "tags": {} });
    if let (Some(version), Some(more)) = (version.as_object_mut(), more.as_object()) {
        version.extend(more.clone());
    }
    text(&coder.post(&format!("/organizations/{organization}/templateversions"), &version)?, "id")
}

fn imported(coder: &Coder, version: &str) -> Result<()> {
    match finished(coder, version)?["job"]["status"].as_str() {
        Some("succeeded") => Ok(()),
        status => bail!("the import of version {version} ended as {status:?}"),
    }
}

fn finished(coder: &Coder, version: &str) -> Result<Value> {
    coder.wait_for(&format!("/templateversions/{version}"), |version| super::over(&version["job"]))
}
