//! Lineage as pictures: the stack of one image, and the tree of what a project's images are built on. Drawn on the server as SVG whose
//! widths are shares of the page's, so that they fit any screen without a script; their words are HTML within, which can be read, followed
//! by keyboard and cut where there is no room.

use leptos::prelude::*;
use model::views::lineage::{BaseView, Block, NodeImage, NodeView, Owner, StackView};

use super::{count, size};
use crate::api::images::{Gone, TagSearch, UNTAGGED};
use crate::urls;

/// Height of a block of a stack, in pixels.
const BLOCK: usize = 68;
/// Height of a node of a tree.
const NODE: usize = 80;
/// How far a node stands in from what it is built on.
const INDENT: usize = 26;
/// Deeper nodes stand no further in.
const DEEPEST: usize = 6;

/// A part of a whole in percent, as an SVG length.
fn percent(part: i64, whole: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a picture")]
    let share = if whole > 0 { part.max(0) as f64 * 100.0 / whole as f64 } else { 0.0 };
    format!("{:.2}%", share.min(100.0))
}

/// The stack of an image: the application on top, what everything stands on at the bottom.
#[component]
pub(super) fn Stack(
    /// The stack.
    stack: StackView,
    /// What the image is called.
    name: String,
    /// What of its bases is gone.
    gone: StoredValue<Gone>,
) -> impl IntoView {
    let height = stack.blocks.len() * BLOCK;
    let (total, blocks) = (stack.size, stack.blocks.len());
    let mut below = 0;
    let drawn = stack
        .blocks
        .into_iter()
        .enumerate()
        .map(|(at, block)| {
            let (top, left) = ((blocks - 1 - at) * BLOCK, below);
            below = i64::saturating_add(below, block.size);
            let (by, level) = (owner(&block), block.level.name());
            let bar = view! {
                <rect class="picture-bar" x=percent(left, total) y=(top + BLOCK - 8).to_string() width=percent(block.size, total) height="8"></rect>
            };
            let line = (at + 1 < blocks).then(|| view! { <line class="picture-line" x1="0" x2="100%" y1=top.to_string() y2=top.to_string()></line> });
            view! {
                <g data-owner=by data-level=level>
                    <rect class="picture-block" x="0" y=top.to_string() width="100%" height=BLOCK.to_string()></rect>
                    {bar}{line}
                    <foreignObject x="0" y=top.to_string() width="100%" height=(BLOCK - 8).to_string()>
                        <div class="picture-words"><BlockWords block name=name.clone() gone/></div>
                    </foreignObject>
                </g>
            }
        })
        .collect::<Vec<_>>();
    // Read from the top: the picture's order.
    let drawn = drawn.into_iter().rev().collect_view();
    view! {
        <svg class="picture picture-stack" role="group" aria-label="What the image stands on, from the image down to its base" width="100%" height=height.to_string()>
            {drawn}
        </svg>
    }
    .into_any()
}

fn owner(block: &Block) -> &'static str {
    match &block.owner {
        Owner::Itself => "self",
        Owner::AnotherProject => "hidden",
        Owner::Image(base) if base.moved.is_empty() => "image",
        Owner::Image(_) => "outdated",
    }
}

#[component]
fn BlockWords(block: Block, name: String, gone: StoredValue<Gone>) -> impl IntoView {
    let layers = count(i64::try_from(block.layers.len()).unwrap_or(0), "layer", "layers");
    let said = format!("{} \u{b7} {layers}", block.level.name());
    let (first, moved) = match block.owner {
        Owner::Itself => (view! { <strong>{name}</strong> }.into_any(), None),
        Owner::AnotherProject => (view! { <span class="muted">"Another project\u{2019}s image"</span> }.into_any(), None),
        Owner::Image(base) => (view! { <strong><BaseLink base=base.clone() gone/></strong> }.into_any(), gone.with_value(|gone| moved(&base, gone))),
    };
    view! {
        <p class="picture-row"><span class="picture-name">{first}</span><span class="number">{size(block.size)}</span></p>
        <p class="picture-row small">
            <span class="picture-name muted">{moved.map(|text| view! { <span class="picture-moved">{text}</span>" \u{b7} " })}{said}</span>
        </p>
    }
    .into_any()
}

/// A base by its name, and where it can be looked at: by the digest that it had.
#[component]
pub(super) fn BaseLink(base: BaseView, gone: StoredValue<Gone>) -> impl IntoView {
    let name = format!("{}/{}:{}", base.project, base.repository, base.tag);
    // What no tag names any more is there until it is deleted; then its repository may be.
    let href = if gone.with_value(|gone| gone.image(&base.project, &base.repository, &base.digest)) {
        urls::repository(&base.project, &base.repository)
    } else {
        urls::image(&base.project, &base.repository, base.digest)
    };
    view! { <a href=href title=name.clone()>{name.clone()}</a> }.into_any()
}

/// What has moved on of a base, or is gone, in words.
pub(super) fn moved(base: &BaseView, gone: &Gone) -> Option<String> {
    match base.moved.as_slice() {
        [] => gone.tag(&base.project, &base.repository, &base.tag).then(|| format!("{} is gone", base.tag)),
        [one] => Some(format!("{} has moved on", one.tag)),
        [first, rest @ ..] => Some(format!("{} and {} have moved on", first.tag, count(i64::try_from(rest.len()).unwrap_or(0), "tag", "more tags"))),
    }
}

