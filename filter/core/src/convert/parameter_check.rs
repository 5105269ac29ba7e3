//! Whether values of parameters will do, from what Coder makes of them. Coder itself drops names that it does not know, lets a preset win over
//! what is given, and does not compare with what a workspace had: all of that is said here.

use super::workspace_check::parameter_field;
use crate::coder::requests::Values;
use crate::coder::{BuildParameter, Diagnostic, EvaluatedParameter, Evaluation};
use crate::kube::quote::Quoted;
use crate::kube::status::{Cause, CauseType};

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Values that are new: what is wrong with others is Coder's to say.
    pub values: &'a Values,
    /// Names that are meant, though their values are not new.
    pub kept: &'a [&'a str],
    /// Name and values of the preset.
    pub preset: Option<(&'a str, &'a Values)>,
    /// What the workspace has, when there is one.
    pub previous: Option<&'a Values>,
}

/// Everything that stands in the way of a build with these values.
pub fn judge(evaluation: &Evaluation<'_>, asked: Asked<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(error) = evaluation.diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
        causes.push(Cause {
            cause_type: Some(CauseType::FieldValueInvalid),
            message: words(error),
            field: "spec.parameters".to_owned(),
        });
        // Then there may be no parameters to compare with.
        return causes;
    }
    let find = |name: &str| evaluation.parameters.iter().find(|declared| *declared.name == *name);
    causes
        .extend(asked.kept.iter().filter(|name| find(name).is_none()).map(|name| unknown(evaluation, name)));
    for BuildParameter { name, value } in &asked.values.0 {
        let field = parameter_field(name);
        let Some(declared) = find(name) else {
            causes.push(unknown(evaluation, name));
            continue;
        };
        if let Some((preset, values)) = asked.preset
            && let Some(preset_value) = values.get(name).filter(|preset_value| preset_value != value)
        {
            let why = format!("the preset {} sets it to {}", Quoted(preset), Quoted(preset_value));
            causes.push(Cause::invalid(&field, value, &why));
        }
        let had = asked.previous.and_then(|previous| previous.get(name));
        if !declared.mutable && had.is_some_and(|had| had != value) {
            let why = "field is immutable: the template does not let it change once the workspace is there";
            causes.push(Cause::invalid(&field, value, why));
        }
    }
    causes.extend(evaluation.parameters.iter().filter_map(wrong));
    causes
}

/// The version does not declare it.
fn unknown(evaluation: &Evaluation<'_>, name: &str) -> Cause {
    let declared: Vec<&str> = evaluation.parameters.iter().map(|declared| declared.name.as_str()).collect();
    let mut cause = Cause::not_supported(&parameter_field(name), name, &declared);
    if declared.is_empty() {
        cause.message.push_str(": the template version has no parameters");
    }
    cause
}

/// All values that a build would have.
pub fn values(evaluation: &Evaluation<'_>) -> Values {
    let mut values = Values::default();
    for parameter in evaluation.parameters.iter().filter(|parameter| parameter.value.valid) {
        values.push(&parameter.name, &parameter.value.value);
    }
    values
}

/// What is wrong with one parameter; that it is missing comes first, because then its missing value is also malformed.
fn wrong(parameter: &EvaluatedParameter<'_>) -> Option<Cause> {
    let field = parameter_field(&parameter.name);
    let mut errors = parameter.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    if errors.clone().any(|error| error.extra.code.as_str() == "required") {
        return Some(Cause::required(&field, ""));
    }
    errors.next().map(|error| Cause::invalid(&field, &parameter.value.value, &words(error)))
}

