//! The configuration centre: variables, files and secrets of projects and services; `?environment=` means one environment alone. A change may name
//! the version that it is based on. Secrets come in and never go out.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::configs::{self, Content, Edit, Holder, HolderKey, Hush};
use domain::deployments::{self, Intent};
use domain::{Actor, Error, May, can};
use http::StatusCode;
use model::configs::EntryKind;
use model::names::{EnvironmentName, ProjectName, ServiceName};
use model::secret::Secret;
use model::views::configs::{ChangedView, ConfigView, FileView, RollView, VersionDetail};
use serde::Deserialize;

use super::deployments::begun;
use super::{Body, Paging, field, listed, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    let bases = ["/api/v1/projects/{project}", "/api/v1/projects/{project}/services/{service}"];
    let table = bases.into_iter().fold(doors(), |table, base| {
        table
            .get(&format!("{base}/configuration"), get)
            .get(&format!("{base}/configuration/versions"), versions)
            .get(&format!("{base}/configuration/versions/{{version}}"), version)
            .post(&format!("{base}/configuration/restore"), restore)
            .get(&format!("{base}/variables"), variables)
            .put(&format!("{base}/variables"), put_variables)
            .put(&format!("{base}/variables/{{name}}"), put_variable)
            .delete(&format!("{base}/variables/{{name}}"), delete_variable)
            .get(&format!("{base}/configs"), files)
            .get(&format!("{base}/configs/{{name}}"), file)
            .put(&format!("{base}/configs/{{name}}"), put_file)
            .delete(&format!("{base}/configs/{{name}}"), delete_file)
            .get(&format!("{base}/secrets"), secrets)
            .put(&format!("{base}/secrets/{{name}}"), put_secret)
            .delete(&format!("{base}/secrets/{{name}}"), delete_secret)
    });
    table.post("/api/v1/projects/{project}/services/{service}/roll", roll).post("/api/v1/projects/{project}/configuration/roll", roll_all)
}

/// What a path names.
#[derive(Deserialize)]
struct Names {
    project: String,
    service: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
}

/// What a query may say.
#[derive(Default, Deserialize)]
struct Asked {
    environment: Option<String>,
    based_on: Option<i64>,
    #[serde(default)]
    why: String,
    against: Option<i64>,
    limit: Option<u32>,
    after: Option<String>,
}

impl Asked {
    fn environment(&self) -> Answer<Option<EnvironmentName>> {
        self.environment.as_deref().filter(|name| !name.is_empty()).map(|name| field("environment", name)).transpose()
    }

    fn edit(&self) -> Edit {
        Edit { based_on: self.based_on, why: self.why.clone() }
    }
}

async fn may(portal: &Portal, actor: &Actor, names: &Names) -> Answer<May<can::Configure, Holder>> {
    actor.account()?;
    let what = if names.service.is_some() { "service" } else { "project" };
    let project: ProjectName = named(&names.project, what)?;
    let service: Option<ServiceName> = names.service.as_deref().map(|name| named(name, what)).transpose()?;
    Ok(actor.may(&portal.platform, &HolderKey { project: &project, service: service.as_ref() }).await?)
}

async fn get(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
) -> Answer<Json<ConfigView>> {
    let may = may(&portal, &actor, &names).await?;
    Ok(Json(configs::get(&portal.platform, &may, asked.environment()?.as_ref()).await?))
}

/// The same with one sort of entries alone.
async fn of_kind(portal: &Portal, actor: &Actor, names: &Names, asked: &Asked, kind: EntryKind) -> Answer<Json<ConfigView>> {
    let may = may(portal, actor, names).await?;
    let mut view = configs::get(&portal.platform, &may, asked.environment()?.as_ref()).await?;
    view.entries.retain(|entry| entry.kind == kind);
    Ok(Json(view))
}

async fn variables(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
) -> Answer<Json<ConfigView>> {
    of_kind(&portal, &actor, &names, &asked, EntryKind::Variable).await
}

async fn files(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
) -> Answer<Json<ConfigView>> {
    of_kind(&portal, &actor, &names, &asked, EntryKind::File).await
}

async fn secrets(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
) -> Answer<Json<ConfigView>> {
    of_kind(&portal, &actor, &names, &asked, EntryKind::Secret).await
}

async fn file(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
) -> Answer<Json<FileView>> {
    let may = may(&portal, &actor, &names).await?;
    Ok(Json(configs::file(&portal.platform, &may, asked.environment()?.as_ref(), &names.name).await?))
}

async fn versions(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
) -> Answer<impl IntoResponse> {
    let may = may(&portal, &actor, &names).await?;
    let environment = asked.environment()?;
    let paging = Paging { limit: asked.limit, after: asked.after };
    let page = configs::versions(&portal.platform, &may, environment.as_ref(), &paging.into()).await?;
    let service = names.service.map(|service| format!("/services/{service}")).unwrap_or_default();
    let (mut headers, body) = listed(&format!("/api/v1/projects/{}{service}/configuration/versions", names.project), page);
    // The link must lead to the same place.
    if let (Some(environment), Some(link)) = (environment, headers.get(http::header::LINK))
        && let Ok(link) =
            http::HeaderValue::from_str(&link.to_str().unwrap_or_default().replace("?after=", &format!("?environment={environment}&after=")))
    {
        headers.insert(http::header::LINK, link);
    }
    Ok((headers, body))
}

