#pragma once
// What the trace of an error shows: the user's frames, and none of code that the user did not write. That is the
// Nix functions that Rust holds, which Nix knows as strings, and Nix's own `derivation` function.
//
// Errors that pass keep their class, and are changed in place.

#include "compat.hh"

namespace gantry {

enum class Code {
    // The user's: where it has errors of its own, all frames stay but those of `derivation`.
    users,
    // Ours: frames without a position, which are in no code, go too; but not those below `markUserFrames`.
    ours,
};

// Removes frames. The error itself moves to `position` if it is in code that goes, or if ours is all there was, so
// that nothing says where it is.
void keepUserFrames(nix::EvalState & state, nix::Error & error, Code code, compat::Position position);

// All frames so far are of the user's code, those without a position among them; what follows is ours.
void markUserFrames(nix::EvalState & state, nix::Error & error);

} // namespace gantry
