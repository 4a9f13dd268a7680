//! `/api/v1/environments` and `/api/v1/machines`: where things run, and what operators do with it.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use domain::access::{May, Site};
use domain::environments::{Environment, EnvironmentOrder, Readable};
use domain::{Actor, can, environments, imports, machines};
use http::StatusCode;
use model::machine::MachineForm;
use model::names::{EnvironmentName, MachineName, ProjectName};
use model::page::Page;
use model::problem::FieldError;
use serde::Deserialize;
use serde_json::json;

use super::{Body, field, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::{Answer, Refusal};
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/environments", list)
        .get("/api/v1/environments/{environment}", get)
        .put("/api/v1/environments/{environment}", put)
        .delete("/api/v1/environments/{environment}", remove)
        .get("/api/v1/environments/{environment}/services", residents)
        .put("/api/v1/environments/{environment}/freeze", freeze)
        .delete("/api/v1/environments/{environment}/freeze", thaw)
        .put("/api/v1/environments/{environment}/machines/{machine}", put_machine)
        .delete("/api/v1/environments/{environment}/machines/{machine}", remove_machine)
        .post("/api/v1/environments/{environment}/machines/{machine}/test", test_machine)
        .get("/api/v1/machines", list_machines)
        .get("/api/v1/foreign-containers", foreign)
        .get("/api/v1/machines/{machine}/containers/{container}/descriptor", import)
}

async fn list(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::SeeEnvironments, _>(&portal.platform, &Site).await?;
    Ok(Json(Page { items: environments::list(&portal.platform, &may).await?, next: None }))
}

async fn readable(portal: &Portal, actor: &Actor, name: &str) -> Answer<May<can::SeeEnvironments, Environment>> {
    actor.account()?;
    let key: EnvironmentName = named(name, "environment")?;
    Ok(actor.may(&portal.platform, &Readable { key, reader: actor }).await?)
}

/// The permission to manage an environment. Who may not manage any is told so, whether there is one of that name or not.
pub(super) async fn managed(portal: &Portal, actor: &Actor, name: &str) -> Answer<May<can::ManageEnvironments, Environment>> {
    actor.may::<can::ManageEnvironments, _>(&portal.platform, &Site).await?;
    let key: EnvironmentName = named(name, "environment")?;
    Ok(actor.may(&portal.platform, &key).await?)
}

async fn get(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(name): Path<String>) -> Answer<impl IntoResponse> {
    let may = readable(&portal, &actor, &name).await?;
    Ok(Json(environments::get(&portal.platform, &may).await?))
}

async fn residents(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(name): Path<String>) -> Answer<impl IntoResponse> {
    let may = readable(&portal, &actor, &name).await?;
    Ok(Json(Page { items: environments::residents(&portal.platform, &may).await?, next: None }))
}

/// `"all"`, or names.
#[derive(Deserialize)]
#[serde(untagged)]
enum Projects {
    Word(String),
    Names(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    description: String,
    registry_address: Option<String>,
    #[serde(default)]
    protected: bool,
    /// Somebody else than who asked must approve.
    #[serde(default)]
    second_person: bool,
    projects: Projects,
}

impl Wanted {
    fn order(self) -> Answer<EnvironmentOrder> {
        let (open, names) = match self.projects {
            Projects::Word(word) if word == "all" => (true, Vec::new()),
            Projects::Word(word) => {
                let text = format!("write \"all\", or a list of projects' names; {word:?} is neither");
                return Err(Refusal(domain::Error::Invalid(vec![FieldError::new("projects", text)])));
            }
            Projects::Names(names) => (false, names),
        };
        let projects: Answer<Vec<ProjectName>> = names.iter().map(|name| field("projects", name)).collect();
        Ok(EnvironmentOrder {
            description: self.description,
            registry_address: self.registry_address.map(|address| address.trim().to_owned()),
            protected: self.protected,
            second_person: self.second_person,
            open,
            projects: projects?,
        })
    }
}

async fn put(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(name): Path<String>, Body(wanted): Body<Wanted>) -> Answer<Response> {
    let may = actor.may::<can::ManageEnvironments, _>(&portal.platform, &Site).await?;
    let name: EnvironmentName = field("environment", &name)?;
    let (view, new) = environments::put(&portal.platform, &may, &name, &wanted.order()?).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(view)).into_response())
}

