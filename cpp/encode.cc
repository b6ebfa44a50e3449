// See encode.hh. Values are reached from the argument set, which the caller holds, and are never replaced
// once forced: so nothing here has to be known to the garbage collector.

#include "encode.hh"
#include "frames.hh"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <vector>

namespace gantry {
namespace {

using nix::EvalState;
using nix::Value;

// More than any real argument has; a set that contains itself is found by it. Below the limit of
// serde_json (128), with the encoding's own objects.
constexpr size_t maxDepth = 64;
constexpr size_t maxSize = 16 << 20;

// RFC 3629: no surrogates, nothing above U+10FFFF, no overlong forms.
bool isUtf8(std::string_view text) {
    size_t i = 0;
    while (i < text.size()) {
        auto byte = [&](size_t n) {
            return static_cast<unsigned char>(text[n]);
        };
        unsigned char lead = byte(i++);
        if (lead < 0x80)
            continue;
        unsigned more = lead >= 0xc2 && lead <= 0xdf   ? 1
                        : lead >= 0xe0 && lead <= 0xef ? 2
                        : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                       : 0;
        if (more == 0 || text.size() - i < more)
            return false;
        // Only the second byte has a narrower range than 80..BF.
        unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
        for (; more > 0; more--, i++, low = 0x80, high = 0xbf)
            if (byte(i) < low || byte(i) > high)
                return false;
    }
    return true;
}

std::string escaped(std::string_view text) {
    std::string result;
    for (unsigned char c : text) {
        char hex[5];
        std::snprintf(hex, sizeof hex, "\\x%02x", c);
        result += c < 0x80 ? std::string(1, static_cast<char>(c)) : hex;
    }
    return result;
}

class Encoder {
    EvalState & state;
    const std::string function;
    const std::set<std::string, std::less<>> & shallow;
    std::string json;

public:
    Encoder(EvalState & state, std::string_view function, const std::set<std::string, std::less<>> & shallow)
        : state(state), function(function), shallow(shallow) {}

    std::string run(Value & arguments, const Trail & root) {
        set(arguments, root, 1);
        return std::move(json);
    }

private:
    void value(Value & v, const Trail & trail, size_t depth) {
        nix::checkInterrupt();
        if (depth > maxDepth)
            fail(trail, "more than " + std::to_string(maxDepth) + " values inside each other");
        traced(trail, [&] { state.forceValue(v, trail.position); });
        switch (v.type()) {
        case nix::nNull:
            return raw("null", trail);
        case nix::nBool:
            return raw(compat::boolOf(v) ? "true" : "false", trail);
        case nix::nInt:
            return raw(std::to_string(compat::intOf(v)), trail);
        case nix::nFloat:
            return number(compat::floatOf(v), trail);
        case nix::nString: {
            compat::Context context;
            return string(compat::forceString(state, v, context, trail.position, ""), context, trail);
        }
        case nix::nPath:
            return marked("path", compat::pathOf(v), trail);
        case nix::nList:
            if (isShallow(trail))
                return raw("[]", trail);
            return list(v, trail, depth);
        case nix::nAttrs:
            if (isShallow(trail))
                return raw("{\"\\u0000set\":true}", trail);
            if (compat::attrOf(state, v, "__toString"))
                return coerced(v, trail);
            if (auto outPath = compat::attrOf(state, v, "outPath"))
                return value(*outPath->value, {&trail, "outPath", -1, trail.position}, depth + 1);
            return set(v, trail, depth);
        default:
            return raw("{\"\\u0000function\":true}", trail);
        }
    }

    void set(Value & v, const Trail & trail, size_t depth) {
        char separator = '{';
        for (auto attr : compat::sortedAttrsOf(state, v)) {
            auto name = compat::nameOf(state, *attr);
            compat::Position position = compat::positionOf(*attr);
            Trail inner{&trail, name, -1, compat::isKnown(position) ? position : trail.position};
            json += separator;
            separator = ',';
            quoted(isUtf8(name) ? name : escaped(name), inner);
            json += ':';
            value(*attr->value, inner, depth + 1);
        }
        raw(separator == '{' ? "{}" : "}", trail);
    }

