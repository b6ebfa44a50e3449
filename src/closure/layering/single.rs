//! `layering = "single"`: all store paths in one layer, in the order that `size` gives a layer.

use crate::closure::graph::{Graph, Node};

/// One layer of all paths, by name, then by hash.
pub(super) fn plan(graph: &Graph) -> Vec<Vec<Node>> {
    let mut layer: Vec<Node> = (0..graph.len()).collect();
    layer.sort_by_key(|&node| super::by_name(graph, node));
    vec![layer]
}
