#pragma once
// A Nix value as JSON, for the checks in Rust. Knows Nix, nothing of images.
//
// Null, Booleans, numbers, strings, lists and sets are themselves. What JSON does not have is an object
// with one key, which no Nix set can have, since Nix's strings have no NUL:
//
//     {"\u0000string": "..."}     a string with context
//     {"\u0000path": "/..."}      a path; it is not copied to the store
//     {"\u0000bytes": "..."}      a string that is not UTF-8: what is not ASCII is written as \xNN
//     {"\u0000function": true}    a function, or a value of another plugin
//     {"\u0000float": "inf"}      a number that JSON cannot write: inf, -inf, nan
//     {"\u0000set": true}         a set among the attributes that are not looked into
//
// A set with `outPath` or `__toString` is what that leads to: mostly a string with context.

#include "compat.hh"
#include "gantry/src/plugin/ffi.rs.h"

#include <set>
#include <string>
#include <string_view>

namespace gantry {

// The way from the argument set to a value in it, as a list on the stack.
struct Trail {
    const Trail * parent;
    std::string_view key;
    // Of a list's element; -1 for an attribute.
    int64_t index;
    // Of the nearest attribute.
    compat::Position position;

    // As the user would write it.
    std::string text() const;
};

// Forces the set `arguments` of `function` deeply and encodes it. Of the attributes in `shallow` only the outermost value
// is forced. An error that forcing throws is passed on with the attribute's path added to its trace; what
// is too deep or too large is an EvalError. `position` is that of the set.
std::string encode(nix::EvalState & state, std::string_view function, nix::Value & arguments,
                   const std::set<std::string, std::less<>> & shallow, compat::Position position);

} // namespace gantry
