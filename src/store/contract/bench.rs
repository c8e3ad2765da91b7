//! Test data for the tests of the store: stores, grants, admissions.

use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    file,
    grant::{
        Admission, Allowance, CertificateRecord, Certified, Claim, CodeOrigin, Grant, GrantId, GrantMetadata,
        GrantTerms, KeyFingerprint, PresentedCode, RedemptionRequest, SerialNumber, Signed,
    },
    store::{
        CommitError, GrantChange, GrantStore, NewGrant, ObjectContent, ObjectKey, ObjectKind, ObjectStore, ObjectWrite,
        Quota, Receipt, Store, StoreFuture, StoredObject,
        memory::MemoryStore,
        sqlite::{SqliteOptions, SqliteStore},
    },
    time::Timestamp,
};

/// No test takes longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// Gives a test its deadline.
pub(in crate::store) async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, test).await.expect("the test missed its deadline")
}

/// A store under test.
pub(in crate::store) trait Bench: Sized {
    type Store: Store;

    async fn fresh() -> Self;

    fn store(&self) -> Arc<Self::Store>;

    /// The store after it was closed and opened again.
    async fn reopened(self) -> Self;

    /// Every stored byte, as a thief of the disk would find them.
    fn stored_bytes(&self) -> Vec<u8>;
}

pub(in crate::store) struct MemoryBench(Arc<MemoryStore>);

impl Bench for MemoryBench {
    type Store = MemoryStore;

    async fn fresh() -> Self {
        Self(Arc::new(MemoryStore::new()))
    }

    fn store(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.0)
    }

    async fn reopened(self) -> Self {
        self.0.close().await.unwrap();
        Self(Arc::new(self.0.reopened()))
    }

    fn stored_bytes(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// A directory with the files of a store, removed with everything in it when dropped.
pub(in crate::store) struct Files(PathBuf);

impl Files {
    pub(in crate::store) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("grantd-store-{}", uuid::Uuid::new_v4()));
        file::create_private_directory(&path).unwrap();
        Self(path)
    }

    pub(in crate::store) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(in crate::store) fn database(&self) -> PathBuf {
        self.path("grants.db")
    }

    pub(in crate::store) fn key(&self) -> PathBuf {
        self.path("sealing.key")
    }

    pub(in crate::store) fn options(&self) -> SqliteOptions {
        SqliteOptions {
            quota: Quota::DEFAULT,
            database: self.database(),
            lock: self.path("lock"),
            key: self.key(),
            on_commit: Box::new(|_| {}),
        }
    }

    /// What a crash at this moment would leave: the database, its log and the key.
    pub(in crate::store) fn crashed_copy(&self) -> Self {
        let copy = Self::new();
        for name in ["grants.db", "grants.db-wal", "sealing.key"] {
            if self.path(name).exists() {
                fs::copy(self.path(name), copy.path(name)).unwrap();
            }
        }
        copy
    }

    pub(in crate::store) fn all(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(in crate::store) struct SqliteBench {
    pub(in crate::store) files: Files,
    pub(in crate::store) store: Arc<SqliteStore>,
}

impl SqliteBench {
    pub(in crate::store) async fn on(files: Files) -> Self {
        let store = Arc::new(SqliteStore::open(files.options()).await.unwrap());
        Self { files, store }
    }
}

impl Bench for SqliteBench {
    type Store = SqliteStore;

    async fn fresh() -> Self {
        Self::on(Files::new()).await
    }

    fn store(&self) -> Arc<SqliteStore> {
        Arc::clone(&self.store)
    }

    async fn reopened(self) -> Self {
        self.store.close().await.unwrap();
        Self::on(self.files).await
    }

    fn stored_bytes(&self) -> Vec<u8> {
        let is_key = |path: &Path| *path == self.files.key();
        let files = self.files.all().into_iter().filter(|path| !is_key(path));
        files.flat_map(|path| fs::read(path).unwrap()).collect()
    }
}

/// An instant of the tests.
pub(in crate::store) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

/// A grant in namespace `west` for two redemptions, made at 1000 and expired at 2000.
pub(in crate::store) fn new_grant(name: &str) -> NewGrant {
    NewGrant {
        id: GrantId::random(),
        namespace: "west".parse().unwrap(),
        name: name.parse().unwrap(),
        code: "L1qCl2mZ7D81gbXp3ax4YT0K".parse().unwrap(),
        code_origin: CodeOrigin::Generated,
        allowed: 2,
        terms: GrantTerms::default(),
        expires_at: at(2000),
        created_at: at(1000),
        metadata: GrantMetadata::default(),
    }
}

/// A change to the values that the grant has already.
pub(in crate::store) fn change(grant: &Grant) -> GrantChange {
    GrantChange {
        allowance: grant.allowance,
        code_origin: grant.code_origin,
        terms: grant.terms.clone(),
        metadata: grant.metadata.clone(),
        generation: grant.generation,
    }
}

/// Admits a request with the right code at `seconds`, even if this copy of the grant is expired or used up.
pub(in crate::store) fn admission(grant: &Grant, seconds: i64) -> Admission {
    let open =
        Grant { allowance: Allowance::new(Allowance::MAX, 0).unwrap(), expires_at: at(i64::MAX), ..grant.clone() };
    let request = RedemptionRequest {
        link_name: Some("east".parse().unwrap()),
        subject: Some("Zweigstelle Köln".parse().unwrap()),
        code: PresentedCode::new(grant.code.expose().into()),
        peer: Some("2001:db8::1".parse().unwrap()),
    };
    open.admit(&request, at(seconds)).unwrap()
}

/// The record of a new certificate, with random serial number and key.
pub(in crate::store) fn certificate() -> CertificateRecord {
    let random = uuid::Uuid::new_v4().into_bytes();
    CertificateRecord {
        serial: SerialNumber::from_random(random),
        key_fingerprint: KeyFingerprint::from_bytes([random, random].concat().try_into().unwrap()),
        not_after: at(9000),
    }
}

impl Certified for CertificateRecord {
    fn record(&self) -> &CertificateRecord {
        self
    }
}

/// A certificate that may be kept, as that of a client's own key is.
#[derive(Debug)]
pub(in crate::store) struct Kept(pub(in crate::store) CertificateRecord, pub(in crate::store) Option<Vec<u8>>);

impl Certified for Kept {
    fn record(&self) -> &CertificateRecord {
        &self.0
    }

    fn kept(&self) -> Option<&[u8]> {
        self.1.as_deref()
    }
}

/// Counts one redemption with a certificate that may be kept.
pub(in crate::store) fn commit_kept<'a>(
    store: &'a (dyn Store + 'static),
    admission: Admission,
    certificate: Kept,
) -> StoreFuture<'a, Receipt<Kept>, CommitError> {
    Box::pin(store.commit(Signed::new(admission, certificate)))
}

