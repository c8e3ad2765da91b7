//! From rows to values. Every column is parsed as untrusted input: the file may have been damaged or changed.

mod column;
mod json;
mod object;
mod replay;
mod terms;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

pub(in crate::store) use column::uid;
#[cfg(any(test, fuzzing))]
pub(in crate::store) use object::object_content;
pub(in crate::store) use object::{object, object_json, object_state, removed_object};
pub(in crate::store) use replay::{issued, ordinal, repeated, replay, replay_kind};
pub(in crate::store) use terms::TermValues;

use self::column::{bytes, instant, instant_of, number, optional, parsed};
use super::{
    seal::{OfGrant, Purpose, SealingKey},
    statement::{Broken, Column, Columns},
};
use crate::{
    grant::{
        Allowance, CertificateRecord, Code, CodeOrigin, Grant, GrantId, GrantMetadata, GrantName, KeyFingerprint,
        Namespace, Redemption, Revision, SerialNumber,
    },
    store::{ChangeEffect, ChangeSubject, CorruptRow, Labels, LastState, LedgerEntry, StoreError},
};

/// Reads a row with the columns of a grant.
pub(in crate::store) fn grant(row: &impl Columns, key: &SealingKey) -> Result<Grant, CorruptRow> {
    read_grant(row, key).map_err(|Broken(what)| CorruptRow { id: uid(row), what })
}

/// The change to be published for a removed row of a grant. `None` when its uid, namespace or name cannot be read.
pub(in crate::store) fn removed(row: &impl Columns, key: &SealingKey) -> Option<(ChangeSubject, ChangeEffect)> {
    if let Ok(grant) = read_grant(row, key) {
        let (id, namespace, name) = (grant.id, grant.namespace.clone(), grant.name.clone());
        let last = LastState::Grant(Box::new(grant));
        return Some((ChangeSubject::Grant { id, namespace, name }, ChangeEffect::Removed(last)));
    }
    let id = parsed(row, "uid").ok()?;
    let (namespace, name) = (parsed(row, "namespace").ok()?, parsed(row, "name").ok()?);
    Some((ChangeSubject::Grant { id, namespace, name }, ChangeEffect::Removed(LastState::Unreadable)))
}

/// The labels in a row of a grant. Empty when they cannot be read: then no list has shown any labels.
pub(in crate::store) fn labels(row: &impl Columns, grant: OfGrant<'_>, key: &SealingKey) -> Labels {
    metadata(row, grant, key).map(|metadata| metadata.labels).unwrap_or_default()
}

fn read_grant(row: &impl Columns, key: &SealingKey) -> Column<Grant> {
    let id: GrantId = parsed(row, "uid")?;
    let (namespace, name) = place(row)?;
    let place = OfGrant { namespace: &namespace, name: &name, id };
    let allowance = Allowance::new(number(row, "redemptions_allowed")?, number(row, "redemptions")?)
        .map_err(|_| Broken("redemptions"))?;
    let last_redeemed_at = row.optional_integer("last_redeemed_at")?;
    let (code, metadata) = (code(row.bytes("sealed_code")?, place, key)?, metadata(row, place, key)?);
    Ok(Grant {
        id,
        namespace,
        name,
        code,
        code_origin: origin_from(row.text("code_origin")?)?,
        allowance,
        terms: terms::terms(row)?,
        expires_at: instant(row, "expires_at")?,
        created_at: instant(row, "created_at")?,
        last_redeemed_at: last_redeemed_at.map(|s| instant_of(s, "last_redeemed_at")).transpose()?,
        generation: number(row, "generation")?,
        revision: Revision(number(row, "revision")?),
        metadata,
    })
}

fn code(sealed: &[u8], grant: OfGrant<'_>, key: &SealingKey) -> Column<Code> {
    let unsealed = key.unseal(sealed, Purpose::Code(grant)).map_err(|_| Broken("sealed_code"))?;
    std::str::from_utf8(&unsealed).ok().and_then(|text| text.parse().ok()).ok_or(Broken("sealed_code"))
}

