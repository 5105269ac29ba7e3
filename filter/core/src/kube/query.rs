//! The query string as a multi-map. Broken percent encoding is refused, where Go would drop the pair silently.

use std::borrow::Cow;

use super::percent;
use super::quote::Quoted;
use super::status::Status;

/// Query parameters in the order sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Parses what follows the `?`, form-encoded (`+` is a space).
    ///
    /// # Errors
    /// 400 for an invalid escape, or bytes that are not UTF-8.
    pub fn parse(raw: &str) -> Result<Self, Status> {
        let mut pairs = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name)?.into_owned(), decode(value)?.into_owned()));
        }
        Ok(Self { pairs })
    }

    /// The first value of this parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// Every value of this parameter.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A boolean as Kubernetes reads one: present is true, unless it says `0` or `false`.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// Splits a request target into path and parsed query.
    ///
    /// # Errors
    /// Those of [`Query::parse`].
    pub fn split(target: &str) -> Result<(&str, Self), Status> {
        match target.split_once('?') {
            Some((path, raw)) => Ok((path, Self::parse(raw)?)),
            None => Ok((target, Self::default())),
        }
    }
}

fn decode(piece: &str) -> Result<Cow<'_, str>, Status> {
    percent::decode(piece, true)
        .map_err(|_| Status::bad_request(format!("invalid URL escape in {}", Quoted(piece))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expect: Result<&[(&str, &str)], &str>) {
        let got = Query::parse(raw);
        let got = got.as_ref().map(|q| q.pairs.clone()).map_err(|s| s.message.as_str());
        let expect = expect
            .map(|pairs| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>());
        assert_eq!(got, expect, "{raw}");
    }

    #[test]
    fn parses_forms() {
        check("", Ok(&[]));
        check("a=1&b", Ok(&[("a", "1"), ("b", "")]));
        check("&a=1&&", Ok(&[("a", "1")]));
        check("labelSelector=a%3Db%2Cc+in+%28d%29", Ok(&[("labelSelector", "a=b,c in (d)")]));
        check("a=b=c", Ok(&[("a", "b=c")]));
        check("%61=1", Ok(&[("a", "1")]));
        check("a=%", Err("invalid URL escape in \"%\""));
        check("a=%ff", Err("invalid URL escape in \"%ff\""));
    }

    #[test]
    fn the_first_value_wins() {
        let query = Query::parse("a=1&a=2&f=&g=FALSE&h=0&i=true").unwrap();
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.get_all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.get("z"), None);
        let flags = ["f", "g", "h", "i", "z"].map(|name| query.flag(name));
        assert_eq!(flags, [Some(true), Some(false), Some(false), Some(true), None]);
    }

    #[test]
    fn splits_targets() {
        assert_eq!(Query::split("/a").unwrap(), ("/a", Query::default()));
        assert_eq!(Query::split("/a?b=1?2").unwrap(), ("/a", Query::parse("b=1?2").unwrap()));
    }
}
