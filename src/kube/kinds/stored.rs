//! The behaviour of types whose objects are stored as callers wrote them.

use std::fmt;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    app::{App, WriteObjectError},
    grant::{Namespace, Revision},
    kube::{
        catalog::resource_type::ResourceType,
        engine::{
            kind::{Created, Draft, Kind, Page, PageQuery, Removal, Replaced, Subject},
            manifest::Manifest,
            object_meta::{Metadata, ObjectMeta},
            options::Effect,
        },
        problem::{cause::Cause, faults::Faults, status::Problem},
    },
    link::ResourceName,
    store::{
        ChangeSubject, LastState, ObjectContent, ObjectKey, ObjectKind, ObjectPage, ObjectQuery, ObjectWrite,
        PageLimit, StoredObject, WriteObjectsError,
    },
};

/// The members of an object without `apiVersion`, `kind` and `metadata`.
pub(crate) type Body = Map<String, Value>;

/// The differences between the types of stored objects.
///
/// Two types may show the same objects, each in its own form. The objects are stored in the form of one of the two.
pub(crate) struct StoredKind {
    pub(crate) resource: &'static ResourceType,
    pub(crate) object: ObjectKind,
    /// The most bytes of a name, [`ResourceName::MAX_BYTES`] or fewer.
    pub(crate) longest_name: usize,
    pub(crate) generation: Generation,
    /// Converts an object from a caller, whose fields have the types of the table, to the stored form without a status.
    /// When a value breaks a rule it adds a fault, and its result is not used.
    pub(crate) read_spec: fn(&mut Faults, &Map<String, Value>) -> Body,
    /// Copies the parts that this type cannot express from the old body to the new one, so that a change keeps them.
    pub(crate) keep: fn(Body, &Body) -> Body,
    /// The faults of a change from one body to another.
    pub(crate) check_change: fn(&Body, &Body) -> Vec<Cause>,
    /// The body in the form that callers see.
    pub(crate) show: fn(&App, &StoredObject) -> Body,
}

/// Whether objects of a type show their generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    Shown,
    /// Kubernetes has no generation for Secrets.
    Hidden,
}

impl StoredKind {
    /// The `keep` of types that can express everything that is stored.
    pub(crate) fn keep_nothing(written: Body, _: &Body) -> Body {
        written
    }

    /// The `check_change` of types all of whose fields may change.
    pub(crate) fn change_anything(_: &Body, _: &Body) -> Vec<Cause> {
        Vec::new()
    }
}

impl fmt::Debug for StoredKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Function pointers would be printed as addresses.
        f.debug_tuple("StoredKind").field(&self.object).finish()
    }
}

/// The behaviour of a type of stored objects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored(pub(crate) &'static StoredKind);

impl Kind for Stored {
    type Name = ResourceName;
    type State = StoredObject;
    type Spec = Body;

