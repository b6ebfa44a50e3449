/* `attack all`, `attack ptrace`, `attack terminal`: runs attacks. `attack list`: their names. `attack handle PATH`:
   the file handle of a file, in hexadecimal digits. `attack shm make|remove KEY`: a System V segment.
   `attack member PATH`: a process that tells what signals it gets. */
#include "attack.h"
#include <sys/ipc.h>
#include <sys/shm.h>

const char * current = "";
static int last_error;

const char * variable(const char * name) {
    const char * value = getenv(name);
    return value ? value : "";
}

int chrooted(void) {
    return variable("CHROOTED")[0] == '1';
}

static void say(const char * what, const char * detail) {
    char line[1024];
    int length = snprintf(line, sizeof line, "attack %s %s %s\n", current, what, detail);
    if (length >= (int)sizeof line) {
        length = sizeof line;
        line[length - 1] = '\n';
    }
    if (write(1, line, length) != length)
        _exit(3);
}

void escaped(const char * format, ...) {
    char detail[900];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    say("ESCAPED", detail);
    _exit(0);
}

void refused(void) {
    last_error = errno;
}

int opens(const char * path, int flags) {
    int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0) {
        refused();
        return 0;
    }
    close(fd);
    return 1;
}

int has_token(int directory, const char * path) {
    static char text[1 << 16];
    int fd = openat(directory, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        refused();
        return 0;
    }
    ssize_t length = read(fd, text, sizeof text);
    if (length < 0)
        refused();
    close(fd);
    return length > 0 && memmem(text, length, TOKEN, strlen(TOKEN)) != NULL;
}

/* What can be reached without any attack. Attacks look for what cannot, so that each shows its own way. */
static struct { int outside, store, setting; } open_already;

static void look_first(void) {
    char path[PATH_MAX];
    open_already.store = opens(variable("STORE_FILE"), O_WRONLY);
    open_already.setting = opens("/proc/sys/kernel/core_pattern", O_WRONLY);
    snprintf(path, sizeof path, "%s/planted-by-nothing", variable("OUTSIDE"));
    open_already.outside = *variable("OUTSIDE") && opens(path, O_WRONLY | O_CREAT);
    if (open_already.outside)
        unlink(path);
    last_error = 0;
}

void try_store(const char * prefix) {
    char path[PATH_MAX];
    const char * file = variable("STORE_FILE");
    if (!*file || open_already.store)
        return;
    snprintf(path, sizeof path, "%s%s", prefix, file);
    if (opens(path, O_WRONLY))
        escaped("opened %s for writing", path);
    snprintf(path, sizeof path, "%s%s.planted-by-%s", prefix, file, current);
    if (opens(path, O_WRONLY | O_CREAT))
        escaped("made %s", path);
}

void try_store_at(const char * store) {
    char path[PATH_MAX];
    const char * file = variable("STORE_FILE");
    if (strncmp(file, "/nix/store/", 11) || open_already.store)
        return;
    snprintf(path, sizeof path, "%s/%s", store, file + 11);
    if (opens(path, O_WRONLY))
        escaped("opened %s for writing", path);
}

void try_outside(const char * prefix) {
    char path[PATH_MAX];
    if (*variable("SECRET")) {
        snprintf(path, sizeof path, "%s%s", prefix, variable("SECRET"));
        if (chrooted() && has_token(AT_FDCWD, path))
            escaped("read %s", path);
    }
    if (*variable("OUTSIDE") && !open_already.outside) {
        snprintf(path, sizeof path, "%s%s/planted-by-%s", prefix, variable("OUTSIDE"), current);
        if (opens(path, O_WRONLY | O_CREAT))
            escaped("made %s", path);
    }
    try_store(prefix);
    try_setting("%s/proc/sys/kernel/core_pattern", prefix);
}

void try_directory(const char * directory) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/planted-by-%s", directory, current);
    if (!open_already.outside && opens(path, O_WRONLY | O_CREAT))
        escaped("made %s", path);
}

void try_setting(const char * format, const char * prefix) {
    char path[PATH_MAX];
    int before = last_error;
    snprintf(path, sizeof path, format, prefix);
    if (!open_already.setting && opens(path, O_WRONLY))
        escaped("opened %s for writing", path);
    last_error = before ? before : last_error;
}

/* Writes a map of users or groups. */
static int map(const char * file, const char * text) {
    int fd = open(file, O_WRONLY);
    if (fd < 0)
        return -1;
    int result = write(fd, text, strlen(text)) < 0 ? -1 : 0;
    close(fd);
    return result;
}