async fn remove(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(name): Path<String>) -> Answer<StatusCode> {
    let may = managed(&portal, &actor, &name).await?;
    environments::remove(&portal.platform, &may).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Freeze {
    why: String,
}

/// From now on nobody brings anything there but an operator who says why.
async fn freeze(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(name): Path<String>,
    Body(freeze): Body<Freeze>,
) -> Answer<impl IntoResponse> {
    let may = managed(&portal, &actor, &name).await?;
    Ok(Json(environments::freeze(&portal.platform, &may, &freeze.why).await?))
}

async fn thaw(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(name): Path<String>) -> Answer<impl IntoResponse> {
    let may = managed(&portal, &actor, &name).await?;
    Ok(Json(environments::thaw(&portal.platform, &may).await?))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tls {
    ca: String,
    certificate: String,
    key: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Ssh {
    key: String,
    host_key: String,
}

/// A machine as it is asked for. Keys that are left out stay what they are.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Machine {
    engine: String,
    without_tls: bool,
    tls: Tls,
    ssh: Ssh,
    host: String,
    publish_address: String,
    ports: Option<(u16, u16)>,
    subnet_pool: String,
    /// Save it also where the test fails.
    untested: bool,
}

impl Machine {
    fn form(self) -> (MachineForm, bool) {
        let port = |port: Option<u16>| port.map(|port| port.to_string()).unwrap_or_default();
        let form = MachineForm {
            engine: self.engine,
            without_tls: self.without_tls,
            ca: self.tls.ca,
            certificate: self.tls.certificate,
            key: self.tls.key,
            ssh_key: self.ssh.key,
            host_key: self.ssh.host_key,
            host: self.host,
            publish_address: self.publish_address,
            first_port: port(self.ports.map(|ports| ports.0)),
            last_port: port(self.ports.map(|ports| ports.1)),
            subnet_pool: self.subnet_pool,
        };
        (form, self.untested)
    }
}

async fn put_machine(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((environment, machine)): Path<(String, String)>,
    Body(wanted): Body<Machine>,
) -> Answer<Response> {
    let may = managed(&portal, &actor, &environment).await?;
    let name: MachineName = field("machine", &machine)?;
    let (form, untested) = wanted.form();
    let (view, test, new) = machines::put(&portal.platform, &may, &name, &form, untested).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(json!({ "machine": view, "test": test }))).into_response())
}

/// Tries a machine as it would be; with an empty object, as it is.
async fn test_machine(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((environment, machine)): Path<(String, String)>,
    Body(wanted): Body<Machine>,
) -> Answer<impl IntoResponse> {
    let may = managed(&portal, &actor, &environment).await?;
    let name: MachineName = field("machine", &machine)?;
    let (form, _) = wanted.form();
    let form = (form != MachineForm::default()).then_some(form);
    Ok(Json(machines::try_machine(&portal.platform, &may, &name, form.as_ref()).await?))
}

#[derive(Deserialize)]
struct Removal {
    #[serde(default)]
    gone: bool,
}

async fn remove_machine(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((environment, machine)): Path<(String, String)>,
    Query(removal): Query<Removal>,
) -> Answer<StatusCode> {
    let may = managed(&portal, &actor, &environment).await?;
    let name: MachineName = named(&machine, "machine")?;
    machines::remove(&portal.platform, &may, &name, removal.gone).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_machines(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::SeeEnvironments, _>(&portal.platform, &Site).await?;
    Ok(Json(Page { items: machines::list(&portal.platform, &may).await?, next: None }))
}

async fn foreign(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::ManageEnvironments, _>(&portal.platform, &Site).await?;
    Ok(Json(machines::foreign(&portal.platform, &may).await?))
}

/// What a container that something else made would be as a service.
async fn import(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((machine, container)): Path<(String, String)>,
) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::ManageEnvironments, _>(&portal.platform, &Site).await?;
    let machine: MachineName = named(&machine, "machine")?;
    Ok(Json(imports::read(&portal.platform, &may, &machine, &container).await?))
}