/// The tree of bases and what is built on them.
#[component]
pub(super) fn Tree(
    /// The nodes, each before what is built on it.
    nodes: Vec<NodeView>,
    /// What of them is gone.
    gone: StoredValue<Gone>,
) -> impl IntoView {
    let height = nodes.len() * NODE;
    let largest = nodes.iter().map(|node| node.size).max().unwrap_or(0);
    let lines = lines(&nodes);
    let carried = carried(&nodes);
    let drawn = nodes
        .into_iter()
        .enumerate()
        .map(|(at, node)| {
            let (top, left) = (at * NODE, indent(node.depth));
            let state = match &node.image {
                None => "hidden",
                Some(_) if !node.outdated.is_empty() => "outdated",
                Some(image) if image.own => "own",
                Some(_) => "image",
            };
            view! {
                <g data-owner=state>
                    <foreignObject x=left.to_string() y=top.to_string() width="100%" height=(NODE - 8).to_string()>
                        <div class="tree-node" style=format!("margin-right: {left}px")><NodeWords node=node.clone() carries=carried[at] gone/></div>
                    </foreignObject>
                    <svg x=(left + 13).to_string() y=(top + NODE - 17).to_string() width="56%" height="4">
                        <rect class="picture-bar picture-bar-below" width=percent(node.inherited, largest) height="4"></rect>
                        <rect class="picture-bar" x=percent(node.inherited, largest) width=percent(node.size - node.inherited, largest) height="4"></rect>
                    </svg>
                </g>
            }
        })
        .collect_view();
    view! {
        <svg class="picture picture-tree" role="group" aria-label="Bases and what is built on them" width="100%" height=height.to_string()>
            <path class="picture-branch" d=lines></path>
            {drawn}
        </svg>
    }
    .into_any()
}

fn indent(depth: usize) -> usize {
    depth.min(DEEPEST) * INDENT
}

/// From each node to what it is built on: down along the left of that one, then to the right.
fn lines(nodes: &[NodeView]) -> String {
    let mut path = String::new();
    let mut open: Vec<usize> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        open.truncate(node.depth);
        if let Some(parent) = open.last().filter(|_| node.depth > 0 && node.depth <= DEEPEST) {
            let (x, to) = (indent(nodes[*parent].depth) + 12, indent(node.depth));
            let (from, middle) = (parent * NODE + NODE - 8, at * NODE + NODE / 2 - 4);
            path.push_str(&format!("M{x} {from}V{middle}H{to}"));
        }
        open.push(at);
    }
    path
}

/// How many nodes stand on each.
fn carried(nodes: &[NodeView]) -> Vec<i64> {
    let above = |(at, node): (usize, &NodeView)| nodes[at + 1..].iter().take_while(|other| other.depth > node.depth).count();
    nodes.iter().enumerate().map(above).map(|count| i64::try_from(count).unwrap_or(i64::MAX)).collect()
}

fn is_gone(image: &NodeImage, gone: StoredValue<Gone>) -> bool {
    gone.with_value(|gone| gone.tag(&image.project, &image.repository, &image.tag))
}

/// Where a node leads: to what its tag names, or, where that is gone, to what its repository has without a tag.
fn node_address(image: &NodeImage, gone: StoredValue<Gone>) -> String {
    if is_gone(image, gone) {
        let search = TagSearch { kind: UNTAGGED.to_owned(), ..TagSearch::default() };
        return super::tags::address(image.project.as_str(), image.repository.as_str(), &search, "");
    }
    urls::image(&image.project, &image.repository, &image.tag)
}

#[component]
fn NodeWords(node: NodeView, carries: i64, gone: StoredValue<Gone>) -> impl IntoView {
    let name = match &node.image {
        None => view! { <span class="muted">"Another project\u{2019}s image"</span> }.into_any(),
        Some(image) => {
            let text = if image.own {
                format!("{}:{}", image.repository, image.tag)
            } else {
                format!("{}/{}:{}", image.project, image.repository, image.tag)
            };
            view! { <a href=node_address(image, gone) title=text.clone()>{text.clone()}</a> }.into_any()
        }
    };
    let mut said = Vec::new();
    let lost = node.image.as_ref().filter(|image| is_gone(image, gone)).map(|image| format!("{} is gone", image.tag));
    if node.inherited > 0 {
        said.push(format!("{} of its own", size(node.size - node.inherited)));
    }
    if carries > 0 {
        said.push(format!("{} on it", count(carries, "image stands", "images stand")));
    }
    if node.services > 0 {
        said.push(format!("runs in {}", count(node.services, "service", "services")));
    }
    if said.is_empty() {
        said.push(String::from("stands alone"));
    }
    let said = said.join(" \u{b7} ");
    let moved = node.outdated.first().and_then(|base| Some(format!("{}:{}", base.repository, gone.with_value(|gone| moved(base, gone))?)));
    let moved = lost.or(moved);
    view! {
        <p class="picture-row"><strong class="picture-name">{name}</strong><span class="number small">{(node.size > 0).then(|| size(node.size))}</span></p>
        <p class="picture-row small">
            <span class="picture-said muted">
                {moved.map(|text| view! { <span class="picture-moved">{text}</span>{(!said.is_empty()).then_some(" \u{b7} ")} })}{said.clone()}
            </span>
        </p>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(depth: usize) -> NodeView {
        NodeView { depth, image: None, size: 0, inherited: 0, outdated: Vec::new(), services: 0 }
    }

    #[test]
    fn every_node_is_joined_to_what_it_is_built_on() {
        let nodes = [node(0), node(1), node(2), node(1), node(0)];
        let path = lines(&nodes);
        assert_eq!(path.matches('M').count(), 3);
        assert_eq!(carried(&nodes), [3, 1, 0, 0, 0]);
        assert!(path.starts_with("M12 72V116H26"), "{path}");
        assert!(path.ends_with("M12 72V276H26"), "{path}");
    }

    #[test]
    fn shares_are_percents() {
        assert_eq!(percent(1, 4), "25.00%");
        assert_eq!(percent(5, 0), "0.00%");
    }
}
