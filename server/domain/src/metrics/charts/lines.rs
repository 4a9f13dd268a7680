//! What the lines of a chart are called, and which of many are drawn. Pure.

use std::collections::HashMap;

use model::ids::TaskId;
use model::views::metrics::{Column, LineView};

use super::rounded;

/// Lines of a picture; what is beyond is put together.
const LINES: usize = 8;

/// Gives each line a name of its own.
pub(super) fn name(lines: &mut [LineView], otherwise: &str) {
    let mut slots: HashMap<u32, Vec<Option<u32>>> = HashMap::new();
    let mut tasks: HashMap<(u32, Option<u32>), Vec<TaskId>> = HashMap::new();
    for line in lines.iter() {
        if let Some(slot) = line.slot {
            add(slots.entry(slot).or_default(), line.revision);
            if let Some(task) = line.task {
                add(tasks.entry((slot, line.revision)).or_default(), task);
            }
        }
    }
    // Ids are in the order in which containers were made.
    tasks.values_mut().for_each(|tasks| tasks.sort_unstable());
    for line in lines {
        let mut words: Vec<String> = Vec::new();
        if let Some(slot) = line.slot {
            // Of several revisions each is named; of one it goes without saying.
            let several = slots.get(&slot).is_some_and(|revisions| revisions.len() > 1);
            let revision = line.revision.filter(|_| several).map(|revision| format!(" (revision {revision})")).unwrap_or_default();
            words.push(format!("Task {slot}{revision}"));
            // A container that was made anew is another line, of the same slot and revision.
            let made = tasks.get(&(slot, line.revision)).filter(|tasks| tasks.len() > 1);
            let number = made.and_then(|tasks| tasks.iter().position(|task| Some(*task) == line.task));
            words.extend(number.map(|number| format!("container {}", number + 1)));
        }
        if !line.part.is_empty() {
            words.push(said(&line.part).to_owned());
        }
        if !line.name.is_empty() {
            words.push(std::mem::take(&mut line.name));
        }
        line.name = if words.is_empty() { otherwise.to_owned() } else { words.join(", ") };
    }
}

fn add<T: PartialEq>(known: &mut Vec<T>, one: T) {
    if !known.contains(&one) {
        known.push(one);
    }
}

/// What the kernel calls a part, as people write it.
fn said(part: &str) -> &str {
    match part {
        "cpu" => "CPU",
        "io" => "I/O",
        _ => part,
    }
}

/// Keeps the lines with most, in their order, and puts the others together. Bands are told of a line that is alone.
pub(super) fn fold(lines: &mut Vec<LineView>, adds_up: bool) {
    if lines.len() > 1 {
        for line in lines.iter_mut() {
            (line.least, line.peak) = (Vec::new(), Vec::new());
        }
    }
    if lines.len() <= LINES {
        return;
    }
    let weight = |line: &LineView| line.mean.iter().flatten().sum::<f64>();
    let mut weights: Vec<f64> = lines.iter().map(weight).collect();
    weights.sort_by(|one, other| other.total_cmp(one));
    let (least, mut room) = (weights[LINES - 1], LINES);
    let mut heavier = weights.iter().filter(|weight| **weight > least).count();
    let (mut kept, mut others) = (Vec::with_capacity(LINES + 1), Vec::new());
    for line in lines.drain(..) {
        let own = weight(&line);
        // Of those with the same weight the first ones stay, but none takes the place of a heavier one.
        let stays = own > least || (own == least && room > heavier);
        if own > least {
            heavier -= 1;
        }
        if stays {
            room -= 1;
            kept.push(line);
        } else {
            others.push(line);
        }
    }
    if adds_up {
        kept.push(together(&others));
    }
    *lines = kept;
}

/// Lines as one.
fn together(lines: &[LineView]) -> LineView {
    let places = lines.first().map_or(0, |line| line.mean.len());
    let sum = |place: usize| {
        let known = lines.iter().filter_map(|line| line.mean.get(place).copied().flatten());
        known.fold(None, |sum: Option<f64>, value| Some(sum.unwrap_or(0.0) + value)).map(rounded)
    };
    let mean: Column = (0..places).map(sum).collect();
    let begins = (0..places).filter(|place| mean[*place].is_some() && place.checked_sub(1).is_none_or(|before| mean[before].is_none()));
    let begins = begins.map(|place| place as u32).collect();
    LineView { name: format!("{} others together", lines.len()), mean, begins, ..LineView::default() }
}
