//! The Terraform of an archive's parameters. coderd reads a workspace's parameters from the template's `*.tf` files, also
//! when the provisioner is echo: a parameter that only the graph knows is shown, and then dropped from every build.

use std::fmt::Write as _;

use crate::proto::{RichParameter, form_type_name};

/// What declares the provider that parameters belong to.
const PROVIDER: &str =
    "terraform {\n  required_providers {\n    coder = {\n      source = \"coder/coder\"\n    }\n  }\n}\n";

/// Adds to a `main.tf` the declarations that it lacks.
pub(crate) fn complete(text: &mut String, parameters: &[RichParameter]) {
    let missing: Vec<_> = parameters.iter().filter(|parameter| !declares(text, &parameter.name)).collect();
    if !missing.is_empty() && !text.contains("required_providers") {
        text.push_str(PROVIDER);
    }
    for parameter in missing {
        write(text, parameter).expect("writing to a string succeeds");
    }
}

/// Whether a file declares this parameter.
pub(crate) fn declares(text: &str, parameter: &str) -> bool {
    text.contains(&format!("data \"coder_parameter\" {parameter:?}"))
}

fn write(text: &mut String, parameter: &RichParameter) -> std::fmt::Result {
    let name = &parameter.name;
    writeln!(text, "\ndata \"coder_parameter\" {name:?} {{")?;
    for (key, value) in [
        ("name", name),
        ("display_name", &parameter.display_name),
        ("description", &parameter.description),
        ("icon", &parameter.icon),
        ("type", &parameter.r#type),
    ] {
        writeln!(text, "  {key} = {value:?}")?;
    }
    let form_type = form_type_name(parameter.form_type);
    if !form_type.is_empty() {
        writeln!(text, "  form_type = {form_type:?}")?;
    }
    writeln!(
        text,
        "  mutable = {}\n  ephemeral = {}\n  order = {}",
        parameter.mutable, parameter.ephemeral, parameter.order
    )?;
    if !parameter.required {
        match parameter.r#type.as_str() {
            "number" | "bool" => writeln!(text, "  default = {}", parameter.default_value)?,
            _ => writeln!(text, "  default = {:?}", parameter.default_value)?,
        }
    }
    for option in &parameter.options {
        writeln!(text, "  option {{\n    name = {:?}\n    value = {:?}\n  }}", option.name, option.value)?;
    }
    if parameter.validation_min.is_some() || parameter.validation_max.is_some() {
        writeln!(text, "  validation {{")?;
        for (key, bound) in [("min", parameter.validation_min), ("max", parameter.validation_max)] {
            if let Some(bound) = bound {
                writeln!(text, "    {key} = {bound}")?;
            }
        }
        writeln!(text, "  }}")?;
    }
    writeln!(text, "}}")
}
