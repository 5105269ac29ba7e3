//! Query parameters of create, update and patch (`metav1.CreateOptions`, `UpdateOptions`, `PatchOptions`).

use super::query::Query;
use super::status::Status;

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
    pub fn parse(query: &Query) -> Result<Self, Status> {
        Ok(Self {
            dry_run: query.get("dryRun").is_some_and(|value| value == "All"),
            field_validation: match query.get("fieldValidation") {
                Some("Strict") => FieldValidation::Strict,
                Some("Ignore") => FieldValidation::Ignore,
                _ => FieldValidation::Warn,
            },
            field_manager: query.get("fieldManager").map(str::to_owned),
            force: query.flag("force").unwrap_or(false),
        })
    }
}
