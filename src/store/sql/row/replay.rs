//! Rows of certificates that can be sent again, and of the record of that.

use super::{
    certificate_record,
    column::{instant, number, optional, parsed},
};
use crate::{
    grant::{LinkName, Replay, ReplayKind, Subject},
    store::{
        CorruptRow, ReplayedCertificate,
        sql::statement::{Broken, Column, Columns},
    },
    time::Timestamp,
};

/// A redemption that is to be repeated, as it is recorded.
pub(in crate::store) struct Repeated {
    /// The name of the Secret and the Links.
    pub(in crate::store) link_name: LinkName,
    /// The subject of the certificate.
    pub(in crate::store) subject: Subject,
    /// When it was counted.
    pub(in crate::store) redeemed_at: Timestamp,
    /// When its grant expires.
    pub(in crate::store) grant_expires_at: Timestamp,
    /// How often it was repeated.
    pub(in crate::store) made: u32,
}

/// Reads what is recorded of a redemption.
pub(in crate::store) fn repeated(row: &impl Columns) -> Column<Repeated> {
    Ok(Repeated {
        link_name: parsed(row, "link_name")?,
        subject: parsed(row, "subject")?,
        redeemed_at: instant(row, "redeemed_at")?,
        grant_expires_at: instant(row, "expires_at")?,
        made: number(row, "made")?,
    })
}

/// Reads a certificate that is sent again as the repetition of this number.
pub(in crate::store) fn issued(row: &impl Columns, repetition: u32) -> Column<ReplayedCertificate> {
    Ok(ReplayedCertificate {
        der: row.bytes("certificate")?.to_vec(),
        record: certificate_record(row)?,
        ordinal: ordinal(row)?,
        number: repetition,
    })
}

/// The column `ordinal`.
pub(in crate::store) fn ordinal(row: &impl Columns) -> Column<u32> {
    number(row, "ordinal")
}

/// Reads a row of the record of replays.
pub(in crate::store) fn replay(row: &impl Columns) -> Result<Replay, CorruptRow> {
    read_replay(row)
        .map_err(|Broken(what)| CorruptRow { id: row.text("grant_uid").unwrap_or("(unreadable)").to_owned(), what })
}

fn read_replay(row: &impl Columns) -> Column<Replay> {
    Ok(Replay {
        grant_id: parsed(row, "grant_uid")?,
        ordinal: ordinal(row)?,
        number: number(row, "number")?,
        kind: match row.text("kind")? {
            REPLAYED => ReplayKind::Replayed,
            REISSUED => ReplayKind::Reissued,
            _ => return Err(Broken("kind")),
        },
        replayed_at: instant(row, "replayed_at")?,
        peer: optional(row, "peer")?,
        certificate: certificate_record(row)?,
    })
}

const REPLAYED: &str = "replayed";
const REISSUED: &str = "reissued";

/// The column `kind`.
pub(in crate::store) fn replay_kind(kind: ReplayKind) -> &'static str {
    match kind {
        ReplayKind::Replayed => REPLAYED,
        ReplayKind::Reissued => REISSUED,
    }
}
