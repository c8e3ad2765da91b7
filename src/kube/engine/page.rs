//! The opaque `continue` token: where the next page of a list starts.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    grant::{Namespace, Revision},
    kube::{catalog::resource_type::ResourceType, problem::status::Problem},
    link::ResourceName,
};

/// The last item of the previous page, and the revision of the first page.
///
/// All pages of one list carry the first page's revision: a watch that starts at it misses no change that was made while
/// the list was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Continue {
    pub(crate) revision: Revision,
    /// The plural name of the type that is listed.
    pub(crate) plural: String,
    /// The namespace that is listed; `None` for all namespaces.
    pub(crate) scope: Option<Namespace>,
    pub(crate) namespace: Namespace,
    pub(crate) name: ResourceName,
}

impl Continue {
    /// Where a list of this type and scope continues.
    ///
    /// # Errors
    /// 400 for the token of another list: the objects ordered before that position would be missing.
    pub(crate) fn position<N: FromStr>(
        &self,
        resource: &ResourceType,
        scope: Option<&Namespace>,
    ) -> Result<(Namespace, N), Problem> {
        if self.plural != resource.plural || self.scope.as_ref() != scope {
            return Err(Problem::BadRequest("continue key is not valid: it is that of another list".to_owned()));
        }
        let name = self.name.as_str().parse().map_err(|_| Problem::BadRequest(NOT_OURS.to_owned()))?;
        Ok((self.namespace.clone(), name))
    }
}

/// Means all namespaces in a token; it is not a valid name of a namespace.
const EVERYWHERE: &str = "*";
const NOT_OURS: &str = "continue key is not valid: not one that this server gave";

impl fmt::Display for Continue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, plural, scope, namespace, name } = self;
        let scope = scope.as_ref().map_or(EVERYWHERE, Namespace::as_str);
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("2/{plural}/{scope}/{revision}/{namespace}/{name}")))
    }
}

impl FromStr for Continue {
    /// A sentence that says to the caller what is wrong.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| NOT_OURS.to_owned())
    }
}

fn parse(text: &str) -> Option<Continue> {
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let mut parts = decoded.split('/');
    let (version, plural, scope) = (parts.next()?, parts.next()?, parts.next()?);
    let (revision, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
    if version != "2" || parts.next().is_some() {
        return None;
    }
    Some(Continue {
        plural: plural.to_owned(),
        scope: if scope == EVERYWHERE { None } else { Some(scope.parse().ok()?) },
        revision: Revision(revision.parse().ok()?),
        namespace: namespace.parse().ok()?,
        name: name.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_own_tokens_are_taken() {
        for text in ["", "x", "####", "MS8xL3dlc3Q", &URL_SAFE_NO_PAD.encode("2/secrets/*/1/west/g/x")] {
            assert!(text.parse::<Continue>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_token_survives_a_round_trip(
            revision in any::<u64>(), scope in prop::option::of("[a-z]{1,9}"),
            namespace in "[a-z]{1,9}", name in "[a-z]{1,9}(\\.[a-z]{1,9})?",
        ) {
            let token = Continue {
                revision: Revision(revision), plural: "links".to_owned(), scope: scope.map(|scope| scope.parse().unwrap()),
                namespace: namespace.parse().unwrap(), name: name.parse().unwrap(),
            };
            prop_assert_eq!(token.to_string().parse(), Ok(token));
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = text.parse::<Continue>();
        }
    }
}
