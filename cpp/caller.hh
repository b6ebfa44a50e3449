// A function in Nix that calls a builtin in its own name, as those of nix/docker-tools do: errors are of that function,
// at the attributes that the user wrote.
//
// It adds `__caller` to the builtin's arguments, a set of its own making:
//
//   function    the function that the user called, as errors name it: "dockerTools.buildImage"
//   arguments   the user's set
//   names       the user's names of attributes that the builtin calls otherwise: { copyToRoot = "contents"; }
//   failure     an error that the function has found, in place of the builtin's result: { name, message }

#pragma once

#include "compat.hh"

#include <string>

namespace gantry {

struct Caller {
    // As errors name it: "builtins.ociImage", or what the user called.
    std::string function;
    // From the builtin's names of attributes to the user's; null if they are the same.
    nix::Value * names = nullptr;
};

// Takes `__caller` out of the arguments, and gives the others the positions that they have in the user's set. Throws
// the `failure`, if there is one. Arguments without `__caller` stay as they are, and `caller` too.
nix::Value & takeCaller(nix::EvalState & state, nix::Value & arguments, compat::Position call,
                        Caller & caller);

// The user's name of an attribute.
std::string usersName(nix::EvalState & state, const Caller & caller, std::string_view name);

// For an attribute that is missing: where the set's first attribute stands, or else the call.
compat::Position firstPosition(const nix::Value & arguments, compat::Position call);

} // namespace gantry
