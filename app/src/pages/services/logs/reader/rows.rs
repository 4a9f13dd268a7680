//! What is done with the rows that are there: how they look, where they are scrolled to, what is pressed in them.

use std::rc::Rc;

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::Element;

use super::Reader;
use crate::components::log_row::{RowLook, Times};
use crate::components::log_who::Twins;
use crate::components::to_clipboard;

impl Reader {
    /// The window or the rows changed their size: who was at the end is there still.
    pub(in crate::pages::services::logs) fn settle(&self, at_end: bool) {
        if at_end && let Ok(list) = self.list.try_borrow() {
            list.to_end();
        }
    }

    /// Writes the rows another way.
    pub(in crate::pages::services::logs) fn redraw(&self, change: impl FnOnce(&mut RowLook)) {
        let end = self.desk.at_end.get_untracked();
        self.list.borrow_mut().redraw(change);
        self.settle(end);
    }

    /// Other tasks are there: some need more than their place to be told apart.
    pub(super) fn tell_apart(&self, twins: Twins) {
        if self.list.try_borrow().is_ok_and(|list| *list.twins() != twins) {
            self.redraw(|look| look.twins = twins);
        }
    }

    /// Times that are said as how long ago go on.
    pub(in crate::pages::services::logs) fn tick(&self) {
        if self.desk.times.get_untracked() == Times::Relative
            && let Ok(list) = self.list.try_borrow()
        {
            list.refresh_times();
        }
    }

    /// Up or down by so many views.
    pub(in crate::pages::services::logs) fn by(&self, views: f64) {
        self.list.borrow().by(views);
    }

    /// To the first row.
    pub(in crate::pages::services::logs) fn oldest_row(&self) {
        self.list.borrow().to_start();
    }

    /// From row to row by a key, from the one that has the focus or else from the edge of the view; whether it led anywhere.
    pub(in crate::pages::services::logs) fn walk(self: &Rc<Self>, from: Option<&Element>, key: &str) -> bool {
        match key {
            "ArrowUp" => self.list.borrow().step(from, false),
            "ArrowDown" => self.list.borrow().step(from, true),
            "Home" if from.is_some() => {
                self.oldest_row();
                self.list.borrow().go_to_end(false)
            }
            "End" if from.is_some() => {
                self.newest();
                self.list.borrow().go_to_end(true)
            }
            _ => false,
        }
    }

    /// A time copies the line's address, and the sign of a JSON line turns it.
    pub(in crate::pages::services::logs) fn pressed(&self, event: &ev::MouseEvent) {
        let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
        let id = || target.closest("li").ok().flatten().and_then(|row| row.get_attribute("data-id"));
        let with_key = event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key();
        if let Ok(Some(link)) = target.closest(".log-at")
            && !with_key
            && let (Some(id), Some(href)) = (id(), link.get_attribute("href"))
        {
            event.prevent_default();
            let location = window().location();
            to_clipboard(&format!("{}{}{href}", location.origin().unwrap_or_default(), location.pathname().unwrap_or_default()));
            self.list.borrow_mut().mark(&id);
            if let Some(toaster) = self.toaster {
                toaster.say("The link to this line is copied.");
            }
        } else if let Ok(Some(_)) = target.closest(".log-json")
            && let Some(id) = id()
        {
            self.list.borrow_mut().turn(&id);
        }
    }
}
