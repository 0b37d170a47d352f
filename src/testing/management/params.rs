//! Query parameters, and the listings that they page through.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::problem::Problem;

/// The most that one page lists.
const LARGEST_PAGE: usize = 100;
/// What a page lists where the query does not say.
const USUAL_PAGE: usize = 50;

/// The query, in order.
pub(super) struct Params(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or("");
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

impl Params {
    /// Every value of a parameter that may be repeated.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
    }

    /// A parameter that comes once or not at all.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.all(name).as_slice() {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(Problem::query(format!("{name} comes twice"))),
        }
    }

    /// Whether an item's member is what the parameter asks for, if it asks.
    pub(super) fn admits(&self, name: &str, value: &str) -> Result<bool, Problem> {
        Ok(self.text(name)?.is_none_or(|asked| asked == value))
    }

    /// Refuses parameters that the endpoint does not have: a filter that is not applied would widen the answer.
    pub(super) fn only(&self, names: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            Some((name, _)) => Err(Problem::query(format!("there is no parameter {name}"))),
            None => Ok(()),
        }
    }

    /// How many items a page lists at most.
    pub(super) fn size(&self, name: &str) -> Result<usize, Problem> {
        let Some(text) = self.text(name)? else { return Ok(USUAL_PAGE) };
        let size = text.parse().ok().filter(|size| (1..=LARGEST_PAGE).contains(size));
        size.ok_or_else(|| Problem::query(format!("{name} is not a number from 1 to {LARGEST_PAGE}")))
    }

    /// The page that is asked for of all `items`: bare, or with `include_totals` in an object.
    pub(super) fn page(&self, name: &str, items: Vec<Value>) -> Result<Json<Value>, Problem> {
        let size = self.size("per_page")?;
        let page = self.text("page")?.unwrap_or("0").parse::<usize>();
        let page = page.map_err(|_| Problem::query("page is not a number"))?;
        let (start, total) = (page.saturating_mul(size), items.len());
        let items: Vec<_> = items.into_iter().skip(start).take(size).collect();
        match self.text("include_totals")? {
            None | Some("false") => Ok(Json(items.into())),
            Some("true") => Ok(Json(json!({ "start": start, "limit": size, "total": total, name: items }))),
            Some(_) => Err(Problem::query("include_totals is neither true nor false")),
        }
    }

    /// Whether the listing is asked for by checkpoint.
    pub(super) fn by_checkpoint(&self) -> Result<bool, Problem> {
        Ok(self.text("from")?.is_some() || self.text("take")?.is_some())
    }

    /// The items after the checkpoint `from`, of which each has its number; `next` where there are more.
    pub(super) fn slice(&self, name: &str, items: Vec<(u64, Value)>) -> Result<Json<Value>, Problem> {
        let take = self.size("take")?;
        let from = self.text("from")?.map_or(Ok(0), str::parse::<u64>);
        let from = from.map_err(|_| Problem::query("from is not a checkpoint"))?;
        let rest: Vec<_> = items.into_iter().filter(|(number, _)| *number > from).collect();
        let more = rest.len() > take;
        let listed: Vec<_> = rest.into_iter().take(take).collect();
        let last = listed.last().map(|(number, _)| number.to_string());
        let items: Vec<_> = listed.into_iter().map(|(_, item)| item).collect();
        let mut body = json!({ name: items });
        if let (true, Some(next), Some(body)) = (more, last, body.as_object_mut()) {
            body.insert("next".to_owned(), next.into());
        }
        Ok(Json(body))
    }
}
