//! How proxies reach a service.

use super::super::document::Node;
use super::super::reader::{Reader, Section};
use super::super::{Descriptor, Route, Stop, check};
use super::{checked, need};

pub(super) fn read(r: &mut Reader, top: &Section<'_>, d: &mut Descriptor) {
    if let Some((node, path)) = top.get("routes") {
        d.routes = r.list(node, &path, 32, route);
    }
    // Written out, so that a revision stays complete when the default changes.
    if d.stop.drain.is_none() && !d.routes.is_empty() {
        d.stop.drain = Some(Stop::ROUTED);
    }
}

fn route(r: &mut Reader, node: &Node, path: &str) -> Option<Route> {
    let s = r.section(node, path, &["host", "path", "port", "tls"])?;
    let (host, port) = (need(r, &s, "host", check::host_name), need(r, &s, "port", check::label));
    let at = s.get("path").map_or(Some("/".into()), |(node, path)| checked(r, node, &path, check::route_path));
    let tls = s.get("tls").map_or(Some(false), |(node, path)| r.truth(node, &path));
    Some(Route { host: host?, path: at?, port: port?, tls: tls? })
}
