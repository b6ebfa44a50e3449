/* Ways out through mounts: what hides or protects something is taken away, made writable, or gone around. All but one
   of the attacks do it in a namespace of mounts of their own where they get one, so that the script goes on. */
#include "attack.h"
#include <linux/mount.h>

static char * points[4096];
static int point_count;

/* The places of all mounts, the last one first. */
static void read_points(void) {
    static char line[1 << 15];
    FILE * file = fopen("/proc/self/mountinfo", "re");
    if (!file)
        return refused();
    while (point_count < 4096 && fgets(line, sizeof line, file)) {
        char *rest = line, *field = NULL;
        for (int i = 0; i < 5; i++)
            field = strsep(&rest, " ");
        if (field && !strchr(field, '\\'))
            points[point_count++] = strdup(field);
    }
    fclose(file);
}

/* A namespace of mounts whose changes stay in it. Who gets none may not mount here either, and tries it all the same. */
static void own_mounts(void) {
    if (enter(CLONE_NEWNS) < 0)
        return;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        refused();
        _exit(3); // what is unmounted from here on might be outside, too
    }
}

/* A directory to mount things on that hides nothing which is tried. */
static const char * place(void) {
    return access("/dev/shm", F_OK) == 0 ? "/dev/shm" : "/tmp";
}

/* What the masks of a /proc hide, and what the user ID of the host's root may write there. */
static void try_proc(const char * proc) {
    try_setting("%s/sys/kernel/core_pattern", proc);
}

static void try_sysfs(const char * directory) {
    static const char * const FILES_OF[] = {"kernel/uevent_helper", "power/state", "kernel/mm/ksm/run",
                                            "kernel/mm/transparent_hugepage/enabled"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof FILES_OF / sizeof *FILES_OF; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, FILES_OF[i]);
        if (opens(path, O_WRONLY))
            escaped("opened %s for writing", path);
    }
}

static void umount_all(void) {
    read_points();
    own_mounts();
    for (int i = point_count - 1; i >= 0; i--) {
        if (umount2(points[i], MNT_DETACH) < 0)
            refused();
        try_outside("");
        try_proc("/proc");
    }
}

static void remount_all(void) {
    read_points();
    own_mounts();
    for (int i = 0; i < point_count; i++)
        if (mount(NULL, points[i], NULL, MS_REMOUNT | MS_BIND, NULL) < 0)
            refused();
    try_outside("");
    try_proc("/proc");
}

static void setattr_all(void) {
    struct mount_attr attributes = {.attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID};
    struct mount_attr writable = {.attr_clr = MOUNT_ATTR_RDONLY};
    read_points();
    own_mounts();
    for (int i = 0; i < point_count; i++) {
        if (syscall(SYS_mount_setattr, AT_FDCWD, points[i], 0, &attributes, sizeof attributes) == 0)
            continue;
        if (syscall(SYS_mount_setattr, AT_FDCWD, points[i], 0, &writable, sizeof writable) < 0)
            refused();
    }
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &writable, sizeof writable) < 0)
        refused();
    try_outside("");
    try_proc("/proc");
}

/* A second mount of what is read-only, made writable; and one without what is mounted below, which masks. */
static void bind_all(void) {
    const char * const from[] = {"/", "/proc", "/proc/sys", variable("OUTSIDE"), "/nix/store", "/sys"};
    own_mounts();
    const char * to = place();
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        for (int recursive = 0; recursive < 2; recursive++) {
            if (!*from[i])
                continue;
            if (mount(from[i], to, NULL, MS_BIND | (recursive ? MS_REC : 0), NULL) < 0) {
                refused();
                continue;
            }
            if (mount(NULL, to, NULL, MS_REMOUNT | MS_BIND, NULL) < 0)
                refused();
            if (i == 0)
                try_outside(to);
            if (i == 1)
                try_proc(to);
            if (i == 2)
                try_setting("%s/kernel/core_pattern", to);
            if (i == 3)
                try_directory(to);
            if (i == 4)
                try_store_at(to);
            if (i == 5)
                try_sysfs(to);
            umount2(to, MNT_DETACH);
        }
}

