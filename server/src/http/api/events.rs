//! Events: of a service, of a machine for operators, and of all services that one may see; with those of others' containers for operators who ask for
//! them. Newest first, in pages.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::access::Site;
use domain::can;
use domain::events::{self, Ask};
use http::HeaderMap;
use http::header::{HeaderValue, LINK};
use model::names::MachineName;
use model::views::events::{EventFilter, EventsView};

use super::services::may;
use super::{escape, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/events", all)
        .get("/api/v1/projects/{project}/services/{service}/events", of_service)
        .get("/api/v1/machines/{machine}/events", of_machine)
}

async fn all(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(filter): Query<EventFilter>) -> Answer<impl IntoResponse> {
    let visible = actor.visible::<can::SeeServices>()?;
    let ask = Ask::read(&filter, portal.platform.now())?;
    let others = if ask.others() { Some(actor.may::<can::ManageEnvironments, _>(&portal.platform, &Site).await?) } else { None };
    Ok(listed("/api/v1/events", &filter, events::list(&portal.platform, &visible, others.as_ref(), &ask).await?))
}

async fn of_service(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Query(filter): Query<EventFilter>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    let ask = Ask::read(&filter, portal.platform.now())?;
    let page = events::of_service(&portal.platform, &may, &ask).await?;
    Ok(listed(&format!("/api/v1/projects/{}/services/{}/events", may.project.name, may.name), &filter, page))
}

async fn of_machine(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(machine): Path<String>,
    Query(filter): Query<EventFilter>,
) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::ManageEnvironments, _>(&portal.platform, &Site).await?;
    let name: MachineName = named(&machine, "machine")?;
    let ask = Ask::read(&filter, portal.platform.now())?;
    let (_, page) = events::of_machine(&portal.platform, &may, &name, &ask).await?;
    Ok(listed(&format!("/api/v1/machines/{name}/events"), &filter, page))
}

/// The answer, with links to what is older and newer of what was asked for.
fn listed(path: &str, filter: &EventFilter, page: EventsView) -> (HeaderMap, Json<EventsView>) {
    let mut headers = HeaderMap::new();
    for (word, cursor, link) in [("after", &page.next, "next"), ("before", &page.previous, "prev")] {
        let Some(cursor) = cursor else { continue };
        let mut query = String::new();
        for (name, value) in filter.pairs().into_iter().filter(|(_, value)| !value.is_empty()) {
            query.push_str(&format!("{name}={}&", escape(value)));
        }
        if let Some(limit) = filter.limit {
            query.push_str(&format!("limit={limit}&"));
        }
        if let Ok(value) = HeaderValue::from_str(&format!("<{path}?{query}{word}={}>; rel=\"{link}\"", escape(cursor))) {
            headers.append(LINK, value);
        }
    }
    (headers, Json(page))
}
