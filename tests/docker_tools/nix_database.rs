//! `includeNixDB`.

use super::*;

#[test]
fn nix_knows_the_store_of_its_image() {
    let nix = Nix::without_plugin();
    let (package, bash) = (text(&nix, "\"${pkgs.nix}\""), text(&nix, "\"${pkgs.bash}\""));
    for example in ["nix", "nixLayered"] {
        let container = load(&nix, example);
        let closure = container.run(&["/bin/nix-store", "-qR", &package]).ok();
        assert!(closure.lines().any(|path| path == package), "{example}: {closure}");
        let references = container.run(&["/bin/nix-store", "-q", "--references", &package]).ok();
        assert_eq!(references.lines().filter(|path| **path == *bash).count(), 1, "{example}: {references}");
    }
}

#[test]
fn links_to_programs_lead_to_known_paths() {
    let nix = Nix::without_plugin();
    let container = load_stream(&nix, "nix-layered");
    container.run(&["/bin/nix-store", "-q", "--references", "/bin/bash"]).ok();
}
