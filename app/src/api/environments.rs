//! Environments and their machines: how they do, what runs there, and what operators do with them.

use leptos::prelude::*;
use model::machine::MachineForm;
use model::views::environments::{EnvironmentView, MachineView, ResidentView, TrialView};
use model::views::services::ForeignContainers;
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::{lead_to, posted_form};
#[cfg(feature = "ssr")]
use super::parse::{field, named};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{May, Site, can};
#[cfg(feature = "ssr")]
use domain::environments::{self, Environment, EnvironmentOrder, Readable};
#[cfg(feature = "ssr")]
use domain::machines;
#[cfg(feature = "ssr")]
use model::names::{EnvironmentName, MachineName, ProjectName};

/// Where what came of a test waits for the page of a browser without scripts.
#[cfg(feature = "ssr")]
const TRIED: &str = "machine-tried";

/// An environment, and what runs there that the reader may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentPage {
    /// The environment.
    pub environment: EnvironmentView,
    /// What runs there.
    pub residents: Vec<ResidentView>,
}

/// Who lets deployments into an environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Guarded {
    /// They wait for an approval.
    pub protected: bool,
    /// Somebody else than who asked gives it.
    pub second_person: bool,
}

/// A machine to be made or changed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachinePage {
    /// Its environment.
    pub environment: EnvironmentView,
    /// The machine; none: a new one.
    pub machine: Option<MachineView>,
    /// What was tried last, where it could not be shown at once.
    pub tried: Option<Tried>,
}

/// What was tried, and what came of it. Keys are not among what was typed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The machine's name.
    pub machine: String,
    /// What was typed.
    pub form: MachineForm,
    /// What came of it.
    pub trial: TrialView,
}

/// What came of a machine's form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MachineAnswer {
    /// It was tried.
    Tried(TrialView),
    /// It was saved.
    Saved,
}

#[cfg(feature = "ssr")]
async fn readable(caller: &Caller, name: &str) -> Result<May<can::SeeEnvironments, Environment>, ApiError> {
    let key: EnvironmentName = named("environment", name)?;
    Ok(caller.actor.may(&caller.platform, &Readable { key, reader: &caller.actor }).await?)
}

/// Who may not manage any environment is told so, whether there is one of that name or not.
#[cfg(feature = "ssr")]
pub(super) async fn managed(caller: &Caller, name: &str) -> Result<May<can::ManageEnvironments, Environment>, ApiError> {
    caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    let key: EnvironmentName = named("environment", name)?;
    Ok(caller.actor.may(&caller.platform, &key).await?)
}

/// The environments that the reader may know of, with how their engines do.
#[server(prefix = "/fn", endpoint = "environments/list")]
pub async fn list_environments() -> Result<Vec<EnvironmentView>, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::SeeEnvironments, _>(&caller.platform, &Site).await?;
    Ok(domain::environments::list(&caller.platform, &may).await?)
}

/// The containers that this portal did not make.
#[server(prefix = "/fn", endpoint = "environments/foreign")]
pub async fn list_foreign() -> Result<ForeignContainers, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    Ok(domain::machines::foreign(&caller.platform, &may).await?)
}

/// The same, for those who manage them.
#[server(prefix = "/fn", endpoint = "environments/managed")]
pub async fn list_managed() -> Result<Vec<EnvironmentView>, ApiError> {
    let caller = caller().await?;
    caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    let may = caller.actor.may::<can::SeeEnvironments, _>(&caller.platform, &Site).await?;
    Ok(environments::list(&caller.platform, &may).await?)
}

/// One of them, for those who manage it; none: `new` is one that is to be made.
#[server(prefix = "/fn", endpoint = "environments/managed_one")]
pub async fn get_managed(environment: String) -> Result<Option<EnvironmentView>, ApiError> {
    let caller = caller().await?;
    caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    if environment == "new" {
        return Ok(None);
    }
    let may = readable(&caller, &environment).await?;
    Ok(Some(environments::get(&caller.platform, &may).await?))
}

/// One environment, and what runs there.
#[server(prefix = "/fn", endpoint = "environments/get")]
pub async fn get_environment(environment: String) -> Result<EnvironmentPage, ApiError> {
    let caller = caller().await?;
    let may = readable(&caller, &environment).await?;
    let environment = environments::get(&caller.platform, &may).await?;
    Ok(EnvironmentPage { environment, residents: environments::residents(&caller.platform, &may).await? })
}

