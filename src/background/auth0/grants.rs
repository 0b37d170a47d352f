//! Complete listings of grants. One that broke off, or changed while it was read, is none.

use serde::Deserialize;
use url::Url;

use super::call::{Call, Caller};
use super::known::{Grant, Grants};
use super::{Auth0Error, Round};
use crate::clock::UnixTime;
use crate::limits;

/// Whose grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Clients,
    Users,
}

/// All grants for one audience.
pub(super) struct Listing {
    pub(super) grants: Grants,
    /// When its last page was made, by the server.
    pub(super) date: UnixTime,
    pub(super) has_pages: bool,
}

/// By checkpoint.
#[derive(Deserialize)]
struct ClientPage {
    client_grants: Vec<ClientItem>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct ClientItem {
    id: String,
    client_id: String,
    audience: String,
}

/// By number.
#[derive(Deserialize)]
struct UserPage {
    grants: Vec<UserItem>,
    total: usize,
}

#[derive(Deserialize)]
struct UserItem {
    id: String,
    #[serde(rename = "clientID")]
    client_id: String,
    user_id: String,
    audience: String,
}

/// One page.
struct Page {
    items: Vec<(String, Grant)>,
    /// Where the next one is; none for the last.
    next: Option<String>,
    /// How many grants there are on all pages, where that is said.
    total: Option<usize>,
}

impl Of {
    const fn name(self) -> &'static str {
        match self {
            Self::Clients => "client-grants",
            Self::Users => "grants",
        }
    }

    const fn scope(self) -> &'static str {
        match self {
            Self::Clients => "read:client_grants",
            Self::Users => "read:grants",
        }
    }

    /// The query of the page at `place`, which is none for the first.
    fn ask(self, url: &mut Url, audience: &str, place: Option<&str>) {
        let mut query = url.query_pairs_mut();
        query.append_pair("audience", audience);
        let size = limits::AUTH0_PAGE.to_string();
        match self {
            Self::Clients => {
                query.append_pair("take", &size);
                if let Some(place) = place {
                    query.append_pair("from", place);
                }
            }
            Self::Users => {
                query.append_pair("per_page", &size).append_pair("page", place.unwrap_or("0"));
                query.append_pair("include_totals", "true");
            }
        }
    }

    /// Reads page `number`, before which there were `count` grants.
    fn read(self, body: &[u8], number: usize, count: usize) -> Option<Page> {
        match self {
            Self::Clients => {
                let ClientPage { client_grants, next } = serde_json::from_slice(body).ok()?;
                let grant = |item: ClientItem| {
                    let grant = Grant { client_id: item.client_id, audience: item.audience, user: None };
                    (item.id, grant)
                };
                Some(Page { items: client_grants.into_iter().map(grant).collect(), next, total: None })
            }
            Self::Users => {
                let UserPage { grants, total } = serde_json::from_slice(body).ok()?;
                let next = (!grants.is_empty() && count.saturating_add(grants.len()) < total)
                    .then(|| number.saturating_add(1).to_string());
                let grant = |item: UserItem| {
                    let UserItem { id, client_id, user_id, audience } = item;
                    (id, Grant { client_id, audience, user: Some(user_id) })
                };
                Some(Page { items: grants.into_iter().map(grant).collect(), next, total: Some(total) })
            }
        }
    }
}

/// The pages of a listing, in order.
pub(super) struct Pages<'a> {
    of: Of,
    audience: &'a str,
    grants: Grants,
    number: usize,
    /// Where the next page is; none before the first.
    place: Option<String>,
    total: Option<usize>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(of: Of, audience: &'a str) -> Self {
        Self { of, audience, grants: Grants::new(), number: 0, place: None, total: None }
    }

    /// Takes the next one in. All grants, if it was the last one.
    pub(super) fn add(&mut self, body: &[u8]) -> Result<Option<Grants>, Auth0Error> {
        let call = self.of.name();
        let (unreadable, restless) = (Auth0Error::Unreadable { call }, Auth0Error::Restless { call });
        let Some(page) = self.of.read(body, self.number, self.grants.len()) else { return Err(unreadable) };
        if self.number > 0 && page.total != self.total {
            return Err(restless);
        }
        (self.number, self.total) = (self.number.saturating_add(1), page.total);
        for (id, grant) in page.items {
            // A filter that was not applied would make grants of other APIs look like ours.
            if grant.audience != self.audience {
                return Err(unreadable);
            }
            if self.grants.insert(id, grant).is_some() {
                return Err(restless);
            }
        }
        match page.next {
            Some(next) if self.place.as_ref() != Some(&next) => self.place = Some(next),
            Some(_) => return Err(restless),
            None if self.total.is_some_and(|total| total != self.grants.len()) => return Err(restless),
            None => return Ok(Some(std::mem::take(&mut self.grants))),
        }
        Ok(None)
    }
}

/// Reads all pages.
pub(super) async fn list(
    caller: &mut Caller,
    api: &Url,
    of: Of,
    audience: &str,
    round: &Round<'_>,
) -> Result<Listing, Auth0Error> {
    let name = of.name();
    let mut pages = Pages::new(of, audience);
    for number in 0..limits::AUTH0_PAGES {
        let mut url = api.join(name).map_err(|_| Auth0Error::Unreadable { call: name })?;
        of.ask(&mut url, audience, pages.place.as_deref());
        let call = Call { url: &url, name, scope: of.scope(), limit: limits::AUTH0_PAGE_BYTES };
        let answer = caller.get(&call, round).await?;
        let date = answer.date.ok_or(Auth0Error::Undated { call: name })?;
        if let Some(grants) = pages.add(&answer.body)? {
            return Ok(Listing { grants, date, has_pages: number > 0 });
        }
    }
    Err(Auth0Error::Restless { call: name })
}
