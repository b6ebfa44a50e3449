//! Generates the C++ side of the bridge in `src/plugin/ffi.rs`, with feature `plugin`.
//!
//! Nothing of Nix is needed here: the Rust side becomes one static library, `libgantry.a`, for every version of
//! Nix, and `cpp/build-plugin` links it with the shim in `cpp/`, compiled against the headers of one version.
//! The shim finds the generated header below `target/cxxbridge`.

fn main() {
    #[cfg(feature = "plugin")]
    {
        println!("cargo::rerun-if-changed=src/plugin/ffi.rs");
        // The warnings are about generated code.
        cxx_build::bridge("src/plugin/ffi.rs").std("c++17").warnings(false).compile("gantry-bridge");
    }
}