/* A copy of a tree of mounts that is in no namespace. */
static void tree_copies(void) {
    const char * const from[] = {"/", "/proc", variable("OUTSIDE"), "/nix/store"};
    struct mount_attr writable = {.attr_clr = MOUNT_ATTR_RDONLY};
    char path[PATH_MAX];
    own_mounts();
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        for (int recursive = 0; recursive < 2; recursive++) {
            if (!*from[i])
                continue;
            int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
            int tree = syscall(SYS_open_tree, AT_FDCWD, from[i], flags);
            if (tree < 0) {
                refused();
                continue;
            }
            flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
            if (syscall(SYS_mount_setattr, tree, "", flags, &writable, sizeof writable) < 0)
                refused();
            snprintf(path, sizeof path, "/proc/self/fd/%d", tree);
            if (i == 0) {
                try_outside(path);
                strcat(path, "/../../../../../..");
                try_outside(path);
            }
            if (i == 1)
                try_proc(path);
            if (i == 2)
                try_directory(path);
            if (i == 3)
                try_store_at(path);
            close(tree);
        }
}

/* The new interface of mounts; the mount, or -1. */
static int new_mount(const char * type) {
    int context = syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
    if (context < 0) {
        refused();
        return -1;
    }
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        refused();
        return -1;
    }
    int made = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
    if (made < 0)
        refused();
    return made;
}

/* A file system of TYPE, mounted in the old way and in the new one, in as many new namespaces as there can be. */
static void fresh(const char * type, int flags, void (*visit)(const char *)) {
    char path[64];
    own_mounts();
    for (int round = 0; round < 3; round++) {
        if (round == 1 && unshare(flags) < 0)
            refused();
        if (round == 2 && enter(CLONE_NEWUSER | CLONE_NEWNS | flags) < 0)
            return;
        if (mount(type, place(), type, 0, NULL) == 0) {
            visit(place());
            umount2(place(), MNT_DETACH);
        } else {
            refused();
        }
        int made = new_mount(type);
        snprintf(path, sizeof path, "/proc/self/fd/%d", made);
        if (made >= 0)
            visit(path);
    }
}

static void fresh_proc(void) {
    fresh("proc", 0, try_proc);
}

/* The same by the first process of a new namespace of processes, for which a /proc may be mounted. */
static void fresh_proc_below(void) {
    if (enter(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) < 0 && enter(CLONE_NEWNS | CLONE_NEWPID) < 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
        if (mount("proc", place(), "proc", 0, NULL) == 0)
            try_proc(place());
        int made = new_mount("proc");
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", made);
        if (made >= 0)
            try_proc(path);
        _exit(errno == 0 ? EACCES : errno);
    }
    int status;
    waitpid(child, &status, 0);
    errno = WEXITSTATUS(status);
    if (errno == 0)
        _exit(0); // the child has said it
    refused();
}

static void fresh_sysfs(void) {
    fresh("sysfs", CLONE_NEWNET, try_sysfs);
}

static void try_cgroup(const char * directory) {
    static const char * const FILES_OF[] = {"cgroup.procs", "release_agent", "cgroup.subtree_control"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof FILES_OF / sizeof *FILES_OF; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, FILES_OF[i]);
        if (opens(path, O_WRONLY))
            escaped("opened %s for writing", path);
    }
}

static const char * fresh_type;
static void mounted(const char * directory) {
    escaped("mounted %s on %s", fresh_type, directory);
}

