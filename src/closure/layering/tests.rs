//! Plans worked out by hand, what holds for every plan, and what users see of a pipeline that does not
//! fit.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::closure::graph::PathInfo;
use crate::spec::{Operation, SplitPath};

fn info(path: &str, nar_size: u64, references: &[&str]) -> PathInfo {
    PathInfo {
        path: path.to_owned(),
        nar_hash: None,
        nar_size,
        references: references.iter().map(|&r| r.to_owned()).collect(),
    }
}

pub(super) fn graph(infos: &[PathInfo]) -> Graph {
    Graph::new(infos.to_vec(), &[]).unwrap()
}

/// Sizes, and for each path which of the paths before it it refers to.
fn closures() -> impl Strategy<Value = Vec<PathInfo>> {
    let references = prop::collection::vec(any::<prop::sample::Index>(), 0..6);
    prop::collection::vec((0_u64..5000, references), 0..120).prop_map(|shape| {
        let mut infos: Vec<PathInfo> = Vec::new();
        for (number, (nar_size, references)) in shape.into_iter().enumerate() {
            let reference = |index: prop::sample::Index| infos[index.index(number)].path.clone();
            let references = match number {
                0 => Vec::new(),
                _ => references.into_iter().map(reference).collect(),
            };
            let path = format!("/nix/store/{:03}-n{}", 977 * number % 1000, number % 7);
            infos.push(PathInfo { path, nar_hash: None, nar_size, references });
        }
        infos
    })
}

proptest! {
    #[test]
    fn every_path_is_in_one_layer_and_the_layers_fit(
        infos in closures(),
        available in 1_usize..40,
        least in prop_oneof![Just(0), 0_u64..20_000],
    ) {
        let graph = graph(&infos);
        for layering in [Layering::Size, Layering::Popularity, Layering::Single] {
            let layers = plan(&graph, &layering, available, least).unwrap();
            prop_assert!(layers.len() <= available);
            prop_assert!(layers.iter().all(|layer| !layer.is_empty()));
            let paths: Vec<&String> = layers.iter().flatten().collect();
            prop_assert_eq!(paths.len(), graph.len());
            prop_assert_eq!(paths.iter().collect::<HashSet<_>>().len(), graph.len());
            let size = |layer: &Vec<String>| -> u64 {
                layer.iter().map(|path| graph.nar_size(graph.node(path).unwrap())).sum()
            };
            prop_assert!(layers.len() <= 1 || layers.iter().all(|layer| size(layer) >= least));
        }
    }
}

/// Two applications, each with a library of its own, and what both need; the libc is the largest.
fn two_applications() -> Graph {
    graph(&[
        info("/nix/store/1-libc", 400, &[]),
        info("/nix/store/2-openssl", 90, &["/nix/store/1-libc"]),
        info(
            "/nix/store/3-python",
            300,
            &["/nix/store/1-libc", "/nix/store/2-openssl", "/nix/store/3-python"],
        ),
        info("/nix/store/4-yaml", 20, &["/nix/store/3-python"]),
        info("/nix/store/5-site", 10, &["/nix/store/4-yaml"]),
        info("/nix/store/6-curl", 30, &["/nix/store/2-openssl"]),
        info("/nix/store/7-probe", 5, &["/nix/store/6-curl"]),
    ])
}

/// The plan for [`two_applications`], by name.
fn planned(layering: Layering, available: usize, least: u64) -> Result<Vec<Vec<String>>, String> {
    let name = |path: String| path["/nix/store/1-".len()..].to_owned();
    plan(&two_applications(), &layering, available, least)
        .map(|layers| layers.into_iter().map(|layer| layer.into_iter().map(name).collect()).collect())
        .map_err(|error| error.to_string())
}

fn pipeline<const N: usize>(operations: [Operation; N]) -> Layering {
    Layering::Pipeline(operations.into())
}

fn paths<const N: usize>(paths: [&str; N]) -> Vec<String> {
    paths.map(|path| format!("/nix/store/{path}")).into()
}

fn split<const N: usize>(names: [&str; N]) -> Operation {
    Operation::SplitPaths(paths(names).into_iter().map(SplitPath::Path).collect())
}

