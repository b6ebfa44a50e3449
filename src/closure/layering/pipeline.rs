//! A pipeline of operations: what nixpkgs' `flatten-references-graph` does with `layeringPipeline`.
//!
//! Operations pass on a graph, a list or a set (nested at will); what is left in the end is flattened,
//! and every graph that is not empty is a layer. No operation copies a vertex, so no path can be in two
//! layers. Where Python would go on with nonsense (the keys of a dict taken for graphs) or raise from
//! within igraph, an operation that does not fit is refused here, with its place in the pipeline.
//!
//! The recursion is as deep as the pipeline is nested, which the parser of [`Operation`] bounds; lists
//! and sets are nested no deeper, as it takes a `map` or an `over` to get inside of one.

use super::popularity;
use super::subgraph::Subgraph;
use crate::closure::graph::{Graph, Node};
use crate::spec::{ArgumentError, Operation, SplitPath, Step};

/// What operations work on.
#[derive(Debug)]
enum Data {
    Graph(Subgraph),
    List(Vec<Data>),
    /// In the order of insertion, as a Python dict.
    Set(Vec<(String, Data)>),
}

impl Data {
    /// All graphs, whatever the nesting.
    fn graphs(self) -> Vec<Subgraph> {
        match self {
            Data::Graph(graph) => vec![graph],
            Data::List(list) => list.into_iter().flat_map(Data::graphs).collect(),
            Data::Set(set) => set.into_iter().flat_map(|(_, data)| data.graphs()).collect(),
        }
    }

    fn list(graphs: Vec<Subgraph>) -> Data {
        Data::List(graphs.into_iter().map(Data::Graph).collect())
    }

    fn set<'a>(graphs: impl IntoIterator<Item = (&'a str, Subgraph)>) -> Data {
        Data::Set(graphs.into_iter().map(|(key, graph)| (key.to_owned(), Data::Graph(graph))).collect())
    }

    fn describe(&self) -> String {
        match self {
            Data::Graph(graph) => format!("a graph (of {} store paths)", graph.len()),
            Data::List(list) => format!("a list (of {})", list.len()),
            Data::Set(set) => {
                let keys: Vec<&str> = set.iter().map(|(key, _)| key.as_str()).collect();
                format!("a set (of {})", keys.join(", "))
            }
        }
    }
}

/// One layer per graph that `operations` leave of `graph`, perhaps an empty one.
pub(super) fn plan(graph: &Graph, operations: &[Operation]) -> Result<Vec<Vec<Node>>, ArgumentError> {
    let mut run = Run { graph, place: vec![Step::Key("layering".to_owned())] };
    let data = run.pipe(operations, Data::Graph(Subgraph::whole(graph)))?;
    Ok(data.graphs().iter().map(|graph| graph.nodes().to_vec()).collect())
}

/// A run through a pipeline: where it is, for errors, and the nodes behind the paths that it names.
struct Run<'a> {
    graph: &'a Graph,
    place: Vec<Step>,
}

