//! The log, by checkpoint or by date.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::super::state::Shared;
use super::params::Params;
use super::problem::Problem;

/// `GET /api/v2/logs`: what comes after the entry `from`, oldest first, and where to go on; or a page `sort`ed by date.
pub(super) async fn list(State(shared): State<Arc<Shared>>, params: Params) -> Result<Response, Problem> {
    params.only(&["from", "take", "sort", "page", "per_page", "include_totals"])?;
    // By checkpoint, other parameters are passed over.
    if let (Some(sort), false) = (params.text("sort")?, params.by_checkpoint()?) {
        let latest_first = match sort {
            "date:1" => false,
            "date:-1" => true,
            _ => return Err(Problem::query("sort is neither date:1 nor date:-1")),
        };
        let entries = shared.lock().tenant.logs.by_date(latest_first);
        return Ok(params.page("logs", entries)?.into_response());
    }
    let take = params.size("take")?;
    let entries = shared.lock().tenant.logs.after(params.text("from")?, take);
    let entries = entries.ok_or_else(|| Problem::query("there is no log entry of that id"))?;
    let last = entries.last().and_then(|entry| entry.get("log_id")?.as_str());
    let next = last.map(|last| {
        let url = shared.settings.management_audience();
        [(header::LINK, format!("<{url}logs?from={last}&take={take}>; rel=\"next\""))]
    });
    Ok(match next {
        Some(next) => (next, Json(entries)).into_response(),
        None => Json(entries).into_response(),
    })
}
