#pragma once
// The differences between Nix 2.8 and 2.35, as far as the shim meets them: every `#if` on the version of
// Nix is here, one small function for each difference, so that plugin.cc and encode.cc read as if there
// were one Nix. Knows nothing of what the shim does. NIX_VER is major * 100 + minor (build.rs).

#define GANTRY_NIX_AT_LEAST(major, minor) (NIX_VER >= (major)*100 + (minor))

// What Nix was configured with, before its other headers: without it EvalState silently has another layout
// up to 2.27; later headers include it themselves.
#if GANTRY_NIX_AT_LEAST(2, 28)
# include <nix/expr/eval.hh>
# include <nix/expr/eval-error.hh>
# include <nix/expr/eval-inline.hh>
# include <nix/expr/eval-settings.hh>
# include <nix/expr/json-to-value.hh>
# include <nix/expr/primops.hh>
# include <nix/store/globals.hh>
# include <nix/store/local-fs-store.hh>
# include <nix/store/store-api.hh>
# include <nix/util/hash.hh>
# include <nix/util/logging.hh>
# include <nix/util/serialise.hh>
# include <nix/util/signals.hh>
#else
# if __has_include("config-expr.hh")
#  include "config-util.hh"
#  include "config-store.hh"
#  include "config-expr.hh"
# else
#  include "config.h"
# endif
# include "eval.hh"
# include "eval-inline.hh"
# if __has_include("eval-settings.hh")
#  include "eval-settings.hh"
# endif
# include "globals.hh"
# include "hash.hh"
# include "json-to-value.hh"
# include "local-fs-store.hh"
# include "logging.hh"
# include "primops.hh"
# include "serialise.hh"
# include "store-api.hh"
# include "util.hh"
# if GANTRY_NIX_AT_LEAST(2, 19)
#  include "signals.hh"
# endif
#endif

#include <filesystem>
#include <list>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gantry::compat {

// --- Positions: references to structures up to 2.8, numbers from 2.9 on.

#if GANTRY_NIX_AT_LEAST(2, 9)
using Position = nix::PosIdx;
#else
using Position = const nix::Pos &;
#endif

inline Position positionOf(const nix::Attr & attr) {
#if GANTRY_NIX_AT_LEAST(2, 9)
    return attr.pos;
#else
    return *attr.pos;
#endif
}

inline bool isKnown(Position position) {
    return bool(position);
}

// Whether `a` stands before `b`. Only sensible for positions in the same file.
inline bool isBefore(Position a, Position b) {
    return a < b;
}

// What an error takes as its position.
#if GANTRY_NIX_AT_LEAST(2, 9)
inline auto resolved(nix::EvalState & state, Position position) {
    return state.positions[position];
}
#else
inline const nix::Pos & resolved(nix::EvalState &, Position position) {
    return position;
}
#endif

// --- String contexts: sets of strings up to 2.15.

#if GANTRY_NIX_AT_LEAST(2, 16)
using Context = nix::NixStringContext;
#else
using Context = nix::PathSet;
#endif

inline void addStorePath(nix::EvalState & state, Context & context, const nix::StorePath & path) {
#if GANTRY_NIX_AT_LEAST(2, 16)
    (void)state;
    context.insert(nix::NixStringContextElem::Opaque{.path = path});
#else
    context.insert(state.store->printStorePath(path));
#endif
}

// --- Primops.

using PrimOpFunction = void (*)(nix::EvalState &, Position, nix::Value **, nix::Value &);

// `documentation` must live as long as the process.
inline void registerPrimOp(const std::string & name, const std::vector<std::string> & args,
                           const char * documentation, PrimOpFunction function) {
#if GANTRY_NIX_AT_LEAST(2, 34)
    nix::RegisterPrimOp(nix::PrimOp{.name = name, .args = args, .doc = documentation, .impl = function});
#elif GANTRY_NIX_AT_LEAST(2, 17)
    nix::RegisterPrimOp(nix::PrimOp{.name = name, .args = args, .doc = documentation, .fun = function});
#else
    nix::RegisterPrimOp(nix::RegisterPrimOp::Info{
        .name = name, .args = args, .arity = args.size(), .doc = documentation, .fun = function});
#endif
}

