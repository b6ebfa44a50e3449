//! Part of a closure's graph, as a pipeline passes it on: igraph's directed graph, as much of it as
//! `flatten-references-graph` needs.
//!
//! Vertices keep their order (it becomes the order in the layer), and edges are a subgraph's own: what
//! led to a vertex outside is gone, also after graphs are joined again.

use super::reach;
use crate::closure::graph::{Graph, Node};

/// An ordered set of nodes and the references among them; a vertex is an index into either.
#[derive(Debug, Clone, Default)]
pub(super) struct Subgraph {
    nodes: Vec<Node>,
    references: Vec<Vec<usize>>,
}

impl Subgraph {
    /// All of `graph`, smaller paths first, equally large ones in the order of their names.
    pub(super) fn whole(graph: &Graph) -> Subgraph {
        let mut nodes: Vec<Node> = (0..graph.len()).collect();
        nodes.sort_by_key(|&node| graph.nar_size(node));
        let mut vertex = vec![0; graph.len()];
        nodes.iter().enumerate().for_each(|(v, &node)| vertex[node] = v);
        let references =
            nodes.iter().map(|&node| graph.references(node).iter().map(|&r| vertex[r]).collect()).collect();
        Subgraph { nodes, references }
    }

    /// How many vertices there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes, in the order of the vertices.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What a vertex refers to.
    pub(super) fn references(&self, vertex: usize) -> &[usize] {
        &self.references[vertex]
    }

    /// The vertices of those `nodes` that are in here, ascending.
    pub(super) fn find(&self, nodes: &[Node]) -> Vec<usize> {
        let mut nodes = nodes.to_vec();
        nodes.sort_unstable();
        (0..self.len()).filter(|&vertex| nodes.binary_search(&self.nodes[vertex]).is_ok()).collect()
    }

    /// The vertices that nothing refers to, ascending.
    pub(super) fn roots(&self) -> Vec<usize> {
        let mut root = vec![true; self.len()];
        self.references.iter().flatten().for_each(|&reference| root[reference] = false);
        (0..self.len()).filter(|&vertex| root[vertex]).collect()
    }

    /// Which vertices `start` reaches, itself included.
    pub(super) fn reached_from(&self, start: &[usize]) -> Vec<bool> {
        reach(self.len(), start, |vertex| &self.references[vertex])
    }

    /// Which vertices reach `target`, itself included.
    pub(super) fn reaching(&self, target: &[usize]) -> Vec<bool> {
        let mut referrers = vec![Vec::new(); self.len()];
        for (vertex, references) in self.references.iter().enumerate() {
            references.iter().for_each(|&reference| referrers[reference].push(vertex));
        }
        reach(self.len(), target, |vertex| &referrers[vertex])
    }

    /// Forgets the references to `targets`.
    pub(super) fn cut(&mut self, targets: &[usize]) {
        let mut cut = vec![false; self.len()];
        targets.iter().for_each(|&target| cut[target] = true);
        self.references.iter_mut().for_each(|references| references.retain(|&reference| !cut[reference]));
    }

    /// Divides the vertices: vertex `v` goes into the subgraph number `part[v]` of `parts`. Each keeps
    /// the order and the references inside.
    pub(super) fn divide(self, part: &[usize], parts: usize) -> Vec<Subgraph> {
        let mut divided = vec![Subgraph::default(); parts];
        let position: Vec<usize> = (0..self.len())
            .map(|vertex| {
                let nodes = &mut divided[part[vertex]].nodes;
                nodes.push(self.nodes[vertex]);
                nodes.len() - 1
            })
            .collect();
        for (vertex, mut references) in self.references.into_iter().enumerate() {
            references.retain(|&reference| part[reference] == part[vertex]);
            references.iter_mut().for_each(|reference| *reference = position[*reference]);
            divided[part[vertex]].references.push(references);
        }
        divided
    }

    /// All vertices of `graphs`, one graph after the other; no reference leads from one to another.
    pub(super) fn join(graphs: impl IntoIterator<Item = Subgraph>) -> Subgraph {
        let mut joined = Subgraph::default();
        for graph in graphs {
            let offset = joined.len();
            joined.nodes.extend(graph.nodes);
            joined.references.extend(graph.references.into_iter().map(|mut references| {
                references.iter_mut().for_each(|reference| *reference += offset);
                references
            }));
        }
        joined
    }
}
