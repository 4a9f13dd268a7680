//! One project with far more than it needs, and the others, who must not notice.

use model::ids::{AlertId, IncidentId};
use model::names::ProjectName;
use model::status::SiteForm;

use super::*;
use crate::access::can;
use crate::error::Error;
use crate::status::{put_site_project, site_projects, update_legacy};

impl Scene {
    /// Another project, with one service on the page.
    async fn flood(&self) -> (ProjectName, Managing) {
        let platform = &self.store.platform;
        let name = self.store.project("flood", self.may.actor(), Role::Admin).await;
        let may = Managing::of(platform, self.may.actor(), Some(&name)).await.expect("allowed");
        create_legacy(platform, &may, &legacy("first")).await.expect("registered");
        (name, may)
    }

    /// So many further updates of an incident.
    async fn noise(&self, incident: IncidentId, many: i64) {
        let mut write = self.store.platform.bookkeeping().await.expect("a transaction");
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $3)
                   INSERT INTO status_updates (id, incident_id, state, body, written_at, written_by)
                   SELECT '00000000-0000-7000-8000-' || SUBSTR('000000000000' || CAST(i AS TEXT), LENGTH(CAST(i AS TEXT)) + 1), $1, 'investigating', 'Noise', $2, 'x' FROM n";
        write.exec(sql, args![incident, self.store.platform.now(), many]).await.expect("noise");
        write.finish().await.expect("kept");
    }

    async fn draw(&self) {
        work::draw(&self.store.worker).await.expect("drawn");
    }
}

fn legacy(name: &str) -> LegacyForm {
    LegacyForm { name: name.into(), address: "tcp://10.1.2.3:5432".into(), ..LegacyForm::default() }
}

fn incident(title: &str, impact: &str) -> IncidentForm {
    IncidentForm { title: title.into(), text: format!("{title}, we know."), impact: impact.into(), ..IncidentForm::default() }
}

fn code<T: std::fmt::Debug>(answer: crate::Result<T>) -> &'static str {
    match answer {
        Err(Error::Conflict { code, .. }) => code,
        other => panic!("no conflict: {other:?}"),
    }
}

#[tokio::test]
async fn nobodys_incidents_take_the_place_of_others() {
    let scene = Scene::new().await;
    let platform = &scene.store.platform;
    scene.service("web", SHOWN).await;
    create(platform, &scene.may, &incident("Ours", "minor")).await.expect("told");
    let (_, flood) = scene.flood().await;
    let loud = create(platform, &flood, &incident("Noise", "critical")).await.expect("told").public.id;
    scene.noise(loud, 4_100).await;
    let mut write = platform.bookkeeping().await.expect("a transaction");
    for _ in 0..250 {
        let sql =
            "INSERT INTO status_incidents (id, project_id, kind, title, impact, state, components, starts_at, created_by, created_at, updated_at)
                   VALUES ($1, $2, 'incident', 'Noise', 'critical', 'investigating', '[]', $3, 'x', $3, $3)";
        write.exec(sql, args![platform.new_id::<IncidentId>(), flood.project_id(), platform.now()]).await.expect("noise");
    }
    let sql = "UPDATE status_incidents SET state = 'resolved', ends_at = $2 WHERE id = $1";
    write.exec(sql, args![loud, platform.now()]).await.expect("it is over");
    write.finish().await.expect("kept");
    scene.round(1).await;
    let board = platform.status().board();
    let site = board.view(None).expect("a page");
    let ours = site.incidents.iter().find(|incident| incident.title == "Ours").expect("it is there");
    assert_eq!(ours.updates[0].text, "Ours, we know.");
    assert_eq!(site.incidents.iter().filter(|incident| incident.title == "Noise").count(), 11, "the newest that go on, and what is over");
    assert!(site.incidents.iter().all(|incident| incident.updates.len() <= 3));
    let told = board.view(Some("flood")).expect("a page").incidents;
    assert_eq!(told.iter().map(|incident| incident.updates.len()).max(), Some(20));
    assert_eq!(board.view(Some("shop")).expect("a page").incidents.len(), 1);
}

