//! Lines that are fetched rather than heard: before the first row, after the last one, and the newest. One fetch at a time.

use std::rc::Rc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use model::views::logs::LogPage;

use super::{Reader, WAITING};
use crate::api::logs::log_page;
use crate::components::sentence;
use crate::pages::services::logs::desk::{Pace, Search};

impl Reader {
    /// Asks for a page of lines and gives it to `show`, unless something else was asked meanwhile.
    fn fetch(self: &Rc<Self>, before: Option<String>, after: Option<String>, show: impl FnOnce(&Rc<Self>, LogPage) + 'static) {
        if self.desk.busy.get_untracked() {
            return;
        }
        self.desk.busy.set(true);
        let turn = self.fetch.get().wrapping_add(1);
        self.fetch.set(turn);
        let (source, weak) = (self.source.clone(), Rc::downgrade(self));
        spawn_local(async move {
            let page = log_page(source.project, source.service, source.filter, before, after, None).await;
            let Some(reader) = weak.upgrade().filter(|reader| reader.fetch.get() == turn) else { return };
            if reader.desk.busy.try_set(false).is_some() {
                return;
            }
            match page {
                Ok(page) => show(&reader, page),
                Err(error) => reader.desk.said.set(sentence(&error.0.detail)),
            }
        });
    }

    /// Lines before the first row.
    pub(in crate::pages::services::logs) fn load_older(self: &Rc<Self>) {
        let first = self.list.borrow().first_id();
        self.fetch(first, None, |reader, page| {
            reader.desk.older.set(page.older && !page.lines.is_empty());
            let cut = {
                let mut list = reader.list.borrow_mut();
                list.prepend(page.lines);
                list.trim_back()
            };
            if cut {
                // The newest rows made room: from here they are fetched again, and nothing is followed.
                reader.retire();
                reader.queue.borrow_mut().clear();
                reader.desk.waiting.set((0, false));
                *reader.last.borrow_mut() = reader.list.borrow().last_id();
                reader.desk.newer.set(true);
                reader.desk.pace.set(Pace::Away);
            }
            reader.desk.count.set(reader.list.borrow().len());
        });
    }

    /// Lines after the last row; when these are the newest, they are followed.
    pub(in crate::pages::services::logs) fn load_newer(self: &Rc<Self>) {
        let last = self.last.borrow().clone();
        self.fetch(None, last, |reader, page| {
            let end = page.end.clone().or_else(|| page.lines.last().map(|line| line.id.clone()));
            reader.desk.newer.set(page.newer);
            {
                let mut list = reader.list.borrow_mut();
                list.append(page.lines);
                if list.trim_front(true) {
                    reader.desk.older.set(true);
                }
                reader.desk.count.set(list.len());
            }
            if end.is_some() {
                *reader.last.borrow_mut() = end;
            }
            if !page.newer {
                reader.follow();
            }
            reader.desk.at_end.set(reader.list.borrow().at_end());
        });
    }

    /// To the newest line, whatever is between.
    pub(in crate::pages::services::logs) fn newest(self: &Rc<Self>) {
        self.desk.paused.set(false);
        let behind = self.desk.newer.get_untracked() || self.stream.borrow().is_none() || self.queue.borrow().len() >= WAITING;
        let following = self.desk.search.with_untracked(|search| *search == Search::None);
        if !(behind && following && self.source.filter.until.is_empty()) {
            self.list.borrow().to_end();
            self.desk.at_end.set(true);
            self.release();
            return;
        }
        self.fetch(None, None, |reader, page| {
            reader.retire();
            reader.queue.borrow_mut().clear();
            reader.torn.set(false);
            {
                let mut list = reader.list.borrow_mut();
                let walked = list.has_focus();
                list.clear();
                *reader.last.borrow_mut() = page.end.clone().or_else(|| page.lines.last().map(|line| line.id.clone()));
                list.append(page.lines);
                list.to_end();
                if walked {
                    list.go_to_end(true);
                }
                reader.desk.count.set(list.len());
            }
            reader.desk.older.set(page.older);
            reader.desk.newer.set(false);
            reader.desk.at_end.set(true);
            reader.desk.waiting.set((0, false));
            reader.follow();
        });
    }
}
