//! The behaviour of a type in the type table: everything that reading, writing and watching its objects need.

use std::{fmt, future::Future, str::FromStr};

use serde_json::{Map, Value};

use super::{manifest::Manifest, object_meta::ObjectMeta, options::Effect};
use crate::{
    app::App,
    grant::{NameError, Namespace, Revision},
    kube::{
        catalog::resource_type::ResourceType,
        problem::{
            faults::{Faults, FieldValidation},
            status::Problem,
        },
    },
    store::{ChangeSubject, CorruptRow, LastState},
};

/// The behaviour of one type. Each verb is written once, for every implementation of this trait.
pub(crate) trait Kind: Copy + Send + Sync + 'static {
    /// The type of the objects' names.
    type Name: FromStr<Err = NameError> + fmt::Display + Clone + PartialEq + Send + Sync + 'static;
    /// An object as it is stored.
    type State: Send + Sync + 'static;
    /// What a caller wants an object to be, parsed and valid.
    type Spec: Clone + Send + Sync + 'static;

    /// The entry in the type table.
    fn resource(self) -> &'static ResourceType;

    /// The most bytes of a name, not more than a [`Name`](Self::Name) can have.
    fn longest_name(self) -> usize;

    /// Reads the spec of an object whose required fields exist and whose fields have the types that the table says.
    /// Returns `None`, and adds at least one fault, when a value breaks a rule.
    fn spec(self, faults: &mut Faults, members: &Map<String, Value>) -> Option<Self::Spec>;

    /// Reads an object that a caller wrote.
    ///
    /// # Errors
    /// 400 for another type, and for unknown fields when `validation` is strict; 422 with every field at fault.
    fn manifest(
        self,
        written: &Value,
        validation: FieldValidation,
    ) -> Result<Manifest<Self::Name, Self::Spec>, Problem> {
        let read_spec = |faults: &mut Faults, members: &Map<String, Value>| self.spec(faults, members);
        Manifest::read(self.resource(), self.longest_name(), written, validation, read_spec)
    }

    /// The metadata that every object has.
    fn meta(self, state: &Self::State) -> ObjectMeta<'_>;

    /// The object as callers see it.
    fn object(self, app: &App, state: &Self::State) -> Value;

    /// The object of this name.
    fn find(
        self,
        app: &App,
        namespace: &Namespace,
        name: &Self::Name,
    ) -> impl Future<Output = Result<Option<Self::State>, Problem>> + Send;

    /// A page of objects, ordered by namespace and name.
    fn page(
        self,
        app: &App,
        query: PageQuery<Self::Name>,
    ) -> impl Future<Output = Result<Page<Self::State, Self::Name>, Problem>> + Send;

    /// The number of objects that this query finds, counted up to its limit.
    fn count(self, app: &App, query: PageQuery<Self::Name>) -> impl Future<Output = Result<u32, Problem>> + Send;

    /// Creates an object or, in a dry run, returns the object that would be created.
    fn create(
        self,
        app: &App,
        draft: Draft<'_, Self::Name, Self::Spec>,
        effect: Effect,
    ) -> impl Future<Output = Result<Created, Problem>> + Send;

    /// Changes an object from the state that was read to what the manifest says or, in a dry run, returns the changed object.
    /// Nothing is written when nothing differs.
    fn replace(
        self,
        app: &App,
        current: Self::State,
        manifest: Manifest<Self::Name, Self::Spec>,
        effect: Effect,
    ) -> impl Future<Output = Result<Replaced, Problem>> + Send;

    /// Whether the object can be removed through this API, as [`remove`](Self::remove) would find.
    ///
    /// # Errors
    /// The error of `remove`.
    fn check_removal(self, state: &Self::State) -> Result<(), Problem> {
        let _ = state;
        Ok(())
    }

    /// Removes an object; when `expected` is given, only if the object is in that state.
    fn remove(
        self,
        app: &App,
        namespace: &Namespace,
        name: &Self::Name,
        expected: Option<Revision>,
    ) -> impl Future<Output = Result<Removal, Problem>> + Send;

    /// The object of this type that a change is about; `None` when it is about another type.
    fn subject(self, subject: &ChangeSubject) -> Option<Subject<'_>>;

    /// The last state of a removed object of this type.
    fn last(self, last: &LastState) -> Option<Self::State>;
}

/// Which object a change is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subject<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) name: &'a str,
    pub(crate) uid: String,
}

/// Which objects a page shows.
#[derive(Debug)]
pub(crate) struct PageQuery<N> {
    pub(crate) namespace: Option<Namespace>,
    /// Only objects ordered after this one.
    pub(crate) after: Option<(Namespace, N)>,
    pub(crate) limit: u32,
}

/// A page of objects.
#[derive(Debug)]
pub(crate) struct Page<S, N> {
    pub(crate) items: Vec<S>,
    /// The rows of objects that could not be read.
    pub(crate) corrupt: Vec<CorruptRow>,
    /// The store's revision when the page was read.
    pub(crate) revision: Revision,
    /// Where the next page starts; `None` when this is the last.
    pub(crate) next: Option<(Namespace, N)>,
}

/// An object to be created.
pub(crate) struct Draft<'a, N, S> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) name: &'a N,
    pub(crate) manifest: &'a Manifest<N, S>,
}

/// How a creation ended.
#[derive(Debug)]
pub(crate) enum Created {
    /// The object was created, or would be.
    Done(Value),
    /// An object of that name exists already.
    NameTaken,
}

/// How a replacement ended.
#[derive(Debug)]
pub(crate) enum Replaced {
    /// The object was replaced, or would be; with warnings for the client.
    Done { object: Value, warnings: Vec<String> },
    /// The object has changed since it was read.
    Stale,
    /// The object has been removed since it was read.
    Gone,
}

/// How a removal ended.
#[derive(Debug)]
pub(crate) enum Removal {
    /// The object with this uid was removed.
    Done { uid: String },
    /// The object is not in the expected state.
    Stale,
    /// No such object exists.
    Gone,
}