#[tokio::test]
async fn what_shows_nothing_tells_nothing() {
    let scene = Scene::new().await;
    scene.service("web", "{image: web}").await;
    create(&scene.store.platform, &scene.may, &incident("Ours", "minor")).await.expect("told");
    create(&scene.store.platform, &scene.site, &incident("Everybody's", "minor")).await.expect("told");
    scene.round(1).await;
    let titles: Vec<String> = scene.store.platform.status().board().view(None).expect("a page").incidents.into_iter().map(|one| one.title).collect();
    assert_eq!(titles, ["Everybody's"]);
}

#[tokio::test]
async fn an_incident_has_so_many_updates_and_can_always_be_ended() {
    let scene = Scene::new().await;
    let platform = &scene.store.platform;
    scene.service("web", SHOWN).await;
    let id = create(platform, &scene.may, &incident("Ours", "minor")).await.expect("told").public.id;
    scene.noise(id, 98).await;
    let more = UpdateForm { text: "Still so.".into(), ..UpdateForm::default() };
    assert_eq!(code(say(platform, &scene.may, id, &more).await), "too_many_updates");
    let over = UpdateForm { text: "It is over.".into(), state: "resolved".into(), ..UpdateForm::default() };
    let said = say(platform, &scene.may, id, &over).await.expect("ended").public;
    assert_eq!((said.state, said.updates.len()), (IncidentState::Resolved, 100), "whoever writes it reads all of it");
}

#[tokio::test]
async fn a_project_has_so_many_incidents_that_go_on() {
    let scene = Scene::new().await;
    let platform = &scene.store.platform;
    for _ in 0..10 {
        create(platform, &scene.may, &incident("Ours", "minor")).await.expect("told");
    }
    assert_eq!(code(create(platform, &scene.may, &incident("Ours", "minor")).await), "too_many_incidents");
    create(platform, &scene.site, &incident("Everybody's", "minor")).await.expect("others have their own");
}

#[tokio::test]
async fn what_an_alert_proposed_is_one_more_once_it_is_told() {
    let scene = Scene::new().await;
    let platform = &scene.store.platform;
    let first = create(platform, &scene.may, &incident("Ours", "minor")).await.expect("told").public.id;
    for _ in 1..10 {
        create(platform, &scene.may, &incident("Ours", "minor")).await.expect("told");
    }
    let proposed: IncidentId = platform.new_id();
    let mut write = platform.bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO status_incidents (id, project_id, kind, title, impact, state, components, alert_id, starts_at, created_by, created_at, updated_at)
               VALUES ($1, $2, 'incident', 'Trouble', 'major', 'proposed', '[]', $3, $4, 'an alert', $4, $4)";
    write.exec(sql, args![proposed, scene.may.project_id(), platform.new_id::<AlertId>(), platform.now()]).await.expect("proposed");
    write.finish().await.expect("kept");
    let told = UpdateForm { text: "We look into it.".into(), ..UpdateForm::default() };
    assert_eq!(code(say(platform, &scene.may, proposed, &told).await), "too_many_incidents", "nobody would see it, or another one");
    let over = UpdateForm { text: "It is over.".into(), state: "resolved".into(), ..UpdateForm::default() };
    say(platform, &scene.may, first, &over).await.expect("ended");
    let said = say(platform, &scene.may, proposed, &told).await.expect("there is room").public;
    assert_eq!(said.state, IncidentState::Investigating);
}

