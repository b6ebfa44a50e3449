/* Ways out through other processes: pid 1, the tracer, whatever there is that the script did not start. */
#include "attack.h"
#include <linux/nsfs.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int parent_of(int pid) {
    char path[64], line[256];
    int parent = -1;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE * file = fopen(path, "re");
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "PPid: %d", &parent) == 1)
            break;
    fclose(file);
    return parent;
}

void each_other(void (*visit)(int pid)) {
    int script = atoi(variable("SCRIPT"));
    DIR * directory = opendir("/proc");
    if (!directory)
        return refused();
    visit(1); // whether a /proc shows it or not
    for (struct dirent * entry; (entry = readdir(directory));) {
        int pid = atoi(entry->d_name), above = pid;
        if (pid <= 1)
            continue;
        while (above > 1 && above != script)
            above = parent_of(above);
        if (above != script || script == 0)
            visit(pid);
    }
    closedir(directory);
}

static const char UP[] = "/../../../../../../../../../../..";

static void root(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/root", pid);
    try_outside(path);
    snprintf(path, sizeof path, "/proc/%d/task/%d/root", pid, pid);
    try_outside(path);
}

static void directory(int pid) {
    char path[128];
    snprintf(path, sizeof path, "/proc/%d/cwd%s", pid, UP);
    try_outside(path);
}

/* All that is open in another process is out of reach, whatever it is. */
static void open_files(int pid) {
    char path[PATH_MAX], target[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR * files = opendir(path);
    if (!files)
        return refused();
    for (struct dirent * entry; (entry = readdir(files));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/fd/%s%s", pid, entry->d_name, UP);
        try_outside(path);
        snprintf(path, sizeof path, "/proc/%d/fd/%s", pid, entry->d_name);
        struct stat status;
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0 || stat(path, &status) < 0) {
            refused();
            continue;
        }
        target[length] = 0;
        if (strcmp(target, "/dev/null") && strncmp(target, "pipe:", 5))
            escaped("%s is %s", path, target);
        if (S_ISREG(status.st_mode) && opens(path, O_WRONLY))
            escaped("opened %s for writing", path);
    }
    closedir(files);
}

static void program(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    if (opens(path, O_RDONLY))
        escaped("opened %s", path);
}

static void mapped_files(int pid) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/map_files", pid);
    DIR * files = opendir(path);
    if (!files)
        return refused();
    for (struct dirent * entry; (entry = readdir(files));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/map_files/%s", pid, entry->d_name);
        if (opens(path, O_RDONLY))
            escaped("opened %s", path);
    }
    closedir(files);
}

/* SECRET_VARIABLE stands in the builder's environment, and in no script's. */
static void environment(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    if (has_token(AT_FDCWD, path))
        escaped("read %s", path);
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    FILE * file = fopen(path, "re");
    if (!file)
        return refused();
    char line[256];
    if (fgets(line, sizeof line, file))
        escaped("read %s", path);
    fclose(file);
}

/* What only those who may trace a process are told of it. */
static void state(int pid) {
    static const char * const FILES_OF[] = {"auxv",    "io",          "syscall", "stack",
                                            "pagemap", "personality", "smaps",   "timers"};
    char path[64];
    for (size_t i = 0; i < sizeof FILES_OF / sizeof *FILES_OF; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, FILES_OF[i]);
        char byte;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, &byte, 1) < 0)
            refused();
        else
            escaped("read %s", path);
        close(fd);
    }
    if (syscall(SYS_kcmp, pid, getpid(), 1 /* KCMP_VM */, 0UL, 0UL) >= 0)
        escaped("kcmp with %d", pid);
    refused();
    void * list;
    size_t size;
    if (syscall(SYS_get_robust_list, pid, &list, &size) == 0)
        escaped("get_robust_list of %d", pid);
    refused();
}

static void memory(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    if (opens(path, O_RDWR))
        escaped("opened %s for writing", path);
}

