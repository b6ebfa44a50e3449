// See executable.hh.

#include "executable.hh"

#include <dlfcn.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>

namespace gantry {
namespace {

namespace fs = std::filesystem;
using nix::EvalState;
using nix::StorePath;

constexpr std::string_view name = "gantry";

// From the directory of the plugin's file: beside it (cargo's target directory), or bin/ of a prefix in which
// the plugin is in lib, lib/gantry or lib/gantry/VERSION (cpp/loader.c).
constexpr const char * candidates[] = {"gantry", "../bin/gantry", "../../bin/gantry", "../../../bin/gantry"};

bool isExecutable(const fs::path & path) {
    struct stat st;
    return stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

fs::path findExecutable(EvalState & state, compat::Position position) {
    Dl_info info;
    std::error_code error;
    fs::path plugin;
    if (dladdr(reinterpret_cast<void *>(&findExecutable), &info) && info.dli_fname)
        plugin = fs::canonical(info.dli_fname, error);
    if (plugin.empty())
        compat::throwError(state, position, "gantry: cannot tell where the plugin's file is");

    std::string looked;
    for (auto candidate : candidates) {
        auto path = (plugin.parent_path() / candidate).lexically_normal();
        if (isExecutable(path)) {
            auto resolved = fs::canonical(path, error);
            if (!error)
                return resolved;
        }
        looked += (looked.empty() ? "" : ", ") + path.string();
    }
    compat::throwError(state, position,
                       "gantry: the executable `gantry` is missing; it belongs to the plugin and was "
                       "looked for at " +
                           looked);
}

std::string readFile(EvalState & state, compat::Position position, const fs::path & path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    std::string bytes;
    if (file) {
        bytes.resize(static_cast<size_t>(file.tellg()));
        file.seekg(0).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
    if (!file)
        compat::throwError(state, position,
                           "gantry: cannot read " + path.string() + ": " + std::strerror(errno));
    return bytes;
}

// One executable file as a NAR (Nix manual, "Nix Archive (NAR) format").
std::string executableNar(const std::string & bytes) {
    std::string nar;
    nar.reserve(bytes.size() + 256);
    auto add = [&](std::string_view text) {
        for (int shift = 0; shift < 64; shift += 8)
            nar += static_cast<char>(static_cast<uint64_t>(text.size()) >> shift);
        nar += text;
        nar.append((8 - text.size() % 8) % 8, '\0');
    };
    for (std::string_view text : {"nix-archive-1", "(", "type", "regular", "executable", "", "contents"})
        add(text);
    add(bytes);
    add(")");
    return nar;
}

// The hash of the file's NAR, remembered for as long as the file is the same: one evaluation makes many
// images, and the executable has some megabytes. Belongs to the process, not to an evaluator.
nix::Hash narHash(EvalState & state, compat::Position position, const fs::path & path) {
    struct Known {
        dev_t device;
        ino_t inode;
        off_t size;
        timespec changed;
        nix::Hash hash;
    };
    static std::mutex mutex;
    static auto & known = *new std::optional<Known>;

    struct stat st = {};
    stat(path.c_str(), &st);
    std::lock_guard lock(mutex);
    if (!known || known->device != st.st_dev || known->inode != st.st_ino || known->size != st.st_size ||
        known->changed.tv_sec != st.st_ctim.tv_sec || known->changed.tv_nsec != st.st_ctim.tv_nsec)
        known.emplace(Known{st.st_dev, st.st_ino, st.st_size, st.st_ctim,
                            compat::sha256(executableNar(readFile(state, position, path)))});
    return known->hash;
}

// The valid store path that the file belongs to, if there is one: the plugin was built by Nix.
std::optional<StorePath> owningStorePath(nix::Store & store, const fs::path & path) {
    if (!store.isInStore(path.string()))
        return {};
    auto storePath = store.toStorePath(path.string()).first;
    if (!nix::settings.readOnlyMode)
        store.addTempRoot(storePath);
    if (!store.isValidPath(storePath))
        return {};
    return storePath;
}

StorePath addToStore(EvalState & state, compat::Position position, const fs::path & path) {
    auto & store = *state.store;
    auto storePath = compat::pathOfNar(store, name, narHash(state, position, path));
    if (nix::settings.readOnlyMode)
        return storePath;
    // In this order: what is valid once the root is there stays so.
    store.addTempRoot(storePath);
    if (store.isValidPath(storePath))
        return storePath;
    auto nar = executableNar(readFile(state, position, path));
    nix::StringSource source(nar);
    return store.addToStoreFromDump(source, name);
}

} // namespace

void executableInStore(EvalState & state, compat::Position position, nix::Value & result) {
    auto path = findExecutable(state, position);
    auto text = path.string();
    auto storePath = owningStorePath(*state.store, path);
    if (!storePath) {
        storePath = addToStore(state, position, path);
        text = state.store->printStorePath(*storePath);
    }
    state.allowPath(*storePath);
    compat::Context context;
    compat::addStorePath(state, context, *storePath);
    compat::mkString(state, result, text, context);
}

} // namespace gantry
