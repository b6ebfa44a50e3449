// See caller.hh.

#include "caller.hh"

namespace gantry {
namespace {

using compat::Position;
using nix::EvalState;
using nix::Value;

constexpr std::string_view key = "__caller";
constexpr std::string_view why = "while evaluating the caller of a builtin";

Value & member(EvalState & state, const Value & set, std::string_view name) {
    auto attr = compat::attrOf(state, set, name);
    if (!attr)
        compat::throwError(state, nix::noPos,
                           "gantry: internal error: a caller without " + std::string(name));
    return *attr->value;
}

Value & setOf(EvalState & state, const Value & set, std::string_view name) {
    Value & value = member(state, set, name);
    compat::forceAttrs(state, value, nix::noPos, std::string(why));
    return value;
}

std::string textOf(EvalState & state, const Value & set, std::string_view name) {
    Value & value = member(state, set, name);
    state.forceValue(value, nix::noPos);
    compat::Context context;
    return std::string(compat::forceString(state, value, context, nix::noPos, std::string(why)));
}

} // namespace

Position firstPosition(const Value & arguments, Position call) {
    const nix::Attr * first = nullptr;
    compat::forEachAttr(arguments, [&](const nix::Attr & attr) {
        Position position = compat::positionOf(attr);
        if (compat::isKnown(position) && (!first || compat::isBefore(position, compat::positionOf(*first))))
            first = &attr;
    });
    return first ? compat::positionOf(*first) : call;
}

std::string usersName(EvalState & state, const Caller & caller, std::string_view name) {
    bool renamed = caller.names && compat::attrOf(state, *caller.names, name);
    return renamed ? textOf(state, *caller.names, name) : std::string(name);
}

Value & takeCaller(EvalState & state, Value & arguments, Position call, Caller & caller) {
    auto attr = compat::attrOf(state, arguments, key);
    if (!attr)
        return arguments;
    Value & set = *attr->value;
    compat::forceAttrs(state, set, call, std::string(why));
    caller.function = textOf(state, set, "function");
    caller.names = &setOf(state, set, "names");
    const Value & users = setOf(state, set, "arguments");
    auto usersPosition = [&](std::string_view name) {
        auto attr = compat::attrOf(state, users, name);
        return attr ? compat::positionOf(*attr) : compat::Position(nix::noPos);
    };

    if (compat::attrOf(state, set, "failure")) {
        const Value & failure = setOf(state, set, "failure");
        auto name = textOf(state, failure, "name");
        Position own = usersPosition(name);
        compat::throwEvalError(state, compat::isKnown(own) ? own : firstPosition(users, nix::noPos),
                               caller.function + ": " + name + ": " + textOf(state, failure, "message"));
    }

    auto result = state.allocValue();
    auto attrs = state.buildBindings(compat::attrsOf(arguments).size());
    compat::forEachAttr(arguments, [&](const nix::Attr & attr) {
        auto name = compat::nameOf(state, attr);
        if (name != key)
            compat::insertAt(state, attrs, name, attr.value, usersPosition(usersName(state, caller, name)));
    });
    result->mkAttrs(attrs);
    return *result;
}

} // namespace gantry