// Makes `value` a primop that is not in `builtins`. The PrimOp is never freed: values do not own theirs,
// and up to 2.8 it holds a symbol, which belongs to one EvalState. `traced` says whether a call adds "while
// calling the '`name`' builtin" to the trace; from 2.13 to 2.21 every call does.
inline void mkPrimOp(nix::EvalState & state, nix::Value & value, const std::string & name, size_t arity,
                     bool traced, PrimOpFunction function) {
    (void)traced;
#if GANTRY_NIX_AT_LEAST(2, 34)
    (void)state;
    value.mkPrimOp(new nix::PrimOp{.name = name, .arity = arity, .addTrace = traced, .impl = function});
#elif GANTRY_NIX_AT_LEAST(2, 22)
    (void)state;
    value.mkPrimOp(new nix::PrimOp{.name = name, .arity = arity, .addTrace = traced, .fun = function});
#elif GANTRY_NIX_AT_LEAST(2, 17)
    (void)state;
    value.mkPrimOp(new nix::PrimOp{.name = name, .arity = arity, .fun = function});
#elif GANTRY_NIX_AT_LEAST(2, 9)
    (void)state;
    value.mkPrimOp(new nix::PrimOp{.fun = function, .arity = arity, .name = name});
#else
    value.mkPrimOp(new nix::PrimOp{.fun = function, .arity = arity, .name = state.symbols.create(name)});
#endif
}

// --- Forcing. From 2.13 on the typed functions want a line for the trace.

inline void forceAttrs(nix::EvalState & state, nix::Value & value, Position position, std::string_view why) {
#if GANTRY_NIX_AT_LEAST(2, 13)
    state.forceAttrs(value, position, why);
#else
    (void)why;
    state.forceAttrs(value, position);
#endif
}

inline std::string_view forceString(nix::EvalState & state, nix::Value & value, Context & context,
                                    Position position, std::string_view why) {
#if GANTRY_NIX_AT_LEAST(2, 13)
    return state.forceString(value, context, position, why);
#else
    (void)why;
    return state.forceString(value, context, position);
#endif
}

// As in "${...}", but paths are not copied to the store.
inline std::string coerceToString(nix::EvalState & state, nix::Value & value, Context & context,
                                  Position position, std::string_view why) {
#if GANTRY_NIX_AT_LEAST(2, 14)
    return state.coerceToString(position, value, context, why, false, false).toOwned();
#else
    (void)why;
    return state.coerceToString(position, value, context, false, false).toOwned();
#endif
}

// --- The contents of forced values: fields up to 2.21, functions later.

inline bool boolOf(const nix::Value & value) {
#if GANTRY_NIX_AT_LEAST(2, 22)
    return value.boolean();
#else
    return value.boolean;
#endif
}

inline int64_t intOf(const nix::Value & value) {
#if GANTRY_NIX_AT_LEAST(2, 25)
    return value.integer().value;
#elif GANTRY_NIX_AT_LEAST(2, 22)
    return value.integer();
#else
    return value.integer;
#endif
}

inline double floatOf(const nix::Value & value) {
#if GANTRY_NIX_AT_LEAST(2, 22)
    return value.fpoint();
#else
    return value.fpoint;
#endif
}

inline std::string pathOf(const nix::Value & value) {
#if GANTRY_NIX_AT_LEAST(2, 16)
    return std::string(value.path().path.abs());
#else
    return value.path;
#endif
}

inline const nix::Bindings & attrsOf(const nix::Value & value) {
#if GANTRY_NIX_AT_LEAST(2, 22)
    return *value.attrs();
#else
    return *value.attrs;
#endif
}

inline std::string_view nameOf(nix::EvalState & state, const nix::Attr & attr) {
#if GANTRY_NIX_AT_LEAST(2, 9)
    return state.symbols[attr.name];
#else
    (void)state;
    return static_cast<const std::string &>(attr.name);
#endif
}

// By name, so that the order in which attributes are forced does not depend on that of their symbols. The
// vector is no root for the collector: the set must be reachable otherwise.
inline std::vector<const nix::Attr *> sortedAttrsOf(nix::EvalState & state, const nix::Value & value) {
#if GANTRY_NIX_AT_LEAST(2, 9)
    return attrsOf(value).lexicographicOrder(state.symbols);
#else
    (void)state;
    return attrsOf(value).lexicographicOrder();
#endif
}