int enter(int flags) {
    uid_t uid = geteuid();
    gid_t gid = getegid();
    char text[64];
    if (unshare(flags) == 0)
        return 0;
    refused();
    if (unshare(CLONE_NEWUSER) < 0) {
        refused();
        return -1;
    }
    map("/proc/self/setgroups", "deny");
    snprintf(text, sizeof text, "0 %u 1", uid);
    if (map("/proc/self/uid_map", text) < 0)
        refused();
    snprintf(text, sizeof text, "0 %u 1", gid);
    map("/proc/self/gid_map", text);
    if (unshare(flags) == 0)
        return 0;
    refused();
    return -1;
}

static int run(const struct attack * attack) {
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0) {
        current = attack->name;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(5);
        attack->run();
        const char * name = strerrorname_np(last_error);
        say("blocked", last_error ? name ? name : "?" : "-");
        _exit(0);
    }
    int status;
    while (waitpid(child, &status, __WALL) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        current = attack->name;
        char detail[32];
        snprintf(detail, sizeof detail, "SIG%s", sigabbrev_np(WTERMSIG(status)));
        say(WTERMSIG(status) == SIGALRM ? "HUNG" : "blocked", detail);
    }
    return 0;
}

static int run_all(const struct attack * attacks) {
    for (; attacks->name; attacks++)
        if (run(attacks) < 0)
            return 1;
    return 0;
}

static int handle(const char * path) {
    char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    struct file_handle * handle = (struct file_handle *)room;
    int mount;
    handle->handle_bytes = MAX_HANDLE_SZ;
    if (name_to_handle_at(AT_FDCWD, path, handle, &mount, 0) < 0) {
        perror(path);
        return 1;
    }
    printf("%d:", handle->handle_type);
    for (unsigned i = 0; i < handle->handle_bytes; i++)
        printf("%02x", handle->f_handle[i]);
    return 0;
}

static int shared_memory(const char * what, const char * key) {
    int id = shmget((key_t)atoi(key), 4096, strcmp(what, "make") ? 0 : IPC_CREAT | 0666);
    if (id < 0) {
        perror("shmget");
        return 1;
    }
    return strcmp(what, "make") ? shmctl(id, IPC_RMID, NULL) != 0 : 0;
}

/* A process outside: makes the file PATH when it gets SIGURG, and answers SIGWINCH with a byte, after that. */
static int member(const char * path) {
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    sigaddset(&set, SIGWINCH);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int signal = SIGWINCH;; sigwait(&set, &signal)) {
        if (signal == SIGWINCH && write(1, "!", 1) != 1)
            return 1;
        if (signal == SIGURG && !opens(path, O_WRONLY | O_CREAT))
            return 1;
    }
}

/* The attacks go for every process that they see: never for the machine's. */
static int in_first_namespace(void) {
    char target[64] = "";
    ssize_t length = readlink("/proc/self/ns/pid", target, sizeof target - 1);
    return length <= 0 || !strcmp(target, "pid:[4026531836]") || atoi(variable("SCRIPT")) <= 0;
}

int main(int count, char ** words) {
    static const struct attack * const ALL[] = {FILES, MOUNTS, PROCESSES, KERNEL};
    const char * what = count > 1 ? words[1] : "";
    umask(022);
    if (!strcmp(what, "list")) {
        for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++)
            for (const struct attack * attack = ALL[i]; attack->name; attack++)
                puts(attack->name);
        return 0;
    }
    if ((!strcmp(what, "all") || !strcmp(what, "ptrace")) && in_first_namespace()) {
        fprintf(stderr,
                "attack: expected SCRIPT, and a namespace of processes that is not the machine's first\n");
        return 2;
    }
    if (!strcmp(what, "all")) {
        look_first();
        for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++)
            if (run_all(ALL[i]))
                return 1;
        return 0;
    }
    if (!strcmp(what, "ptrace"))
        return run_all(PTRACE);
    if (!strcmp(what, "terminal"))
        return run_all(TERMINAL);
    if (!strcmp(what, "member") && count == 3)
        return member(words[2]);
    if (!strcmp(what, "handle") && count == 3)
        return handle(words[2]);
    if (!strcmp(what, "shm") && count == 4)
        return shared_memory(words[2], words[3]);
    fprintf(
        stderr,
        "attack: expected all, ptrace, terminal, list, member PATH, handle PATH or shm make|remove KEY\n");
    return 2;
}
