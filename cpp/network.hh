#pragma once
// What an evaluation may ask of the network, as private primops. Knows Nix's store, progress and purity;
// what a request means is Rust's.

#include "compat.hh"

namespace gantry {

// request attrs: asks Rust; the answer as a Nix value. Interruptible.
void request(nix::EvalState & state, compat::Position position, nix::Value * attrs, nix::Value & result);

// fetch attrs: a file of known SHA-256 (`digest`) in the store, under `name`: { path, text }. Asks Rust for it
// only if it is not valid there. `text` is there if `attrs.text` is true.
void fetch(nix::EvalState & state, compat::Position position, nix::Value * attrs, nix::Value & result);

} // namespace gantry