fn words(diagnostic: &Diagnostic<'_>) -> String {
    match (diagnostic.summary.as_str(), diagnostic.detail.as_str()) {
        ("", "") => "Coder refuses it, and does not say why".to_owned(),
        (summary, "") => summary.to_owned(),
        (summary, detail) => format!("{summary}; {detail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coder;

    const EVALUATION: &str = r#"{"diagnostics":[{"severity":"warning","summary":"old"}],"parameters":[
        {"name":"cpu","mutable":true,"value":{"value":"4","valid":true},"diagnostics":[]},
        {"name":"home","mutable":false,"value":{"value":"b","valid":true},"diagnostics":[{"severity":"warning","summary":"w"}]},
        {"name":"zone","mutable":true,"value":{"value":"data.x","valid":false},"diagnostics":[
            {"severity":"error","summary":"Invalid","detail":"value \"\" is not a number"},
            {"severity":"error","summary":"Required parameter not provided","detail":"null","extra":{"code":"required"}}]},
        {"name":"size","mutable":true,"value":{"value":"xl","valid":true},"diagnostics":[
            {"severity":"error","summary":"Value must be a valid option","detail":"the value is none"}]}]}"#;

    const ALWAYS: [&str; 2] = [
        "spec.parameters[zone]: Required value",
        r#"spec.parameters[size]: Invalid value: "xl": Value must be a valid option; the value is none"#,
    ];

    fn values(pairs: &[(&str, &str)]) -> Values {
        let mut values = Values::default();
        pairs.iter().for_each(|(name, value)| values.push(name, value));
        values
    }

    #[track_caller]
    fn check(
        named: &[(&str, &str)],
        preset: Option<&[(&str, &str)]>,
        previous: Option<&[(&str, &str)]>,
        expect: &[&str],
    ) {
        let evaluation = coder::parse(EVALUATION.as_bytes()).unwrap();
        let (named, preset, previous) = (values(named), preset.map(values), previous.map(values));
        let asked = Asked {
            values: &named,
            kept: &[],
            preset: preset.as_ref().map(|values| ("small", values)),
            previous: previous.as_ref(),
        };
        let found: Vec<String> = judge(&evaluation, asked)
            .into_iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let expect: Vec<&str> = expect.iter().copied().chain(ALWAYS).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn judged() {
        check(&[("cpu", "4"), ("home", "b")], None, None, &[]);
        check(
            &[("CPU", "4")],
            None,
            None,
            &[
                r#"spec.parameters[CPU]: Unsupported value: "CPU": supported values: "cpu", "home", "zone", "size""#,
            ],
        );
        check(
            &[("cpu", "4"), ("home", "b")],
            Some(&[("cpu", "1"), ("home", "b")]),
            None,
            &[r#"spec.parameters[cpu]: Invalid value: "4": the preset "small" sets it to "1""#],
        );
        check(&[("cpu", "4"), ("home", "b")], None, Some(&[("cpu", "1"), ("home", "b")]), &[]);
        check(&[("home", "b")], None, Some(&[("cpu", "1")]), &[]);
        check(
            &[("home", "b")],
            None,
            Some(&[("home", "a")]),
            &[
                r#"spec.parameters[home]: Invalid value: "b": field is immutable: the template does not let it change once the workspace is there"#,
            ],
        );
    }

    #[test]
    fn meant_and_not_there() {
        let evaluation = coder::parse(EVALUATION.as_bytes()).unwrap();
        let none = Values::default();
        let asked = Asked { values: &none, kept: &["cpu", "gpu"], preset: None, previous: None };
        let fields: Vec<String> = judge(&evaluation, asked).into_iter().map(|cause| cause.field).collect();
        assert_eq!(fields, ["spec.parameters[gpu]", "spec.parameters[zone]", "spec.parameters[size]"]);
    }

    #[test]
    fn the_whole_is_wrong() {
        let evaluation = coder::parse(br#"{"diagnostics":[{"severity":"error","summary":"Failed to fetch workspace owner","detail":"d"}],"parameters":null}"#).unwrap();
        let named = values(&[("cpu", "1")]);
        let causes = judge(&evaluation, Asked { values: &named, kept: &[], preset: None, previous: None });
        assert_eq!(causes.len(), 1);
        assert_eq!(
            (causes[0].field.as_str(), causes[0].message.as_str()),
            ("spec.parameters", "Failed to fetch workspace owner; d")
        );
    }

    #[test]
    fn what_a_build_would_have() {
        let evaluation = coder::parse(EVALUATION.as_bytes()).unwrap();
        assert_eq!(super::values(&evaluation), values(&[("cpu", "4"), ("home", "b"), ("size", "xl")]));
    }
}
