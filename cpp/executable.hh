#pragma once
// The executable `gantry`, which belongs to the plugin, as something that derivations can name as their
// builder. Knows Nix's store and the installed layout, not what the executable does.

#include "compat.hh"

namespace gantry {

// Makes `result` the path of the executable, with the store path that it belongs to as context. It is looked
// for beside the plugin's own file; where that is not in the evaluator's store, it is added to it (or, with
// a read-only evaluator, its path is computed).
void executableInStore(nix::EvalState & state, compat::Position position, nix::Value & result);

} // namespace gantry
