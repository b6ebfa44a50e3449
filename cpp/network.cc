// See network.hh. A request runs on a thread of Rust's, which knows nothing of Nix; the evaluator's thread
// waits for it, shows its progress and looks for Ctrl-C.

#include "network.hh"
#include "encode.hh"
#include "gantry/src/plugin/ffi.rs.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include <unistd.h>

namespace gantry {
namespace {

using nix::EvalState;
using nix::Value;

std::string textOf(EvalState & state, Value & set, std::string_view name, compat::Position position) {
    auto attr = compat::attrOf(state, set, name);
    if (!attr)
        compat::throwError(state, position, "gantry: internal error: a request without " + std::string(name));
    compat::Context context;
    state.forceValue(*attr->value, position);
    return std::string(compat::forceString(state, *attr->value, context, position, "in a request"));
}

// A file that is gone when this is.
struct TemporaryFile {
    std::string path;

    TemporaryFile(EvalState & state, compat::Position position) {
        const char * directory = std::getenv("TMPDIR");
        path = std::string(directory && *directory ? directory : "/tmp") + "/gantry-XXXXXX";
        int fd = mkstemp(path.data());
        if (fd < 0)
            compat::throwError(state, position, "cannot make a temporary file at " + path);
        close(fd);
    }
    ~TemporaryFile() {
        std::remove(path.c_str());
    }
    TemporaryFile(const TemporaryFile &) = delete;
    TemporaryFile & operator=(const TemporaryFile &) = delete;
};

// A file's bytes for the store, as it takes them.
struct FileSource : nix::Source {
    std::ifstream file;

    explicit FileSource(const std::string & path) : file(path, std::ios::binary) {}
    size_t read(char * data, size_t size) override {
        file.read(data, static_cast<std::streamsize>(size));
        if (file.gcount() == 0)
            throw nix::EndOfFile("end of file");
        return static_cast<size_t>(file.gcount());
    }
};

// Runs a request to its end; its answer as JSON.
std::string answer(EvalState & state, compat::Position position, const std::string & json) {
    auto task = start_task({reinterpret_cast<const uint8_t *>(json.data()), json.size()});
    std::string url(task->url());
    if (!url.empty())
        state.checkURI(url);
    std::unique_ptr<compat::Download> shown;
    task->begin();
    // Dropped on the way out, also by Interrupted, the task is told to stop.
    while (!task->wait(100)) {
        nix::checkInterrupt();
        if (!url.empty() && !shown)
            shown = std::make_unique<compat::Download>(url);
        if (shown)
            shown->progress(task->received(), task->expected());
    }
    auto result = task->take();
    if (result.ok)
        return std::string(result.text);
    auto message = "builtins.pullImage: " + std::string(result.text);
    // What the expression alone determines may be remembered; what a registry says may not.
    if (result.users)
        compat::throwEvalError(state, position, message);
    compat::throwError(state, position, message);
}

std::string encoded(EvalState & state, Value & attrs, compat::Position position) {
    compat::forceAttrs(state, attrs, position, "while evaluating a request");
    // The user did not write the request: nothing in it has a position.
    return encode(state, "builtins.pullImage", attrs, {}, nix::noPos);
}

std::string contentOf(EvalState & state, compat::Position position, const std::string & path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream bytes;
    if (!(bytes << file.rdbuf()))
        compat::throwError(state, position, "cannot read " + path);
    return bytes.str();
}

} // namespace

void request(EvalState & state, compat::Position position, Value * attrs, Value & result) {
    compat::parseJson(state, answer(state, position, encoded(state, *attrs, position)), result);
}

void fetch(EvalState & state, compat::Position position, Value * attrs, Value & result) {
    auto json = encoded(state, *attrs, position);
    auto name = textOf(state, *attrs, "name", position);
    auto digest = textOf(state, *attrs, "digest", position);
    auto wantsText = compat::attrOf(state, *attrs, "text");
    bool text = wantsText && wantsText->value->type() == nix::nBool && compat::boolOf(*wantsText->value);

    auto & store = *state.store;
    auto path = compat::pathOfFile(store, name, compat::parseSha256(digest));
    if (!nix::settings.readOnlyMode)
        store.addTempRoot(path);
    std::string content;
    if (store.isValidPath(path)) {
        if (text)
            content = contentOf(state, position, compat::realPath(store, path));
    } else {
        TemporaryFile file(state, position);
        // The encoded request is an object: one more attribute, before its first.
        auto into = rust::String(file.path);
        auto whole = "{\"into\":" + std::string(json_string(into)) + "," + json.substr(1);
        answer(state, position, whole);
        if (text)
            content = contentOf(state, position, file.path);
        if (!nix::settings.readOnlyMode) {
            FileSource source(file.path);
            auto added = compat::addFile(store, name, source);
            if (added != path)
                compat::throwError(state, position, "the store gave " + digest + " another path");
        }
    }
    state.allowPath(path);

    compat::Context context;
    compat::addStorePath(state, context, path);
    auto attrsOut = state.buildBindings(2);
    compat::mkString(state, attrsOut.alloc("path"), store.printStorePath(path), context);
    compat::mkString(state, attrsOut.alloc("text"), content);
    result.mkAttrs(attrsOut);
}

} // namespace gantry