fn over(key: &str, operation: Operation) -> Operation {
    Operation::Over(key.to_owned(), Box::new(operation))
}

/// `"a b | c"`: a layer of a and b, below one of c.
#[track_caller]
fn assert_layers(found: Result<Vec<Vec<String>>, String>, expected: &str) {
    let found: Vec<String> = found.unwrap().iter().map(|layer| layer.join(" ")).collect();
    assert_eq!(found.join(" | "), expected);
}

#[test]
fn size_gives_layers_to_the_largest_paths_and_what_only_they_need() {
    assert_layers(planned(Layering::Size, 1, 0), "curl libc openssl probe python site yaml");
    // python is the second primary; openssl, which nothing before it claims, goes with it.
    assert_layers(planned(Layering::Size, 3, 0), "libc | openssl python | curl probe site yaml");
    // openssl is the third, so curl would be one too many.
    assert_layers(planned(Layering::Size, 4, 0), "libc | openssl | python | curl probe site yaml");
}

#[test]
fn size_breaks_ties_by_names() {
    let graph = graph(&[
        info("/nix/store/1-b", 5, &[]),
        info("/nix/store/2-a", 5, &[]),
        info("/nix/store/3-c", 5, &[]),
    ]);
    // Of equally large paths the last in the graph is taken first, as nixpkgs does by popping.
    let layers = plan(&graph, &Layering::Size, 2, 0).unwrap();
    assert_eq!(layers, [paths(["3-c"]), paths(["2-a", "1-b"])]);
    // Layers with equally large closures are in the order of their first paths' names.
    let layers = plan(&graph, &Layering::Size, 3, 0).unwrap();
    assert_eq!(layers, [paths(["2-a"]), paths(["1-b"]), paths(["3-c"])]);
}

#[test]
fn size_fills_as_many_layers_as_an_image_can_have() {
    let infos: Vec<PathInfo> = (0..300).map(|n| info(&format!("/nix/store/{n}-n"), 300 - n, &[])).collect();
    for available in [126, 127, 128, usize::MAX] {
        assert_eq!(plan(&graph(&infos), &Layering::Size, available, 0).unwrap().len(), available.min(127));
    }
}

#[test]
fn popularity_gives_layers_to_what_most_ways_lead_to() {
    // libc 10, openssl 7, python 3, curl and yaml 2, probe and site 1.
    assert_layers(planned(Layering::Popularity, 3, 0), "libc | openssl | python curl yaml probe site");
    assert_layers(planned(Layering::Popularity, 1, 0), "libc openssl python curl yaml probe site");
}

#[test]
fn single_is_one_layer_by_name() {
    assert_layers(planned(Layering::Single, 9, 0), "curl libc openssl probe python site yaml");
}

#[test]
fn nothing_gives_no_layer() {
    for layering in [Layering::Size, Layering::Popularity, Layering::Single, pipeline([])] {
        assert_eq!(plan(&graph(&[]), &layering, 1, 0), Ok(Vec::new()));
    }
}

#[test]
fn small_layers_are_merged_and_a_small_remainder_joins_the_one_before() {
    let layers = planned(Layering::Popularity, 7, 100);
    assert_layers(layers, "libc | openssl python curl yaml probe site");
    assert_layers(planned(Layering::Popularity, 7, 9000), "libc openssl python curl yaml probe site");
    // Seven layers before merging, three after: that is what counts.
    let layers = planned(pipeline([Operation::SplitEvery(1)]), 3, 100);
    assert_layers(layers, "probe site yaml curl openssl | python | libc");
}

#[test]
fn split_paths_separates_own_shared_and_other_paths() {
    let layers = planned(pipeline([split(["4-yaml"])]), 9, 0);
    assert_layers(layers, "yaml python | openssl libc | probe site curl");
    let children = Operation::SplitPaths(vec![SplitPath::ChildrenOf("/nix/store/5-site".to_owned())]);
    assert_layers(planned(pipeline([children]), 9, 0), "yaml python | openssl libc | probe site curl");
    // No match: everything is the rest.
    let layers = planned(pipeline([split(["8-none"]), over("rest", Operation::SplitEvery(4))]), 9, 0);
    assert_layers(layers, "probe site yaml curl | openssl python libc");
}

