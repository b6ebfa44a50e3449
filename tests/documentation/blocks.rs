//! The blocks of code in README, CONTRIBUTING and docs.

use std::fs;
use std::path::{Path, PathBuf};

pub fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A block of code in a document.
pub struct Block {
    /// `README.md:12`.
    pub place: String,
    /// What stands after the three backticks.
    pub language: String,
    pub text: String,
}

/// README, CONTRIBUTING and docs/*.md.
pub fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<PathBuf> = fs::read_dir(manifest().join("docs"))
        .expect("docs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    documents.extend(["README.md", "CONTRIBUTING.md"].map(|name| manifest().join(name)));
    documents.sort();
    documents
}

pub fn blocks(document: &Path) -> Vec<Block> {
    let text = fs::read_to_string(document).expect("a document");
    let name = document.strip_prefix(manifest()).expect("in the project").display();
    let (mut blocks, mut open): (Vec<Block>, bool) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(language) if !open => {
                let place = format!("{name}:{}", number + 1);
                blocks.push(Block { place, language: language.to_owned(), text: String::new() });
                open = true;
            }
            Some(_) => open = false,
            None if open => {
                let block = blocks.last_mut().expect("an open block");
                block.text += line;
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!open, "{name}: the last block does not end");
    blocks
}

pub fn all_blocks(language: &str) -> Vec<Block> {
    let blocks = documents().into_iter().flat_map(|document| blocks(&document));
    blocks.filter(|block| block.language == language).collect()
}

pub fn flake_of(document: &Path) -> String {
    let block = blocks(document).into_iter().find(|block| block.language == "nix flake");
    block.expect("a flake").text
}
