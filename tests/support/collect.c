/* Preloaded into Nix, for a plugin compiled with -finstrument-functions: calls
 * of its functions begin with a collection of garbage. A value that the
 * collector cannot see is then gone before it is used. */

#define _GNU_SOURCE
#include <unistd.h>

/* In a larger heap, and after so many calls, one in so many: some tests make
 * millions of values. */
enum { HEAP = 64 << 20, FIRST = 5000, LATER = 1000000 };

/* Nix brings the collector. */
extern void GC_gcollect(void) __attribute__((weak));
extern unsigned long GC_get_heap_size(void) __attribute__((weak));

void __cyg_profile_func_enter(void * function, void * caller) {
    static int collecting;
    static unsigned long calls;
    (void)function;
    (void)caller;
    /* Other threads have stacks that the collector does not know. */
    if (collecting || !GC_gcollect || gettid() != getpid())
        return;
    if ((++calls > FIRST || GC_get_heap_size() > HEAP) && calls % LATER)
        return;
    collecting = 1;
    GC_gcollect();
    collecting = 0;
}

void __cyg_profile_func_exit(void * function, void * caller) {
    (void)function;
    (void)caller;
}
