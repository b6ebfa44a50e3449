// builtins.ociImage and builtins.pullImage for the evaluator: registers them, checks the user's argument, and applies
// the Nix functions that Rust holds to the private primops and the argument. Carries between Nix and Rust; knows
// nothing of images.
//
// What is called is given as Nix values, never kept: no value outlives its evaluator, and the garbage
// collector sees all of them on the evaluator's stack or behind the arguments. Calls go from C++ to Rust
// only. At load, nothing happens but the registration.

#include "caller.hh"
#include "compat.hh"
#include "encode.hh"
#include "executable.hh"
#include "frames.hh"
#include "network.hh"
#include "gantry/src/plugin/ffi.rs.h"

#include <iostream>

namespace gantry {
namespace {

using compat::Position;
using nix::EvalState;
using nix::Value;

std::string_view view(rust::Str text) {
    return {text.data(), text.size()};
}

// The deepest attribute on the way, as far as the way leads through what is evaluated. `position` is that of
// `value`. A value that stands for another one (`outPath`) is not entered: the user wrote the outer one.
Position deepestPosition(EvalState & state, const Value & value, const rust::Vec<PathStep> & path,
                         size_t step, Position position) {
    if (step == path.size())
        return position;
    const PathStep & next = path[step];
    if (next.index >= 0 && value.type() == nix::nList) {
        const Value * element = nullptr;
        int64_t index = 0;
        compat::forEachElement(value, [&](const Value & v) {
            if (index++ == next.index)
                element = &v;
        });
        if (element)
            return deepestPosition(state, *element, path, step + 1, position);
    }
    if (next.index < 0 && value.type() == nix::nAttrs) {
        if (auto attr = compat::attrOf(state, value, view(next.key))) {
            Position own = compat::positionOf(*attr);
            return deepestPosition(state, *attr->value, path, step + 1,
                                   compat::isKnown(own) ? own : position);
        }
    }
    return position;
}

// The call of a builtin is a set, so that the collector sees what is in it and it can be an argument of the private
// primops: `argument`, whose position is the call's (not known since Nix 2.13), `builtin`, its name, `called`, what errors
// name, `names` (caller.hh), and what is applied, `function` and `primitives`.
Value & in(EvalState & state, const Value & call, std::string_view name) {
    return *compat::attrOf(state, call, name)->value;
}

// Where errors are that no attribute has: the call, or else the first attribute of its argument.
Position positionOfCall(EvalState & state, const Value & call) {
    Position own = compat::positionOf(*compat::attrOf(state, call, "argument"));
    return compat::isKnown(own) ? own : firstPosition(in(state, call, "argument"), own);
}

std::string textIn(EvalState & state, const Value & call, std::string_view name) {
    compat::Context context;
    return std::string(
        compat::forceString(state, in(state, call, name), context, nix::noPos, "while evaluating a name"));
}

Caller callerOf(EvalState & state, const Value & call) {
    auto names = compat::attrOf(state, call, "names");
    return {textIn(state, call, "called"), names ? names->value : nullptr};
}

// Runs what evaluates code of ours.
template <typename F>
void guarded(EvalState & state, const Value & call, F f) {
    try {
        f();
    } catch (nix::Error & error) {
        keepUserFrames(state, error, Code::ours, positionOfCall(state, call));
        throw;
    }
}

// The path that a message of Rust's begins with, in the user's words.
std::string inUsersWords(EvalState & state, const Caller & caller, const rust::Vec<PathStep> & path,
                         const std::string & message) {
    std::string own = path.empty() ? "" : std::string(path[0].key);
    if (own.empty() || message.compare(0, own.size(), own) != 0)
        return message;
    return usersName(state, caller, own) + message.substr(own.size());
}

// Throws what Rust finds wrong with the arguments, at the attribute.
void check(EvalState & state, const std::string & builtin, const Caller & caller, Value & arguments,
           Position call) {
    // Of every derivation these are the user's own.
    static auto & shallow = *new std::set<std::string, std::less<>>{"meta", "passthru"};
    auto json = encode(state, caller.function, arguments, shallow, call);
    auto report = check_arguments(rust::Str(builtin.data(), builtin.size()),
                                  {reinterpret_cast<const uint8_t *>(json.data()), json.size()});
    if (report.ok)
        return;
    const auto & path = report.path;
    bool missing = !path.empty() && !compat::attrOf(state, arguments, view(path[0].key));
    compat::throwEvalError(
        state, missing ? firstPosition(arguments, call) : deepestPosition(state, arguments, path, 0, call),
        caller.function + ": " + inUsersWords(state, caller, path, std::string(report.message)));
}

// The image of these arguments.
void run(EvalState & state, const Value & call, Value & argument, Value & result) {
    check(state, textIn(state, call, "builtin"), callerOf(state, call), argument,
          positionOfCall(state, call));
    guarded(state, call, [&] {
        compat::call(state, in(state, call, "function"), in(state, call, "primitives"), argument, result);
    });
}

// again call arguments changes: the image of other arguments. `changes` is a set, or a function of the old ones.
void again(EvalState & state, Position position, Value ** args, Value & result) {
    Value & arguments = *args[1];
    Value * changes = args[2];
    compat::forceAttrs(state, arguments, position, "while evaluating the arguments of an image");
    state.forceValue(*changes, position);
    if (changes->type() == nix::nFunction) {
        changes = state.allocValue();
        state.callFunction(*args[2], arguments, *changes, position);
    }
    compat::forceAttrs(state, *changes, position, "while evaluating the argument of override");

    auto merged = state.allocValue();
    auto attrs = state.buildBindings(compat::attrsOf(arguments).size() + compat::attrsOf(*changes).size());
    compat::forEachAttr(arguments, [&](const nix::Attr & attr) {
        if (!compat::attrOf(state, *changes, compat::nameOf(state, attr)))
            attrs.insert(attr);
    });
    compat::forEachAttr(*changes, [&](const nix::Attr & attr) { attrs.insert(attr); });
    merged->mkAttrs(attrs);
    run(state, *args[0], *merged, result);
}

// The same attributes without positions, each with the value that `f` makes of its own.
template <typename F>
void mapAttrs(EvalState & state, const Value & set, Value & result, F f) {
    auto attrs = state.buildBindings(compat::attrsOf(set).size());
    compat::forEachAttr(set, [&](const nix::Attr & attr) { attrs.insert(attr.name, f(attr.value)); });
    result.mkAttrs(attrs);
}

// withoutPositions call set: the set without positions.
void withoutPositions(EvalState & state, Position position, Value ** args, Value & result) {
    compat::forceAttrs(state, *args[1], position, "while evaluating a set");
    mapAttrs(state, *args[1], result, [](Value * value) { return value; });
}

// `value` guarded, once something is to be evaluated.
Value * later(EvalState & state, Value & call, Value * value) {
    if (value->type() != nix::nThunk && value->type() != nix::nAttrs && value->type() != nix::nList)
        return value;
    auto result = state.allocValue();
    result->mkApp(&in(state, call, "guardedValue"), value);
    return result;
}

// guard call set: the set without positions and with guarded values.
void guard(EvalState & state, Position position, Value ** args, Value & result) {
    compat::forceAttrs(state, *args[1], position, "while evaluating a set");
    mapAttrs(state, *args[1], result, [&](Value * value) { return later(state, *args[0], value); });
}

// guardedValue call value: a value of our code, evaluated, for the user's. What is in it is guarded, too; derivations
// already are, or they are the user's.
void guardedValue(EvalState & state, Position position, Value ** args, Value & result) {
    Value & value = *args[1];
    guarded(state, *args[0], [&] { state.forceValue(value, position); });
    auto inner = [&](Value * value) {
        return later(state, *args[0], value);
    };
    if (value.type() == nix::nList) {
        compat::mapList(state, value, result, inner);
    } else if (value.type() == nix::nAttrs && !compat::attrOf(state, value, "outPath") &&
               !compat::attrOf(state, value, "__toString")) {
        mapAttrs(state, value, result, inner);
    } else {
        result = value;
    }
}

// userCode call value: the value, which the user's code computes.
void userCode(EvalState & state, Position position, Value ** args, Value & result) {
    try {
        state.forceValue(*args[1], position);
    } catch (nix::Error & error) {
        markUserFrames(state, error);
        throw;
    }
    result = *args[1];
}

// builder call: the store path of the executable `gantry`, as a string with context.
void builder(EvalState & state, Position, Value ** args, Value & result) {
    executableInStore(state, positionOfCall(state, *args[0]), result);
}

// request call attrs, fetch call attrs: network.hh.
void requestPrimOp(EvalState & state, Position, Value ** args, Value & result) {
    request(state, positionOfCall(state, *args[0]), args[1], result);
}

void fetchPrimOp(EvalState & state, Position, Value ** args, Value & result) {
    fetch(state, positionOfCall(state, *args[0]), args[1], result);
}

// fail call message: an error that the evaluation cache does not remember.
void fail(EvalState & state, Position, Value ** args, Value &) {
    Position position = positionOfCall(state, *args[0]);
    compat::Context context;
    state.forceValue(*args[1], position);
    auto message = std::string(compat::forceString(state, *args[1], context, position, "in a message"));
    compat::throwError(state, position, textIn(state, *args[0], "called") + ": " + message);
}

void pure(EvalState & state, Position, Value **, Value & result) {
    result.mkBool(compat::isPure(state));
}

// What every function of ours is applied to first. From 2.13 to 2.21 a call of any primop is a frame, which then has
// the name of the builtin that the user wrote.
void primitives(EvalState & state, const std::string & builtin, Value & call, Value & result) {
    auto attrs = state.buildBindings(12);
    auto add = [&](std::string_view name, size_t arity, compat::PrimOpFunction primOp) {
        auto value = state.allocValue();
        compat::mkPrimOp(state, *value, builtin, arity + 1, false, primOp);
        auto & attr = attrs.alloc(name);
        if (arity == 0)
            attr.mkApp(value, &call);
        else
            attr.mkPrimOpApp(value, &call);
    };
    auto override = state.allocValue();
    compat::mkPrimOp(state, *override, "override", 3, true, again);
    attrs.alloc("again").mkPrimOpApp(override, &call);
    add("withoutPositions", 1, withoutPositions);
    add("builder", 0, builder);
    add("fail", 1, fail);
    add("fetch", 1, fetchPrimOp);
    add("guard", 1, guard);
    compat::evalString(state, std::string(view(platforms_nix())), attrs.alloc("platformOf"));
    add("pure", 0, pure);
    add("request", 1, requestPrimOp);
    compat::mkString(state, attrs.alloc("system"), view(gantry::system()));
    add("userCode", 1, userCode);
    compat::mkString(state, attrs.alloc("version"), view(version()));
    result.mkAttrs(attrs);
}

void apply(EvalState & state, const std::string & builtin, rust::Str source, Position position,
           Value & argument, Value & result) {
    try {
        compat::forceAttrs(state, argument, position, "while evaluating the argument of builtins." + builtin);
    } catch (nix::Error & error) {
        keepUserFrames(state, error, Code::users, position);
        throw;
    }
    Caller caller{"builtins." + builtin};
    Value & arguments = takeCaller(state, argument, position, caller);
    auto call = state.allocValue();
    auto attrs = state.buildBindings(7);
    // Where a caller calls the builtin is not where the user calls the caller.
    compat::insertAt(state, attrs, "argument", &arguments,
                     caller.names ? compat::Position(nix::noPos) : position);
    compat::mkString(state, attrs.alloc("builtin"), builtin);
    compat::mkString(state, attrs.alloc("called"), caller.function);
    if (caller.names)
        attrs.alloc("names") = *caller.names;
    compat::evalString(state, std::string(view(source)), attrs.alloc("function"));
    primitives(state, builtin, *call, attrs.alloc("primitives"));
    auto guardPrimOp = state.allocValue();
    compat::mkPrimOp(state, *guardPrimOp, builtin, 2, false, guardedValue);
    attrs.alloc("guardedValue").mkPrimOpApp(guardPrimOp, call);
    call->mkAttrs(attrs);
    run(state, *call, arguments, result);
}

void ociImage(EvalState & state, Position position, Value ** args, Value & result) {
    apply(state, "ociImage", oci_image_nix(), position, *args[0], result);
}

void pullImage(EvalState & state, Position position, Value ** args, Value & result) {
    apply(state, "pullImage", pull_image_nix(), position, *args[0], result);
}

// A Nix that the plugin was not built for may have all the symbols and other layouts.
struct Registration {
    Registration() {
        // Set by cpp/build-plugin: the version of the headers.
        const std::string_view built = GANTRY_NIX_VERSION;
        if (nix::nixVersion != built) {
            std::cerr << "gantry: this plugin is for Nix " << built << ", not " << nix::nixVersion
                      << "; builtins.ociImage and builtins.pullImage are not available\n";
            return;
        }
        // Never freed: Nix keeps the pointer, and may look at it while the process ends.
        static auto & image = *new std::string(view(oci_image_documentation()));
        static auto & pull = *new std::string(view(pull_image_documentation()));
        compat::registerPrimOp("__ociImage", {"args"}, image.c_str(), ociImage);
        compat::registerPrimOp("__pullImage", {"args"}, pull.c_str(), pullImage);
    }
} registration;

} // namespace
} // namespace gantry
