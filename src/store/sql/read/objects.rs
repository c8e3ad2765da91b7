//! Reading objects.

use super::{Page, Paging, Reader, failed, start};
use crate::store::{
    ObjectKey, ObjectPage, ObjectQuery, StoreError, StoredObject,
    sql::{row, statements},
};

impl Reader {
    pub(in crate::store) async fn object(&self, key: ObjectKey) -> Result<Option<StoredObject>, StoreError> {
        let row = sqlx::query(statements::OBJECT)
            .bind(key.kind.as_str())
            .bind(key.namespace.as_str())
            .bind(key.name.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read an object"))?;
        Ok(row.map(|row| row::object(&row, &self.key)).transpose()?)
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
        };
        let Page { read: objects, corrupt, revision, next } = self.page(paging, after).await?;
        Ok(ObjectPage { objects, corrupt, revision, next })
    }

    pub(in crate::store) async fn count_objects(&self, query: ObjectQuery) -> Result<u32, StoreError> {
        let after = query.after.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        let Some(after) = start(query.namespace.as_ref(), after) else { return Ok(0) };
        let statement =
            if query.namespace.is_some() { statements::COUNT_OBJECTS_NAMESPACE } else { statements::COUNT_OBJECTS };
        let query =
            sqlx::query(statement).bind(query.kind.as_str()).bind(after.0).bind(after.1).bind(i64::from(query.limit));
        self.counted(query).await
    }
}
