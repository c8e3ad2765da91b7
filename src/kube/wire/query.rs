//! Query strings: percent-decoding, and the options that Kubernetes' clients send.
//!
//! Options that change what is done or shown are honoured or refused, never ignored. Those that do neither
//! (`pretty`, `fieldManager`, `resourceVersionMatch` of a list, ...) are left alone.

mod watch;

pub(crate) use self::watch::{Bookmarks, EndOfInitialEvents, Start, WatchOptions};
use crate::kube::{
    catalog::path::percent_decode,
    engine::{page::Continue, selector::Selector},
    problem::{faults::FieldValidation, status::Problem},
};

/// The pairs of a query string, decoded.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`; empty pairs are skipped, as kube-rs sends them (kubectl.md 3.23), and `+` is a blank.
    ///
    /// # Errors
    /// 400 for an escape that is none.
    pub(crate) fn read(text: &str) -> Result<Self, Problem> {
        let decode = |part: &str| {
            percent_decode(&part.replace('+', " "))
                .ok_or_else(|| Problem::BadRequest("the query holds an invalid percent escape".to_owned()))
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The one value of `name`; `None` when absent or empty.
    ///
    /// # Errors
    /// 400 when it stands there twice: one of the two would be ignored.
    pub(crate) fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Problem> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Problem::BadRequest(format!("{name} stands twice in the query"))),
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
        }
    }

    /// Whether a watch is asked for.
    pub(crate) fn wants_watch(&self) -> bool {
        self.all("watch").any(means_yes)
    }

    /// At most how many items are wanted; 0 and absent mean all.
    ///
    /// # Errors
    /// 400 for what is no number.
    pub(crate) fn limit(&self) -> Result<Option<u32>, Problem> {
        let Some(text) = self.one("limit")? else { return Ok(None) };
        match text.parse::<u32>() {
            Ok(0) => Ok(None),
            Ok(limit) => Ok(Some(limit)),
            Err(_) => Err(Problem::BadRequest(format!("limit {text:?} is not a number between 0 and {}", u32::MAX))),
        }
    }
}

/// What a list shows.
#[derive(Debug)]
pub(crate) struct ListOptions {
    pub(crate) limit: Option<u32>,
    /// Where the page before ended.
    pub(crate) start: Option<Continue>,
    pub(crate) selector: Selector,
}

impl ListOptions {
    /// Options for a list of items that can be selected by these texts, besides their names.
    ///
    /// # Errors
    /// 400 for an option that cannot be honoured.
    pub(crate) fn read(query: &Query, selectable: &'static [&'static str]) -> Result<Self, Problem> {
        let (labels, fields) = (query.one("labelSelector")?, query.one("fieldSelector")?);
        Ok(Self {
            limit: query.limit()?,
            start: query.one("continue")?.map(str::parse).transpose().map_err(Problem::BadRequest)?,
            selector: Selector::read(labels, fields, selectable).map_err(Problem::BadRequest)?,
        })
    }
}

/// Everything but `false` and `0` means yes, as in Kubernetes.
fn means_yes(value: &str) -> bool {
    value != "0" && !value.eq_ignore_ascii_case("false")
}

/// Whether a write is to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Stored.
    Lasting,
    /// Checked, shown and forgotten.
    DryRun,
}

impl Effect {
    /// The effect that `dryRun` asks for.
    ///
    /// # Errors
    /// 400 for a stage other than `All`.
    pub(crate) fn of_dry_run<'a>(stages: impl IntoIterator<Item = &'a str>) -> Result<Self, Problem> {
        let mut effect = Self::Lasting;
        for stage in stages {
            if stage != "All" {
                let message = format!("dryRun: Unsupported value: {stage:?}: supported values: \"All\"");
                return Err(Problem::BadRequest(message));
            }
            effect = Self::DryRun;
        }
        Ok(effect)
    }
}

/// How a write is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteOptions {
    pub(crate) effect: Effect,
    pub(crate) field_validation: FieldValidation,
}

impl WriteOptions {
    /// # Errors
    /// 400 for an option that cannot be honoured.
    pub(crate) fn read(query: &Query) -> Result<Self, Problem> {
        let field_validation = match query.one("fieldValidation")? {
            Some("Strict") => FieldValidation::Strict,
            Some("Warn") | None => FieldValidation::Warn,
            Some("Ignore") => FieldValidation::Ignore,
            Some(other) => {
                let message = format!(
                    "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
                );
                return Err(Problem::BadRequest(message));
            }
        };
        Ok(Self { effect: Effect::of_dry_run(query.all("dryRun"))?, field_validation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::catalog::access_grant::ACCESS_GRANTS;
    use proptest::prelude::*;

    #[test]
    fn a_query_is_decoded() {
        let query = Query::read("?&limit=500&labelSelector=app+in+%28a%2Cb%29".trim_start_matches('?')).unwrap();
        assert_eq!(query.limit().unwrap(), Some(500));
        assert_eq!(query.one("labelSelector").unwrap(), Some("app in (a,b)"));
        assert!(Query::read("a=%zz").is_err());
        assert!(Query::read("a=%ff").is_err());
    }

    #[test]
    fn an_option_that_stands_twice_is_refused() {
        let query = Query::read("fieldSelector=metadata.name%3Da&fieldSelector=metadata.name%3Db").unwrap();
        assert!(ListOptions::read(&query, &[]).is_err());
    }

    #[test]
    fn only_false_and_zero_ask_for_no_watch() {
        for (text, wanted) in [("", false), ("watch=false", false), ("watch=0", false), ("watch", true)] {
            assert_eq!(Query::read(text).unwrap().wants_watch(), wanted, "{text}");
        }
        assert!(Query::read("watch=true").unwrap().wants_watch());
    }

    #[test]
    fn unknown_stages_and_modes_are_refused() {
        let options = |text: &str| WriteOptions::read(&Query::read(text).unwrap());
        assert_eq!(options("dryRun=All").unwrap().effect, Effect::DryRun);
        assert_eq!(options("").unwrap().effect, Effect::Lasting);
        assert_eq!(options("").unwrap().field_validation, FieldValidation::Warn);
        assert!(options("dryRun=Some").is_err());
        assert!(options("fieldValidation=strict").is_err());
    }

    proptest! {
        #[test]
        fn no_query_panics(text in ".{0,80}") {
            if let Ok(query) = Query::read(&text) {
                let _ = (ListOptions::read(&query, &[]), WriteOptions::read(&query));
                let _ = WatchOptions::read(&ACCESS_GRANTS, &query);
            }
        }
    }
}
