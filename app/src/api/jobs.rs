//! Runs of jobs.

use leptos::prelude::*;
use model::views::jobs::{JobRunView, JobView};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::parse::field;
#[cfg(feature = "ssr")]
use super::server::{caller, mutating};
#[cfg(feature = "ssr")]
use super::services::may;
#[cfg(feature = "ssr")]
use domain::access::can;
#[cfg(feature = "ssr")]
use domain::jobs;

/// The last runs of a job, and when it runs next.
#[server(prefix = "/fn", endpoint = "jobs/list")]
pub async fn job_runs(project: String, service: String, environment: String) -> Result<JobView, ApiError> {
    let caller = caller().await?;
    let may = may::<can::SeeServices>(&caller, &project, &service).await?;
    Ok(jobs::list(&caller.platform, &may, Some(&field("environment", &environment)?)).await?)
}

/// Lets a job run now.
#[server(prefix = "/fn", endpoint = "jobs/run")]
pub async fn run_job(csrf: String, project: String, service: String, environment: String) -> Result<JobRunView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    Ok(jobs::run_now(&caller.platform, &may, Some(&field("environment", &environment)?)).await?)
}