fn metadata(row: &impl Columns, grant: OfGrant<'_>, key: &SealingKey) -> Column<GrantMetadata> {
    const COLUMN: &str = "sealed_metadata";
    let Some(sealed) = row.optional_bytes(COLUMN)? else { return Ok(GrantMetadata::default()) };
    let unsealed = key.unseal(sealed, Purpose::Metadata(grant)).map_err(|_| Broken(COLUMN))?;
    let stored: StoredMetadata = serde_json::from_slice(&unsealed).map_err(|_| Broken(COLUMN))?;
    Ok(GrantMetadata { labels: stored.labels, annotations: stored.annotations, settings: stored.settings })
}

/// The JSON form of metadata that is sealed. A version of grantd may add fields, so a missing field is read as empty.
#[derive(Deserialize)]
struct StoredMetadata {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

/// The same fields for writing. They are borrowed, as a copy would leave secrets in memory.
#[derive(Serialize)]
struct MetadataToStore<'a> {
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
    settings: &'a BTreeMap<String, String>,
}

/// The plain text for the column `sealed_metadata`; `None` when there is no metadata.
pub(in crate::store) fn metadata_json(metadata: &GrantMetadata) -> Option<Zeroizing<Vec<u8>>> {
    if metadata.is_empty() {
        return None;
    }
    let GrantMetadata { labels, annotations, settings } = metadata;
    Some(json::to_wipe(&MetadataToStore { labels, annotations, settings }))
}

/// Namespace and name of a row of a grant.
pub(in crate::store) fn place(row: &impl Columns) -> Column<(Namespace, GrantName)> {
    Ok((parsed(row, "namespace")?, parsed(row, "name")?))
}

/// The column `code_origin`.
pub(in crate::store) fn origin(origin: CodeOrigin) -> &'static str {
    match origin {
        CodeOrigin::Generated => "generated",
        CodeOrigin::Given => "given",
    }
}

fn origin_from(text: &str) -> Column<CodeOrigin> {
    match text {
        "generated" => Ok(CodeOrigin::Generated),
        "given" => Ok(CodeOrigin::Given),
        _ => Err(Broken("code_origin")),
    }
}

/// Reads a row of the ledger.
pub(in crate::store) fn redemption(row: &impl Columns) -> Result<Redemption, CorruptRow> {
    read_redemption(row).map_err(|broken| corrupt_redemption(row, broken))
}

fn corrupt_redemption(row: &impl Columns, Broken(what): Broken) -> CorruptRow {
    CorruptRow { id: row.text("grant_uid").unwrap_or("(unreadable)").to_owned(), what }
}

/// A ledger row with the namespace and name of its grant.
pub(in crate::store) fn ledger_entry(row: &impl Columns) -> Result<LedgerEntry, CorruptRow> {
    let read = || {
        let (namespace, grant) = (parsed(row, "grant_namespace")?, parsed(row, "grant_name")?);
        Ok(LedgerEntry { namespace, grant, redemption: read_redemption(row)? })
    };
    read().map_err(|broken| corrupt_redemption(row, broken))
}

/// The place of a ledger row in the order of the whole ledger, as it is stored.
pub(in crate::store) fn ledger_place(row: &impl Columns) -> Result<(String, i64), StoreError> {
    let place = row.text("grant_uid").and_then(|uid| Ok((uid.to_owned(), row.integer("ordinal")?)));
    place.map_err(|Broken(what)| StoreError::Corrupt { id: corrupt_redemption(row, Broken(what)).id, what })
}

fn read_redemption(row: &impl Columns) -> Column<Redemption> {
    Ok(Redemption {
        grant_id: parsed(row, "grant_uid")?,
        ordinal: number(row, "ordinal")?,
        redeemed_at: instant(row, "redeemed_at")?,
        link_name: parsed(row, "link_name")?,
        subject: parsed(row, "subject")?,
        peer: optional(row, "peer")?,
        certificate: certificate_record(row)?,
    })
}

fn certificate_record(row: &impl Columns) -> Column<CertificateRecord> {
    Ok(CertificateRecord {
        serial: SerialNumber::from_bytes(bytes(row, "serial")?),
        key_fingerprint: KeyFingerprint::from_bytes(bytes(row, "key_fingerprint")?),
        not_after: instant(row, "not_after")?,
    })
}
