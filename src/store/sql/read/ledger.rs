//! Reading the ledger of all grants, page by page.

use std::ops::ControlFlow;

use super::Reader;
use crate::{
    grant::GrantId,
    store::{
        LedgerPage, LedgerQuery, StoreError,
        sql::{
            backend::{Backend, Row},
            row,
            statement::{Columns as _, statement},
            statements,
        },
    },
};

impl<B: Backend> Reader<B> {
    /// Reads one page, and more when that ends with a row that cannot be where the next one starts.
    pub(in crate::store) async fn ledger(&self, query: LedgerQuery) -> Result<LedgerPage, StoreError> {
        // The semaphore is never closed.
        let _turn = self.paging.acquire().await;
        let after = query.after.as_ref();
        let mut after = after.map_or((String::new(), 0), |(grant, ordinal)| (grant.to_string(), i64::from(*ordinal)));
        let mut page = LedgerPage::default();
        while let Some(last) = self.ledger_rows(&query, &after, &mut page).await? {
            page.next = next(&last);
            if page.next.is_some() {
                break;
            }
            after = last;
        }
        Ok(page)
    }

    /// Reads rows into the page until it is full. Answers the place of the last one, if there are more.
    async fn ledger_rows(
        &self,
        query: &LedgerQuery,
        (uid, ordinal): &(String, i64),
        page: &mut LedgerPage,
    ) -> Result<Option<(String, i64)>, StoreError> {
        let limit = query.limit.of_page();
        let read = statement(statements::LEDGER).bind(uid).bind(*ordinal).bind(i64::from(limit) + 1);
        let (mut looked_at, mut last, mut end) = (0, None, Ok(None));
        let take = |row: Row<B>| {
            if looked_at == limit {
                end = Ok(last.take());
                return ControlFlow::Break(());
            }
            looked_at += 1;
            match row::ledger_place(&row) {
                Ok(place) => last = Some(place),
                Err(error) => {
                    end = Err(error);
                    return ControlFlow::Break(());
                }
            }
            // A row whose namespace cannot be read is not shown to users of one namespace.
            let namespace = row.text("grant_namespace").unwrap_or_default();
            if query.namespace.as_ref().is_none_or(|wanted| wanted.as_str() == namespace) {
                match row::ledger_entry(&row) {
                    Ok(entry) => page.entries.push(entry),
                    Err(corrupt) => page.corrupt.push(corrupt),
                }
            }
            ControlFlow::Continue(())
        };
        self.scan("read the ledger", read, take).await?;
        end
    }
}

/// The place as the next page starts after it; `None` when a caller could not name it.
fn next((uid, ordinal): &(String, i64)) -> Option<(GrantId, u32)> {
    // In another spelling the uid has another place.
    let grant: GrantId = uid.parse().ok().filter(|grant: &GrantId| grant.to_string() == *uid)?;
    Some((grant, u32::try_from(*ordinal).ok()?))
}
