//! The closure of an image: the graph of its store paths, and its division into layers.

pub mod graph;
pub mod layering;