// Null if there is none.
inline const nix::Attr * attrOf(nix::EvalState & state, const nix::Value & value, std::string_view name) {
    auto symbol = state.symbols.create(name);
#if GANTRY_NIX_AT_LEAST(2, 22)
    return attrsOf(value).get(symbol);
#else
    return const_cast<nix::Bindings &>(attrsOf(value)).get(symbol);
#endif
}

template <typename F>
void forEachAttr(const nix::Value & value, F f) {
#if GANTRY_NIX_AT_LEAST(2, 22)
    for (const nix::Attr & attr : attrsOf(value))
        f(attr);
#else
    for (const nix::Attr & attr : const_cast<nix::Bindings &>(attrsOf(value)))
        f(attr);
#endif
}

template <typename F>
void forEachElement(const nix::Value & value, F f) {
#if GANTRY_NIX_AT_LEAST(2, 30)
    auto list = value.listView();
    for (nix::Value * element : list)
        f(*element);
#else
    for (auto element : value.listItems())
        f(*const_cast<nix::Value *>(element));
#endif
}

// --- Building values.

inline void mkString(nix::EvalState & state, nix::Value & value, std::string_view text,
                     const Context & context = {}) {
#if GANTRY_NIX_AT_LEAST(2, 33)
    value.mkString(text, context, state.mem);
#else
    (void)state;
    value.mkString(text, context);
#endif
}

// The list of what `f` makes of the elements of another.
template <typename F>
void mapList(nix::EvalState & state, const nix::Value & list, nix::Value & value, F f) {
    // All of them are reachable through the list.
    std::vector<nix::Value *> elements;
    forEachElement(list, [&](nix::Value & element) { elements.push_back(&element); });
#if GANTRY_NIX_AT_LEAST(2, 22)
    auto result = state.buildList(elements.size());
    for (size_t i = 0; i < elements.size(); i++)
        result[i] = f(elements[i]);
    value.mkList(result);
#else
    nix::Value result;
    state.mkList(result, elements.size());
    for (size_t i = 0; i < elements.size(); i++)
        result.listElems()[i] = f(elements[i]);
    value = result;
#endif
}

// Adds an attribute that has a position.
inline void insertAt(nix::EvalState & state, nix::BindingsBuilder & builder, std::string_view name,
                     nix::Value * value, Position position) {
    auto symbol = state.symbols.create(name);
#if GANTRY_NIX_AT_LEAST(2, 9)
    builder.insert(symbol, value, position);
#else
    // Attributes point to their positions; this one may be on the stack. It is never freed, like those
    // that the parser makes.
    builder.insert(symbol, value, nix::ptr<nix::Pos>(new nix::Pos(position)));
#endif
}

// --- Calls.

// Parses and evaluates an expression; relative paths in it start at the root directory.
inline void evalString(nix::EvalState & state, const std::string & text, nix::Value & value) {
#if GANTRY_NIX_AT_LEAST(2, 16)
    state.eval(state.parseExprFromString(text, state.rootPath(nix::CanonPath::root)), value);
#else
    state.eval(state.parseExprFromString(text, "/"), value);
#endif
}

inline void call(nix::EvalState & state, nix::Value & function, nix::Value & first, nix::Value & second,
                 nix::Value & result) {
    nix::Value * arguments[] = {&first, &second};
#if GANTRY_NIX_AT_LEAST(2, 26)
    state.callFunction(function, arguments, result, nix::noPos);
#else
    state.callFunction(function, 2, arguments, result, nix::noPos);
#endif
}

// --- Errors.

// The evaluation cache remembers it: only for what the expression alone determines.
[[noreturn]] inline void throwEvalError(nix::EvalState & state, Position position,
                                        const std::string & message) {
#if GANTRY_NIX_AT_LEAST(2, 21)
    state.error<nix::EvalError>(message).atPos(position).debugThrow();
#else
    throw nix::EvalError(nix::ErrorInfo{.msg = nix::hintfmt(message), .errPos = resolved(state, position)});
#endif
}