async fn version(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
) -> Answer<Json<VersionDetail>> {
    let may = may(&portal, &actor, &names).await?;
    let number: i64 = named(&names.version, "version")?;
    Ok(Json(configs::version(&portal.platform, &may, asked.environment()?.as_ref(), number, asked.against).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restored {
    version: i64,
    based_on: Option<i64>,
    #[serde(default)]
    why: String,
}

async fn restore(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
    Body(body): Body<Restored>,
) -> Answer<Json<ChangedView>> {
    let may = may(&portal, &actor, &names).await?;
    let edit = Edit { based_on: body.based_on, why: body.why };
    Ok(Json(configs::restore(&portal.platform, &may, asked.environment()?.as_ref(), body.version, &edit).await?))
}

/// A text whose mistakes are told without it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text; put quotes around it")]
enum Text {
    Text(Secret),
}

impl Text {
    fn into_string(self) -> String {
        let Self::Text(text) = self;
        text.expose().to_owned()
    }
}

/// The body of one entry: as text, or in Base64.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(alias = "content")]
    value: Option<Text>,
    #[serde(alias = "content_base64")]
    value_base64: Option<Text>,
    based_on: Option<i64>,
    #[serde(default)]
    why: String,
}

impl Entry {
    fn edit(&self) -> Edit {
        Edit { based_on: self.based_on, why: self.why.clone() }
    }

    /// The bytes, named `what` in mistakes.
    fn bytes(self, what: &'static str) -> Answer<Vec<u8>> {
        Ok(match (self.value, self.value_base64) {
            (Some(text), None) => text.into_string().into_bytes(),
            (None, Some(text)) => {
                let read = STANDARD.decode(text.into_string().trim());
                read.map_err(|_| Error::invalid(format!("{what}_base64"), "is not Base64 with its padding"))?
            }
            _ => return Err(Error::invalid(what, format!("say what it holds: either {what} or {what}_base64")).into()),
        })
    }
}

async fn put(portal: &Portal, actor: &Actor, names: &Names, asked: &Asked, content: Content, edit: &Edit) -> Answer<Json<ChangedView>> {
    let may = may(portal, actor, names).await?;
    Ok(Json(configs::put(&portal.platform, &may, asked.environment()?.as_ref(), &names.name, &content, edit).await?))
}

async fn put_variable(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
    Body(entry): Body<Entry>,
) -> Answer<Json<ChangedView>> {
    let edit = entry.edit();
    let Some(Text::Text(value)) = &entry.value else { return Err(Error::invalid("value", "write the value, as a text").into()) };
    put(&portal, &actor, &names, &asked, Content::Variable(value.expose().to_owned()), &edit).await
}

async fn put_file(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
    Body(entry): Body<Entry>,
) -> Answer<Json<ChangedView>> {
    let edit = entry.edit();
    put(&portal, &actor, &names, &asked, Content::File(entry.bytes("content")?), &edit).await
}

async fn put_secret(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
    Body(entry): Body<Entry>,
) -> Answer<Json<ChangedView>> {
    let edit = entry.edit();
    put(&portal, &actor, &names, &asked, Content::Secret(Hush::new(entry.bytes("value")?)), &edit).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variables {
    variables: BTreeMap<String, Text>,
    based_on: Option<i64>,
    #[serde(default)]
    why: String,
}

async fn put_variables(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
    Body(body): Body<Variables>,
) -> Answer<Json<ChangedView>> {
    let may = may(&portal, &actor, &names).await?;
    let variables = body.variables.into_iter().map(|(name, value)| (name, value.into_string())).collect();
    let edit = Edit { based_on: body.based_on, why: body.why };
    Ok(Json(configs::put_variables(&portal.platform, &may, asked.environment()?.as_ref(), &variables, &edit).await?))
}

async fn remove(portal: &Portal, actor: &Actor, names: &Names, asked: &Asked, kind: EntryKind) -> Answer<Json<ChangedView>> {
    let may = may(portal, actor, names).await?;
    Ok(Json(configs::remove(&portal.platform, &may, asked.environment()?.as_ref(), kind, &names.name, &asked.edit()).await?))
}

async fn delete_variable(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
) -> Answer<Json<ChangedView>> {
    remove(&portal, &actor, &names, &asked, EntryKind::Variable).await
}

async fn delete_file(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
) -> Answer<Json<ChangedView>> {
    remove(&portal, &actor, &names, &asked, EntryKind::File).await
}

async fn delete_secret(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Query(asked): Query<Asked>,
) -> Answer<Json<ChangedView>> {
    remove(&portal, &actor, &names, &asked, EntryKind::Secret).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rolled {
    environment: Option<String>,
    #[serde(default)]
    why: String,
    /// Operators roll also in an environment that is frozen; then `why` says why.
    #[serde(default)]
    override_freeze: bool,
}

impl Rolled {
    fn intent(self) -> Answer<Intent> {
        let environment: Option<EnvironmentName> = self.environment.map(|name| field("environment", &name)).transpose()?;
        Ok(Intent { why: self.why, override_freeze: self.override_freeze, ..Intent::in_environment(environment) })
    }
}

async fn roll(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Body(body): Body<Rolled>,
) -> Answer<Response> {
    let may = super::services::may::<can::Deploy>(&portal, &actor, &project, &service).await?;
    Ok(begun(deployments::roll(&portal.platform, &may, &body.intent()?).await?))
}

/// Everything of the project that runs with an older configuration, in one environment or in all.
async fn roll_all(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(names): Path<Names>,
    Body(body): Body<Rolled>,
) -> Answer<(StatusCode, Json<RollView>)> {
    actor.account()?;
    let project: ProjectName = named(&names.project, "project")?;
    let key = HolderKey { project: &project, service: None };
    let may: May<can::Deploy, Holder> = actor.may(&portal.platform, &key).await?;
    Ok((StatusCode::ACCEPTED, Json(deployments::roll_all(&portal.platform, &may, &body.intent()?).await?)))
}