#[test]
fn split_paths_of_the_only_root_is_all_main() {
    let without = Operation::RemovePaths(paths(["6-curl", "7-probe"]));
    let layers =
        planned(pipeline([without, split(["5-site"]), over("main", Operation::SplitEvery(3))]), 9, 0);
    assert_layers(layers, "site yaml openssl | python libc");
}

#[test]
fn split_paths_forgets_references_to_the_split_paths() {
    // With yaml's reference to python, python would be the most popular of the three.
    let operations = [split(["5-site", "3-python"]), over("main", Operation::PopularityContest)];
    assert_layers(planned(pipeline(operations), 9, 0), "yaml | python | site | openssl libc | probe curl");
}

#[test]
fn operations_nest() {
    let operations = [
        Operation::SubcomponentOut(paths(["2-openssl"])),
        over("rest", split(["5-site"])),
        over("main", Operation::Pipe(vec![Operation::PopularityContest, Operation::Reverse])),
        over("none", Operation::Reverse),
    ];
    assert_layers(
        planned(pipeline(operations.clone()), 9, 0),
        "openssl | libc | site yaml python | probe curl",
    );
    let [a, b, c, d] = operations;
    let reorder = Operation::Reorder(vec!["rest".to_owned()]);
    assert_layers(
        planned(pipeline([a, b, c, d, reorder]), 9, 0),
        "site yaml python | probe curl | openssl | libc",
    );
    let into = Operation::SubcomponentIn(paths(["2-openssl"]));
    assert_layers(planned(pipeline([into]), 9, 0), "probe site yaml curl openssl python | libc");
}

#[test]
fn merged_graphs_have_no_references_between_them() {
    let operations = [
        Operation::PopularityContest,
        Operation::LimitLayers(1),
        Operation::Map(Box::new(Operation::SubcomponentOut(paths(["3-python"])))),
    ];
    assert_layers(planned(pipeline(operations), 9, 0), "python | libc openssl curl yaml probe site");
    // Those inside of each stay: probe, site > yaml; curl > openssl, python > openssl; libc.
    let operations = [
        Operation::SplitEvery(3),
        Operation::LimitLayers(1),
        Operation::Map(Box::new(Operation::PopularityContest)),
    ];
    let layers = planned(pipeline(operations), 9, 0);
    assert_layers(layers, "openssl | yaml | curl | libc | probe | python | site");
}

#[test]
fn an_operation_that_does_not_fit_is_named_with_its_place() {
    assert_eq!(
        planned(pipeline([over("main", Operation::Reverse)]), 9, 0).unwrap_err(),
        "layering[0]: \"over\" takes a set; found a graph (of 7 store paths); sets come from \"split_paths\", \
         \"subcomponent_out\" and \"subcomponent_in\""
    );
    let each = Operation::Map(Box::new(Operation::Pipe(vec![Operation::Reverse])));
    assert_eq!(
        planned(pipeline([Operation::SplitEvery(2), each]), 9, 0).unwrap_err(),
        "layering[1][1][1][0]: \"reverse\" takes a list; found a graph (of 2 store paths); lists come from \
         \"split_every\" and \"popularity_contest\""
    );
    assert_eq!(
        planned(pipeline([split(["3-python"]), over("rest", Operation::SplitEvery(0))]), 9, 0).unwrap_err(),
        "layering[1][2]: \"split_every\" takes a number of store paths, 1 at least; found 0"
    );
    assert_eq!(
        planned(pipeline([split(["3-python"]), Operation::PopularityContest]), 9, 0).unwrap_err(),
        "layering[1]: \"popularity_contest\" takes a graph; found a set (of main, common, rest); for one of \
         the set: [ \"over\" key [ \"popularity_contest\" ... ] ]"
    );
}

#[test]
fn a_pipeline_with_too_many_layers_says_how_to_limit_them() {
    assert_eq!(
        planned(pipeline([Operation::SplitEvery(1)]), 5, 0).unwrap_err(),
        "layering: the pipeline gives 7 layers, but there is room for 5; end it with [ \"flatten\" ] \
         [ \"limit_layers\" 5 ], or raise maxLayers (at most 127)"
    );
}
