/* Ways out through paths, descriptors, links, devices and handles. */
#include "attack.h"
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

static void parents(void) {
    try_outside("/../../../../../../../../../..");
}

static void links(void) {
    if (symlink("/", "link-to-the-root") < 0)
        refused();
    try_outside("link-to-the-root");
    try_outside("link-to-the-root/../../../../../../..");
    unlink("link-to-the-root");
    if (symlink("../../../../../../../../../..", "link-up") < 0)
        refused();
    try_outside("link-up");
    unlink("link-up");
}

/* A root that is only a root directory is left through a directory that stays above a deeper one. */
static void chroot_again(void) {
    int root = open("/", O_RDONLY | O_DIRECTORY), here = open(".", O_RDONLY | O_DIRECTORY);
    mkdir("deeper", 0755);
    if (chroot("deeper") < 0 && (enter(CLONE_NEWNS) < 0 || chroot("deeper") < 0)) {
        refused();
        unlinkat(here, "deeper", AT_REMOVEDIR);
        return;
    }
    unlinkat(here, "deeper", AT_REMOVEDIR);
    if (fchdir(root) < 0)
        refused();
    for (int i = 0; i < 64; i++)
        if (chdir("..") < 0)
            refused();
    if (chroot(".") < 0)
        refused();
    try_outside("");
}

/* Only 0, 1 and 2 are open, and no directory is. */
static void descriptors(void) {
    for (int fd = 0; fd < 4096; fd++) {
        struct stat status;
        if (fstat(fd, &status) < 0) {
            refused();
            continue;
        }
        if (fd > 2)
            escaped("descriptor %d is open", fd);
        if (S_ISDIR(status.st_mode))
            escaped("descriptor %d is a directory", fd);
    }
}

/* What the log had before the script began is not for the script to read. */
static void log_file(void) {
    struct stat status;
    if (fstat(2, &status) < 0 || !S_ISREG(status.st_mode))
        return;
    if (has_token(AT_FDCWD, "/proc/self/fd/2"))
        escaped("read the log of the build through /proc/self/fd/2");
}

static void outside_directly(void) {
    char path[PATH_MAX];
    if (!*variable("OUTSIDE"))
        return;
    snprintf(path, sizeof path, "%s/planted-by-%s", variable("OUTSIDE"), current);
    if (opens(path, O_WRONLY | O_CREAT))
        escaped("made %s", path);
    if (chrooted() && has_token(AT_FDCWD, variable("SECRET")))
        escaped("read %s", variable("SECRET"));
}

/* WRITABLE: directories outside, divided by colons, in which an unchrooted script must make nothing. PLANTED: files
   in directories for which it may have some of its own; the test looks whether they are outside. */
static void elsewhere(void) {
    char all[PATH_MAX], path[PATH_MAX + 64], *rest = all;
    snprintf(all, sizeof all, "%s", variable("WRITABLE"));
    for (char * directory; (directory = strsep(&rest, ":"));) {
        if (!*directory)
            continue;
        snprintf(path, sizeof path, "%s/gantry-escape-%d", directory, getpid());
        if (opens(path, O_WRONLY | O_CREAT | O_EXCL)) {
            unlink(path);
            escaped("made a file in %s", directory);
        }
    }
    snprintf(rest = all, sizeof all, "%s", variable("PLANTED"));
    for (char * file; (file = strsep(&rest, ":"));)
        if (*file)
            opens(file, O_WRONLY | O_CREAT);
}

/* The directory that holds the root being made has Gantry's own files. */
static void working_directory(void) {
    char here[PATH_MAX];
    if (chrooted() || !getcwd(here, sizeof here))
        return;
    if (opens("../planted", O_WRONLY | O_CREAT | O_EXCL)) {
        unlink("../planted");
        escaped("made a file beside %s", here);
    }
    if (rename(here, "../renamed") == 0) {
        if (rename("../renamed", here) < 0)
            escaped("moved %s, and cannot move it back", here);
        escaped("moved %s", here);
    }
    refused();
}

static void store(void) {
    char path[PATH_MAX];
    const char * file = variable("STORE_FILE");
    if (opens(file, O_WRONLY))
        escaped("opened %s for writing", file);
    snprintf(path, sizeof path, "%s.planted", file);
    if (opens(path, O_WRONLY | O_CREAT))
        escaped("made %s", path);
}

/* Everything that changes a file without opening it for writing. */
static void store_metadata(void) {
    const char * file = variable("STORE_FILE");
    char path[PATH_MAX];
    struct timespec now[2] = {{1, 0}, {1, 0}};
    if (!*file)
        return;
    if (chmod(file, 0640) == 0)
        escaped("changed the mode of %s", file);
    refused();
    if (utimensat(AT_FDCWD, file, now, 0) == 0)
        escaped("changed the times of %s", file);
    refused();
    if (truncate(file, 0) == 0)
        escaped("truncated %s", file);
    refused();
    snprintf(path, sizeof path, "%s.renamed", file);
    if (rename(file, path) == 0)
        escaped("renamed %s", file);
    refused();
    snprintf(path, sizeof path, "%s.link", file);
    if (symlink("x", path) == 0 || link(file, path) == 0 || mkdir(path, 0755) == 0)
        escaped("made %s", path);
    refused();
}

/* A descriptor for reading is opened again for writing. */
static void store_reopened(void) {
    char path[64];
    int fd = open(variable("STORE_FILE"), O_RDONLY);
    if (fd < 0)
        return refused();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (opens(path, O_WRONLY))
        escaped("opened %s of %s for writing", path, variable("STORE_FILE"));
    snprintf(path, sizeof path, "/proc/thread-self/fd/%d", fd);
    if (opens(path, O_RDWR))
        escaped("opened %s of %s for writing", path, variable("STORE_FILE"));
}

