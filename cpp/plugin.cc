// builtins.ociImage and builtins.pullImage for the evaluator: registers them, and applies the Nix functions
// that Rust holds to the private primops and the user's argument. Carries between Nix and Rust; knows nothing of images.
//
// What is called is given as Nix values, never kept: no value outlives its evaluator, and the garbage
// collector sees all of them on the evaluator's stack or behind the arguments. Calls go from C++ to Rust
// only. At load, nothing happens but the registration.

#include "compat.hh"
#include "encode.hh"
#include "executable.hh"
#include "network.hh"
#include "gantry/src/plugin/ffi.rs.h"

#include <iostream>

namespace gantry {
namespace {

using compat::Position;
using nix::EvalState;
using nix::Value;

std::string whileArgument(std::string_view builtin) {
    return "while evaluating the argument of builtins." + std::string(builtin);
}

std::string_view view(rust::Str text) {
    return {text.data(), text.size()};
}

// The call of a builtin, which the private primops must know for their errors: a set with the attributes
// `argument`, whose position is the call's (not known since Nix 2.14), and `builtin`, its name. A Nix value,
// because positions go nowhere else.
struct Call {
    Position position;
    std::string builtin;

    Call(EvalState & state, const Value & call)
        : position(compat::positionOf(*compat::attrOf(state, call, "argument"))) {
        compat::Context context;
        auto & name = *compat::attrOf(state, call, "builtin")->value;
        builtin = compat::forceString(state, name, context, position, "while evaluating a name");
    }
};

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
void check(EvalState & state, std::string_view builtin, Value & arguments,
           const std::set<std::string, std::less<>> & shallow, Position call) {
    auto json = encode(state, builtin, arguments, shallow, call);
    auto report = check_arguments(rust::Str(builtin.data(), builtin.size()),
                                  {reinterpret_cast<const uint8_t *>(json.data()), json.size()});
    if (report.ok)
        return;
    const auto & path = report.path;
    bool missing = !path.empty() && !compat::attrOf(state, arguments, view(path[0].key));
    compat::throwEvalError(
        state, missing ? firstPosition(arguments, call) : deepestPosition(state, arguments, path, 0, call),
        "builtins." + std::string(builtin) + ": " + std::string(report.message));
}

// validate call [ "meta" ... ] args: args, if there is nothing wrong with it.
void validate(EvalState & state, Position, Value ** args, Value & result) {
    Call call(state, *args[0]);
    compat::forceList(state, *args[1], call.position, "while evaluating the names of attributes");
    std::set<std::string, std::less<>> shallow;
    compat::forEachElement(*args[1], [&](Value & name) {
        state.forceValue(name, call.position);
        compat::Context context;
        shallow.emplace(compat::forceString(state, name, context, call.position, "while evaluating a name"));
    });
    compat::forceAttrs(state, *args[2], call.position, whileArgument(call.builtin));
    check(state, call.builtin, *args[2], shallow, call.position);
    result = *args[2];
}

// builder call: the store path of the executable `gantry`, as a string with context.
void builder(EvalState & state, Position, Value ** args, Value & result) {
    executableInStore(state, Call(state, *args[0]).position, result);
}

// request call attrs, fetch call attrs: network.hh.
void requestPrimOp(EvalState & state, Position, Value ** args, Value & result) {
    request(state, Call(state, *args[0]).position, args[1], result);
}

void fetchPrimOp(EvalState & state, Position, Value ** args, Value & result) {
    fetch(state, Call(state, *args[0]).position, args[1], result);
}

// fail call message: an error that the evaluation cache does not remember.
void fail(EvalState & state, Position, Value ** args, Value &) {
    Call call(state, *args[0]);
    compat::Context context;
    state.forceValue(*args[1], call.position);
    auto message = std::string(compat::forceString(state, *args[1], context, call.position, "in a message"));
    compat::throwError(state, call.position, "builtins." + call.builtin + ": " + message);
}

void pure(EvalState & state, Position, Value **, Value & result) {
    result.mkBool(compat::isPure(state));
}

// What every function of ours is applied to first.
Value & primitives(EvalState & state, Value & call) {
    auto prim = state.allocValue();
    auto attrs = state.buildBindings(9);
    auto function = [&](std::string_view name, const char * shown, size_t arity,
                        compat::PrimOpFunction primOp) {
        auto value = state.allocValue();
        compat::mkPrimOp(state, *value, shown, arity + 1, primOp);
        auto & attr = attrs.alloc(name);
        if (arity == 0)
            attr.mkApp(value, &call);
        else
            attr.mkPrimOpApp(value, &call);
    };
    function("builder", "gantry.builder", 0, builder);
    function("fail", "gantry.fail", 1, fail);
    function("fetch", "gantry.fetch", 1, fetchPrimOp);
    compat::evalString(state, std::string(view(platforms_nix())), attrs.alloc("platformOf"));
    function("pure", "gantry.pure", 0, pure);
    function("request", "gantry.request", 1, requestPrimOp);
    compat::mkString(state, attrs.alloc("system"), view(system()));
    function("validate", "gantry.validate", 2, validate);
    compat::mkString(state, attrs.alloc("version"), view(version()));
    prim->mkAttrs(attrs);
    return *prim;
}

void apply(EvalState & state, std::string_view builtin, rust::Str source, Position position, Value & argument,
           Value & result) {
    compat::forceAttrs(state, argument, position, whileArgument(builtin));
    // There is no attribute whose position an error could have, and since 2.14 Nix does not say where the
    // call is, but adds it to the trace of what is thrown during the call.
    if (compat::attrsOf(argument).size() == 0)
        check(state, builtin, argument, {}, position);

    auto call = state.allocValue();
    auto callAttrs = state.buildBindings(2);
    compat::insertAt(state, callAttrs, "argument", &argument, position);
    compat::mkString(state, callAttrs.alloc("builtin"), builtin);
    call->mkAttrs(callAttrs);

    auto function = state.allocValue();
    compat::evalString(state, std::string(view(source)), *function);
    compat::call(state, *function, primitives(state, *call), argument, result, position);
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
