//! What a type of the table does: everything that reading, writing and watching need to know of it.

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

/// One type's behaviour. Verbs are written once, against this.
pub(crate) trait Kind: Copy + Send + Sync + 'static {
    /// What its objects are called.
    type Name: FromStr<Err = NameError> + fmt::Display + Clone + PartialEq + Send + Sync + 'static;
    /// An object as it is kept.
    type State: Send + Sync + 'static;
    /// What a caller wants an object to be, read and valid.
    type Spec: Clone + Send + Sync + 'static;

    /// Its entry in the table.
    fn resource(self) -> &'static ResourceType;

    /// The most bytes of a name: no more than a [`Name`](Self::Name) has.
    fn longest_name(self) -> usize;

    /// Reads the spec of an object whose fields are known to be there and of the types that the table gives them. `None`, and
    /// at least one fault, when a value breaks a rule.
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

    /// What every object has.
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

    /// How many objects a list of this query has, counted up to its limit.
    fn count(self, app: &App, query: PageQuery<Self::Name>) -> impl Future<Output = Result<u32, Problem>> + Send;

    /// Makes an object, or says what it would be like.
    fn create(
        self,
        app: &App,
        draft: Draft<'_, Self::Name, Self::Spec>,
        effect: Effect,
    ) -> impl Future<Output = Result<Created, Problem>> + Send;

    /// Changes an object, as it was read, to what the manifest says, or says what it would be like. Nothing is written when
    /// nothing differs.
    fn replace(
        self,
        app: &App,
        current: Self::State,
        manifest: Manifest<Self::Name, Self::Spec>,
        effect: Effect,
    ) -> impl Future<Output = Result<Replaced, Problem>> + Send;

    /// Removes an object, if `expected` is given only at that state.
    fn remove(
        self,
        app: &App,
        namespace: &Namespace,
        name: &Self::Name,
        expected: Option<Revision>,
    ) -> impl Future<Output = Result<Removal, Problem>> + Send;

    /// Which of its objects a change is about, if about one.
    fn subject(self, subject: &ChangeSubject) -> Option<Subject<'_>>;

    /// A removed object of this type as it was last.
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
    /// Only those ordered after this one.
    pub(crate) after: Option<(Namespace, N)>,
    pub(crate) limit: u32,
}

/// Some of the objects.
#[derive(Debug)]
pub(crate) struct Page<S, N> {
    pub(crate) items: Vec<S>,
    /// Those that could not be read.
    pub(crate) corrupt: Vec<CorruptRow>,
    /// The store's revision when the page was read.
    pub(crate) revision: Revision,
    /// Where the next page starts; `None` when this is the last.
    pub(crate) next: Option<(Namespace, N)>,
}

/// An object to be made.
pub(crate) struct Draft<'a, N, S> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) name: &'a N,
    pub(crate) manifest: &'a Manifest<N, S>,
}

/// How a creation ended.
#[derive(Debug)]
pub(crate) enum Created {
    /// With this object.
    Done(Value),
    /// There is one of that name.
    NameTaken,
}

/// How a replacement ended.
#[derive(Debug)]
pub(crate) enum Replaced {
    /// With this object, and what there is to say about it.
    Done { object: Value, warnings: Vec<String> },
    /// The object was changed since it was read.
    Stale,
    /// It was removed.
    Gone,
}

/// How a removal ended.
#[derive(Debug)]
pub(crate) enum Removal {
    /// The object with this uid is no more.
    Done { uid: String },
    /// It is not at the expected state.
    Stale,
    /// There is none.
    Gone,
}
