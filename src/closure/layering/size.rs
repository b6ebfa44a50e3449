//! `layering = "size"`: nixpkgs' default since PR 355189, `pkgs/build-support/docker/auto-layer.py`.
//!
//! The largest path not yet taken becomes a *primary*, until the layers are used up; paths that the
//! same set of primaries needs share a layer. Contents are those of nixpkgs, path for path. The order
//! of two layers whose closures are equally large is left there to Python's set iteration; here the
//! name of the first path decides.

use std::collections::{BTreeMap, HashSet};

use super::{by_name, reach, total_size};
use crate::closure::graph::{Graph, Node};

/// A set of primaries: bit *i* stands for the *i*-th one chosen. It identifies a layer.
type Primaries = u128;

/// No image has more layers, and 127 primaries with the one that proves too many fill [`Primaries`].
const MOST_LAYERS: usize = 127;

/// At most `available` layers (127 if it is more), those with the smallest closures first.
pub(super) fn plan(graph: &Graph, available: usize) -> Vec<Vec<Node>> {
    let split = split(graph, available.min(MOST_LAYERS));
    let mut layers: BTreeMap<Primaries, Vec<Node>> = BTreeMap::new();
    for (node, &primaries) in split.iter().enumerate() {
        layers.entry(primaries).or_default().push(node);
    }
    let mut layers: Vec<Vec<Node>> = layers.into_values().collect();
    for layer in &mut layers {
        layer.sort_by_key(|&node| by_name(graph, node));
    }
    layers.sort_by_cached_key(|layer| (closure_size(graph, layer), by_name(graph, layer[0])));
    layers
}

/// For every node the set of primaries that need it: the main loop of `auto_layer`.
fn split(graph: &Graph, available: usize) -> Vec<Primaries> {
    let referrers = graph.referrers();
    let mut by_size: Vec<Node> = (0..graph.len()).collect();
    by_size.sort_by_key(|&node| graph.nar_size(node));
    let mut chosen: Vec<Node> = Vec::new();
    let mut split: Vec<Primaries> = vec![0; graph.len()];
    while let Some(primary) = by_size.pop() {
        let dependencies = reach(graph.len(), &[primary], |node| graph.references(node));
        let users = reach(graph.len(), &[primary], |node| &referrers[node]);
        let among = |set: &[bool]| {
            chosen.iter().enumerate().filter(|&(_, &node)| set[node]).fold(0, |bits, (i, _)| bits | 1 << i)
        };
        let (chosen_dependencies, chosen_users): (Primaries, Primaries) =
            (among(&dependencies), among(&users));
        // A primary's own set stays {itself} for good, so there are never more primaries than layers:
        // `chosen.len() <= available <= MOST_LAYERS`, which is the last bit.
        let own: Primaries = 1 << chosen.len();
        let new = |node: Node| match (node == primary, dependencies[node]) {
            (true, _) => own,
            (false, false) => split[node],
            (false, true) => match split[node] & !chosen_users {
                needed if needed & chosen_dependencies == 0 => needed | own,
                needed => needed,
            },
        };
        let new: Vec<Primaries> = (0..graph.len()).map(new).collect();
        if new.iter().collect::<HashSet<_>>().len() > available {
            break;
        }
        split = new;
        chosen.push(primary);
    }
    split
}

/// The NAR sizes of everything that `layer` needs, itself included, in bytes.
fn closure_size(graph: &Graph, layer: &[Node]) -> u128 {
    let closure = reach(graph.len(), layer, |node| graph.references(node));
    total_size(graph, (0..graph.len()).filter(|&node| closure[node]))
}