/// Adds an environment, or changes the one of that name. `projects` are names, separated by blanks, commas or line ends.
#[server(prefix = "/fn", endpoint = "environments/put")]
pub async fn put_environment(
    csrf: String,
    environment: String,
    #[server(default)] description: String,
    #[server(default)] registry_address: String,
    #[server(default)] guarded: Guarded,
    #[server(default)] open: bool,
    #[server(default)] projects: String,
) -> Result<EnvironmentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    let name: EnvironmentName = field("environment", environment.trim())?;
    let words = projects.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let projects: Result<Vec<ProjectName>, ApiError> = words.map(|word| field("projects", word)).collect();
    let address = Some(registry_address.trim().to_owned()).filter(|address| !address.is_empty());
    let Guarded { protected, second_person } = guarded;
    let order = EnvironmentOrder { description, registry_address: address, protected, second_person, open, projects: projects? };
    let (view, _) = environments::put(&caller.platform, &may, &name, &order).await?;
    lead_to(&crate::urls::admin_environment(&name));
    Ok(view)
}

/// Freezes an environment: nothing is brought there any more, but by operators who say why.
#[server(prefix = "/fn", endpoint = "environments/freeze")]
pub async fn freeze_environment(csrf: String, environment: String, #[server(default)] why: String) -> Result<EnvironmentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = managed(&caller, &environment).await?;
    Ok(environments::freeze(&caller.platform, &may, &why).await?)
}

/// Ends the freeze of an environment.
#[server(prefix = "/fn", endpoint = "environments/thaw")]
pub async fn thaw_environment(csrf: String, environment: String) -> Result<EnvironmentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = managed(&caller, &environment).await?;
    Ok(environments::thaw(&caller.platform, &may).await?)
}

/// Removes an environment in which nothing is deployed.
#[server(prefix = "/fn", endpoint = "environments/remove")]
pub async fn remove_environment(csrf: String, environment: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = managed(&caller, &environment).await?;
    environments::remove(&caller.platform, &may).await?;
    lead_to(crate::urls::ADMIN_ENVIRONMENTS);
    Ok(())
}

/// What the form of a machine begins with; `new` is a new one.
#[server(prefix = "/fn", endpoint = "environments/machine_form")]
pub async fn read_machine(environment: String, machine: String) -> Result<MachinePage, ApiError> {
    let caller = caller().await?;
    managed(&caller, &environment).await?;
    let may = readable(&caller, &environment).await?;
    let environment = environments::get(&caller.platform, &may).await?;
    let found = environment.machines.iter().find(|one| one.name.as_str() == machine).cloned();
    if found.is_none() && machine != "new" {
        return Err(domain::Error::NotFound { what: "machine" }.into());
    }
    let tried = caller.session.take_flash(TRIED).await?.and_then(|text| serde_json::from_str(&text).ok());
    Ok(MachinePage { environment, machine: found, tried })
}

/// Tries a machine as it was typed (`act` is `test`), or saves it after that (`save`); `untested`: also where the test fails.
#[server(prefix = "/fn", endpoint = "environments/put_machine")]
pub async fn put_machine(
    csrf: String,
    environment: String,
    machine: String,
    #[server(default)] act: String,
    #[server(default)] untested: bool,
    #[server(default)] form: MachineForm,
) -> Result<MachineAnswer, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = managed(&caller, &environment).await?;
    let name: MachineName = field("machine", machine.trim())?;
    if act == "test" {
        let trial = machines::try_machine(&caller.platform, &may, &name, Some(&form)).await?;
        if posted_form() {
            let open = MachineForm { ca: String::new(), certificate: String::new(), key: String::new(), ssh_key: String::new(), ..form };
            let tried = Tried { machine: name.to_string(), form: open, trial: trial.clone() };
            caller.session.flash(TRIED, serde_json::to_string(&tried).unwrap_or_default()).await?;
            let may = readable(&caller, &environment).await?;
            let view = environments::get(&caller.platform, &may).await?;
            let there = if view.machines.iter().any(|one| one.name == name) { name.as_str() } else { "new" };
            lead_to(&crate::urls::admin_machine(&environment, there));
        }
        return Ok(MachineAnswer::Tried(trial));
    }
    machines::put(&caller.platform, &may, &name, &form, untested).await?;
    lead_to(&crate::urls::admin_environment(&environment));
    Ok(MachineAnswer::Saved)
}

/// Removes a machine; `gone`: also with tasks on it, if it does not answer any more.
#[server(prefix = "/fn", endpoint = "environments/remove_machine")]
pub async fn remove_machine(csrf: String, environment: String, machine: String, #[server(default)] gone: bool) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = managed(&caller, &environment).await?;
    let name: MachineName = named("machine", &machine)?;
    machines::remove(&caller.platform, &may, &name, gone).await?;
    lead_to(&crate::urls::admin_environment(&environment));
    Ok(())
}
