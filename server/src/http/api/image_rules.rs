//! A project's rules for images: immutable tags and retention as one document, dry runs, runs and their reports.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::access::Lease;
use domain::images::rules;
use domain::{Actor, can};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use model::ids::RuleRunId;
use model::names::ProjectName;
use model::rules::ImageRules;
use model::views::rules::{ImageRulesView, RuleRunView};
use serde::Deserialize;

use super::waiting::Waiting;
use super::{Body, Paging, accepted, listed, may_in, named, parse};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

/// How long an answer waits for a run's end where nothing else is asked, and at most.
const WAIT: Duration = Duration::from_secs(10);
const WAIT_MAX: Duration = Duration::from_secs(60);

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/projects/{project}/image-rules", get)
        .put("/api/v1/projects/{project}/image-rules", put)
        .post("/api/v1/projects/{project}/image-rules/dry-run", dry_run)
        .post("/api/v1/projects/{project}/image-rules/activate", activate)
        .post("/api/v1/projects/{project}/image-rules/run", run)
        .get("/api/v1/projects/{project}/image-rules/runs", runs)
        .get("/api/v1/projects/{project}/image-rules/runs/{run}", detail)
}

async fn get(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(project): Path<String>) -> Answer<Json<ImageRulesView>> {
    let may = may_in::<can::Push>(&portal, &actor, &project).await?;
    Ok(Json(rules::get(&portal.platform, &may).await?))
}

async fn put(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Body(new): Body<ImageRules>,
) -> Answer<Json<ImageRulesView>> {
    let may = may_in::<can::ManageImageRules>(&portal, &actor, &project).await?;
    Ok(Json(rules::put(&portal.platform, &may, new).await?))
}

/// Without a body, or without `rules` in it: of the stored ones.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DryRun {
    #[serde(default)]
    rules: Option<ImageRules>,
}

async fn dry_run(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Query(waiting): Query<Waiting>,
    body: Bytes,
) -> Answer<impl IntoResponse> {
    let lease = lease(&portal, &actor, &project).await?;
    let asked: DryRun = if body.is_empty() { DryRun::default() } else { parse(&body)? };
    let begun = rules::dry_run(&portal.platform, lease.may(), asked.rules).await?;
    begun_run(&portal, lease, begun, &waiting).await
}

async fn run(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Query(waiting): Query<Waiting>,
) -> Answer<impl IntoResponse> {
    let lease = lease(&portal, &actor, &project).await?;
    let begun = rules::run(&portal.platform, lease.may()).await?;
    begun_run(&portal, lease, begun, &waiting).await
}

/// The permission, for as long as the end of a run is waited for.
async fn lease(portal: &Portal, actor: &Actor, project: &str) -> Answer<Lease<can::ManageImageRules, ProjectName>> {
    actor.account()?;
    let project: ProjectName = named(project, "project")?;
    Ok(actor.lease::<can::ManageImageRules, ProjectName>(&portal.platform, project).await?)
}

/// 202 with where the run can be read, and how it stands after a while. A portal that stops lets nobody wait: the run goes on when it is back.
async fn begun_run(
    portal: &Portal,
    mut lease: Lease<can::ManageImageRules, ProjectName>,
    begun: RuleRunView,
    waiting: &Waiting,
) -> Answer<(StatusCode, HeaderMap, Json<RuleRunView>)> {
    let wait = rules::wait(&portal.platform, &mut lease, begun.id, waiting.span(WAIT).min(WAIT_MAX));
    let view = portal.stopping.run_until_cancelled(wait).await.transpose()?.unwrap_or(begun);
    Ok(accepted(&format!("/api/v1/projects/{}/image-rules/runs/{}", lease.may().name, view.id), view))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    dry_run: RuleRunId,
}

async fn activate(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Body(wanted): Body<Accepted>,
) -> Answer<Json<ImageRulesView>> {
    let may = may_in::<can::ManageImageRules>(&portal, &actor, &project).await?;
    Ok(Json(rules::activate(&portal.platform, &may, wanted.dry_run).await?))
}

async fn runs(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::ManageImageRules>(&portal, &actor, &project).await?;
    let page = rules::list(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("/api/v1/projects/{}/image-rules/runs", may.name), page))
}

#[derive(Deserialize)]
struct Items {
    goes: Option<bool>,
    limit: Option<u32>,
    after: Option<String>,
}

async fn detail(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, run)): Path<(String, String)>,
    Query(items): Query<Items>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::ManageImageRules>(&portal, &actor, &project).await?;
    let id: RuleRunId = named(&run, "run")?;
    let paging = Paging { limit: items.limit, after: items.after };
    let view = rules::detail(&portal.platform, &may, id, items.goes, &paging.into()).await?;
    let (mut headers, _) = listed(&format!("/api/v1/projects/{}/image-rules/runs/{id}", may.name), view.items.clone());
    // What follows is of the same sort.
    if let Some(goes) = items.goes
        && let Some(link) = headers.get(header::LINK).and_then(|link| link.to_str().ok())
        && let Ok(link) = HeaderValue::from_str(&link.replace("?after=", &format!("?goes={goes}&after=")))
    {
        headers.insert(header::LINK, link);
    }
    Ok((headers, Json(view)))
}