/* A name in the root being made for a file of the outside can be written to. */
static void linked(const char * file) {
    if (!*file)
        return;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (link(file, "linked") < 0) {
        refused();
        if (linkat(AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW) < 0)
            return refused();
    }
    int writable = opens("linked", O_WRONLY);
    unlink("linked");
    if (writable)
        escaped("opened a hard link to %s for writing", file);
}

static void store_linked(void) {
    linked(variable("STORE_FILE"));
}
static void secret_linked(void) {
    linked(variable("SECRET"));
}

/* Devices, pipes and sockets are written to on read-only mounts as well. */
static void outer_node(const char * name, int flags) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", variable("OUTSIDE"), name);
    if (opens(path, flags))
        escaped("opened %s", path);
}

static void outer_device(void) {
    outer_node("device", O_WRONLY);
}
static void outer_pipe(void) {
    outer_node("pipe", O_WRONLY);
}

static void outer_socket(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", variable("OUTSIDE"));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        escaped("connected to %s", address.sun_path);
    refused();
}

/* Whether a device is one: this one gives zeros without end, and the file that stands for it is empty. */
static void is_zero(const char * path) {
    char byte = 1;
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return refused();
    if (read(fd, &byte, 1) == 1 && byte == 0)
        escaped("%s is a real device", path);
    errno = EIO;
    refused();
    close(fd);
}

static void device_of_the_base(void) {
    is_zero("/srv/zero");
}

static void device_made(void) {
    if (mknod("zero", S_IFCHR | 0666, makedev(1, 5)) < 0)
        return refused();
    chmod("zero", 0666);
    int fd = open("zero", O_RDONLY);
    char byte = 1;
    int real = fd >= 0 && read(fd, &byte, 1) == 1 && byte == 0;
    if (fd < 0)
        refused();
    unlink("zero");
    if (real)
        escaped("a device that mknod made is a real one");
}

/* A block device of the host: the first loop device, and the one of the number DISK, MAJOR:MINOR. */
static void disk_made(void) {
    unsigned major = 7, minor = 0;
    struct stat status;
    for (int i = 0; i < 2; i++) {
        if (mknod("disk", S_IFBLK | 0600, makedev(major, minor)) < 0)
            return refused();
        int fd = open("disk", O_RDONLY | O_NONBLOCK);
        if (fd < 0)
            refused();
        int real = fd >= 0 && fstat(fd, &status) == 0 && ioctl(fd, 0x1260 /* BLKGETSIZE */, &(long){0}) == 0;
        unlink("disk");
        if (real)
            escaped("a block device that mknod made is a real one");
        if (sscanf(variable("DISK"), "%u:%u", &major, &minor) != 2)
            return;
    }
}

static void devices(void) {
    static const char * const NAMES[] = {"mem",          "kmem",          "port", "kmsg",
                                         "loop-control", "btrfs-control", "vsock"};
    char path[64];
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        snprintf(path, sizeof path, "/dev/%s", NAMES[i]);
        if (opens(path, O_WRONLY))
            escaped("opened %s for writing", path);
    }
}

static void disks(void) {
    DIR * directory = opendir("/dev");
    char path[PATH_MAX];
    struct stat status;
    if (!directory)
        return refused();
    for (struct dirent * entry; (entry = readdir(directory));) {
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        if (lstat(path, &status) == 0 && S_ISBLK(status.st_mode) && opens(path, O_RDONLY))
            escaped("opened %s", path);
    }
    closedir(directory);
}

/* HANDLE: the file handle of SECRET, or of another file outside. The file system is the one of the root being made. */
static void file_handle(void) {
    char room[sizeof(struct file_handle) + MAX_HANDLE_SZ] = {0};
    struct file_handle * handle = (struct file_handle *)room;
    const char *text = variable("HANDLE"), *digits = strchr(text, ':');
    if (!digits)
        return;
    handle->handle_type = atoi(text);
    for (digits++; digits[0] && digits[1] && handle->handle_bytes < MAX_HANDLE_SZ; digits += 2) {
        unsigned byte;
        sscanf(digits, "%2x", &byte);
        handle->f_handle[handle->handle_bytes++] = byte;
    }
    static const char * const MOUNTS_OF[] = {".", "/", "/tmp", "/nix/store"};
    int error = 0;
    for (int nested = 0; nested < 2; nested++) {
        for (size_t i = 0; i < sizeof MOUNTS_OF / sizeof *MOUNTS_OF; i++) {
            int mount = open(MOUNTS_OF[i], O_RDONLY | O_DIRECTORY);
            int fd = open_by_handle_at(mount, handle, O_RDONLY | O_NONBLOCK);
            if (fd >= 0)
                escaped("opened the handle of a file outside on %s", MOUNTS_OF[i]);
            error = errno;
            close(mount);
        }
        if (enter(CLONE_NEWNS) < 0)
            break;
    }
    errno = error;
    refused();
}

const struct attack FILES[] = {
    {"parents", parents},
    {"links", links},
    {"directly", outside_directly},
    {"chroot", chroot_again},
    {"descriptors", descriptors},
    {"log", log_file},
    {"elsewhere", elsewhere},
    {"working-directory", working_directory},
    {"store", store},
    {"store-metadata", store_metadata},
    {"store-reopened", store_reopened},
    {"store-linked", store_linked},
    {"secret-linked", secret_linked},
    {"outer-device", outer_device},
    {"outer-pipe", outer_pipe},
    {"outer-socket", outer_socket},
    {"device-of-base", device_of_the_base},
    {"device-made", device_made},
    {"disk-made", disk_made},
    {"devices", devices},
    {"disks", disks},
    {"file-handle", file_handle},
    {NULL, NULL},
};