/* Nothing is mapped at 8: EFAULT says that only the address is wrong. */
static void memory_calls(int pid) {
    char byte = 0;
    struct iovec here = {&byte, 1}, there = {(void *)8, 1};
    if (process_vm_readv(pid, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT)
        escaped("process_vm_readv of %d", pid);
    refused();
    if (process_vm_writev(pid, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT)
        escaped("process_vm_writev of %d", pid);
    refused();
}

static void copied_descriptors(int pid) {
    int process = syscall(SYS_pidfd_open, pid, 0);
    if (process < 0)
        return refused();
    for (int fd = 0; fd < 64; fd++) {
        int copy = syscall(SYS_pidfd_getfd, process, fd, 0);
        if (copy >= 0)
            escaped("copied descriptor %d of %d", fd, pid);
        refused();
    }
}

static const struct {
    const char * name;
    int flag;
} NAMESPACES[] = {{"user", CLONE_NEWUSER},    {"mnt", CLONE_NEWNS},  {"pid", CLONE_NEWPID},
                  {"net", CLONE_NEWNET},      {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS},
                  {"cgroup", CLONE_NEWCGROUP}};
#define NAMESPACE_COUNT (sizeof NAMESPACES / sizeof *NAMESPACES)

/* Enters a namespace; a way out if it is another one than the script's. */
static void enter_other(int fd, const char * name, int flag, const char * how) {
    char own[64];
    struct stat here, there;
    snprintf(own, sizeof own, "/proc/self/ns/%s", name);
    if (fstat(fd, &there) < 0 || stat(own, &here) < 0)
        return refused();
    if (setns(fd, flag) < 0)
        return refused();
    if (flag == CLONE_NEWNS)
        try_outside("");
    if (here.st_ino != there.st_ino)
        escaped("entered the %s namespace of %s", name, how);
}

static void namespaces(int pid) {
    char path[64];
    for (size_t i = 0; i < NAMESPACE_COUNT; i++) {
        snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, NAMESPACES[i].name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            refused();
            continue;
        }
        enter_other(fd, NAMESPACES[i].name, NAMESPACES[i].flag, path);
        close(fd);
    }
}

/* setns takes the namespaces of a process as well. */
static void namespaces_of_process(int pid) {
    int process = syscall(SYS_pidfd_open, pid, 0);
    if (process < 0)
        return refused();
    /* Linux 6.11: a process hands its namespaces out as descriptors (PIDFD_GET_..._NAMESPACE, linux/pidfd.h). */
    static const struct {
        const char * name;
        int number, flag;
    } HANDED[] = {{"mnt", 3, CLONE_NEWNS}, {"user", 9, CLONE_NEWUSER}, {"net", 4, CLONE_NEWNET}};
    for (size_t i = 0; i < sizeof HANDED / sizeof *HANDED; i++) {
        int handed = ioctl(process, _IO(0xff, HANDED[i].number), 0);
        if (handed >= 0) {
            enter_other(handed, HANDED[i].name, HANDED[i].flag, "a descriptor of pid 1");
        } else {
            refused();
        }
    }
    struct stat before[NAMESPACE_COUNT], after;
    char own[64];
    for (size_t i = 0; i < NAMESPACE_COUNT; i++) {
        snprintf(own, sizeof own, "/proc/self/ns/%s", NAMESPACES[i].name);
        stat(own, &before[i]);
        if (setns(process, NAMESPACES[i].flag) < 0) {
            refused();
            continue;
        }
        if (NAMESPACES[i].flag == CLONE_NEWNS)
            try_outside("");
        if (stat(own, &after) == 0 && after.st_ino != before[i].st_ino)
            escaped("entered the %s namespace of %d", NAMESPACES[i].name, pid);
    }
}

/* The owners and parents of the script's own namespaces. */
static void namespaces_above(void) {
    char path[64];
    for (size_t i = 0; i < NAMESPACE_COUNT; i++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", NAMESPACES[i].name);
        int own = open(path, O_RDONLY | O_CLOEXEC);
        int owner = ioctl(own, NS_GET_USERNS);
        if (owner >= 0) {
            enter_other(owner, "user", CLONE_NEWUSER, "the owner");
        } else {
            refused();
        }
        int parent = ioctl(own, NS_GET_PARENT);
        if (parent >= 0) {
            enter_other(parent, NAMESPACES[i].name, NAMESPACES[i].flag, "the parent");
        } else {
            refused();
        }
        close(own);
    }
}

/* A new user namespace whose users are more than the one that the script is. */
static void user_map(void) {
    static const char * const MAPS[] = {"0 0 4294967295", "0 0 65536", "0 1 1", "1 1 1", "0 0 1\n1 1 1"};
    int ready[2], go[2];
    char byte, path[64];
    if (pipe(ready) < 0 || pipe(go) < 0)
        return refused();
    pid_t child = fork();
    if (child == 0) {
        byte = unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
        if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    if (read(ready[0], &byte, 1) != 1 || byte) {
        errno = byte;
        return refused();
    }
    snprintf(path, sizeof path, "/proc/%d/uid_map", child);
    for (size_t i = 0; i < sizeof MAPS / sizeof *MAPS; i++) {
        int fd = open(path, O_WRONLY);
        if (fd < 0)
            return refused();
        ssize_t written = write(fd, MAPS[i], strlen(MAPS[i]));
        if (written < 0)
            refused();
        close(fd);
        if (written >= 0)
            escaped("mapped more users than one: %s", MAPS[i]);
    }
}

/* Gantry's processes and those that started it are in the script's process group unless it has its own; they ignore
   SIGURG. The test has a process there that does not. */
static void signal_group(void) {
    if (kill(0, SIGURG) < 0)
        refused();
}

/* Whatever these do to it, the build ends as without them: that is for the test to see. */
static void signals(int pid) {
    static const int ALL[] = {SIGKILL, SIGSTOP, SIGTSTP, SIGSEGV, SIGBUS,  SIGILL,  SIGABRT,
                              SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE, SIGALRM, SIGUSR1,
                              SIGUSR2, SIGCHLD, SIGIO,   SIGSYS,  SIGXCPU, SIGPWR};
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++)
        if (kill(pid, ALL[i]) < 0)
            refused();
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
        if (kill(pid, signal) < 0)
            refused();
}

static void attach(int pid) {
    if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) < 0)
        return refused();
    int status;
    ptrace(PTRACE_DETACH, waitpid(pid, &status, __WALL), NULL, NULL);
    escaped("attached to %d", pid);
}

