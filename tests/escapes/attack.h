/* What the attacks of tests/escapes.rs share. Each runs in a process of its own, and says in one line whether it found
   a way out of a script: `attack NAME ESCAPED HOW` or `attack NAME blocked ERRNO`. None harms what it reaches: they
   open, and write to canaries of the test alone.

   The environment says where the outside is:
     OUTSIDE     a directory outside of the root being made; new files in it are an escape
     SECRET      a file with the text TOKEN; reading it is an escape of a chrooted script
     CHROOTED    1 or 0
     STORE_FILE  a file of the store, in a directory that its permissions allow to write to
     SCRIPT      the number of the script's shell: processes that it did not start are others
   and what single attacks need; they are described there. */
#ifndef ATTACK_H
#define ATTACK_H
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOKEN "GANTRY-CANARY"

struct attack {
    const char * name;
    void (*run)(void);
};

extern const struct attack FILES[], MOUNTS[], PROCESSES[], PTRACE[], KERNEL[], TERMINAL[];

/* The attack that runs in this process. */
extern const char * current;

/* A variable of the environment, "" where there is none. */
const char * variable(const char * name);
int chrooted(void);

/* Says that there is a way out, and ends the process. */
__attribute__((noreturn, format(printf, 1, 2))) void escaped(const char * format, ...);
/* Keeps errno, which is reported if no way out is found. */
void refused(void);

/* Whether a file can be read and has the token. */
int has_token(int directory, const char * path);
/* Tries what is outside by paths that begin with PREFIX: the secret, a new file, the store, a setting of the kernel.
   What can be reached without any attack is left out, which attacks of their own look at. */
void try_outside(const char * prefix);
void try_store(const char * prefix);
/* Another path of the directory that OUTSIDE is; of /nix/store. */
void try_directory(const char * directory);
void try_store_at(const char * store);
/* A setting of the whole kernel, by a path that FORMAT makes of PREFIX. */
void try_setting(const char * format, const char * prefix);
/* Whether a file can be opened so; it is closed again. */
int opens(const char * path, int flags);

/* Calls VISIT with the number of each process that the script did not start. */
void each_other(void (*visit)(int pid));

/* New namespaces of the kinds in FLAGS, in a new user namespace where this one may not make them. */
int enter(int flags);
#endif
