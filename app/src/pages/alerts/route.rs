//! One route: what became of its notices, a test, and its form.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::notices::NoticeState;
use model::page::Page;
use model::views::notices::{NoticeView, RouteView};

use super::routes::{Fields, Made, answered, state};
use crate::api::notices::{DeleteRoute, PutRoute, RedeliverNotice, RoutePage, TestRoute, get_route};
use crate::components::{Ago, Badge, Confirm, Crumb, Crumbs, Csrf, Empty, Keep, ProblemNotice, Submit, Tone};
use crate::live::Pulse;
use crate::page::{RowChange, change, forget, loaded, param, problem, query, row_change};
use crate::urls;

/// What can be done to a route.
#[derive(Clone, Copy)]
struct Changes {
    put: ServerAction<PutRoute>,
    test: ServerAction<TestRoute>,
    delete: ServerAction<DeleteRoute>,
    again: RowChange<RedeliverNotice>,
}

/// The page.
#[component]
pub(crate) fn OneRoute() -> impl IntoView {
    let (project, route, after) = (param("project"), param("route"), query("after"));
    let pulse = Pulse::new();
    let asked = move || (project.get(), route.get(), after.get(), pulse.track());
    let data = Resource::new(asked, |(project, route, after, _)| get_route(project, route, Some(after)));
    let changes = Changes {
        put: change("Route saved", Some(pulse)),
        test: change("A test is on its way", Some(pulse)),
        delete: change("Route deleted", None),
        again: row_change("It is sent again", Some(pulse)),
    };
    let navigate = use_navigate();
    Effect::new(move |_| {
        if answered(changes.delete).is_some() {
            navigate(&urls::alerts(&project.get_untracked(), "/routes"), leptos_router::NavigateOptions::default());
        }
    });
    loaded(data, move |page| {
        pulse.watch(page.topic.clone());
        view! { <Whole project=project.get_untracked() page changes/> }
    })
}

#[component]
fn Whole(project: String, page: RoutePage, changes: Changes) -> impl IntoView {
    let RoutePage { route, mail, notices, .. } = page;
    let id = route.id.to_string();
    let (tone, word) = state(&route, mail);
    let crumbs = vec![Crumb::new(urls::alerts(&project, ""), "Alerts"), Crumb::new(urls::alerts(&project, "/routes"), "Routes")];
    let fresh = move || answered(changes.put).filter(|made| made.secret.is_some());
    view! {
        <Title text=route.name.clone()/>
        <Crumbs path=crumbs/>
        {move || fresh().map(|made| view! { <Made made/> })}
        <ProblemNotice problem=problem(changes.test)/>
        <ProblemNotice problem=changes.again.problem(|_| true)/>
        <section class="panel">
            <header>
                <h2>{route.name.clone()}</h2><Badge tone text=word/>
                <div class="actions">
                    <SendTest project=project.clone() route=id.clone() changes/>
                    <Delete project=project.clone() route=route.clone() changes/>
                </div>
            </header>
            <Log project=project.clone() route=id notices changes/>
        </section>
        <section class="panel">
            <header><h2>"Edit route"</h2></header>
            <div class="panel-body"><Fields project route=Some(route) put=changes.put/></div>
        </section>
    }
    .into_any()
}

#[component]
fn SendTest(project: String, route: String, changes: Changes) -> impl IntoView {
    view! {
        <ActionForm action=changes.test>
            <Csrf/>
            <input type="hidden" name="project" value=project/>
            <input type="hidden" name="route" value=route/>
            <Submit label="Send a test" look="button-small" pending=changes.test.pending()/>
        </ActionForm>
    }
    .into_any()
}

#[component]
fn Delete(project: String, route: RouteView, changes: Changes) -> impl IntoView {
    let dialog = format!("delete-{}", route.id);
    let id = route.id.to_string();
    view! {
        <Confirm id=dialog.clone() button="Delete" look="button-small button-danger" title=format!("Delete the route {}?", route.name) on_open=forget(changes.delete)>
            <p>"What waits for it is not sent, and its log goes."</p>
            <ProblemNotice problem=problem(changes.delete)/>
            <ActionForm action=changes.delete>
                <Csrf/>
                <input type="hidden" name="project" value=project.clone()/>
                <input type="hidden" name="route" value=id.clone()/>
                <div class="actions"><Keep dialog=dialog.clone()/><Submit label="Delete route" look="button-danger-fill" pending=changes.delete.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

#[component]
fn Log(project: String, route: String, notices: Page<NoticeView>, changes: Changes) -> impl IntoView {
    if notices.items.is_empty() {
        return view! { <Empty title="Nothing was sent yet"><p>"Send a test to see whether it arrives."</p></Empty> }.into_any();
    }
    let older = notices.next.map(|next| urls::asking(urls::alerts(&project, &format!("/routes/{route}")), &[("after", next.as_str())]));
    let rows = notices.items.into_iter().map(|notice| view! { <Row project=project.clone() route=route.clone() notice changes/> }).collect_view();
    view! {
        <table class="table">
            <thead><tr>
                <th scope="col">"Notice"</th><th scope="col">"State"</th><th scope="col">"Last answer"</th><th scope="col">"Created"</th>
                <th scope="col"><span class="visually-hidden">"Actions"</span></th>
            </tr></thead>
            <tbody>{rows}</tbody>
        </table>
        {older.map(|href| view! { <footer><a href=href>"Older notices"</a></footer> })}
    }
    .into_any()
}

#[component]
fn Row(project: String, route: String, notice: NoticeView, changes: Changes) -> impl IntoView {
    let (tone, word) = match notice.state {
        NoticeState::Queued => (Tone::Busy, "waiting"),
        NoticeState::Sent => (Tone::Ok, "sent"),
        NoticeState::Failed => (Tone::Bad, "given up"),
    };
    let tries = if notice.attempts == 1 { "1 try".to_owned() } else { format!("{} tries", notice.attempts) };
    let next = notice.due_at.filter(|_| notice.attempts > 0).map(|at| view! { ", next "<Ago at/> });
    let answer = [notice.status.map(|status| status.to_string()), notice.answer.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let (id, named) = (notice.id.to_string(), notice.id.to_string());
    let again = (notice.state != NoticeState::Queued).then(|| {
        view! {
            <ActionForm action=changes.again.action>
                <Csrf/>
                <input type="hidden" name="project" value=project/>
                <input type="hidden" name="route" value=route/>
                <input type="hidden" name="notice" value=named/>
                <Submit label="Send again" look="button-small" pending=changes.again.action.pending()/>
            </ActionForm>
        }
    });
    view! {
        <tr>
            <td data-label="Notice" class="table-main"><span class="stack-s"><span class="break">{notice.notice.title.clone()}</span><span class="small faint break">{id}</span></span></td>
            <td data-label="State"><span class="stack-s"><Badge tone text=word/><span class="small muted">{tries}{next}</span></span></td>
            <td data-label="Last answer">{(!answer.is_empty()).then(|| view! { <span class="small break">{answer}</span> })}</td>
            <td data-label="Created"><Ago at=notice.created_at/></td>
            <td class="end">{again}</td>
        </tr>
    }
    .into_any()
}