impl Run<'_> {
    fn pipe(&mut self, operations: &[Operation], mut data: Data) -> Result<Data, ArgumentError> {
        for (index, operation) in operations.iter().enumerate() {
            data = self.inside(index, |run| run.apply(operation, data))?;
        }
        Ok(data)
    }

    /// Does something with the element `index` of the list that is the current place.
    fn inside<T>(&mut self, index: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        self.place.push(Step::Index(index));
        let result = work(self);
        self.place.pop();
        result
    }

    fn apply(&mut self, operation: &Operation, data: Data) -> Result<Data, ArgumentError> {
        match (operation, data) {
            (Operation::Pipe(operations), data) => self.inside(1, |run| run.pipe(operations, data)),
            (Operation::Over(key, operation), Data::Set(set)) => self.over(key, operation, set),
            (Operation::Map(operation), Data::List(list)) => {
                let each = |run: &mut Self| -> Result<Vec<Data>, ArgumentError> {
                    list.into_iter().map(|data| run.apply(operation, data)).collect()
                };
                self.inside(1, each).map(Data::List)
            }
            (Operation::Flatten, data @ (Data::List(_) | Data::Set(_))) => Ok(Data::list(data.graphs())),
            (Operation::Reverse, Data::List(mut list)) => {
                list.reverse();
                Ok(Data::List(list))
            }
            (Operation::Reorder(keys), Data::Set(set)) => Ok(reorder(keys, set)),
            (Operation::LimitLayers(most), Data::List(list)) => self.limit_layers(*most, list),
            (Operation::SubcomponentOut(paths), Data::Graph(graph)) => {
                let main = graph.reached_from(&self.find(&graph, paths));
                Ok(subcomponent(graph, &main))
            }
            (Operation::SubcomponentIn(paths), Data::Graph(graph)) => {
                let main = graph.reaching(&self.find(&graph, paths));
                Ok(subcomponent(graph, &main))
            }
            (Operation::SplitPaths(paths), Data::Graph(graph)) => {
                let split = self.split_vertices(&graph, paths);
                Ok(split_paths(&split, graph))
            }
            (Operation::SplitEvery(size), Data::Graph(graph)) => self.split_every(*size, graph),
            (Operation::RemovePaths(paths), Data::Graph(graph)) => {
                let mut part = vec![0; graph.len()];
                self.find(&graph, paths).into_iter().for_each(|vertex| part[vertex] = 1);
                Ok(Data::Graph(graph.divide(&part, 2).swap_remove(0)))
            }
            (Operation::PopularityContest, Data::Graph(graph)) => Ok(self.popularity_contest(graph)),
            (operation, data) => Err(self.misfit(operation, &data)),
        }
    }

    fn over(
        &mut self,
        key: &str,
        operation: &Operation,
        set: Vec<(String, Data)>,
    ) -> Result<Data, ArgumentError> {
        let entry = |run: &mut Self, (name, data): (String, Data)| match name == key {
            true => Ok((name, run.apply(operation, data)?)),
            false => Ok((name, data)),
        };
        let entries = |run: &mut Self| -> Result<Vec<(String, Data)>, ArgumentError> {
            set.into_iter().map(|data| entry(run, data)).collect()
        };
        self.inside(2, entries).map(Data::Set)
    }

    fn limit_layers(&self, most: usize, mut list: Vec<Data>) -> Result<Data, ArgumentError> {
        let Some(alone) = most.checked_sub(1) else {
            return Err(self.error("\"limit_layers\" takes a number of layers, 1 at least; found 0"));
        };
        let mut together = Vec::new();
        for data in list.drain(alone.min(list.len())..) {
            match data {
                Data::Graph(graph) => together.push(graph),
                other => {
                    return Err(self.error(&format!(
                        "\"limit_layers\" merges graphs; found {} in the list; put [ \"flatten\" ] before it",
                        other.describe()
                    )));
                }
            }
        }
        list.push(Data::Graph(Subgraph::join(together)));
        Ok(Data::List(list))
    }

    fn split_every(&self, size: usize, graph: Subgraph) -> Result<Data, ArgumentError> {
        if size == 0 {
            return Err(self.error("\"split_every\" takes a number of store paths, 1 at least; found 0"));
        }
        let part: Vec<usize> = (0..graph.len()).map(|vertex| vertex / size).collect();
        let parts = graph.len().div_ceil(size);
        Ok(Data::list(graph.divide(&part, parts)))
    }

    fn popularity_contest(&self, graph: Subgraph) -> Data {
        let path = |vertex: usize| self.graph.path(graph.nodes()[vertex]);
        let ranking = popularity::contest(graph.len(), |vertex| graph.references(vertex), path);
        let mut rank = vec![0; ranking.len()];
        ranking.iter().enumerate().for_each(|(r, &vertex)| rank[vertex] = r);
        Data::list(graph.divide(&rank, ranking.len()))
    }

    /// The vertices that `split_paths` names; paths that are not in `graph` are ignored.
    fn split_vertices(&self, graph: &Subgraph, paths: &[SplitPath]) -> Vec<usize> {
        let (mut named, mut parents) = (Vec::new(), Vec::new());
        for path in paths {
            match path {
                SplitPath::Path(path) => named.extend(self.graph.node(path)),
                SplitPath::ChildrenOf(path) => parents.extend(self.graph.node(path)),
            }
        }
        let mut vertices = graph.find(&named);
        vertices.extend(graph.find(&parents).into_iter().flat_map(|parent| graph.references(parent)));
        vertices
    }

    /// The vertices of `paths`; those that are not in `graph` are ignored, as upstream does.
    fn find(&self, graph: &Subgraph, paths: &[String]) -> Vec<usize> {
        let nodes: Vec<Node> = paths.iter().filter_map(|path| self.graph.node(path)).collect();
        graph.find(&nodes)
    }

    fn misfit(&self, operation: &Operation, found: &Data) -> ArgumentError {
        let (name, takes) = signature(operation);
        let hint = match (takes, found) {
            ("a graph", Data::List(_)) => format!("for each of the list: [ \"map\" [ \"{name}\" ... ] ]"),
            ("a graph", _) => format!("for one of the set: [ \"over\" key [ \"{name}\" ... ] ]"),
            ("a list", Data::Set(_)) => "put [ \"flatten\" ] before it".to_owned(),
            ("a set", _) => {
                "sets come from \"split_paths\", \"subcomponent_out\" and \"subcomponent_in\"".to_owned()
            }
            _ => "lists come from \"split_every\" and \"popularity_contest\"".to_owned(),
        };
        self.error(&format!("\"{name}\" takes {takes}; found {}; {hint}", found.describe()))
    }

    fn error(&self, message: &str) -> ArgumentError {
        ArgumentError { path: self.place.clone(), message: message.to_owned() }
    }
}