    void list(Value & v, const Trail & trail, size_t depth) {
        char separator = '[';
        int64_t index = 0;
        compat::forEachElement(v, [&](Value & element) {
            json += separator;
            separator = ',';
            value(element, {&trail, "", index++, trail.position}, depth + 1);
        });
        raw(separator == '[' ? "[]" : "]", trail);
    }

    void coerced(Value & v, const Trail & trail) {
        compat::Context context;
        std::string text;
        traced(trail, [&] { text = compat::coerceToString(state, v, context, trail.position, ""); });
        string(text, context, trail);
    }

    void string(std::string_view text, const compat::Context & context, const Trail & trail) {
        if (!isUtf8(text))
            marked("bytes", escaped(text), trail);
        else if (context.empty())
            quoted(text, trail);
        else
            marked("string", text, trail);
    }

    // An integral float keeps a point, so that it stays one.
    void number(double n, const Trail & trail) {
        if (!std::isfinite(n))
            return marked("float", std::isnan(n) ? "nan" : n < 0 ? "-inf" : "inf", trail);
        char buffer[32];
        auto end = std::to_chars(buffer, buffer + sizeof buffer, n).ptr;
        std::string text(buffer, end);
        raw(text.find_first_of(".e") == text.npos ? text + ".0" : text, trail);
    }

    void marked(std::string_view kind, std::string_view text, const Trail & trail) {
        json += "{\"\\u0000";
        json += kind;
        json += "\":";
        quoted(text, trail);
        json += '}';
    }

    void quoted(std::string_view text, const Trail & trail) {
        raw("\"", trail);
        for (unsigned char c : text) {
            if (c == '"' || c == '\\') {
                json += '\\';
                json += static_cast<char>(c);
            } else if (c < 0x20) {
                char code[7];
                std::snprintf(code, sizeof code, "\\u%04x", c);
                json += code;
            } else {
                json += static_cast<char>(c);
            }
        }
        raw("\"", trail);
    }

    void raw(std::string_view text, const Trail & trail) {
        json += text;
        if (json.size() > maxSize)
            fail(trail, "the arguments are larger than " + std::to_string(maxSize >> 20) + " MiB");
    }

    // Whether this is an attribute of the argument set that is not to be looked into.
    bool isShallow(const Trail & trail) {
        return trail.parent && !trail.parent->parent && shallow.count(trail.key) > 0;
    }

    template <typename F>
    void traced(const Trail & trail, F f) {
        try {
            f();
        } catch (nix::Error & error) {
            keepUserFrames(state, error, Code::users, trail.position);
            compat::addTrace(state, error, trail.position,
                             "while evaluating the attribute '" + trail.text() + "' of " + function +
                                 "'s argument");
            throw;
        }
    }

    [[noreturn]] void fail(const Trail & trail, const std::string & message) {
        compat::throwEvalError(state, trail.position, function + ": " + trail.text() + ": " + message);
    }
};

void collect(const Trail & trail, std::vector<PathStep> & steps) {
    if (!trail.parent)
        return;
    collect(*trail.parent, steps);
    steps.push_back(PathStep{rust::String::lossy(trail.key.data(), trail.key.size()), trail.index});
}

} // namespace

std::string Trail::text() const {
    std::vector<PathStep> steps;
    collect(*this, steps);
    return std::string(attribute_path({steps.data(), steps.size()}));
}

std::string encode(EvalState & state, std::string_view function, Value & arguments,
                   const std::set<std::string, std::less<>> & shallow, compat::Position position) {
    return Encoder(state, function, shallow).run(arguments, {nullptr, "", -1, position});
}

} // namespace gantry
