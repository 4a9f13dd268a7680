//! Who reads a log in the browser: takes lines as they come and shows them a frame at a time, holds them back while the reader looks elsewhere, fetches
//! older and newer ones, and keeps both the page and what waits small. The rows are always a stretch without holes: what does not fit falls out at an end
//! from which it can be fetched again, and a stream that would run too far ahead is closed and opened again where it stopped.

mod fetch;
mod rows;

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use model::ids::TaskId;
use model::views::logs::{LogFilter, LogPage, LogTask, LogView};
use wasm_bindgen::JsCast;

use super::asked::Place;
use super::desk::{Desk, Pace, Search};
use super::stream::{Heard, Stream};
use crate::api::logs::log_page;
use crate::components::log_list::List;
use crate::components::log_row::RowLook;
use crate::components::log_who::Twins;
use crate::components::{Toaster, sentence};
use crate::urls;

/// Lines that wait to be shown, at most.
const WAITING: usize = 2_000;
/// Rows made in one frame, at most.
const BATCH: usize = 400;
/// A search waits after so many lines until it is asked to go on.
const FOUND: usize = 2_000;
/// A frame that took longer is followed by a rest as long, so that the page answers in between.
const SLOW: f64 = 12.0;

/// Whose lines.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub project: String,
    pub service: String,
    pub filter: LogFilter,
    pub place: Place,
}

impl Source {
    fn stream(&self, follow: bool) -> String {
        let mut pairs = self.filter.pairs();
        pairs.push(("follow", follow.to_string()));
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        urls::asking(urls::service_page(&self.project, &self.service, "logs/stream"), &pairs)
    }
}

/// The reader of one page.
pub(super) struct Reader {
    source: Source,
    desk: Desk,
    tasks: RwSignal<Vec<LogTask>>,
    toaster: Option<Toaster>,
    list: RefCell<List>,
    /// Lines with their ids, not read yet.
    queue: RefCell<VecDeque<(String, String)>>,
    /// Lines fell out of the queue: what is shown has no connection with what waits.
    torn: Cell<bool>,
    /// The last line that came, or that was looked at: from there it goes on.
    last: RefCell<Option<String>>,
    stream: RefCell<Option<Rc<Stream>>>,
    /// A frame is on its way.
    framed: Cell<bool>,
    /// Tasks whose lines came.
    met: RefCell<HashSet<TaskId>>,
    /// Fetches are told apart: an answer to an older one is not shown.
    fetch: Cell<u32>,
}

impl Reader {
    /// Takes the page over.
    pub(super) fn start(source: Source, desk: Desk, page: &LogPage, look: RowLook, tasks: RwSignal<Vec<LogTask>>) -> Option<Rc<Self>> {
        let (list, scroller) = (desk.frame.list.get_untracked()?, desk.frame.scroller.get_untracked()?);
        let list = List::new(list.unchecked_into(), scroller.unchecked_into(), &page.lines, look);
        let reader = Rc::new(Self {
            source,
            desk,
            tasks,
            toaster: use_context::<Toaster>(),
            list: RefCell::new(list),
            queue: RefCell::new(VecDeque::new()),
            torn: Cell::new(false),
            last: RefCell::new(page.end.clone().or_else(|| page.lines.last().map(|line| line.id.clone()))),
            stream: RefCell::new(None),
            framed: Cell::new(false),
            met: RefCell::new(page.tasks.iter().map(|task| task.task).collect()),
            fetch: Cell::new(0),
        });
        desk.reader.set_value(Some(Rc::clone(&reader)));
        reader.begin(page.newer);
        Some(reader)
    }

    fn begin(self: &Rc<Self>, newer: bool) {
        match &self.source.place {
            Place::Oldest if newer => {
                self.desk.found.set(self.list.borrow().len());
                self.desk.at_end.set(false);
                self.search();
            }
            Place::Oldest => {
                self.desk.found.set(self.list.borrow().len());
                self.desk.search.set(Search::Done);
                self.desk.pace.set(Pace::Ended);
                return;
            }
            Place::Line(id) if self.list.borrow().show(id) => {}
            Place::At(_) | Place::After(_) | Place::Line(_) => self.list.borrow().to_start(),
            Place::Newest | Place::Before(_) => self.list.borrow().to_end(),
        }
        self.desk.at_end.set(self.list.borrow().at_end());
        if !newer {
            self.follow();
        } else if self.source.place != Place::Oldest {
            self.desk.pace.set(Pace::Away);
        }
    }

