//! The parts of the browser's module. What every page needs is in the main part; the code of pages is in parts of their own, which
//! the browser gets when it first opens one of their pages. `bundle` cuts the module at the functions marked `lazy` here.
//!
//! A part is a group of pages that people open together: a part for each page would share its code with the others in hundreds of
//! small files. On the server there are no parts, only functions.

use leptos::prelude::*;
use leptos_router::LazyRoute;

use crate::pages::{
    account, admin, alerts, cloning, configs, deployments, environments, frame, home, image_rules, images, login, members, metrics, outside,
    projects, robots, services, setup, shells, status, templates, usage,
};

macro_rules! part {
    ($part:ident, $preload:ident, $pages:ident { $($page:ident: $view:path),* $(,)? }) => {
        enum $pages {
            $($page,)*
        }

        #[lazy]
        fn $part(page: $pages) -> AnyView {
            match page {
                $($pages::$page => $view().into_any(),)*
            }
        }

        $(
            pub(crate) struct $page;

            impl LazyRoute for $page {
                fn data() -> Self {
                    Self
                }

                async fn view(_page: Self) -> AnyView {
                    $part($pages::$page).await
                }

                async fn preload() {
                    #[cfg(target_arch = "wasm32")]
                    $preload().await;
                }
            }
        )*
    };
}

part!(entry, __preload_entry, EntryPages { Login: login::Login, SetUp: setup::SetUp });

// What stands around the pages of somebody who is signed in.
part!(
    frames,
    __preload_frames,
    Frames { Portal: frame::Portal, Project: projects::Frame, Service: services::Frame, Account: account::Frame, Admin: admin::Frame }
);

part!(
    project,
    __preload_project,
    ProjectPages {
        Home: home::Home,
        Projects: projects::List,
        NewProject: projects::New,
        Dashboard: projects::Dashboard,
        Repositories: images::Repositories,
        Repository: images::Repository,
        ImageRules: image_rules::Rules,
        RuleRun: image_rules::RunPage,
        Image: images::Image,
        Lineage: images::Lineage,
        ProjectDeployments: deployments::List,
        Waiting: deployments::Waiting,
        Cloning: cloning::Cloning,
        Members: members::Members,
        Robots: robots::Robots,
        Registries: outside::Registries,
        ProjectAudit: projects::Audit,
        ProjectSettings: projects::Settings,
        ProjectUsage: usage::OfProject,
    }
);

part!(
    service,
    __preload_service,
    ServicePages {
        Overview: services::Overview,
        Deployments: services::Deployments,
        Deployment: deployments::One,
        Revisions: services::Revisions,
        ServiceTemplate: services::Template,
        Hooks: services::Hooks,
        Hook: services::Hook,
        Pushes: services::Pushes,
        Discovery: services::Discovery,
        Logs: services::Logs,
        ServiceEvents: services::Events,
        Shell: services::Shell,
        Shells: shells::List,
        Recording: shells::One,
        Inspect: services::Inspect,
        Running: services::Running,
        ServiceSettings: services::Settings,
    }
);

// The form checks what is typed with the code that reads descriptors: large, and needed nowhere else.
part!(deploy, __preload_deploy, DeployPages { NewService: services::New, Deploy: services::Deploy });

part!(
    templates_part,
    __preload_templates_part,
    TemplatePages { Templates: templates::List, Template: templates::One, NewTemplate: templates::New, EditTemplate: templates::Edit }
);

part!(charts, __preload_charts, ChartPages { Metrics: services::Metrics, MachineMetrics: metrics::Machine, UseOverview: metrics::Overview });

part!(
    watching,
    __preload_watching,
    WatchingPages {
        Alerts: alerts::Alerts,
        AlertRules: alerts::Rules,
        AlertRule: alerts::OneRule,
        AlertRoutes: alerts::Routes,
        AlertRoute: alerts::OneRoute,
        StatusPages: status::Manage,
    }
);

part!(
    configuration,
    __preload_configuration,
    ConfigurationPages { ProjectConfiguration: configs::OfProject, ServiceConfiguration: configs::OfService }
);

part!(
    people,
    __preload_people,
    PeoplePages {
        Profile: account::Profile,
        Sessions: account::Sessions,
        Tokens: account::Tokens,
        Users: admin::Users,
        Environments: environments::List,
        Environment: environments::One,
        AdminEnvironments: admin::Environments,
        AdminEnvironment: admin::Environment,
        AdminMachine: admin::Machine,
        Import: admin::Import,
        AdminImages: admin::Images,
        AdminEvents: admin::Events,
        Quotas: admin::Quotas,
        Upkeep: admin::Upkeep,
        SiteUsage: admin::Usage,
        OutsideRegistries: admin::OutsideRegistries,
        HostFolders: admin::HostFolders,
        Foreign: admin::Foreign,
        SiteAudit: admin::Audit,
    }
);
