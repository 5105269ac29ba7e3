//! Whether an object is still the one that a client has seen: by its uid, and by what lists show of it.

use crate::convert::resource_version::HASH_MASK;
use crate::kube::delete_options::DeleteOptions;
use crate::kube::manifest::ManifestMeta;
use crate::kube::status::{GroupResource, Status};

/// What a client says of the object that it means; empty is not said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Precondition<'a> {
    pub(super) uid: &'a str,
    pub(super) resource_version: &'a str,
}

impl<'a> From<&'a ManifestMeta> for Precondition<'a> {
    fn from(meta: &'a ManifestMeta) -> Self {
        Self { uid: &meta.uid, resource_version: &meta.resource_version }
    }
}

impl<'a> From<&'a DeleteOptions> for Precondition<'a> {
    fn from(options: &'a DeleteOptions) -> Self {
        Self {
            uid: options.uid.as_deref().unwrap_or_default(),
            resource_version: options.resource_version.as_deref().unwrap_or_default(),
        }
    }
}

impl Precondition<'_> {
    /// Compares. Of versions only the hash counts, so that any replica can judge a version that another has issued, and what was changed back is
    /// no conflict.
    ///
    /// # Errors
    /// 409 in the words of k8s.io/apiserver's storage.
    pub(super) fn check(
        &self,
        resource: GroupResource<'_>,
        name: &str,
        uid: &str,
        version: u64,
    ) -> Result<(), Status> {
        if !self.uid.is_empty() && self.uid != uid {
            let why =
                format!("Precondition failed: UID in precondition: {}, UID in object meta: {uid}", self.uid);
            return Err(Status::conflict(resource, name, &why));
        }
        if self.resource_version.is_empty() {
            return Ok(());
        }
        match self.resource_version.parse::<u64>() {
            Ok(expected) if expected & HASH_MASK == version & HASH_MASK => Ok(()),
            _ => {
                let why = "the object has been modified; please apply your changes to the latest version and try again";
                Err(Status::conflict(resource, name, why))
            }
        }
    }

    /// The same where there is no object.
    ///
    /// # Errors
    /// 409 when one was expected.
    pub(super) fn check_absent(&self, resource: GroupResource<'_>, name: &str) -> Result<(), Status> {
        if self.uid.is_empty() && self.resource_version.is_empty() {
            return Ok(());
        }
        Err(Status::conflict(resource, name, "the object is expected to exist, and does not"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::v1alpha1::WORKSPACES;
    use crate::convert::resource_version::resource_version;

    #[track_caller]
    fn check(uid: &str, version: &str, expect: Result<(), &str>) {
        let precondition = Precondition { uid, resource_version: version };
        let found = precondition.check(WORKSPACES, "a", "u-1", resource_version(1000, 7));
        match (found, expect) {
            (Ok(()), Ok(())) => {}
            (Err(status), Err(message)) => {
                assert_eq!(status.code, 409);
                assert!(status.message.contains(message), "{}", status.message);
            }
            (found, _) => panic!("{uid} {version}: {found:?}"),
        }
    }

    #[test]
    fn preconditions() {
        check("", "", Ok(()));
        check("u-1", "", Ok(()));
        check("u-2", "", Err("UID in precondition: u-2, UID in object meta: u-1"));
        check("", &resource_version(1000, 7).to_string(), Ok(()));
        // Another moment with the same content.
        check("", &resource_version(5, 7).to_string(), Ok(()));
        check("", &resource_version(1000, 8).to_string(), Err("the object has been modified"));
        check("", "x", Err("the object has been modified"));
        assert!(Precondition::default().check_absent(WORKSPACES, "a").is_ok());
        assert!(Precondition { uid: "u", resource_version: "" }.check_absent(WORKSPACES, "a").is_err());
    }
}