    /// The page is left.
    pub(super) fn close(&self) {
        self.retire();
    }

    /// Ends the stream; it may be the one whose listener is running, so it goes after this turn.
    fn retire(&self) {
        if let Some(stream) = self.stream.borrow_mut().take() {
            stream.stop();
            set_timeout(move || drop(stream), Duration::ZERO);
        }
    }

    /// New lines from now on, after the last one that came.
    fn follow(self: &Rc<Self>) {
        if !self.source.filter.until.is_empty() {
            self.desk.pace.set(Pace::Ended);
            return;
        }
        self.listen(true);
        self.desk.pace.set(Pace::Following);
    }

    fn listen(self: &Rc<Self>, follow: bool) {
        self.retire();
        let weak = Rc::downgrade(self);
        let last = self.last.borrow().clone();
        let stream = Stream::start(self.source.stream(follow), last, move |heard| {
            if let Some(reader) = weak.upgrade() {
                reader.heard(heard);
            }
        });
        *self.stream.borrow_mut() = Some(stream);
    }

    /// Looks through everything after the last line that came.
    pub(super) fn search(self: &Rc<Self>) {
        self.desk.search.set(Search::Running(0, 0, None));
        self.desk.said.set(String::new());
        self.desk.pace.set(Pace::Still);
        self.listen(false);
    }

    /// Stops looking.
    pub(super) fn cancel(&self) {
        self.retire();
        self.desk.search.set(Search::Cancelled);
        self.desk.pace.set(Pace::Ended);
        self.desk.newer.set(true);
    }

    fn searching(&self) -> bool {
        self.desk.search.with_untracked(|search| matches!(search, Search::Running(..)))
    }

    fn heard(self: &Rc<Self>, heard: Heard) {
        match heard {
            Heard::Line(id, text) => self.line(id, text),
            Heard::Open => {
                self.desk.said.set(String::new());
                if !self.searching() {
                    self.desk.pace.set(Pace::Following);
                }
            }
            Heard::Progress(progress) => {
                if self.searching() {
                    self.desk.search.set(Search::Running(progress.bytes, progress.of, Some(progress.at)));
                }
            }
            Heard::Done => {
                self.retire();
                self.desk.search.set(Search::Done);
                self.desk.newer.set(false);
                self.desk.pace.set(Pace::Ended);
            }
            Heard::Broken => self.desk.pace.set(Pace::Broken),
            Heard::Ended(end) => {
                self.desk.pace.set(Pace::Broken);
                self.desk.said.set(sentence(&end.message));
            }
        }
    }

    /// Whether lines wait for now: the reader said so, or looks at older ones.
    fn held(&self) -> bool {
        self.desk.search.with_untracked(|search| *search == Search::None) && (self.desk.paused.get_untracked() || !self.desk.at_end.get_untracked())
    }

    fn line(self: &Rc<Self>, id: String, text: String) {
        if !id.is_empty() {
            *self.last.borrow_mut() = Some(id.clone());
        }
        let mut queue = self.queue.borrow_mut();
        queue.push_back((id, text));
        if self.searching() && self.desk.found.get_untracked() + queue.len() >= FOUND * self.rounds() {
            drop(queue);
            self.retire();
            self.desk.search.set(Search::Full);
            self.desk.pace.set(Pace::Ended);
            self.desk.newer.set(true);
        } else if queue.len() > WAITING {
            if self.held() {
                // Enough waits: the rest comes when it is wanted, from the last one that came.
                drop(queue);
                self.retire();
            } else {
                // More comes than can be shown: the newest are, and older ones can be fetched.
                queue.pop_front();
                self.torn.set(true);
            }
        }
        self.schedule(Duration::ZERO);
    }

    /// How often a search waited already, and once more.
    fn rounds(&self) -> usize {
        self.desk.found.get_untracked() / FOUND + 1
    }

