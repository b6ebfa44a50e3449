// See frames.hh.

#include "frames.hh"
#include "gantry/src/plugin/ffi.rs.h"

#include <algorithm>

namespace gantry {
namespace {

using compat::Origin;

// A frame without position, never shown: the user's code ends here.
constexpr std::string_view mark = "gantry: the user's code";

bool isEmbedded(std::string_view text) {
    for (auto source : {oci_image_nix(), pull_image_nix(), platforms_nix()})
        if (text == std::string_view(source.data(), source.size()))
            return true;
    return false;
}

// Whether the user did not write what a position is in.
bool isNotTheUsers(Origin origin, std::string_view text) {
    return origin == Origin::derivationNix || (origin == Origin::string && isEmbedded(text));
}

} // namespace

void keepUserFrames(nix::EvalState & state, nix::Error & error, Code code, compat::Position position) {
    auto & frames = compat::framesOf(error);
    bool ours = code == Code::ours;
    // The innermost frame is the last one.
    for (auto frame = frames.begin(); frame != frames.end();) {
        bool goes = compat::withOrigin(state, frame->pos, [&](Origin origin, std::string_view text) {
            if (origin != Origin::unknown)
                return isNotTheUsers(origin, text);
            if (frame->hint.str().find(mark) == std::string::npos)
                return ours;
            ours = false;
            return true;
        });
        frame = goes ? frames.erase(frame) : std::next(frame);
    }
    auto isKnown = [&](const auto & place) {
        return compat::withOrigin(state, place,
                                  [](Origin origin, std::string_view) { return origin != Origin::unknown; });
    };
    bool nowhere = code == Code::ours && !isKnown(compat::placeOf(error)) &&
                   std::none_of(frames.begin(), frames.end(),
                                [&](const nix::Trace & frame) { return isKnown(frame.pos); });
    bool elsewhere = compat::withOrigin(state, compat::placeOf(error), isNotTheUsers);
    if (nowhere || elsewhere)
        compat::place(state, error, position);
    compat::ErrorParts::changed(error);
}

void markUserFrames(nix::EvalState & state, nix::Error & error) {
    compat::addTrace(state, error, nix::noPos, std::string(mark));
}

} // namespace gantry
