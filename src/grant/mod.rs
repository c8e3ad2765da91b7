//! Level 1: the types of a grant and the rules that decide a redemption. Pure: no clock, no I/O, no random numbers.

mod admission;
mod admit;
mod allowance;
mod code;
mod id;
mod name;
mod record;
mod signed;
mod terms;
mod window;

pub use admission::{Admission, Claim, Refusal, Reissue};
pub use admit::{Grant, GrantMetadata, GrantState, RedemptionRequest};
pub use allowance::{Allowance, AllowanceError};
pub use code::{Code, CodeError, CodeOrigin, PresentedCode};
pub use id::{GrantId, ParseGrantIdError, Revision};
pub use name::{GrantName, IssuerName, LinkName, NameError, Namespace, Subject, SubjectError};
pub use record::{CertificateRecord, KeyFingerprint, Redemption, Replay, ReplayKind, SerialNumber};
pub use signed::{Certified, PendingRedemption, Signed};
pub use terms::GrantTerms;
pub use window::{DurationError, ExpirationWindow, WindowError, format_go_duration, parse_go_duration};