    fn schedule(self: &Rc<Self>, rest: Duration) {
        if self.framed.replace(true) {
            return;
        }
        let weak = Rc::downgrade(self);
        let frame = move || {
            request_animation_frame(move || {
                if let Some(reader) = weak.upgrade() {
                    reader.framed.set(false);
                    reader.flush();
                }
            });
        };
        if rest.is_zero() { frame() } else { set_timeout(frame, rest) }
    }

    /// Shows what waits, as much as a frame may take.
    fn flush(self: &Rc<Self>) {
        if self.desk.reader.try_with_value(|_| ()).is_none() {
            return;
        }
        if self.held() {
            let waiting = (self.queue.borrow().len(), self.stream.borrow().is_none());
            self.desk.waiting.set(waiting);
            return;
        }
        let began = js_sys::Date::now();
        let batch: Vec<LogView> = {
            let mut queue = self.queue.borrow_mut();
            let some = queue.len().min(BATCH);
            queue.drain(..some).filter_map(|(_, text)| serde_json::from_str(&text).ok()).collect()
        };
        let searching = self.desk.search.with_untracked(|search| *search != Search::None);
        let mut list = self.list.borrow_mut();
        if self.torn.take() {
            list.clear();
            self.desk.older.set(true);
            self.desk.dropped.set(true);
        }
        // Asked for once each: of very many tasks not all are named.
        let fresh = batch.iter().any(|line| self.met.borrow_mut().insert(line.task));
        if searching {
            self.desk.found.update(|found| *found += batch.len());
        }
        list.append(batch);
        let to_end = self.desk.at_end.get_untracked() && !searching;
        if list.trim_front(!to_end) {
            self.desk.older.set(true);
            self.desk.dropped.set(true);
        }
        self.desk.count.set(list.len());
        if to_end {
            list.to_end();
        }
        drop(list);
        if fresh {
            self.learn();
        }
        self.rest(js_sys::Date::now() - began);
    }

    /// What waits still is shown in the next frame, or after a rest where frames take long.
    fn rest(self: &Rc<Self>, took: f64) {
        let left = self.queue.borrow().len();
        self.desk.waiting.set((0, false));
        if left > 0 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds of one frame")]
            let pause = if took > SLOW { Duration::from_millis(took.min(250.0) as u64) } else { Duration::ZERO };
            self.schedule(pause);
        }
    }

    /// A task writes that is not known: its service was deployed meanwhile.
    pub(super) fn learn(self: &Rc<Self>) {
        let (source, tasks, last) = (self.source.clone(), self.tasks, self.last.borrow().clone());
        let weak = Rc::downgrade(self);
        spawn_local(async move {
            if let Ok(page) = log_page(
                source.project,
                source.service,
                LogFilter { environment: source.filter.environment, ..LogFilter::default() },
                None,
                last,
                None,
            )
            .await
            {
                let twins = Twins::among(&page.tasks);
                // None: the page is there still.
                if tasks.try_set(page.tasks).is_none()
                    && let Some(reader) = weak.upgrade()
                {
                    reader.tell_apart(twins);
                }
            }
        });
    }

    /// New lines may come again, if the reader is where they come.
    pub(super) fn release(self: &Rc<Self>) {
        if !self.held()
            && self.stream.borrow().is_none()
            && !self.desk.newer.get_untracked()
            && self.desk.search.with_untracked(|search| *search == Search::None)
        {
            self.follow();
        }
        self.schedule(Duration::ZERO);
    }

    /// The rows were scrolled, by whomever.
    pub(super) fn scrolled(self: &Rc<Self>) {
        let (end, near_start, near_end) = {
            // Rows that are being changed scroll as well: then it is no reader who did.
            let Ok(list) = self.list.try_borrow() else { return };
            (list.at_end(), list.near_start(), list.near_end())
        };
        let was = self.desk.at_end.get_untracked();
        if end != was {
            self.desk.at_end.set(end);
            self.release();
        }
        if near_start && self.desk.older.get_untracked() && !end {
            self.load_older();
        } else if near_end
            && self.desk.newer.get_untracked()
            && !self.searching()
            && self.desk.search.with_untracked(|search| *search == Search::None)
        {
            self.load_newer();
        }
    }
}