/* File systems of the whole kernel. */
static void fresh_others(void) {
    static const char * const TYPES[] = {"debugfs",  "tracefs",  "securityfs", "configfs",
                                         "devtmpfs", "efivarfs", "pstore",     "fusectl"};
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        pid_t child = fork();
        int status;
        if (child == 0) {
            errno = 0;
            fresh(fresh_type = TYPES[i], 0, mounted);
            _exit(errno ? errno : EPERM);
        }
        waitpid(child, &status, 0);
        errno = WEXITSTATUS(status);
        if (errno == 0)
            _exit(0); // the child has said it
        refused();
    }
}

static void fresh_cgroup(void) {
    fresh("cgroup2", CLONE_NEWCGROUP, try_cgroup);
}

static void fresh_cgroup_1(void) {
    own_mounts();
    static const char * const CONTROLLERS[] = {"memory",  "devices", "pids",
                                               "freezer", "rdma",    "none,name=gantry-test"};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof CONTROLLERS / sizeof *CONTROLLERS; i++) {
            if (mount("cgroup", place(), "cgroup", 0, CONTROLLERS[i]) == 0) {
                try_cgroup(place());
                umount2(place(), MNT_DETACH);
            } else {
                refused();
            }
        }
        if (unshare(CLONE_NEWCGROUP) < 0)
            return refused();
    }
}

static void sysfs(void) {
    try_sysfs("/sys");
}

/* Every cgroup that is mounted, and those one and two levels below. */
static void cgroups_below(const char * directory, int depth) {
    char path[PATH_MAX];
    try_cgroup(directory);
    DIR * open_directory = depth ? opendir(directory) : NULL;
    if (!open_directory)
        return;
    for (struct dirent * entry; (entry = readdir(open_directory));) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        cgroups_below(path, depth - 1);
    }
    closedir(open_directory);
}

static void cgroups(void) {
    cgroups_below("/sys/fs/cgroup", 2);
}

/* The first root of a namespace of mounts is found by entering it again, and the others of its owner beside it. */
static void namespace_again(void) {
    int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (setns(own, CLONE_NEWNS) == 0) {
        try_outside("");
    } else {
        refused();
    }
}

struct namespace_info {
    uint32_t size, mounts;
    uint64_t id;
};

static void namespaces_beside(void) {
    static const unsigned long NEXT = _IOR(0xb7, 11, struct namespace_info),
                               PREVIOUS = _IOR(0xb7, 12, struct namespace_info);
    const unsigned long ways[] = {NEXT, PREVIOUS};
    for (int i = 0; i < 2; i++) {
        int at = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        for (int steps = 0; steps < 64; steps++) {
            struct namespace_info info = {.size = sizeof info};
            int next = ioctl(at, ways[i], &info);
            if (next < 0) {
                refused();
                break;
            }
            if (setns(next, CLONE_NEWNS) == 0) {
                try_outside("");
            } else {
                refused();
            }
            close(at);
            at = next;
        }
        close(at);
    }
}

/* In the namespace that the script has: what it mounts in the root being made is not for Gantry to read. The test looks
   whether the layer has it. */
static void left_mounted(void) {
    if (chrooted())
        return;
    mkdir("mounted", 0755);
    if (mount("tmpfs", "mounted", "tmpfs", 0, NULL) < 0)
        return refused();
    opens("mounted/file", O_WRONLY | O_CREAT);
}

const struct attack MOUNTS[] = {
    {"remount", remount_all},
    {"mount_setattr", setattr_all},
    {"bind", bind_all},
    {"open_tree", tree_copies},
    {"fresh-proc", fresh_proc},
    {"fresh-proc-below", fresh_proc_below},
    {"fresh-sysfs", fresh_sysfs},
    {"fresh-others", fresh_others},
    {"fresh-cgroup2", fresh_cgroup},
    {"fresh-cgroup", fresh_cgroup_1},
    {"sysfs", sysfs},
    {"cgroups", cgroups},
    {"setns-own", namespace_again},
    {"namespaces-beside", namespaces_beside},
    {"left-mounted", left_mounted},
    {"umount", umount_all},
    {NULL, NULL},
};
