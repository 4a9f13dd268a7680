//! What services and machines use: as JSON, or as CSV for spreadsheets; for programs, and for pages as files to keep.

use app::api::server::Caller;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::access::Site;
use domain::metrics::{self, Detail, csv};
use domain::{Actor, Error, can};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use model::metrics::{MetricsQuery, OverviewQuery};
use model::names::MachineName;
use model::problem::FieldError;
use model::views::metrics::{MetricsView, OverviewView};

use super::{named, service};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

/// What a query says.
type Pairs = Query<Vec<(String, String)>>;

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/metrics", overview)
        .get("/api/v1/machines/{machine}/metrics", machine)
        .get("/api/v1/projects/{project}/services/{service}/metrics", of_service)
}

/// For pages: what their links lead to.
pub(in crate::http) fn page_table() -> Table {
    doors()
        .get("/overview/download", overview_file)
        .get("/machines/{machine}/metrics/download", machine_file)
        .get("/projects/{project}/services/{service}/metrics/download", service_file)
}

/// How figures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Csv,
}

/// Takes a query in, pair by pair. Names that mean nothing here are passed over.
fn read(pairs: &[(String, String)], headers: &HeaderMap, mut take: impl FnMut(&str, &str) -> Result<bool, FieldError>) -> Answer<Form> {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let mut form = if accept.contains("text/csv") { Form::Csv } else { Form::Json };
    for (name, value) in pairs {
        if take(name, value).map_err(|error| Error::Invalid(vec![error]))? || name != "format" {
            continue;
        }
        form = match value.as_str() {
            "" => form,
            "json" => Form::Json,
            "csv" => Form::Csv,
            _ => return Err(Error::invalid("format", "json or csv").into()),
        };
    }
    Ok(form)
}

fn asked(pairs: &[(String, String)], headers: &HeaderMap) -> Answer<(MetricsQuery, Form)> {
    let mut query = MetricsQuery::default();
    let form = read(pairs, headers, |name, value| query.take(name, value))?;
    Ok((query, form))
}

async fn of_service(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Query(pairs): Pairs,
    headers: HeaderMap,
) -> Answer<Response> {
    let (form, view, name) = service_view(&portal, &actor, (&project, &service), &pairs, &headers).await?;
    Ok(match form {
        Form::Json => Json(view).into_response(),
        Form::Csv => text(csv::charts(&name, &view)),
    })
}

async fn service_file(
    State(portal): State<Portal>,
    Extension(caller): Extension<Caller>,
    Path((project, service)): Path<(String, String)>,
    Query(pairs): Pairs,
) -> Answer<Response> {
    let (_, view, name) = service_view(&portal, &caller.actor, (&project, &service), &pairs, &HeaderMap::new()).await?;
    Ok(file(csv::charts(&name, &view), &service, Some(&view)))
}

/// What a service used, and its whole name.
async fn service_view(
    portal: &Portal,
    actor: &Actor,
    (project, name): (&str, &str),
    pairs: &[(String, String)],
    headers: &HeaderMap,
) -> Answer<(Form, MetricsView, String)> {
    let may = service::<can::SeeServices>(portal, actor, project, name).await?;
    let (query, form) = asked(pairs, headers)?;
    let view = metrics::service(&portal.platform, &may, &query, Detail::All).await?;
    Ok((form, view, may.full_name()))
}

async fn machine(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(machine): Path<String>,
    Query(pairs): Pairs,
    headers: HeaderMap,
) -> Answer<Response> {
    let (form, view) = machine_view(&portal, &actor, &machine, &pairs, &headers).await?;
    Ok(match form {
        Form::Json => Json(view).into_response(),
        Form::Csv => text(csv::charts(&machine, &view)),
    })
}

async fn machine_file(
    State(portal): State<Portal>,
    Extension(caller): Extension<Caller>,
    Path(machine): Path<String>,
    Query(pairs): Pairs,
) -> Answer<Response> {
    let (_, view) = machine_view(&portal, &caller.actor, &machine, &pairs, &HeaderMap::new()).await?;
    Ok(file(csv::charts(&machine, &view), &machine, Some(&view)))
}

/// Who may not manage machines is told so, whether there is one of that name or not.
async fn machine_view(portal: &Portal, actor: &Actor, machine: &str, pairs: &[(String, String)], headers: &HeaderMap) -> Answer<(Form, MetricsView)> {
    let may = actor.may::<can::ManageEnvironments, _>(&portal.platform, &Site).await?;
    let name: MachineName = named(machine, "machine")?;
    let (query, form) = asked(pairs, headers)?;
    Ok((form, metrics::machine(&portal.platform, &may, &name, &query, Detail::All).await?))
}

async fn overview(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(pairs): Pairs, headers: HeaderMap) -> Answer<Response> {
    let (form, view) = overview_view(&portal, &actor, &pairs, &headers).await?;
    Ok(match form {
        Form::Json => Json(view).into_response(),
        Form::Csv => text(csv::overview(&view)),
    })
}

async fn overview_file(State(portal): State<Portal>, Extension(caller): Extension<Caller>, Query(pairs): Pairs) -> Answer<Response> {
    let (_, view) = overview_view(&portal, &caller.actor, &pairs, &HeaderMap::new()).await?;
    Ok(file(csv::overview(&view), "overview", None))
}

async fn overview_view(portal: &Portal, actor: &Actor, pairs: &[(String, String)], headers: &HeaderMap) -> Answer<(Form, OverviewView)> {
    let visible = actor.visible::<can::SeeServices>()?;
    let mut query = OverviewQuery::default();
    let form = read(pairs, headers, |name, value| query.take(name, value))?;
    Ok((form, metrics::overview_for(&portal.platform, actor, &visible, &query).await?))
}

fn text(csv: String) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"))], csv).into_response()
}

/// The same to keep: `web-20261120T093000Z-20261121T080000Z.csv`. Names are DNS labels, or there would be nothing to keep.
fn file(csv: String, name: &str, view: Option<&MetricsView>) -> Response {
    let stamp = |at: model::time::Millis| at.rfc3339().chars().filter(|c| !matches!(c, '-' | ':')).take(15).collect::<String>() + "Z";
    let span = view.map(|view| format!("-{}-{}", stamp(view.from), stamp(view.to))).unwrap_or_default();
    let proposed = HeaderValue::from_str(&format!("attachment; filename=\"{name}{span}.csv\""));
    let mut response = text(csv);
    response.headers_mut().insert(CONTENT_DISPOSITION, proposed.unwrap_or(HeaderValue::from_static("attachment")));
    response
}