/// An operation's name, and what it takes.
fn signature(operation: &Operation) -> (&'static str, &'static str) {
    match operation {
        Operation::Pipe(_) => ("pipe", "anything"),
        Operation::Over(..) => ("over", "a set"),
        Operation::Map(_) => ("map", "a list"),
        Operation::Flatten => ("flatten", "a list or a set"),
        Operation::Reverse => ("reverse", "a list"),
        Operation::Reorder(_) => ("reorder", "a set"),
        Operation::SubcomponentOut(_) => ("subcomponent_out", "a graph"),
        Operation::SubcomponentIn(_) => ("subcomponent_in", "a graph"),
        Operation::SplitPaths(_) => ("split_paths", "a graph"),
        Operation::SplitEvery(_) => ("split_every", "a graph"),
        Operation::RemovePaths(_) => ("remove_paths", "a graph"),
        Operation::PopularityContest => ("popularity_contest", "a graph"),
        Operation::LimitLayers(_) => ("limit_layers", "a list"),
    }
}

/// The entries that `keys` names, in that order, then the others: none is lost.
fn reorder(keys: &[String], set: Vec<(String, Data)>) -> Data {
    let rank = |key: &str| keys.iter().position(|k| k == key).unwrap_or(keys.len());
    let mut set = set;
    set.sort_by_key(|(key, _)| rank(key)); // stable: the others stay as they were
    Data::Set(set)
}

/// `main` and `rest`; either may be empty.
fn subcomponent(graph: Subgraph, main: &[bool]) -> Data {
    let part: Vec<usize> = main.iter().map(|&main| usize::from(!main)).collect();
    Data::set(["main", "rest"].into_iter().zip(graph.divide(&part, 2)))
}

/// nixpkgs' `split_paths.py`. The references to the vertices in `split` stay deleted in the result, so
/// that of two of them, one of which needs the other, neither is below the other in `main`.
fn split_paths(split: &[usize], mut graph: Subgraph) -> Data {
    if split.is_empty() {
        return Data::set([("rest", graph)]);
    }
    let roots = graph.roots();
    if let [root] = roots[..]
        && split.contains(&root)
    {
        return Data::set([("main", graph)]);
    }
    let split_off = graph.reached_from(split);
    graph.cut(split);
    // Upstream ties several roots together with another one above them, whose references to split
    // vertices are deleted as well.
    let start: Vec<usize> = roots.into_iter().filter(|root| !split.contains(root)).collect();
    let otherwise = graph.reached_from(&start);
    let part: Vec<usize> = (0..graph.len())
        .map(|vertex| match (split_off[vertex], otherwise[vertex]) {
            (true, false) => 0,
            (true, true) => 1,
            (false, _) => 2,
        })
        .collect();
    let parts = ["main", "common", "rest"].into_iter().zip(graph.divide(&part, 3));
    Data::set(parts.filter(|(_, graph)| graph.len() > 0))
}
