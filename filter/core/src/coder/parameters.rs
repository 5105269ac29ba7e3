//! Parameters of a template version as they come out for certain values (`codersdk.DynamicParametersResponse`), and presets
//! (`codersdk.Preset`).

use super::text::Text;
use crate::json::object;

/// What values would come to.
#[derive(Clone, Debug, Default)]
pub struct Evaluation<'a> {
    /// What is wrong with the whole.
    pub diagnostics: Vec<Diagnostic<'a>>,
    /// All that the version declares for these values.
    pub parameters: Vec<EvaluatedParameter<'a>>,
}

object!(Evaluation<'a> {} { diagnostics, parameters });

/// A parameter with the value that it would have.
#[derive(Clone, Debug, Default)]
pub struct EvaluatedParameter<'a> {
    /// Unique in the version.
    pub name: Text<'a>,
    /// Whether it may change once the workspace is there.
    pub mutable: bool,
    /// Given, or by default.
    pub value: EvaluatedValue<'a>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic<'a>>,
}

object!(EvaluatedParameter<'a> { name } { mutable, value, diagnostics });

/// A value that may not be known.
#[derive(Clone, Debug, Default)]
pub struct EvaluatedValue<'a> {
    /// As text.
    pub value: Text<'a>,
    /// Whether there is one.
    pub valid: bool,
}

object!(EvaluatedValue<'a> {} { value, valid });

/// What is wrong.
#[derive(Clone, Debug, Default)]
pub struct Diagnostic<'a> {
    /// `error` or `warning`.
    pub severity: Text<'a>,
    /// In a few words.
    pub summary: Text<'a>,
    /// In more.
    pub detail: Text<'a>,
    /// For machines.
    pub extra: DiagnosticExtra<'a>,
}

object!(Diagnostic<'a> {} { severity, summary, detail, extra });

impl Diagnostic<'_> {
    /// Whether it stands in the way of a build.
    pub fn is_error(&self) -> bool {
        self.severity.as_str() == "error"
    }
}

/// See [`Diagnostic::extra`].
#[derive(Clone, Debug, Default)]
pub struct DiagnosticExtra<'a> {
    /// `required`, `owner_not_found`, …; mostly empty.
    pub code: Text<'a>,
}

object!(DiagnosticExtra<'a> {} { code });

/// A preset of a version. Its keys begin with capitals.
#[derive(Clone, Debug, Default)]
pub struct Preset<'a> {
    /// UUID.
    pub id: Text<'a>,
    /// Unique in the version.
    pub name: Text<'a>,
    /// The values that it supplies.
    pub parameters: Vec<PresetParameter<'a>>,
}

object!(Preset<'a> { id as "ID", name as "Name" } { parameters as "Parameters" });

/// A value that a preset supplies.
#[derive(Clone, Debug, Default)]
pub struct PresetParameter<'a> {
    /// Name of the parameter.
    pub name: Text<'a>,
    /// Its value.
    pub value: Text<'a>,
}

object!(PresetParameter<'a> { name as "Name", value as "Value" } {});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_coder_writes_them() {
        let body = br#"{"id":0,"diagnostics":null,"parameters":[{"name":"cpu","mutable":true,"order":1,
            "value":{"value":"99","valid":true},"diagnostics":[{"severity":"error","summary":"s","detail":"d","extra":{"code":""}}]}]}"#;
        let evaluation: Evaluation<'_> = crate::coder::parse(body).unwrap();
        let [cpu] = &*evaluation.parameters else { panic!() };
        assert!(cpu.mutable && cpu.value.valid && cpu.diagnostics[0].is_error());
        let presets: Option<Vec<Preset<'_>>> = crate::coder::parse(b"null").unwrap();
        assert!(presets.is_none());
        let body =
            br#"[{"ID":"p","Name":"small","Parameters":[{"Name":"cpu","Value":"1"}],"Default":false}]"#;
        let presets: Option<Vec<Preset<'_>>> = crate::coder::parse(body).unwrap();
        assert_eq!(presets.unwrap()[0].parameters[0].value.as_str(), "1");
    }
}
