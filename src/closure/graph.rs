//! The graph of store paths as Nix exports it (`exportReferencesGraph` in `.attrs.json`).

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;

/// A store path as Nix describes it: one element of an exported graph.
#[derive(Debug, Clone, Deserialize)]
pub struct PathInfo {
    /// The path, absolute.
    pub path: String,
    /// The digest of its NAR, as Nix writes it; not in graphs that are written by hand.
    #[serde(rename = "narHash")]
    pub nar_hash: Option<String>,
    /// The size of its NAR, in bytes.
    #[serde(rename = "narSize")]
    pub nar_size: u64,
    /// The paths that it refers to; itself perhaps among them.
    pub references: Vec<String>,
}

/// Index of a store path in a [`Graph`].
pub type Node = usize;

/// Store paths and their references: complete (every reference is a node), acyclic, without
/// self-references, in the order of the paths' names.
#[derive(Debug, Clone)]
pub struct Graph {
    paths: Vec<PathInfo>,
    references: Vec<Vec<Node>>,
    index: HashMap<String, Node>,
}

/// The elements of `infos` that `paths` reach, and those that what is in `through` refers to reaches: a path in
/// `through` is among them if one of these refers to it. Paths may lie below store paths.
pub fn reached(infos: &[PathInfo], paths: &[&Path], through: &[&Path]) -> Vec<PathInfo> {
    let known: HashMap<&str, &PathInfo> = infos.iter().map(|info| (&info.path[..], info)).collect();
    let store_path = |path: &&Path| path.ancestors().find_map(|path| known.get(path.to_str()?).copied());
    let mut to_do: Vec<&PathInfo> = paths.iter().filter_map(store_path).collect();
    let of =
        |info: &PathInfo| info.references.iter().filter_map(|path| known.get(&path[..]).copied()).collect();
    for info in through.iter().filter_map(store_path) {
        to_do.append(&mut of(info));
    }
    let mut seen = HashSet::new();
    let mut reached = Vec::new();
    while let Some(info) = to_do.pop() {
        if seen.insert(&info.path[..]) {
            to_do.append(&mut of(info));
            reached.push(info.clone());
        }
    }
    reached
}

/// Why an exported graph is not a closure.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// A reference leads out of the graph.
    #[error("{path} refers to {reference}, which is not in the closure")]
    Open {
        /// The path that refers.
        path: String,
        /// The path that is missing.
        reference: String,
    },
    /// Two paths need each other.
    #[error("the references of {path} lead back to it; Nix makes no such store path")]
    Cycle {
        /// A path on the cycle.
        path: String,
    },
}

impl Graph {
    /// The graph of `infos`, less the paths in `without` and all references to them.
    pub fn new(infos: Vec<PathInfo>, without: &[&Path]) -> Result<Graph, GraphError> {
        let without: HashSet<&Path> = without.iter().copied().collect();
        let excluded = |path: &str| without.contains(Path::new(path));
        let mut paths: Vec<PathInfo> = infos.into_iter().filter(|info| !excluded(&info.path)).collect();
        paths.sort_by(|a, b| a.path.cmp(&b.path));
        paths.dedup_by(|a, b| a.path == b.path);
        let index: HashMap<String, Node> =
            paths.iter().enumerate().map(|(node, info)| (info.path.clone(), node)).collect();
        let mut references = Vec::with_capacity(paths.len());
        for info in &paths {
            let mut nodes = Vec::with_capacity(info.references.len());
            for reference in info.references.iter().filter(|r| **r != info.path && !excluded(r)) {
                nodes.push(*index.get(reference).ok_or_else(|| GraphError::Open {
                    path: info.path.clone(),
                    reference: reference.clone(),
                })?);
            }
            nodes.sort_unstable();
            nodes.dedup();
            references.push(nodes);
        }
        let graph = Graph { paths, references, index };
        match graph.references_first() {
            Ok(_) => Ok(graph),
            Err(node) => Err(GraphError::Cycle { path: graph.paths[node].path.clone() }),
        }
    }

    /// How many store paths there are.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The store path of `node`.
    pub fn path(&self, node: Node) -> &str {
        &self.paths[node].path
    }

    /// The NAR size of `node`, in bytes.
    pub fn nar_size(&self, node: Node) -> u64 {
        self.paths[node].nar_size
    }

    /// What `node` refers to, itself excepted, ascending.
    pub fn references(&self, node: Node) -> &[Node] {
        &self.references[node]
    }

    /// The node of a store path.
    pub fn node(&self, path: &str) -> Option<Node> {
        self.index.get(path).copied()
    }

    /// For every node the nodes that refer to it, ascending.
    pub fn referrers(&self) -> Vec<Vec<Node>> {
        let mut referrers = vec![Vec::new(); self.len()];
        for (node, references) in self.references.iter().enumerate() {
            for &reference in references {
                referrers[reference].push(node);
            }
        }
        referrers
    }

    /// All nodes, each after everything that it refers to; or a node on a cycle.
    fn references_first(&self) -> Result<Vec<Node>, Node> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut mark = vec![Mark::New; self.len()];
        let mut order = Vec::with_capacity(self.len());
        for start in 0..self.len() {
            if mark[start] == Mark::Done {
                continue;
            }
            let mut stack = vec![(start, 0)];
            mark[start] = Mark::Open;
            while let Some((node, next)) = stack.last_mut() {
                match self.references[*node].get(*next) {
                    Some(&reference) => {
                        *next += 1;
                        match mark[reference] {
                            Mark::New => {
                                mark[reference] = Mark::Open;
                                stack.push((reference, 0));
                            }
                            Mark::Open => return Err(reference),
                            Mark::Done => {}
                        }
                    }
                    None => {
                        mark[*node] = Mark::Done;
                        order.push(*node);
                        stack.pop();
                    }
                }
            }
        }
        Ok(order)
    }

    /// All nodes, each after everything that it refers to.
    pub fn topological(&self) -> Vec<Node> {
        self.references_first().unwrap_or_default()
    }
}
