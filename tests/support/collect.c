/* Preloaded into Nix: each function of the plugin, compiled with
 * -finstrument-functions, begins with a collection of garbage. A value that the
 * collector cannot see is then gone before it is used. */

#define _GNU_SOURCE
#include <unistd.h>

/* Nix brings the collector. */
extern void GC_gcollect(void) __attribute__((weak));

void __cyg_profile_func_enter(void * function, void * caller) {
    static int collecting;
    (void)function;
    (void)caller;
    /* Other threads have stacks that the collector does not know. */
    if (collecting || !GC_gcollect || gettid() != getpid())
        return;
    collecting = 1;
    GC_gcollect();
    collecting = 0;
}

void __cyg_profile_func_exit(void * function, void * caller) {
    (void)function;
    (void)caller;
}