    fn resource(self) -> &'static ResourceType {
        self.0.resource
    }

    fn longest_name(self) -> usize {
        self.0.longest_name
    }

    fn spec(self, faults: &mut Faults, members: &Map<String, Value>) -> Option<Body> {
        Some((self.0.read_spec)(faults, members))
    }

    fn meta(self, object: &StoredObject) -> ObjectMeta<'_> {
        ObjectMeta {
            namespace: &object.key.namespace,
            name: object.key.name.as_str(),
            uid: object.uid.to_string(),
            revision: object.revision,
            labels: &object.content.labels,
            members: Some(&object.content.body),
        }
    }

    fn object(self, app: &App, object: &StoredObject) -> Value {
        let mut metadata = metadata(object).stored(object.uid, object.created_at, object.revision);
        match self.0.generation {
            Generation::Shown => metadata["generation"] = object.generation.into(),
            Generation::Hidden => {}
        }
        self.whole(metadata, (self.0.show)(app, object))
    }

    async fn find(
        self,
        app: &App,
        namespace: &Namespace,
        name: &ResourceName,
    ) -> Result<Option<StoredObject>, Problem> {
        app.object(self.key(namespace, name)).await.map_err(|error| Problem::from_store(&error))
    }

    async fn page(
        self,
        app: &App,
        query: PageQuery<ResourceName>,
    ) -> Result<Page<StoredObject, ResourceName>, Problem> {
        let PageQuery { namespace, after, limit } = query;
        let page =
            app.objects(ObjectQuery { kind: self.0.object, namespace, after, limit: PageLimit::at_most(limit) }).await;
        let ObjectPage { objects, corrupt, revision, next } = page.map_err(|error| Problem::from_store(&error))?;
        Ok(Page { items: objects, corrupt, revision, next })
    }

    async fn count(self, app: &App, query: PageQuery<ResourceName>) -> Result<u32, Problem> {
        let PageQuery { namespace, after, limit } = query;
        let count = app
            .count_objects(ObjectQuery { kind: self.0.object, namespace, after, limit: PageLimit::at_most(limit) })
            .await;
        count.map_err(|error| Problem::from_store(&error))
    }

    async fn create(self, app: &App, draft: Draft<'_, ResourceName, Body>, effect: Effect) -> Result<Created, Problem> {
        let Draft { namespace, name, manifest } = draft;
        let content = content(manifest, manifest.spec.clone(), Body::new());
        let (key, uid, created_at) = (self.key(namespace, name), Uuid::new_v4(), app.clock().now());
        match effect {
            Effect::DryRun => {
                let write = ObjectWrite::Create { key: key.clone(), uid, created_at, content: content.clone() };
                app.check_write(&write).await.map_err(|error| self.refused(error, name))?;
                if self.find(app, namespace, name).await?.is_some() {
                    return Ok(Created::NameTaken);
                }
                let object = StoredObject { key, uid, generation: 1, revision: Revision(0), created_at, content };
                Ok(Created::Done(self.unstored(app, &object)))
            }
            Effect::Lasting => match self.write(app, ObjectWrite::Create { key, uid, created_at, content }).await? {
                Written::Done(object) => Ok(Created::Done(self.object(app, &object))),
                Written::Exists => Ok(Created::NameTaken),
                Written::Gone | Written::Stale => Err(unexpected("created")),
            },
        }
    }

    async fn replace(
        self,
        app: &App,
        current: StoredObject,
        manifest: Manifest<ResourceName, Body>,
        effect: Effect,
    ) -> Result<Replaced, Problem> {
        let mut before = current.content.body.clone();
        let status = before.remove(STATUS);
        let mut body = (self.0.keep)(manifest.spec.clone(), &before);
        let causes = (self.0.check_change)(&before, &body);
        if !causes.is_empty() {
            return Err(Problem::Invalid { resource: self.0.resource, name: current.key.name.to_string(), causes });
        }
        let generation = if body == before { current.generation } else { current.generation + 1 };
        body.extend(status.map(|status| (STATUS.to_owned(), status)));
        let content = content(&manifest, body, current.content.private.clone());
        if content == current.content {
            return Ok(self.replaced(app, &current));
        }
        match effect {
            Effect::DryRun => {
                let checked = app.check_change(&current, content.clone()).await;
                checked.map_err(|error| self.refused(error, &current.key.name))?;
                Ok(self.replaced(app, &StoredObject { generation, content, ..current }))
            }
            Effect::Lasting => {
                let (key, expected, labels) = (current.key, current.revision, current.content.labels);
                let labels_before = (labels != content.labels).then_some(labels);
                match self.write(app, ObjectWrite::Update { key, expected, generation, content, labels_before }).await?
                {
                    Written::Done(object) => Ok(self.replaced(app, &object)),
                    Written::Stale => Ok(Replaced::Stale),
                    Written::Gone => Ok(Replaced::Gone),
                    Written::Exists => Err(unexpected("replaced")),
                }
            }
        }
    }

    async fn remove(
        self,
        app: &App,
        namespace: &Namespace,
        name: &ResourceName,
        expected: Option<Revision>,
    ) -> Result<Removal, Problem> {
        match self.write(app, ObjectWrite::Delete { key: self.key(namespace, name), expected }).await? {
            Written::Done(object) => Ok(Removal::Done { uid: object.uid.to_string() }),
            Written::Stale => Ok(Removal::Stale),
            Written::Gone => Ok(Removal::Gone),
            Written::Exists => Err(unexpected("removed")),
        }
    }

    fn subject(self, subject: &ChangeSubject) -> Option<Subject<'_>> {
        match subject {
            ChangeSubject::Object { key, uid } if key.kind == self.0.object => {
                Some(Subject { namespace: &key.namespace, name: key.name.as_str(), uid: uid.to_string() })
            }
            ChangeSubject::Object { .. } | ChangeSubject::Grant { .. } => None,
        }
    }

    fn last(self, last: &LastState) -> Option<StoredObject> {
        match last {
            LastState::Object(object) if object.key.kind == self.0.object => Some((**object).clone()),
            LastState::Object(_) | LastState::Grant(_) | LastState::Unreadable => None,
        }
    }
}

