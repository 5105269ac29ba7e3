//! The archives that scripts name.

use echo_archive::{Archive, Parameter, Phase, Transition};

/// Everybody's password.
pub(crate) const PASSWORD: &str = "SomeSecurePassword!1";

/// An archive by its name; `run` is different each time.
pub(crate) fn archive(name: &str, run: &str) -> Archive {
    match name {
        "plain" => Archive::plain(),
        "unique" => Archive::plain().file("README.md", run),
        "other" => Archive::plain().file("docs/README.md", run),
        "plain2" => Archive::plain().file("README.md", "# second\n"),
        "plain3" => Archive::plain().file("README.md", "# third\n"),
        // Required and immutable, optional and mutable, one of two, a switch, one for a single build.
        "params" => Archive::plain()
            .parameter(Parameter::number("cpu").range(1, 8))
            .parameter(Parameter::string("region").default("eu").mutable())
            .parameter(Parameter::string("size").default("s").mutable().options(&["s", "l"]))
            .preset("small", &[("cpu", "2"), ("region", "us")])
            .preset("large", &[("cpu", "8"), ("size", "l")]),
        // The same with one more that must be given, and one less.
        "params2" => Archive::plain()
            .parameter(Parameter::number("cpu").range(1, 8))
            .parameter(Parameter::string("zone").mutable()),
        "broken" => Archive::plain().fail_apply("failed!"),
        "undeletable" => Archive::plain().fail_on(Phase::Apply, Transition::Delete, "stuck"),
        "unstoppable" => Archive::plain().fail_on(Phase::Apply, Transition::Stop, "stuck"),
        "slow" => Archive::plain().hang(Phase::Apply),
        "flawed" => Archive::plain().fail(Phase::Plan, "syntax error"),
        "endless" => Archive::plain().hang(Phase::Plan),
        "undying" => Archive::plain().hang_on(Phase::Apply, Transition::Delete),
        "variables" => Archive::plain().required_variable("zone").optional_variable("color", "red"),
        // coderd reads Terraform when a version is made, to find the tags of provisioners.
        "garbled" => Archive::plain().file("main.tf", "resource {\n"),
        "typed" => Archive::plain()
            .file("main.tf", "variable \"zone\" {\n  type = string\n}\n")
            .required_variable("zone"),
        "noise" => Archive::plain().file("noise.bin", vec![0xff; 5 << 20]),
        other => panic!("no archive {other}"),
    }
}