#[tokio::test]
async fn a_project_speaks_for_itself_and_not_for_the_site() {
    let scene = Scene::new().await;
    let platform = &scene.store.platform;
    scene.service("web", SHOWN).await;
    let (name, flood) = scene.flood().await;
    create(platform, &flood, &incident("Everything is down", "critical")).await.expect("told");
    scene.round(1).await;
    let board = platform.status().board();
    let site = board.view(None).expect("a page");
    assert_eq!((site.state, site.incidents.len()), (ComponentState::Operational, 1), "it is told, and turns nothing");
    assert_eq!(board.view(Some("flood")).expect("a page").state, ComponentState::Down);
    assert_eq!(board.view(Some("shop")).expect("a page").state, ComponentState::Operational);

    let Managing::Site(site) = &scene.site else { panic!("the site's") };
    let project = site.actor().may::<can::ManageStatus, _>(platform, &name).await.expect("allowed");
    let listed = async || site_projects(platform, site, &PageRequest::default()).await.expect("listed").items;
    let of = |items: Vec<model::views::status::SiteProjectView>| -> Vec<(String, bool)> {
        items.into_iter().map(|item| (item.project, item.off_site)).collect()
    };
    assert_eq!(of(listed().await), [("flood".to_owned(), false), ("shop".to_owned(), false)]);
    put_site_project(platform, site, &project, &SiteForm { off_site: true }).await.expect("taken off");
    put_page(platform, &flood, &PageForm { title: "Still here".into(), ..PageForm::default() }).await.expect("written");
    scene.draw().await;
    assert_eq!(of(listed().await), [("flood".to_owned(), true), ("shop".to_owned(), false)], "its project cannot put it back");
    let board = platform.status().board();
    let view = board.view(None).expect("a page");
    assert_eq!((view.groups.len(), view.groups[0].project.as_str(), view.incidents.len()), (1, "shop", 0));
    assert_eq!(board.view(Some("flood")).expect("its own page stays").incidents.len(), 1);
    put_site_project(platform, site, &project, &SiteForm { off_site: false }).await.expect("put back");
    scene.draw().await;
    assert_eq!(platform.status().board().view(None).expect("a page").groups.len(), 2);

    create(platform, &scene.site, &incident("The house burns", "critical")).await.expect("told");
    scene.draw().await;
    assert_eq!(platform.status().board().view(None).expect("a page").state, ComponentState::Down, "the site speaks for the site");
}

#[tokio::test]
async fn nobodys_services_outside_take_the_place_of_others() {
    let scene = Scene::new().await;
    let platform = &scene.store.platform;
    let (_, flood) = scene.flood().await;
    let mut write = platform.bookkeeping().await.expect("a transaction");
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2100)
               INSERT INTO legacy_services (id, project_id, name, title, address, shown, updated_by, updated_at)
               SELECT '00000000-0000-7000-8000-' || CAST(100000000000 + i AS TEXT), $1, 'noise-' || CAST(i AS TEXT), '',
                   'tcp://10.1.2.3:5432', TRUE, 'x', 1 FROM n";
    write.exec(sql, args![flood.project_id()]).await.expect("noise");
    write.finish().await.expect("kept");
    create_legacy(platform, &scene.may, &legacy("ledger")).await.expect("registered");
    scene.round(1).await;
    assert_eq!(scene.state("ledger"), ComponentState::Operational);
    let groups = platform.status().board().view(None).expect("a page").groups;
    let counts: Vec<(&str, usize)> = groups.iter().map(|group| (group.project.as_str(), group.components.len())).collect();
    assert_eq!(counts, [("flood", 20), ("shop", 1)]);
}

#[tokio::test]
async fn a_project_shows_so_many_services_outside_of_containers() {
    let scene = Scene::new().await;
    let platform = &scene.store.platform;
    for number in 0..20 {
        create_legacy(platform, &scene.may, &legacy(&format!("ledger-{number}"))).await.expect("registered");
    }
    assert_eq!(code(create_legacy(platform, &scene.may, &legacy("ledger-20")).await), "too_many_shown");
    let hidden = LegacyForm { hidden: true, ..legacy("ledger-20") };
    let made = create_legacy(platform, &scene.may, &hidden).await.expect("nobody sees it");
    assert_eq!(code(update_legacy(platform, &scene.may, made.id, &legacy("ledger-20")).await), "too_many_shown");
}
