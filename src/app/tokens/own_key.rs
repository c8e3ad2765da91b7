//! The key of a token that is being redeemed: stored, sealed, with the token before the other site is asked, so that it is asked
//! for the same certificate again when the answer is lost, also after a restart.

use serde_json::{Map, Value};

use crate::{link::AccessToken, pki::RequestKey, store::StoredObject};

const KEY: &str = "key";
const SUBJECT: &str = "subject";
const URL: &str = "url";
const CODE: &str = "code";

/// A key, and the subject that its certificate is asked for: the other site answers again only if both are the same.
pub(super) struct OwnKey {
    pub(super) key: RequestKey,
    pub(super) subject: String,
}

impl OwnKey {
    /// A new key; `None` when the machine has no randomness left.
    pub(super) fn make(subject: String) -> Option<Self> {
        Some(Self { key: RequestKey::generate().ok()?, subject })
    }

    /// The key that is stored with the object, if it was made for this URL and code.
    pub(super) fn stored(object: &StoredObject, token: &AccessToken) -> Option<Self> {
        let text = |member: &str| object.content.private.get(member).and_then(Value::as_str);
        let is_for = text(URL) == Some(&*token.url) && text(CODE) == Some(token.code.expose());
        let key = text(KEY).filter(|_| is_for)?;
        Some(Self { key: RequestKey::from_pem(key.as_bytes()).ok()?, subject: text(SUBJECT)?.to_owned() })
    }

    /// What is stored with the object.
    pub(super) fn to_store(&self, token: &AccessToken) -> Map<String, Value> {
        let members = [
            (KEY, self.key.pem().expose()),
            (SUBJECT, &*self.subject),
            (URL, &*token.url),
            (CODE, token.code.expose()),
        ];
        members.into_iter().map(|(member, text)| (member.to_owned(), text.into())).collect()
    }
}