// Not remembered: for what the machine determines.
[[noreturn]] inline void throwError(nix::EvalState & state, Position position, const std::string & message) {
#if GANTRY_NIX_AT_LEAST(2, 23)
    state.error<nix::EvalBaseError>(message).atPos(position).debugThrow();
#elif GANTRY_NIX_AT_LEAST(2, 21)
    nix::Error error("%s", nix::Uncolored(message));
    error.atPos(resolved(state, position));
    throw error;
#else
    throw nix::Error(nix::ErrorInfo{.msg = nix::hintfmt(message), .errPos = resolved(state, position)});
#endif
}

inline void addTrace(nix::EvalState & state, nix::Error & error, Position position,
                     const std::string & line) {
#if GANTRY_NIX_AT_LEAST(2, 21)
    error.addTrace(resolved(state, position), "%s", nix::Uncolored(line));
#else
    error.addTrace(resolved(state, position), nix::hintfmt(line));
#endif
}

// What an error consists of. BaseError keeps it to itself and its subclasses: hence a subclass, of which there
// are no objects, that names the members.
class ErrorParts : nix::BaseError {
public:
    static nix::ErrorInfo & info(nix::BaseError & error) {
        return error.*(&ErrorParts::err);
    }
    // The text that Nix keeps once it was asked for.
    static void changed(nix::BaseError & error) {
        (error.*(&ErrorParts::what_)).reset();
    }
};

inline std::list<nix::Trace> & framesOf(nix::Error & error) {
    return ErrorParts::info(error).traces;
}

// Where an error itself is.
inline auto & placeOf(nix::Error & error) {
#if GANTRY_NIX_AT_LEAST(2, 21)
    return ErrorParts::info(error).pos;
#else
    return ErrorParts::info(error).errPos;
#endif
}

// Puts the error itself to a position, which may be unknown.
inline void place(nix::EvalState & state, nix::Error & error, Position position) {
    placeOf(error) = {};
    if (isKnown(position))
        placeOf(error) = resolved(state, position);
}

// The kinds of text that an error, or a frame of its trace, points to.
enum class Origin { unknown, string, derivationNix, other };

// Calls `f(origin, text)`: `text` is what a string consists of.
template <typename Place, typename F>
auto withOrigin(nix::EvalState & state, const Place & place, F f) {
    (void)state;
#if GANTRY_NIX_AT_LEAST(2, 20)
    if (!place || !*place)
        return f(Origin::unknown, "");
    // The parser appends zeros to what it reads.
    if (auto string = std::get_if<nix::Pos::String>(&place->origin))
        return f(Origin::string, string->source->c_str());
    auto path = std::get_if<nix::SourcePath>(&place->origin);
    return f(path && *path == state.derivationInternal ? Origin::derivationNix : Origin::other, "");
#elif GANTRY_NIX_AT_LEAST(2, 13)
    if (!place || place->line == 0)
        return f(Origin::unknown, "");
    // What it is shows only in how it is printed.
    std::ostringstream printed;
    place->print(printed);
    if (printed.str() == "«string»")
        return f(Origin::string, place->getSource().value_or("").c_str());
    std::ostringstream derivation;
# if GANTRY_NIX_AT_LEAST(2, 16)
    derivation << state.derivationInternal;
# else
    derivation << nix::EvalState::derivationNixPath;
# endif
    return f(printed.str() == derivation.str() ? Origin::derivationNix : Origin::other, "");
#else
    if (!place || place->line == 0)
        return f(Origin::unknown, "");
    if (place->origin == nix::foString)
        return f(Origin::string, place->file.c_str());
    return f(place->file == "//builtin/derivation.nix" ? Origin::derivationNix : Origin::other, "");
#endif
}

// --- The store. Adding a dump means the same everywhere if it is left at its defaults: a NAR, by SHA-256.

inline nix::Hash sha256(std::string_view bytes) {
#if GANTRY_NIX_AT_LEAST(2, 20)
    return nix::hashString(nix::HashAlgorithm::SHA256, bytes);
#else
    return nix::hashString(nix::htSHA256, bytes);
#endif
}

