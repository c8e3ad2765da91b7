//! Reading objects.

use super::{Page, Paging, Reader, start, store_row};
use crate::{
    grant::Namespace,
    store::{
        ObjectKey, ObjectPage, ObjectQuery, StoreError, StoredObject, footprint,
        quota::Usage,
        sql::{backend::Backend, operation::usage_in, row, statement::statement, statements},
    },
};

impl<B: Backend> Reader<B> {
    pub(in crate::store) async fn object(&self, key: ObjectKey) -> Result<Option<StoredObject>, StoreError> {
        let read =
            statement(statements::OBJECT).bind(key.kind.as_str()).bind(key.namespace.as_str()).bind(key.name.as_str());
        let row = self.first("read an object", read).await?;
        Ok(row.map(|row| row::object(&row, &self.key)).transpose()?)
    }

    /// What a namespace has stored.
    pub(in crate::store) async fn usage(&self, namespace: &Namespace) -> Result<Usage, StoreError> {
        let read = statement(statements::NAMESPACE_USAGE).bind(namespace.as_str());
        let row = self.first("read what a namespace has stored", read).await?;
        row.map_or(Ok(Usage::default()), |row| usage_in(&row).map_err(store_row))
    }

    pub(in crate::store) async fn objects(&self, query: ObjectQuery) -> Result<ObjectPage, StoreError> {
        let after = query.after.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        let paging = Paging {
            action: "list objects",
            all: statements::OBJECTS,
            of_namespace: statements::OBJECTS_NAMESPACE,
            kind: Some(query.kind),
            namespace: query.namespace.as_ref(),
            limit: query.limit,
            sealed: "sealed_content",
            read: row::object,
            footprint: |object| {
                footprint::of_members(&object.content.body) + footprint::of_members(&object.content.private)
            },
        };
        let Page { read: objects, corrupt, revision, next } = self.page(paging, after).await?;
        Ok(ObjectPage { objects, corrupt, revision, next })
    }

    pub(in crate::store) async fn count_objects(&self, query: ObjectQuery) -> Result<u32, StoreError> {
        let after = query.after.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        let Some(after) = start(query.namespace.as_ref(), after) else { return Ok(0) };
        let text =
            if query.namespace.is_some() { statements::COUNT_OBJECTS_NAMESPACE } else { statements::COUNT_OBJECTS };
        let count = statement(text)
            .bind(query.kind.as_str())
            .bind(&after.0)
            .bind(&after.1)
            .bind(i64::from(query.limit.items()));
        self.counted(count).await
    }
}
