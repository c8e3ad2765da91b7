//! Query strings.

use crate::kube::{catalog::path::percent_decode, problem::status::Problem};

/// The pairs of a query string, decoded.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`; empty pairs are skipped, as kube-rs sends them (docs/kubernetes-api.md section 3.23), and `+`
    /// is a blank.
    ///
    /// # Errors
    /// 400 for an invalid percent escape.
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

    /// Every value of `name`, in order.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The one value of `name`; `None` when absent or empty.
    ///
    /// # Errors
    /// 400 when it is given twice, as one of the two would be ignored.
    pub(crate) fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Problem> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Problem::BadRequest(format!("{name} is given twice in the query"))),
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
        }
    }

    /// Whether the query asks for a watch.
    pub(crate) fn wants_watch(&self) -> bool {
        self.all("watch").any(means_yes)
    }

    /// The most items that the client wants; 0 and absent mean all.
    ///
    /// # Errors
    /// 400 when the text is not a number.
    pub(crate) fn limit(&self) -> Result<Option<u32>, Problem> {
        let Some(text) = self.one("limit")? else { return Ok(None) };
        match text.parse::<u32>() {
            Ok(0) => Ok(None),
            Ok(limit) => Ok(Some(limit)),
            Err(_) => Err(Problem::BadRequest(format!("limit {text:?} is not a number between 0 and {}", u32::MAX))),
        }
    }
}

/// Everything but `false` and `0` means yes, as in Kubernetes.
pub(crate) fn means_yes(value: &str) -> bool {
    value != "0" && !value.eq_ignore_ascii_case("false")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded() {
        let query = Query::read("?&limit=500&labelSelector=app+in+%28a%2Cb%29".trim_start_matches('?')).unwrap();
        assert_eq!(query.limit().unwrap(), Some(500));
        assert_eq!(query.one("labelSelector").unwrap(), Some("app in (a,b)"));
        assert!(Query::read("a=%zz").is_err());
        assert!(Query::read("a=%ff").is_err());
    }

    #[test]
    fn only_false_and_zero_ask_for_no_watch() {
        for (text, wanted) in [("", false), ("watch=false", false), ("watch=0", false), ("watch", true)] {
            assert_eq!(Query::read(text).unwrap().wants_watch(), wanted, "{text}");
        }
        assert!(Query::read("watch=true").unwrap().wants_watch());
    }
}