/// Claims the grant with its code at `seconds`, for `name`, whatever has become of the grant.
pub(in crate::store) fn claim(grant: &Grant, seconds: i64, name: &str) -> Claim {
    let request = RedemptionRequest {
        link_name: Some(name.parse().unwrap()),
        subject: Some("Zweigstelle Köln".parse().unwrap()),
        code: PresentedCode::new(grant.code.expose().into()),
        peer: Some("2001:db8::1".parse().unwrap()),
    };
    Grant { expires_at: at(i64::MAX), ..grant.clone() }.claim(&request, at(seconds)).unwrap()
}

/// Counts one redemption; a record is credential enough for the tests of a store.
pub(in crate::store) fn commit<'a>(
    store: &'a (dyn Store + 'static),
    admission: Admission,
    certificate: CertificateRecord,
) -> StoreFuture<'a, Receipt<CertificateRecord>, CommitError> {
    Box::pin(store.commit(Signed::new(admission, certificate)))
}

/// The key of an object.
pub(in crate::store) fn key(kind: ObjectKind, namespace: &str, name: &str) -> ObjectKey {
    ObjectKey { kind, namespace: namespace.parse().unwrap(), name: name.parse().unwrap() }
}

/// The key of a Site in namespace `west`.
pub(in crate::store) fn site_key(name: &str) -> ObjectKey {
    key(ObjectKind::Site, "west", name)
}

/// A content that holds this text.
pub(in crate::store) fn content(text: &str) -> ObjectContent {
    let body = serde_json::json!({"spec": {"text": text}}).as_object().cloned().unwrap();
    ObjectContent { body, ..ObjectContent::default() }
}

/// Makes a Site that holds its name.
pub(in crate::store) fn create_object(name: &str) -> ObjectWrite {
    let uid = uuid::Uuid::new_v4();
    ObjectWrite::Create { key: site_key(name), uid, created_at: at(1000), content: content(name) }
}

/// Replaces what is in an object by this text, its labels staying.
pub(in crate::store) fn update_object(object: &StoredObject, text: &str) -> ObjectWrite {
    ObjectWrite::Update {
        key: object.key.clone(),
        expected: object.revision,
        generation: object.generation + 1,
        content: ObjectContent { labels: object.content.labels.clone(), ..content(text) },
        labels_before: None,
    }
}

/// Does one write, and reads the object back.
pub(in crate::store) async fn read_object(store: &impl ObjectStore, write: ObjectWrite) -> StoredObject {
    let written = store.write_objects(vec![write]).await.unwrap().remove(0);
    assert_eq!(store.object(written.key.clone()).await.unwrap().as_ref(), Some(&written));
    written
}
