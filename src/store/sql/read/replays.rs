//! Reading what can be sent again, and what was.

use std::ops::ControlFlow;

use super::{Reader, store_row};
use crate::{
    grant::{GrantId, KeyFingerprint, LinkName, Replay, Subject},
    store::{
        MOST_REISSUES, StoreError,
        sql::{
            backend::{Backend, Row},
            row,
            statement::statement,
            statements,
        },
    },
    time::Timestamp,
};

impl<B: Backend> Reader<B> {
    /// Whether there is a certificate of this grant for this key.
    pub(in crate::store) async fn is_known(&self, id: GrantId, key: KeyFingerprint) -> Result<bool, StoreError> {
        let uid = id.to_string();
        let issued = statement(statements::ISSUED).bind(&uid).bind(&key.as_bytes()[..]);
        Ok(self.first("look for a certificate", issued).await?.is_some())
    }

    pub(in crate::store) async fn repeatable(
        &self,
        id: GrantId,
        link_name: &LinkName,
        subject: &Subject,
        since: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let uid = id.to_string();
        let read = statement(statements::REPEATABLE)
            .bind(&uid)
            .bind(link_name.as_str())
            .bind(subject.as_str())
            .bind(since.unix_seconds())
            .bind(i64::from(MOST_REISSUES));
        let row = self.first("look for a redemption to repeat", read).await?;
        row.map(|row| row::ordinal(&row).map_err(store_row)).transpose()
    }

    pub(in crate::store) async fn replays(
        &self,
        id: GrantId,
        (ordinal, number): (u32, u32),
        limit: u32,
    ) -> Result<Vec<Replay>, StoreError> {
        let uid = id.to_string();
        let after = statement(statements::REPLAYS).bind(&uid).bind(i64::from(ordinal)).bind(i64::from(number));
        let mut rows = Vec::new();
        let keep = |row: Row<B>| {
            rows.push(row::replay(&row));
            ControlFlow::Continue(())
        };
        self.scan("read the replays", after.bind(i64::from(limit)), keep).await?;
        Ok(rows.into_iter().collect::<Result<_, _>>()?)
    }
}
