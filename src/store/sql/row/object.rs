//! Rows of objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    column::{instant, number, parsed, uid},
    json,
};
use crate::{
    grant::Revision,
    store::{
        ChangeEffect, ChangeSubject, CorruptRow, Labels, LastState, ObjectContent, ObjectKey, ObjectKind, StoredObject,
        sql::{
            seal::{Purpose, SealingKey},
            statement::{Broken, Column, Columns},
        },
    },
    time::Timestamp,
};

const CONTENT: &str = "sealed_content";

/// Reads a row with the columns of an object.
pub(in crate::store) fn object(row: &impl Columns, key: &SealingKey) -> Result<StoredObject, CorruptRow> {
    read_object(row, key).map_err(|Broken(what)| CorruptRow { id: uid(row), what })
}

fn read_object(row: &impl Columns, key: &SealingKey) -> Column<StoredObject> {
    let uid: Uuid = parsed(row, "uid")?;
    let kind = kind_from(row.text("kind")?)?;
    let place = ObjectKey { kind, namespace: parsed(row, "namespace")?, name: parsed(row, "name")? };
    let content = content(row.bytes(CONTENT)?, &place, uid, key)?;
    Ok(StoredObject {
        key: place,
        uid,
        generation: number(row, "generation")?,
        revision: Revision(number(row, "revision")?),
        created_at: instant(row, "created_at")?,
        content,
    })
}

/// The uid of an object, its revision, and when it was made.
pub(in crate::store) fn object_state(row: &impl Columns) -> Result<(Uuid, Revision, Timestamp), CorruptRow> {
    let read = || Ok((parsed(row, "uid")?, Revision(number(row, "revision")?), instant(row, "created_at")?));
    read().map_err(|Broken(what)| CorruptRow { id: uid(row), what })
}

/// The object of a removed row, with the revision of the removal, and the change to be published. From a row that breaks a
/// rule, as much as can be read; when its uid cannot be read, there is no change to be published.
pub(in crate::store) fn removed_object(
    row: &impl Columns,
    revision: Revision,
    place: &ObjectKey,
    key: &SealingKey,
) -> (StoredObject, Option<(ChangeSubject, ChangeEffect)>) {
    if let Ok(mut object) = read_object(row, key) {
        object.revision = revision;
        let subject = ChangeSubject::Object { key: place.clone(), uid: object.uid };
        let last = LastState::Object(Box::new(object.clone()));
        return (object, Some((subject, ChangeEffect::Removed(last))));
    }
    let uid: Option<Uuid> = parsed(row, "uid").ok();
    let change = uid.map(|uid| {
        let subject = ChangeSubject::Object { key: place.clone(), uid };
        (subject, ChangeEffect::Removed(LastState::Unreadable))
    });
    let object = StoredObject {
        key: place.clone(),
        uid: uid.unwrap_or(Uuid::nil()),
        generation: number(row, "generation").unwrap_or(1),
        revision,
        created_at: instant(row, "created_at").unwrap_or(Timestamp::from_unix_seconds(0)),
        content: ObjectContent::default(),
    };
    (object, change)
}

fn kind_from(text: &str) -> Column<ObjectKind> {
    let kinds = [ObjectKind::AccessToken, ObjectKind::Link, ObjectKind::Secret, ObjectKind::Site];
    kinds.into_iter().find(|kind| kind.as_str() == text).ok_or(Broken("kind"))
}

fn content(sealed: &[u8], place: &ObjectKey, uid: Uuid, key: &SealingKey) -> Column<ObjectContent> {
    let unsealed = key.unseal(sealed, Purpose::Object(place, uid)).map_err(|_| Broken(CONTENT))?;
    object_content(&unsealed).ok_or(Broken(CONTENT))
}

/// Decrypts the content of an object.
pub(in crate::store) fn object_content(json: &[u8]) -> Option<ObjectContent> {
    let StoredContent { labels, annotations, body, private } = serde_json::from_slice(json).ok()?;
    Some(ObjectContent { labels, annotations, body, private })
}

/// The JSON form of content that is sealed. A version of grantd may add fields, so a missing field is read as empty.
#[derive(Deserialize)]
struct StoredContent {
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    body: Map<String, Value>,
    #[serde(default)]
    private: Map<String, Value>,
}

/// The same fields for writing. They are borrowed, as a copy would leave secrets in memory.
#[derive(Serialize)]
struct ContentToStore<'a> {
    labels: &'a Labels,
    annotations: &'a BTreeMap<String, String>,
    body: &'a Map<String, Value>,
    // Most objects have none.
    #[serde(skip_serializing_if = "Map::is_empty")]
    private: &'a Map<String, Value>,
}

/// The content of an object as it is to be sealed.
pub(in crate::store) fn object_json(content: &ObjectContent) -> Zeroizing<Vec<u8>> {
    let ObjectContent { labels, annotations, body, private } = content;
    json::to_wipe(&ContentToStore { labels, annotations, body, private })
}
