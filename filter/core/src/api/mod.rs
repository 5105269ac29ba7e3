//! The API group `aggregation.coder.com`: its kinds as Kubernetes' clients see them.

pub mod v1alpha1;
