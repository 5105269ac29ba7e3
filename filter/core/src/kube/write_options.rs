//! Query parameters of create, update and patch (`metav1.CreateOptions`, `UpdateOptions`, `PatchOptions`), validated as
//! k8s.io/apimachinery/pkg/apis/meta/v1/validation does.

use super::patch::PatchType;
use super::query::Query;
use super::status::{Cause, CauseType, GroupResource, Status};
use crate::json;

/// Longest name of a field manager, in bytes.
const FIELD_MANAGER_MAX: usize = 128;

/// What becomes of fields that are unknown or repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Nothing is said.
    Ignore,
    /// A warning for each.
    #[default]
    Warn,
    /// They are refused.
    Strict,
}

/// What the options are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum OptionsOf {
    Create,
    Update,
    Patch(PatchType),
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Every check is made and nothing is changed.
    pub dry_run: bool,
    /// What becomes of unknown and repeated fields.
    pub field_validation: FieldValidation,
    /// Who writes, for field ownership.
    pub field_manager: Option<String>,
    /// An apply that takes over what others own.
    pub force: bool,
}

impl WriteOptions {
    /// Reads them.
    ///
    /// # Errors
    /// 422 as kube-apiserver words it.
    pub fn parse(query: &Query, of: OptionsOf) -> Result<Self, Status> {
        let mut causes = Vec::new();
        let field_manager = query.get("fieldManager").unwrap_or_default();
        let force = query.flag("force");
        match of {
            OptionsOf::Patch(PatchType::Apply) if field_manager.is_empty() => {
                causes.push(Cause::required("fieldManager", "is required for apply patch"));
            }
            OptionsOf::Patch(PatchType::Json | PatchType::Merge) if force.is_some() => {
                causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
            }
            _ => {}
        }
        check_field_manager(field_manager, &mut causes);
        let dry_run = dry_run(&query.get_all("dryRun").collect::<Vec<_>>(), &mut causes);
        let field_validation = match query.get("fieldValidation").unwrap_or_default() {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                let supported = ["", "Ignore", "Strict", "Warn"];
                causes.push(Cause::not_supported("fieldValidation", other, &supported));
                FieldValidation::default()
            }
        };
        if !causes.is_empty() {
            let kind = match of {
                OptionsOf::Create => "CreateOptions",
                OptionsOf::Update => "UpdateOptions",
                OptionsOf::Patch(_) => "PatchOptions",
            };
            return Err(invalid(kind, causes));
        }
        let field_manager = Some(field_manager).filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Self { dry_run, field_validation, field_manager, force: force == Some(true) })
    }
}

/// 422 for options of this kind.
pub(super) fn invalid(kind: &str, causes: Vec<Cause>) -> Status {
    Status::invalid(GroupResource { group: "meta.k8s.io", resource: kind }, "", causes)
}

/// Whether nothing is to be changed; other values than `All` are refused, so that no client believes in one that there is not.
pub(super) fn dry_run(values: &[&str], causes: &mut Vec<Cause>) -> bool {
    if values.iter().any(|value| *value != "All") {
        let shown = String::from_utf8(json::to_vec(values).unwrap_or_default()).unwrap_or_default();
        causes.push(Cause {
            cause_type: Some(CauseType::FieldValueNotSupported),
            message: format!("Unsupported value: {shown}: supported values: \"All\""),
            field: "dryRun".to_owned(),
        });
    }
    !values.is_empty()
}

fn check_field_manager(name: &str, causes: &mut Vec<Cause>) {
    if name.len() > FIELD_MANAGER_MAX {
        causes.push(Cause::too_long("fieldManager", FIELD_MANAGER_MAX));
    }
    for (place, c) in name.char_indices().filter(|(_, c)| !is_printable(*c)) {
        let why = format!("invalid character U+{:04X} (at position {place})", u32::from(c));
        causes.push(Cause::invalid("fieldManager", name, &why));
    }
}

/// As Go's `unicode.IsPrint`, but for code points that are not assigned.
fn is_printable(c: char) -> bool {
    let is_invisible = matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..);
    c == ' ' || !(c.is_control() || c.is_whitespace() || is_invisible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, of: OptionsOf, expect: Result<WriteOptions, &str>) {
        let got = WriteOptions::parse(&Query::parse(query).unwrap(), of);
        let code = got.as_ref().map_or_else(|status| status.code, |_| 422);
        assert_eq!(
            got.as_ref().map_err(|status| status.message.as_str()),
            expect.as_ref().map_err(|text| *text),
            "{query}"
        );
        assert_eq!(code, 422);
    }

    #[test]
    fn what_they_say() {
        let none = WriteOptions::default();
        let manager = |name: &str| Some(name.to_owned());
        check("", OptionsOf::Create, Ok(none.clone()));
        check("dryRun=All&dryRun=All", OptionsOf::Update, Ok(WriteOptions { dry_run: true, ..none.clone() }));
        check("fieldValidation=", OptionsOf::Create, Ok(none.clone()));
        for (text, field_validation) in [
            ("Warn", FieldValidation::Warn),
            ("Ignore", FieldValidation::Ignore),
            ("Strict", FieldValidation::Strict),
        ] {
            let query = format!("fieldValidation={text}&fieldManager=kubectl-create");
            let expect =
                WriteOptions { field_validation, field_manager: manager("kubectl-create"), ..none.clone() };
            check(&query, OptionsOf::Create, Ok(expect));
        }
        let applied = WriteOptions { field_manager: manager("a ü"), force: true, ..none.clone() };
        check("fieldManager=a+%c3%bc&force=", OptionsOf::Patch(PatchType::Apply), Ok(applied.clone()));
        check(
            "fieldManager=a+%c3%bc&force=false",
            OptionsOf::Patch(PatchType::Apply),
            Ok(WriteOptions { force: false, ..applied }),
        );
        check("force=true", OptionsOf::Update, Ok(WriteOptions { force: true, ..none }));
    }

    #[test]
    fn what_they_may_not_say() {
        let check = |query: &str, of: OptionsOf, expect: &str| check(query, of, Err(expect));
        check(
            "dryRun=all&dryRun=All",
            OptionsOf::Create,
            r#"CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["all","All"]: supported values: "All""#,
        );
        check(
            "dryRun=",
            OptionsOf::Update,
            r#"UpdateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: [""]: supported values: "All""#,
        );
        check(
            "fieldValidation=strict",
            OptionsOf::Patch(PatchType::Merge),
            r#"PatchOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "strict": supported values: "", "Ignore", "Strict", "Warn""#,
        );
        check(
            "force=false",
            OptionsOf::Patch(PatchType::Json),
            r#"PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch"#,
        );
        check(
            "force=true",
            OptionsOf::Patch(PatchType::Apply),
            r#"PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch"#,
        );
        check(
            "fieldManager=a%0ab%c2%ad",
            OptionsOf::Create,
            "CreateOptions.meta.k8s.io \"\" is invalid: [fieldManager: Invalid value: \"a\\nb\u{ad}\": invalid character U+000A (at position 1), fieldManager: Invalid value: \"a\\nb\u{ad}\": invalid character U+00AD (at position 3)]",
        );
        check(
            &format!("fieldManager={}", "x".repeat(129)),
            OptionsOf::Create,
            r#"CreateOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes"#,
        );
    }
}
