//! The rows in the browser: a window of lines without holes, of bounded length, whose rows are written into the page directly, so that a chatty service
//! does not rebuild a list. It knows nothing of where lines come from.

use std::collections::{HashSet, VecDeque};

use leptos::prelude::document;
use model::logs::Budget;
use model::time::Millis;
use model::views::logs::LogView;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use super::row::{RowLook, moment, row, rows};
use super::stops;
use super::who::Twins;

/// Rows in the page, at most, and bytes of their lines.
pub(crate) const KEPT: usize = 2_500;
const KEPT_BYTES: usize = 6 << 20;
/// Rows that stay however long their lines are.
const LEAST: usize = 100;
/// Pixels from the end within which the view counts as being at the end.
const NEAR_END: i32 = 48;

/// The rows.
pub(crate) struct List {
    list: Element,
    scroller: HtmlElement,
    lines: VecDeque<LogView>,
    ids: HashSet<String>,
    bytes: usize,
    /// JSON lines that are not shown as the others are.
    turned: HashSet<String>,
    look: RowLook,
}

impl List {
    /// Takes over rows that the server wrote, or writes them.
    pub(crate) fn new(list: Element, scroller: HtmlElement, first: &[LogView], look: RowLook) -> Self {
        let mut made = Self { list, scroller, lines: VecDeque::new(), ids: HashSet::new(), bytes: 0, turned: HashSet::new(), look };
        // The server marks nothing that takes a pattern to be found.
        let there = !made.look.marks.is_pattern()
            && made.list.child_element_count() as usize == first.len()
            && made.list.first_element_child().and_then(|row| row.get_attribute("data-id")).as_deref() == first.first().map(|line| line.id.as_str())
            && made.list.last_element_child().and_then(|row| row.get_attribute("data-id")).as_deref() == first.last().map(|line| line.id.as_str());
        if there {
            if made.look.roving {
                stops::close(&made.list);
            }
            for line in first {
                made.remember(line);
                made.lines.push_back(line.clone());
            }
        } else {
            made.list.set_inner_html("");
            made.append(first.to_vec());
        }
        made
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The tasks that it tells apart.
    pub(crate) fn twins(&self) -> &Twins {
        &self.look.twins
    }

    /// The first row's line.
    pub(crate) fn first_id(&self) -> Option<String> {
        self.lines.front().map(|line| line.id.clone())
    }

    /// The last row's line.
    pub(crate) fn last_id(&self) -> Option<String> {
        self.lines.back().map(|line| line.id.clone())
    }

    fn remember(&mut self, line: &LogView) -> bool {
        let new = self.ids.insert(line.id.clone());
        if new {
            self.bytes += line.text.len();
        }
        new
    }

    fn forget(&mut self, line: &LogView) {
        self.ids.remove(&line.id);
        self.turned.remove(&line.id);
        self.bytes = self.bytes.saturating_sub(line.text.len());
    }

    /// Adds lines below. One that is there already is not added again.
    pub(crate) fn append(&mut self, mut lines: Vec<LogView>) {
        lines.retain(|line| self.remember(line));
        if lines.is_empty() {
            return;
        }
        let html = rows(&lines, self.lines.back(), &self.look, now());
        _ = self.list.insert_adjacent_html("beforeend", &html);
        self.lines.extend(lines);
    }

    /// Adds lines above, and leaves what is read where it is.
    pub(crate) fn prepend(&mut self, mut lines: Vec<LogView>) {
        lines.retain(|line| self.remember(line));
        let Some(last) = lines.last() else { return };
        let (height, top) = (self.scroller.scroll_height(), self.scroller.scroll_top());
        if let (Some(first), Some(row)) = (self.lines.front(), self.list.first_element_child())
            && moment(first, self.look.times, now()).0 == moment(last, self.look.times, now()).0
        {
            _ = row.remove_attribute("data-day");
        }
        _ = self.list.insert_adjacent_html("afterbegin", &rows(&lines, None, &self.look, now()));
        for line in lines.into_iter().rev() {
            self.lines.push_front(line);
        }
        self.scroller.set_scroll_top(top + self.scroller.scroll_height() - height);
    }

    fn too_many(&self) -> bool {
        self.lines.len() > KEPT || (self.bytes > KEPT_BYTES && self.lines.len() > LEAST)
    }

    /// Takes rows away above until there are few enough; whether there were too many. With `steady`, what is read stays where it is.
    pub(crate) fn trim_front(&mut self, steady: bool) -> bool {
        if !self.too_many() {
            return false;
        }
        let (height, mut any) = (if steady { self.scroller.scroll_height() } else { 0 }, false);
        let held = self.has_focus();
        while self.too_many() {
            let (Some(line), Some(row)) = (self.lines.pop_front(), self.list.first_element_child()) else { break };
            self.forget(&line);
            row.remove();
            any = true;
        }
        if any {
            if steady {
                self.scroller.set_scroll_top(self.scroller.scroll_top() - (height - self.scroller.scroll_height()));
            }
            if let (Some(first), Some(row)) = (self.lines.front(), self.list.first_element_child()) {
                _ = row.set_attribute("data-day", &moment(first, self.look.times, now()).0);
            }
        }
        self.hold(held);
        any
    }

    /// The same below.
    pub(crate) fn trim_back(&mut self) -> bool {
        let (held, mut any) = (self.has_focus(), false);
        while self.too_many() {
            let (Some(line), Some(row)) = (self.lines.pop_back(), self.list.last_element_child()) else { break };
            self.forget(&line);
            row.remove();
            any = true;
        }
        self.hold(held);
        any
    }

    /// Takes all rows away.
    pub(crate) fn clear(&mut self) {
        let held = self.has_focus();
        self.list.set_inner_html("");
        self.hold(held);
        self.lines.clear();
        self.ids.clear();
        self.turned.clear();
        self.bytes = 0;
    }

    /// Writes all rows again, another way. The first one in sight stays where it is.
    pub(crate) fn redraw(&mut self, change: impl FnOnce(&mut RowLook)) {
        change(&mut self.look);
        self.turned.clear();
        let top = self.scroller.scroll_top();
        let seen = self.row_at(top).map(|row| (row.id(), row.offset_top() - top));
        let stood = document().active_element().filter(|_| self.has_focus()).and_then(|now| now.closest("li").ok().flatten()).map(|row| row.id());
        self.list.set_inner_html(&rows(&self.lines, None, &self.look, now()));
        if let Some(row) = stood.and_then(|id| element(&id)) {
            focus(&row);
        }
        if let Some((id, offset)) = seen
            && let Some(row) = element(&id)
        {
            self.scroller.set_scroll_top(row.offset_top() - offset);
        }
    }

    /// The first row that reaches below `top`.
    fn row_at(&self, top: i32) -> Option<HtmlElement> {
        let rows = self.list.children();
        let (mut low, mut high) = (0, rows.length());
        let at = |index| rows.item(index).and_then(|row| row.dyn_into::<HtmlElement>().ok());
        while low < high {
            let middle = low.midpoint(high);
            if at(middle).is_some_and(|row| row.offset_top() + row.offset_height() <= top) { low = middle + 1 } else { high = middle }
        }
        at(low)
    }

    /// Whether the focus is in a row.
    pub(crate) fn has_focus(&self) -> bool {
        document().active_element().is_some_and(|now| self.list.contains(Some(&now)))
    }

    /// Rows were taken away: a focus that was in one of them stays at the log, where arrows lead to another one.
    fn hold(&self, held: bool) {
        if held && !self.has_focus() {
            _ = self.scroller.focus();
        }
    }

    /// Gives the focus to the next row up or down, of one or of the view's edge; whether there is one.
    pub(crate) fn step(&self, from: Option<&Element>, down: bool) -> bool {
        let edge = || {
            let top = self.scroller.scroll_top();
            let row = self.row_at(if down { top } else { top + self.scroller.client_height() - 1 }).map(Element::from);
            if down { row } else { row.or_else(|| self.list.last_element_child()) }
        };
        walk(from.map_or_else(edge, |row| sibling(row, down)), down)
    }

    /// Gives the focus to the first row, or to the last one.
    pub(crate) fn go_to_end(&self, last: bool) -> bool {
        walk(if last { self.list.last_element_child() } else { self.list.first_element_child() }, !last)
    }

    /// Writes the times of all rows again: they are said as how long ago.
    pub(crate) fn refresh_times(&self) {
        let (now, rows) = (now(), self.list.children());
        for (index, line) in (0..).zip(&self.lines) {
            if let Some(time) = rows.item(index).and_then(|row| row.query_selector("time").ok().flatten()) {
                time.set_text_content(Some(&moment(line, self.look.times, now).1));
            }
        }
    }

    /// Shows a JSON line the other way.
    pub(crate) fn turn(&mut self, id: &str) {
        let Some(at) = self.lines.iter().position(|line| line.id == id) else { return };
        let turned = self.turned.insert(id.to_owned()) || !self.turned.remove(id);
        let Some(place) = element(&format!("l{id}")) else { return };
        let (line, day) = (&self.lines[at], place.get_attribute("data-day"));
        let mut html = String::new();
        let time = moment(line, self.look.times, now()).1;
        row(&mut html, line, &self.look, &mut Budget::default(), &time, day.as_deref(), self.look.raw != turned);
        place.set_outer_html(&html);
        // Whoever pressed it with the keyboard stands where they stood.
        if let Some(button) = element(&format!("l{id}")).and_then(|row| row.query_selector(".log-json").ok().flatten())
            && let Ok(button) = button.dyn_into::<HtmlElement>()
        {
            _ = button.focus();
        }
    }

    /// Marks a line, and no other.
    pub(crate) fn mark(&mut self, id: &str) {
        if let Ok(Some(old)) = self.list.query_selector("li[aria-current]") {
            _ = old.remove_attribute("aria-current");
        }
        self.look.marked = Some(id.to_owned());
        if let Some(row) = element(&format!("l{id}")) {
            _ = row.set_attribute("aria-current", "true");
        }
    }

    /// Brings a line into the middle of the view; whether it is there.
    pub(crate) fn show(&self, id: &str) -> bool {
        let Some(row) = element(&format!("l{id}")) else { return false };
        self.scroller.set_scroll_top(row.offset_top() + row.offset_height() / 2 - self.scroller.client_height() / 2);
        true
    }

    /// Whether the last row can be seen.
    pub(crate) fn at_end(&self) -> bool {
        self.scroller.scroll_height() - self.scroller.scroll_top() - self.scroller.client_height() < NEAR_END
    }

    /// Whether the first row is near.
    pub(crate) fn near_start(&self) -> bool {
        self.scroller.scroll_top() < self.scroller.client_height() / 2
    }

    /// Whether the last row is near.
    pub(crate) fn near_end(&self) -> bool {
        self.scroller.scroll_height() - self.scroller.scroll_top() - self.scroller.client_height() < self.scroller.client_height() / 2
    }

    /// To the end.
    pub(crate) fn to_end(&self) {
        self.scroller.set_scroll_top(self.scroller.scroll_height());
    }

    /// To the start.
    pub(crate) fn to_start(&self) {
        self.scroller.set_scroll_top(0);
    }

    /// By so many views up or down; a tenth for a line or two.
    pub(crate) fn by(&self, views: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "pixels of a view")]
        let pixels = (f64::from(self.scroller.client_height()) * views) as i32;
        self.scroller.set_scroll_top(self.scroller.scroll_top() + pixels);
    }
}

fn sibling(row: &Element, down: bool) -> Option<Element> {
    if down { row.next_element_sibling() } else { row.previous_element_sibling() }
}

/// Gives the focus to this row, or to the first one after it that is shown.
fn walk(mut next: Option<Element>, down: bool) -> bool {
    while let Some(row) = next {
        if focus(&row) {
            return true;
        }
        next = sibling(&row, down);
    }
    false
}

/// Gives the focus to a row, by its link if it has one; a row of a level that is hidden takes none.
fn focus(row: &Element) -> bool {
    let link = row.query_selector(".log-at").ok().flatten().unwrap_or_else(|| row.clone());
    row.client_height() > 0 && link.dyn_into::<HtmlElement>().is_ok_and(|link| link.focus().is_ok())
}

fn element(id: &str) -> Option<HtmlElement> {
    document().get_element_by_id(id)?.dyn_into().ok()
}

/// The reader's clock.
fn now() -> Millis {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this age")]
    let millis = js_sys::Date::now() as i64;
    Millis(millis)
}
