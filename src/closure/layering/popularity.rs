//! `layering = "popularity"`: nixpkgs' default before PR 355189, and the pipeline's
//! `popularity_contest` (`references-by-popularity/closure-graph.py`, `flatten-references-graph`).
//!
//! What much refers to, directly or not, is likely to be in other images too and gets a layer of its
//! own. nixpkgs counts recursively: a path's contest adds 1 to each child, and to each path of the
//! child's contest the child's count and 1. Unrolled, a way from a root down to *q* adds 1 to
//! everything at or below *q*. So with N(q), the number of ways from roots to *q*,
//!
//! ```text
//! popularity(s) = sum of N(q) over s and all q that need s
//! ```
//!
//! which takes no memory for anybody's contest.

use crate::closure::graph::{Graph, Node};

/// The `available - 1` most popular paths in layers of their own, the others together.
pub(super) fn plan(graph: &Graph, available: usize) -> Vec<Vec<Node>> {
    let ranking = contest(graph.len(), |node| graph.references(node), |node| graph.path(node));
    let (alone, together) = ranking.split_at(ranking.len().min(available.saturating_sub(1)));
    let mut layers: Vec<Vec<Node>> = alone.iter().map(|&node| vec![node]).collect();
    layers.push(together.to_vec());
    layers
}

/// The vertices of an acyclic graph, the most popular first, equally popular ones by name.
pub(super) fn contest<'a>(
    count: usize,
    references: impl Fn(usize) -> &'a [usize],
    path: impl Fn(usize) -> &'a str,
) -> Vec<usize> {
    let order = users_first(count, &references);
    let names: Vec<String> = (0..count).map(|vertex| name_first(path(vertex))).collect();
    let mut ranking: Vec<usize> = (0..count).collect();
    match popularity::<u128>(&order, &references) {
        Some(counts) => {
            ranking.sort_by(|&a, &b| counts[b].cmp(&counts[a]).then_with(|| names[a].cmp(&names[b])));
        }
        // The number of ways doubles with every diamond. Beyond 2^128 of them the leading 53 bits
        // decide, beyond 2^1024 all are infinite and names do: always the same order, though not
        // nixpkgs' any more, which counts with Python's integers.
        None => {
            // Never nothing: f64's `plus` always has a sum.
            let counts = popularity::<f64>(&order, &references).unwrap_or_default();
            ranking.sort_by(|&a, &b| counts[b].total_cmp(&counts[a]).then_with(|| names[a].cmp(&names[b])));
        }
    }
    ranking
}

/// `package_name` of nixpkgs: `/nix/store/HASH-bash-5.2` as `bash-5.2-/nix/store/HASH`.
fn name_first(path: &str) -> String {
    path.split_once('-').map_or_else(|| path.to_owned(), |(hash, name)| format!("{name}-{hash}"))
}

/// All vertices, each before everything that it refers to.
fn users_first<'a>(count: usize, references: &impl Fn(usize) -> &'a [usize]) -> Vec<usize> {
    let mut users = vec![0_usize; count];
    (0..count).flat_map(references).for_each(|&reference| users[reference] += 1);
    let mut order: Vec<usize> = (0..count).filter(|&vertex| users[vertex] == 0).collect();
    let mut done = 0;
    while let Some(&vertex) = order.get(done) {
        done += 1;
        for &reference in references(vertex) {
            users[reference] -= 1;
            if users[reference] == 0 {
                order.push(reference);
            }
        }
    }
    order
}

/// A number of ways through the graph.
trait Count: Copy + Default {
    const ONE: Self;

    /// The sum, unless it cannot be represented.
    fn plus(self, other: Self) -> Option<Self>;
}

impl Count for u128 {
    const ONE: Self = 1;

    fn plus(self, other: Self) -> Option<Self> {
        self.checked_add(other)
    }
}

impl Count for f64 {
    const ONE: Self = 1.0;

    fn plus(self, other: Self) -> Option<Self> {
        Some(self + other) // perhaps infinite; then names decide
    }
}

