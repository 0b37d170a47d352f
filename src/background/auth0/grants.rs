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

/// Reads all pages.
pub(super) async fn list(
    caller: &mut Caller,
    api: &Url,
    of: Of,
    audience: &str,
    round: &Round<'_>,
) -> Result<Listing, Auth0Error> {
    let name = of.name();
    let (unreadable, restless) = (Auth0Error::Unreadable { call: name }, Auth0Error::Restless { call: name });
    let mut grants = Grants::new();
    let (mut place, mut total) = (None::<String>, None);
    for number in 0..limits::AUTH0_PAGES {
        let mut url = api.join(name).map_err(|_| unreadable.clone())?;
        of.ask(&mut url, audience, place.as_deref());
        let call = Call { url: &url, name, scope: of.scope(), limit: limits::AUTH0_PAGE_BYTES };
        let answer = caller.get(&call, round).await?;
        let date = answer.date.ok_or(Auth0Error::Undated { call: name })?;
        let page = of.read(&answer.body, number, grants.len()).ok_or_else(|| unreadable.clone())?;
        if number > 0 && page.total != total {
            return Err(restless);
        }
        total = page.total;
        for (id, grant) in page.items {
            // A filter that was not applied would make grants of other APIs look like ours.
            if grant.audience != audience {
                return Err(unreadable);
            }
            if grants.insert(id, grant).is_some() {
                return Err(restless);
            }
        }
        match page.next {
            Some(next) if place.as_ref() != Some(&next) => place = Some(next),
            Some(_) => return Err(restless),
            None if total.is_some_and(|total| total != grants.len()) => return Err(restless),
            None => return Ok(Listing { grants, date, has_pages: number > 0 }),
        }
    }
    Err(restless)
}