/// The member that only the server writes.
const STATUS: &str = "status";

impl Stored {
    fn key(self, namespace: &Namespace, name: &ResourceName) -> ObjectKey {
        ObjectKey { kind: self.0.object, namespace: namespace.clone(), name: name.clone() }
    }

    fn whole(self, metadata: Value, mut body: Body) -> Value {
        let resource = self.0.resource;
        body.insert("apiVersion".to_owned(), resource.group_version.api_version().into());
        body.insert("kind".to_owned(), resource.kind.into());
        body.insert("metadata".to_owned(), metadata);
        Value::Object(body)
    }

    /// The object in the answer to a dry run: without uid, status, and everything else that only a stored object has.
    fn unstored(self, app: &App, object: &StoredObject) -> Value {
        let mut body = (self.0.show)(app, object);
        body.remove(STATUS);
        self.whole(metadata(object).unstored(), body)
    }

    fn replaced(self, app: &App, object: &StoredObject) -> Replaced {
        Replaced::Done { object: self.object(app, object), warnings: Vec::new() }
    }
}

fn metadata(object: &StoredObject) -> Metadata<'_> {
    let StoredObject { key: ObjectKey { namespace, name, .. }, content, .. } = object;
    Metadata { namespace, name: name.as_str(), labels: &content.labels, annotations: &content.annotations }
}

fn content(manifest: &Manifest<ResourceName, Body>, body: Body, private: Body) -> ObjectContent {
    ObjectContent { labels: manifest.labels.clone(), annotations: manifest.annotations.clone(), body, private }
}

/// The result of one write.
enum Written {
    Done(StoredObject),
    Exists,
    Stale,
    Gone,
}

impl Stored {
    async fn write(self, app: &App, write: ObjectWrite) -> Result<Written, Problem> {
        let name = write.key().name.clone();
        let error = match app.write_object(write).await {
            Ok(written) => return written.map(Written::Done).ok_or_else(|| unexpected("written")),
            Err(error) => error,
        };
        match error {
            WriteObjectError::Object(WriteObjectsError::Exists(_)) => Ok(Written::Exists),
            WriteObjectError::Object(WriteObjectsError::Gone(_)) => Ok(Written::Gone),
            WriteObjectError::Object(WriteObjectsError::Conflict(_)) => Ok(Written::Stale),
            error @ (WriteObjectError::Site(_)
            | WriteObjectError::Object(WriteObjectsError::Quota(_) | WriteObjectsError::Store(_))) => {
                Err(self.refused(error, &name))
            }
        }
    }

    /// The problem of a write that is not possible, whatever the object's present state.
    fn refused(self, error: WriteObjectError, name: &ResourceName) -> Problem {
        match error {
            WriteObjectError::Site(refusal) => {
                let ResourceType { group_version, plural: resource, .. } = *self.0.resource;
                let (name, why) = (name.to_string(), refusal.to_string());
                Problem::NotPermitted { group: group_version.group, resource, name, why }
            }
            WriteObjectError::Object(WriteObjectsError::Quota(exceeded)) => {
                Problem::over_quota(self.0.resource, name.as_str(), exceeded)
            }
            WriteObjectError::Object(WriteObjectsError::Store(error)) => Problem::from_store(&error),
            WriteObjectError::Object(
                WriteObjectsError::Exists(_) | WriteObjectsError::Gone(_) | WriteObjectsError::Conflict(_),
            ) => unexpected("written"),
        }
    }
}

/// The problem of a result that the store never returns for this kind of write.
fn unexpected(done: &str) -> Problem {
    Problem::Internal(format!("the object could not be {done}"))
}