/// The popularity of every vertex, or nothing if a count overflows.
fn popularity<'a, C: Count>(order: &[usize], references: &impl Fn(usize) -> &'a [usize]) -> Option<Vec<C>> {
    const BLOCK: usize = u64::BITS as usize;
    let mut rank = vec![0; order.len()];
    order.iter().enumerate().for_each(|(r, &vertex)| rank[vertex] = r);
    let below: Vec<Vec<usize>> =
        order.iter().map(|&vertex| references(vertex).iter().map(|&v| rank[v]).collect()).collect();
    let ways: Vec<C> = ways(&below)?;
    let mut sums = vec![C::default(); order.len()];
    // Who needs whom would take a bit for each pair of paths; so 64 sources at a time, each a bit that
    // is handed down. Users come first, hence nothing before the block is touched.
    let mut needed_by = vec![0_u64; order.len()];
    for (start, block) in (0..).step_by(BLOCK).zip(ways.chunks(BLOCK)) {
        needed_by[start..].fill(0);
        let all = u64::MAX >> (BLOCK - block.len());
        let total = block.iter().try_fold(C::default(), |sum, &n| sum.plus(n));
        for vertex in start..order.len() {
            if vertex - start < BLOCK {
                needed_by[vertex] |= 1 << (vertex - start);
            }
            let sources = needed_by[vertex];
            if sources == 0 {
                continue;
            }
            sums[vertex] = match sources == all {
                true => sums[vertex].plus(total?)?,
                false => bits(sources).try_fold(sums[vertex], |sum, source| sum.plus(block[source]))?,
            };
            below[vertex].iter().for_each(|&reference| needed_by[reference] |= sources);
        }
    }
    Some(order.iter().enumerate().fold(vec![C::default(); order.len()], |mut by_vertex, (r, &vertex)| {
        by_vertex[vertex] = sums[r];
        by_vertex
    }))
}

/// N: the number of ways from roots, 1 for a root; vertices are ranks, users first.
fn ways<C: Count>(below: &[Vec<usize>]) -> Option<Vec<C>> {
    let mut is_root = vec![true; below.len()];
    below.iter().flatten().for_each(|&reference| is_root[reference] = false);
    let mut ways: Vec<C> = is_root.iter().map(|&root| if root { C::ONE } else { C::default() }).collect();
    for (vertex, references) in below.iter().enumerate() {
        for &reference in references {
            ways[reference] = ways[reference].plus(ways[vertex])?;
        }
    }
    Some(ways)
}

/// The numbers of the bits set in `word`, ascending.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros() as usize;
        word &= word.checked_sub(1)?;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(references: &[Vec<usize>], names: &[&str]) -> Vec<usize> {
        contest(references.len(), |v| &references[v], |v| names[v])
    }

    #[test]
    fn counts_are_those_of_nixpkgs_example() {
        // closure-graph.py, TestGraphPopularityContest: foo 1, bar 2, baz 4, tux 6.
        let references = [vec![1, 2], vec![2], vec![3], vec![]];
        let order = users_first(4, &|v: usize| &references[v][..]);
        assert_eq!(popularity::<u128>(&order, &|v: usize| &references[v][..]), Some(vec![1, 2, 4, 6]));
    }

    #[test]
    fn equally_popular_paths_are_ordered_by_name_then_by_hash() {
        let names = ["/nix/store/1-b", "/nix/store/9-a-b", "/nix/store/2-a", "/nix/store/1-a-b"];
        let empty = vec![Vec::new(); 4];
        // "a-/nix" < "a-b-/nix": the separator takes part in the comparison.
        assert_eq!(ranking(&empty, &names), [2, 3, 1, 0]);
    }

    #[test]
    fn counts_beyond_128_bits_are_compared_as_floating_point_numbers() {
        // Two hundred diamonds (top, two sides): 2^200 ways to the bottom, which is 600.
        let mut references: Vec<Vec<usize>> = Vec::new();
        for diamond in 0..200 {
            let top = 3 * diamond;
            references.extend([vec![top + 1, top + 2], vec![top + 3], vec![top + 3]]);
        }
        references.push(Vec::new());
        let order = users_first(references.len(), &|v: usize| &references[v][..]);
        assert_eq!(popularity::<u128>(&order, &|v: usize| &references[v][..]), None);
        let names: Vec<String> = (0..references.len()).map(|v| format!("/nix/store/{v:04}-n")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let ranking = ranking(&references, &names);
        assert_eq!(ranking[..4], [600, 598, 599, 597], "the bottom, the sides by name, their top");
        assert_eq!(ranking[600], 0);
    }

    #[test]
    fn blocks_of_64_sources_join_seamlessly() {
        // A chain: the n-th path has n popularity.
        let chain: Vec<Vec<usize>> =
            (0..200).map(|v| if v < 199 { vec![v + 1] } else { Vec::new() }).collect();
        let order = users_first(200, &|v: usize| &chain[v][..]);
        let expected: Vec<u128> = (1..=200).collect();
        assert_eq!(popularity::<u128>(&order, &|v: usize| &chain[v][..]), Some(expected));
    }
}
