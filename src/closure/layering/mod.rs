//! Which store paths share a layer, and in which order the layers lie.
//!
//! A registry and a container engine keep and transfer whole layers, and an image has at most 127 of
//! them; so the paths that change together, or that many images have in common, belong together. There
//! is no best division for everybody, hence one file per strategy. All of them are functions of the
//! graph alone (names, sizes, references), never of a hash map's order: the same closure gives the
//! same layers on every machine.

mod pipeline;
mod popularity;
mod single;
mod size;
mod subgraph;

use std::path::Path;

use crate::closure::graph::{Graph, Node};
use crate::spec::{ArgumentError, Layering};

/// Why store paths cannot be divided as the user asked for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LayeringError {
    /// An operation of a pipeline cannot be applied to what the ones before it made.
    #[error(transparent)]
    Pipeline(#[from] ArgumentError),
    /// More layers than the image has room for; only a pipeline can give that.
    #[error(
        "layering: the pipeline gives {layers} layers, but there is room for {available}; end it with \
         [ \"flatten\" ] [ \"limit_layers\" {available} ], or raise maxLayers (at most 127)"
    )]
    TooManyLayers {
        /// How many the pipeline gives.
        layers: usize,
        /// How many the image has room for.
        available: usize,
    },
}

impl LayeringError {
    /// The same error of a pipeline that `file` is.
    pub fn in_file(self, file: &Path) -> LayeringError {
        match self {
            LayeringError::Pipeline(error) => LayeringError::Pipeline(error.in_file(file)),
            other => other,
        }
    }
}

/// The layers of `graph`, bottom first; each lists its store paths in the order of the tar.
///
/// `available` is how many layers there is room for, 1 at least; `min_layer_size` is in bytes of
/// `narSize`: smaller layers are merged with their neighbours, whatever the strategy. No layer is
/// empty, no path is in two layers, and none is left out unless a pipeline removes it.
///
/// # Errors
///
/// For a pipeline with an operation that does not fit, and for one that gives more than `available`
/// layers (counted after merging: what matters is the image).
pub fn plan(
    graph: &Graph,
    layering: &Layering,
    available: usize,
    min_layer_size: u64,
) -> Result<Vec<Vec<String>>, LayeringError> {
    let mut layers = match layering {
        Layering::Size => size::plan(graph, available),
        Layering::Popularity => popularity::plan(graph, available),
        Layering::Single => single::plan(graph),
        Layering::Pipeline(operations) => pipeline::plan(graph, operations)?,
    };
    layers.retain(|layer| !layer.is_empty());
    let layers = merge_small(graph, layers, min_layer_size);
    if layers.len() > available {
        return Err(LayeringError::TooManyLayers { layers: layers.len(), available });
    }
    let path = |node: Node| graph.path(node).to_owned();
    Ok(layers.into_iter().map(|layer| layer.into_iter().map(path).collect()).collect())
}

/// Consecutive layers are joined until they reach `least` bytes; a remainder that does not, joins the
/// layer before it.
fn merge_small(graph: &Graph, layers: Vec<Vec<Node>>, least: u64) -> Vec<Vec<Node>> {
    let mut merged: Vec<Vec<Node>> = Vec::with_capacity(layers.len());
    let mut open: Vec<Node> = Vec::new();
    for layer in layers {
        open.extend(layer);
        if total_size(graph, open.iter().copied()) >= u128::from(least) {
            merged.push(std::mem::take(&mut open));
        }
    }
    if !open.is_empty() {
        match merged.last_mut() {
            Some(last) => last.extend(open),
            None => merged.push(open),
        }
    }
    merged
}

/// The sum of the NAR sizes of `nodes`, in bytes.
fn total_size(graph: &Graph, nodes: impl Iterator<Item = Node>) -> u128 {
    nodes.map(|node| u128::from(graph.nar_size(node))).sum()
}

/// Sorts as `path_key` of nixpkgs' `auto-layer.py` does: by what follows the first `-`, then by what
/// precedes it. So the order of the paths in a layer survives a change of hashes.
fn by_name(graph: &Graph, node: Node) -> (&str, &str) {
    let path = graph.path(node);
    path.split_once('-').map_or(("", path), |(hash, name)| (name, hash))
}

/// Which of `count` vertices can be reached from `start` over `next`, `start` included.
fn reach<'a>(count: usize, start: &[usize], next: impl Fn(usize) -> &'a [usize]) -> Vec<bool> {
    let mut reached = vec![false; count];
    let mut todo = start.to_vec();
    while let Some(vertex) = todo.pop() {
        if !std::mem::replace(&mut reached[vertex], true) {
            todo.extend(next(vertex).iter().copied().filter(|&v| !reached[v]));
        }
    }
    reached
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
