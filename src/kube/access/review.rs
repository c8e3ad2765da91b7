//! The kinds of reviews: questions that a caller asks about itself.

use crate::kube::catalog::resource_type::GroupVersion;

/// A kind of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Review {
    /// `SelfSubjectAccessReview`: may I do this?
    Access,
    /// `SelfSubjectRulesReview`: what may I do?
    Rules,
    /// `SelfSubjectReview`: who am I?
    Myself,
    /// `SelfSubjectReview` in the older version that kubectl 1.27 uses.
    MyselfBeta,
}

impl Review {
    pub(crate) const ALL: [Self; 4] = [Self::Access, Self::Rules, Self::Myself, Self::MyselfBeta];

    /// The review that is created at this path.
    pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|review| {
            let own = review.group_version();
            (own.group, own.version, review.plural()) == (group, version, plural)
        })
    }

    pub(crate) fn group_version(self) -> GroupVersion {
        match self {
            Self::Access | Self::Rules => GroupVersion { group: "authorization.k8s.io", version: "v1" },
            Self::Myself => GroupVersion { group: "authentication.k8s.io", version: "v1" },
            Self::MyselfBeta => GroupVersion { group: "authentication.k8s.io", version: "v1beta1" },
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Access => "selfsubjectaccessreviews",
            Self::Rules => "selfsubjectrulesreviews",
            Self::Myself | Self::MyselfBeta => "selfsubjectreviews",
        }
    }

    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Access => "SelfSubjectAccessReview",
            Self::Rules => "SelfSubjectRulesReview",
            Self::Myself | Self::MyselfBeta => "SelfSubjectReview",
        }
    }
}
