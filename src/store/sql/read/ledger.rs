//! Reading the ledger of all grants, page by page.

use std::ops::ControlFlow;

use super::Reader;
use crate::store::{
    LedgerPage, LedgerQuery, StoreError,
    sql::{
        backend::{Backend, Row},
        row,
        statement::{Columns as _, statement},
        statements,
    },
};

impl<B: Backend> Reader<B> {
    pub(in crate::store) async fn ledger(&self, query: LedgerQuery) -> Result<LedgerPage, StoreError> {
        // The semaphore is never closed.
        let _turn = self.paging.acquire().await;
        let limit = query.limit.of_page();
        let (uid, ordinal) = query.after.map_or((String::new(), 0), |(grant, ordinal)| (grant.to_string(), ordinal));
        let read = statement(statements::LEDGER).bind(&uid).bind(i64::from(ordinal)).bind(i64::from(limit) + 1);
        let (mut page, mut looked_at) = (LedgerPage::default(), 0);
        let mut last = None;
        let take = |row: Row<B>| {
            if looked_at == limit {
                page.next = last.take();
                return ControlFlow::Break(());
            }
            looked_at += 1;
            last = row::ledger_place(&row);
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
        Ok(page)
    }
}
