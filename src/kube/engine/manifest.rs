//! Objects as callers write them: validation, which reports every fault at once and in Kubernetes' words.

use std::{collections::BTreeMap, str::FromStr};

use serde_json::{Map, Value};

use super::{
    object_meta::{Identity, attached},
    validate::validate,
};
use crate::{
    grant::{NameError, Revision},
    kube::{
        catalog::resource_type::ResourceType,
        problem::{
            cause::Cause,
            faults::{Faults, FieldValidation},
            status::Problem,
            type_meta::{cannot_be_handled, check_type},
        },
    },
};

/// How many characters the server adds to `generateName`.
const SUFFIX_LENGTH: usize = 8;

/// The name that a caller gives an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ManifestName<N> {
    /// `metadata.name`.
    Given(N),
    /// `metadata.generateName`: a prefix that is a valid name with every suffix of lower-case hex digits.
    Generate(String),
}

impl<N: FromStr<Err = NameError> + Clone> ManifestName<N> {
    /// Reads a name of at most `longest` bytes; `None` when there is a fault. A prefix that is too long is cut, as in
    /// Kubernetes.
    fn read(longest: usize, identity: &Identity, faults: &mut Faults) -> Option<Self> {
        match (&identity.given_name, &identity.prefix) {
            (Some(name), _) => match name.parse::<N>() {
                Ok(_) if name.len() > longest => faults.add(Cause::too_long("metadata.name", longest)),
                Ok(name) => return Some(Self::Given(name)),
                Err(error) => faults.add(Cause::invalid("metadata.name", name.as_str(), error)),
            },
            (None, Some(prefix)) => {
                let kept: String = prefix.chars().take(longest - SUFFIX_LENGTH).collect();
                match format!("{kept}{}", "0".repeat(SUFFIX_LENGTH)).parse::<N>() {
                    Ok(_) => return Some(Self::Generate(kept)),
                    Err(error) => faults.add(Cause::invalid("metadata.generateName", prefix.as_str(), error)),
                }
            }
            (None, None) => faults.add(Cause::required("metadata.name", "name or generateName is required")),
        }
        None
    }

    /// The name; a generated one differs with every call.
    pub(crate) fn resolve(&self) -> N {
        match self {
            Self::Given(name) => name.clone(),
            Self::Generate(prefix) => loop {
                let random = uuid::Uuid::new_v4().simple().to_string();
                // The prefix was checked with a suffix of this alphabet and length, so the first turn ends the loop.
                if let Ok(name) = format!("{prefix}{}", &random[..SUFFIX_LENGTH]).parse() {
                    break name;
                }
            },
        }
    }
}

/// A whole object without its status, which only the server writes; a status from a caller is ignored.
#[derive(Debug)]
pub(crate) struct Manifest<N, S> {
    pub(crate) name: ManifestName<N>,
    pub(crate) namespace: Option<String>,
    pub(crate) uid: Option<String>,
    /// The state that the caller expects.
    pub(crate) revision: Option<Revision>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) spec: S,
    /// Warnings for the caller about fields that were dropped.
    pub(crate) warnings: Vec<String>,
}

impl<N: FromStr<Err = NameError> + Clone, S> Manifest<N, S> {
    /// Reads an object of this type, with a name of at most `longest_name` bytes. `read_spec` is given the object, whose
    /// fields are of the types of the table, and adds the faults of their values.
    ///
    /// # Errors
    /// 400 for another type, and for unknown fields when `validation` is strict; 422 with every field at fault.
    pub(crate) fn read(
        resource: &'static ResourceType,
        longest_name: usize,
        written: &Value,
        validation: FieldValidation,
        read_spec: impl FnOnce(&mut Faults, &Map<String, Value>) -> Option<S>,
    ) -> Result<Self, Problem> {
        check_type(resource, written)?;
        let mut faults = Faults::default();
        let members = faults.object("", Some(written)).cloned().unwrap_or_default();
        validate(&mut faults, resource, &members);
        let metadata = faults.object("metadata", members.get("metadata"));
        let identity = metadata.map(|members| Identity::read(&mut faults, members)).unwrap_or_default();
        let name = ManifestName::read(longest_name, &identity, &mut faults);
        let spec = read_spec(&mut faults, &members);
        let (labels, annotations) = metadata.map(|members| attached(&mut faults, members)).unwrap_or_default();

        let warnings = faults.unknown_fields(validation);
        let warnings =
            warnings.map_err(|sentence| cannot_be_handled(resource.group_version, resource.kind, &sentence))?;
        let Identity { given_name, prefix, namespace, uid, revision } = identity;
        match (name, spec) {
            (Some(name), Some(spec)) if faults.causes.is_empty() => {
                Ok(Self { name, namespace, uid, revision, labels, annotations, spec, warnings })
            }
            (_, _) => Err(Problem::Invalid {
                resource,
                name: given_name.or(prefix).unwrap_or_default(),
                causes: faults.causes,
            }),
        }
    }
}
