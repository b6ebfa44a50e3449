/* The file that users name in `plugin-files`, installed as lib/nix/plugins/libgantry.so: loads the plugin
 * that is built for the running Nix, lib/gantry/VERSION/libgantry.so.
 *
 * Plugins use Nix's C++ interface, which changes with every version, patch releases included, and a plugin
 * that cannot be loaded makes every Nix command fail, also the one that would install another. So this
 * file uses none of it: where it finds no plugin for the running Nix it says so in one line, and Nix goes
 * on without the builtins. The line does not start with `warning:` or `error:`, which NixOS and Home Manager
 * take for mistakes in nix.conf. Looks at no environment variable: nix-daemon loads it as root.
 *
 *     cc -std=c99 -O2 -Wall -Wextra -fPIC -shared -o libgantry.so cpp/loader.c -ldl
 */

#define _GNU_SOURCE /* dladdr, RTLD_DEFAULT */

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "gantry: "
#define SUFFIX "; builtins.ociImage and builtins.pullImage are not available"

/* `std::string nix::nixVersion`, in libnixstore or libnixutil. Absent in Nix builds that hide their
 * symbols (static ones, Debian 13's), where a plugin could not work. */
static const char * const version_symbol = "_ZN3nix10nixVersionB5cxx11E";

/* One write, so that lines of programs that run in parallel do not mix. */
static void say(const char * format, ...) {
    char line[2 * PATH_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, PREFIX "%s" SUFFIX "\n", line);
}

/* The version is used as a file name. */
static int is_plain(const char * version) {
    size_t length = strlen(version);
    return length > 0 && length < 100 && version[0] != '.' &&
           strspn(version, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-_") == length;
}

/* The versions in `directory`, in ASCII order, as "2.26.3, 2.8.0"; empty if there are none. */
static void list_versions(const char * directory, char * list, size_t size) {
    struct dirent ** entries;
    int count = scandir(directory, &entries, NULL, alphasort);
    size_t used = 0;
    list[0] = '\0';
    for (int i = 0; i < count; i++) {
        const char * name = entries[i]->d_name;
        char file[PATH_MAX];
        int length = snprintf(file, sizeof file, "%s/%s/libgantry.so", directory, name);
        FILE * plugin = is_plain(name) && length < (int)sizeof file ? fopen(file, "rb") : NULL;
        if (plugin) {
            fclose(plugin);
            int written = snprintf(list + used, size - used, "%s%s", used ? ", " : "", name);
            if (written > 0 && (size_t)written < size - used)
                used += (size_t)written;
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

__attribute__((constructor)) static void load(void) {
    /* libstdc++'s std::string starts with a pointer to its characters, which end in NUL. */
    const char * const * version = dlsym(RTLD_DEFAULT, version_symbol);
    if (!version || !*version || !is_plain(*version))
        return;

    Dl_info self;
    if (!dladdr((const void *)&version_symbol, &self) || !self.dli_fname)
        return;
    /* Through links: users may link to the file from elsewhere. */
    char * path = realpath(self.dli_fname, NULL);
    for (int up = 0; path && up < 3; up++) { /* the file, plugins, nix */
        char * slash = strrchr(path, '/');
        if (slash)
            *slash = '\0';
    }
    if (!path)
        return;

    char directory[PATH_MAX], file[PATH_MAX];
    int fits = snprintf(directory, sizeof directory, "%s/gantry", path) < (int)sizeof directory &&
               snprintf(file, sizeof file, "%s/%s/libgantry.so", directory, *version) < (int)sizeof file;
    free(path);
    if (!fits)
        return;

    FILE * plugin = fopen(file, "rb");
    if (!plugin) {
        char list[1000];
        list_versions(directory, list, sizeof list);
        if (list[0])
            say("no plugin for Nix %s here (there is one for: %s)", *version, list);
        else
            say("no plugin for Nix %s here (nor for any other, in %s)", *version, directory);
        return;
    }
    fclose(plugin);
    /* Never closed: Nix keeps pointers into it. RTLD_NOW: what is missing shows here, not in the middle of
     * an evaluation. */
    if (!dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
        const char * reason = dlerror();
        say("the plugin for Nix %s does not load (%s)", *version, reason ? reason : file);
    }
}
