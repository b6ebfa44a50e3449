// builtins.ociImage for the evaluator: registers it, and applies the Nix function that Rust holds to the
// private primops and the user's argument. Carries between Nix and Rust; knows nothing of images.
//
// What is called is given as Nix values, never kept: no value outlives its evaluator, and the garbage
// collector sees all of them on the evaluator's stack or behind the arguments. Calls go from C++ to Rust
// only. At load, nothing happens but the registration.

#include "compat.hh"
#include "encode.hh"
#include "executable.hh"
#include "gantry/src/plugin/ffi.rs.h"

#include <iostream>

namespace gantry {
namespace {

using compat::Position;
using nix::EvalState;
using nix::Value;

constexpr std::string_view whileArgument = "while evaluating the argument of builtins.ociImage";

std::string_view view(rust::Str text) {
    return {text.data(), text.size()};
}

// The call of builtins.ociImage, which the private primops must know for their errors: a set with the one
// attribute `argument`, whose position is the call's (not known since Nix 2.14). A Nix value, because
// positions go nowhere else.
const nix::Attr & callAttr(EvalState & state, const Value & call) {
    return *compat::attrOf(state, call, "argument");
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

// For an attribute that is missing: where the set's first attribute stands, or else the call.
Position firstPosition(const Value & arguments, Position call) {
    const nix::Attr * first = nullptr;
    compat::forEachAttr(arguments, [&](const nix::Attr & attr) {
        Position position = compat::positionOf(attr);
        if (compat::isKnown(position) && (!first || compat::isBefore(position, compat::positionOf(*first))))
            first = &attr;
    });
    return first ? compat::positionOf(*first) : call;
}

// Throws what Rust finds wrong with the arguments, at the attribute.
void check(EvalState & state, Value & arguments, const std::set<std::string, std::less<>> & shallow,
           Position call) {
    auto json = encode(state, arguments, shallow, call);
    auto report = check_arguments({reinterpret_cast<const uint8_t *>(json.data()), json.size()});
    if (report.ok)
        return;
    const auto & path = report.path;
    bool missing = !path.empty() && !compat::attrOf(state, arguments, view(path[0].key));
    compat::throwEvalError(
        state, missing ? firstPosition(arguments, call) : deepestPosition(state, arguments, path, 0, call),
        "builtins.ociImage: " + std::string(report.message));
}

// validate call [ "meta" ... ] args: args, if there is nothing wrong with it.
void validate(EvalState & state, Position, Value ** args, Value & result) {
    Position call = compat::positionOf(callAttr(state, *args[0]));
    compat::forceList(state, *args[1], call, "while evaluating the names of attributes");
    std::set<std::string, std::less<>> shallow;
    compat::forEachElement(*args[1], [&](Value & name) {
        state.forceValue(name, call);
        compat::Context context;
        shallow.emplace(compat::forceString(state, name, context, call, "while evaluating a name"));
    });
    compat::forceAttrs(state, *args[2], call, whileArgument);
    check(state, *args[2], shallow, call);
    result = *args[2];
}

// builder call: the store path of the executable `gantry`, as a string with context.
void builder(EvalState & state, Position, Value ** args, Value & result) {
    executableInStore(state, compat::positionOf(callAttr(state, *args[0])), result);
}

void ociImage(EvalState & state, Position position, Value ** args, Value & result) {
    compat::forceAttrs(state, *args[0], position, whileArgument);
    // There is no attribute whose position an error could have, and since 2.14 Nix does not say where the
    // call is, but adds it to the trace of what is thrown during the call.
    if (compat::attrsOf(*args[0]).size() == 0)
        check(state, *args[0], {}, position);

    auto call = state.allocValue();
    auto callAttrs = state.buildBindings(1);
    compat::insertAt(state, callAttrs, "argument", args[0], position);
    call->mkAttrs(callAttrs);

    auto validateFunction = state.allocValue();
    compat::mkPrimOp(state, *validateFunction, "ociImage.validate", 3, validate);
    auto builderFunction = state.allocValue();
    compat::mkPrimOp(state, *builderFunction, "ociImage.builder", 1, builder);

    auto prim = state.allocValue();
    auto attrs = state.buildBindings(4);
    attrs.alloc("validate").mkPrimOpApp(validateFunction, call);
    attrs.alloc("builder").mkApp(builderFunction, call);
    compat::mkString(state, attrs.alloc("system"), view(system()));
    compat::mkString(state, attrs.alloc("version"), view(version()));
    prim->mkAttrs(attrs);

    auto function = state.allocValue();
    compat::evalString(state, std::string(view(oci_image_nix())), *function);
    compat::call(state, *function, *prim, *args[0], result, position);
}

// A Nix that the plugin was not built for may have all the symbols and other layouts.
struct Registration {
    Registration() {
        auto built = view(built_for_nix());
        if (nix::nixVersion != built) {
            std::cerr << "gantry: this plugin is for Nix " << built << ", not " << nix::nixVersion
                      << "; builtins.ociImage is not available\n";
            return;
        }
        // Never freed: Nix keeps the pointer, and may look at it while the process ends.
        static auto & text = *new std::string(view(documentation()));
        compat::registerPrimOp("__ociImage", {"args"}, text.c_str(), ociImage);
    }
} registration;

} // namespace
} // namespace gantry

// The linker takes this file out of its archive because it is told to look for this symbol (build.rs).
extern "C" void gantry_plugin() {}