// The path that adding a NAR of that hash, without references, leads to.
inline nix::StorePath pathOfNar(nix::Store & store, std::string_view name, const nix::Hash & hash) {
#if GANTRY_NIX_AT_LEAST(2, 24)
    return store.makeFixedOutputPath(
        name,
        nix::FixedOutputInfo{.method = nix::FileIngestionMethod::NixArchive, .hash = hash, .references = {}});
#elif GANTRY_NIX_AT_LEAST(2, 17)
    return store.makeFixedOutputPath(
        name,
        nix::FixedOutputInfo{.method = nix::FileIngestionMethod::Recursive, .hash = hash, .references = {}});
#elif GANTRY_NIX_AT_LEAST(2, 16)
    return store.makeFixedOutputPath(
        name, nix::FixedOutputInfo{.hash = {.method = nix::FileIngestionMethod::Recursive, .hash = hash},
                                   .references = {}});
#else
    return store.makeFixedOutputPath(nix::FileIngestionMethod::Recursive, hash, name);
#endif
}

// A file's digest, `sha256:` and hexadecimal digits.
inline nix::Hash parseSha256(std::string_view digest) {
#if GANTRY_NIX_AT_LEAST(2, 20)
    return nix::Hash::parseAny(digest, nix::HashAlgorithm::SHA256);
#else
    return nix::Hash::parseAny(digest, nix::htSHA256);
#endif
}

// The path that adding a file of that hash leads to: that of a fixed-output derivation ("flat").
inline nix::StorePath pathOfFile(nix::Store & store, std::string_view name, const nix::Hash & hash) {
#if GANTRY_NIX_AT_LEAST(2, 17)
    return store.makeFixedOutputPath(
        name, nix::FixedOutputInfo{.method = nix::FileIngestionMethod::Flat, .hash = hash, .references = {}});
#elif GANTRY_NIX_AT_LEAST(2, 16)
    return store.makeFixedOutputPath(
        name, nix::FixedOutputInfo{.hash = {.method = nix::FileIngestionMethod::Flat, .hash = hash},
                                   .references = {}});
#else
    return store.makeFixedOutputPath(nix::FileIngestionMethod::Flat, hash, name);
#endif
}

inline nix::StorePath addFile(nix::Store & store, std::string_view name, nix::Source & bytes) {
#if GANTRY_NIX_AT_LEAST(2, 24)
    return store.addToStoreFromDump(bytes, name, nix::FileSerialisationMethod::Flat,
                                    nix::ContentAddressMethod::Raw::Flat, nix::HashAlgorithm::SHA256);
#elif GANTRY_NIX_AT_LEAST(2, 21)
    return store.addToStoreFromDump(bytes, name, nix::FileSerialisationMethod::Flat,
                                    nix::FileIngestionMethod::Flat, nix::HashAlgorithm::SHA256);
#else
    return store.addToStoreFromDump(bytes, name, nix::FileIngestionMethod::Flat);
#endif
}

// Where a path of the store is on this machine.
inline std::string realPath(nix::Store & store, const nix::StorePath & path) {
#if GANTRY_NIX_AT_LEAST(2, 33)
    if (auto local = dynamic_cast<nix::LocalFSStore *>(&store))
        return std::filesystem::path(local->toRealPath(path)).string();
    return store.printStorePath(path);
#else
    return store.toRealPath(path);
#endif
}

// --- Purity, progress, JSON.

inline bool isPure(nix::EvalState & state) {
#if GANTRY_NIX_AT_LEAST(2, 24)
    return state.settings.pureEval;
#else
    (void)state;
    return nix::evalSettings.pureEval;
#endif
}

inline void parseJson(nix::EvalState & state, std::string_view json, nix::Value & value) {
    nix::parseJSON(state, json, value);
}

// A download in Nix's progress bar.
class Download {
    nix::Activity activity;

public:
    explicit Download(const std::string & url)
        : activity(*nix::logger, nix::lvlTalkative, nix::actFileTransfer, "downloading '" + url + "'",
                   nix::Logger::Fields{url}) {}
    void progress(uint64_t received, uint64_t expected) const {
        activity.progress(received, expected);
    }
};

} // namespace gantry::compat