static void seize(int pid) {
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
        return refused();
    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
    int status;
    ptrace(PTRACE_DETACH, waitpid(pid, &status, __WALL), NULL, NULL);
    escaped("seized %d", pid);
}

#define EACH(name)                                                                                           \
 static void each_##name(void) {                                                                             \
  each_other(name);                                                                                          \
 }
EACH(root)
EACH(directory)
EACH(open_files)
EACH(program)
EACH(mapped_files)
EACH(environment)
EACH(state)
EACH(memory)
EACH(memory_calls)
EACH(copied_descriptors)
EACH(namespaces)
EACH(namespaces_of_process)
EACH(signals)
EACH(attach)
EACH(seize)

const struct attack PROCESSES[] = {
    {"proc-root", each_root},
    {"proc-cwd", each_directory},
    {"proc-fd", each_open_files},
    {"proc-exe", each_program},
    {"proc-map_files", each_mapped_files},
    {"proc-environ", each_environment},
    {"proc-state", each_state},
    {"proc-mem", each_memory},
    {"process_vm", each_memory_calls},
    {"pidfd_getfd", each_copied_descriptors},
    {"setns", each_namespaces},
    {"setns-pidfd", each_namespaces_of_process},
    {"namespaces-above", namespaces_above},
    {"user-map", user_map},
    {"signal-group", signal_group},
    {"signals", each_signals},
    {NULL, NULL},
};

const struct attack PTRACE[] = {
    {"ptrace-seize", each_seize},
    {"ptrace-attach", each_attach},
    {NULL, NULL},
};
