/* Ways to what the whole kernel shares: its settings, its own interfaces, sockets that no namespace divides. */
#include "attack.h"
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

static void writable(const char * path) {
    if (opens(path, O_WRONLY))
        escaped("opened %s for writing", path);
}

/* Opened and read: a mask may be an empty file. */
static void readable(const char * path) {
    char byte;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return refused();
    ssize_t length = read(fd, &byte, 1);
    if (length < 0)
        refused();
    close(fd);
    if (length > 0)
        escaped("read %s", path);
}

static void core_pattern(void) {
    writable("/proc/sys/kernel/core_pattern");
}
static void modprobe(void) {
    writable("/proc/sys/kernel/modprobe");
}

static void sysctl(void) {
    static const char * const ALL[] = {"kernel/panic",
                                       "kernel/printk",
                                       "kernel/hotplug",
                                       "kernel/poweroff_cmd",
                                       "kernel/randomize_va_space",
                                       "vm/overcommit_memory",
                                       "vm/drop_caches",
                                       "vm/panic_on_oom",
                                       "fs/protected_symlinks",
                                       "fs/suid_dumpable",
                                       "fs/binfmt_misc/register",
                                       "debug/exception-trace"};
    char path[128];
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++) {
        snprintf(path, sizeof path, "/proc/sys/%s", ALL[i]);
        writable(path);
    }
}

/* Opened only: a byte written there may end the machine. */
static void sysrq(void) {
    writable("/proc/sysrq-trigger");
}

static void interrupts(void) {
    char path[300];
    writable("/proc/irq/default_smp_affinity");
    DIR * directory = opendir("/proc/irq");
    if (!directory)
        return refused();
    for (struct dirent * entry; (entry = readdir(directory));) {
        snprintf(path, sizeof path, "/proc/irq/%s/smp_affinity", entry->d_name);
        if (entry->d_name[0] != '.')
            writable(path);
    }
    closedir(directory);
}

static void buses(void) {
    static const char * const ALL[] = {"/proc/mtrr", "/proc/scsi/scsi", "/proc/acpi/wakeup", "/proc/fs/jbd2",
                                       "/proc/latency_stats"};
    char path[600];
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++)
        writable(ALL[i]);
    DIR * directory = opendir("/proc/bus/pci");
    if (!directory)
        return refused();
    for (struct dirent * entry; (entry = readdir(directory));) {
        snprintf(path, sizeof path, "/proc/bus/pci/%s/00.0", entry->d_name);
        if (entry->d_name[0] != '.')
            writable(path);
    }
    closedir(directory);
}

static void kcore(void) {
    readable("/proc/kcore");
}
static void kmsg(void) {
    readable("/proc/kmsg");
}
static void keys(void) {
    readable("/proc/keys");
}

static void kernel_tables(void) {
    static const char * const ALL[] = {"timer_list", "sched_debug", "slabinfo",    "vmallocinfo",
                                       "kpagecount", "kpageflags",  "kpagecgroup", "pagetypeinfo"};
    char path[64];
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++) {
        snprintf(path, sizeof path, "/proc/%s", ALL[i]);
        readable(path);
    }
}

/* A system call that a filter refuses; RESULT is harmless if it does not. */
static void called(long result, const char * what) {
    if (result >= 0)
        escaped("%s answers %ld", what, result);
    refused();
}

/* Without segments it would remove a kernel that is loaded already; so it is not called outside of scripts. */
static void kexec(void) {
    if (!*variable("CONTROL"))
        called(syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0UL), "kexec_load");
}

static void kexec_file(void) {
    called(syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL, 0x80000000UL), "kexec_file_load");
}

static void bpf(void) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.map_type = BPF_MAP_TYPE_ARRAY;
    attributes.key_size = attributes.value_size = 4;
    attributes.max_entries = 1;
    called(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes), "bpf");
}

static void userfaultfd(void) {
    called(syscall(SYS_userfaultfd, O_CLOEXEC), "userfaultfd");
    called(syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY), "userfaultfd");
}

static void perf(void) {
    struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attributes};
    attributes.config = PERF_COUNT_SW_TASK_CLOCK;
    attributes.exclude_kernel = attributes.exclude_hv = 1;
    called(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0), "perf_event_open");
}

#define PROCESS_KEYRING -2
static void add_key(void) {
    called(syscall(SYS_add_key, "user", "gantry-test", "x", 1UL, PROCESS_KEYRING), "add_key");
}
static void request_key(void) {
    syscall(SYS_add_key, "user", "gantry-test", "x", 1UL, PROCESS_KEYRING);
    called(syscall(SYS_request_key, "user", "gantry-test", NULL, PROCESS_KEYRING), "request_key");
}
static void keyctl(void) {
    called(syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, PROCESS_KEYRING, 1), "keyctl");
}

/* A module of no bytes; ENOEXEC comes from the loader, which is reached then. */
static void modules(void) {
    if (syscall(SYS_init_module, "", 0UL, "") == 0 || errno == ENOEXEC)
        escaped("init_module reaches the loader");
    refused();
    if (syscall(SYS_finit_module, 0, "", 0) == 0 || errno == ENOEXEC || errno == EINVAL)
        escaped("finit_module reaches the loader");
    refused();
}

static void module_removal(void) {
    if (syscall(SYS_delete_module, "gantry_no_such_module", O_NONBLOCK) == 0 || errno == ENOENT)
        escaped("delete_module looks for modules");
    refused();
}

/* The clock, swap, accounting and ports of the machine: with arguments that change nothing, after privileges are looked at. */
static void machine(void) {
    if (syscall(SYS_settimeofday, NULL, NULL) == 0)
        escaped("settimeofday is permitted");
    refused();
    if (syscall(SYS_swapon, "/nowhere/swap", 0) == 0 || errno == ENOENT)
        escaped("swapon looks for the file");
    refused();
    if (syscall(SYS_acct, "/nowhere/accounts") == 0 || errno == ENOENT)
        escaped("acct looks for the file");
    refused();
#ifdef SYS_ioperm
    called(syscall(SYS_ioperm, 0x80UL, 1UL, 1), "ioperm");
#endif
}

/* What io_uring does passes the tracer by: a file that is made and given away so would have no owner in the layer. */
static void io_uring(void) {
    char parameters[120] = {0};
    called(syscall(SYS_io_uring_setup, 1, parameters), "io_uring_setup");
}
static void io_uring_other(void) {
    errno = 0;
    if (syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0UL) >= 0 || errno == EBADF)
        escaped("io_uring_enter is there");
    refused();
    if (syscall(SYS_io_uring_register, -1, 0, NULL, 0) >= 0 || errno == EBADF || errno == EINVAL)
        escaped("io_uring_register is there");
    refused();
}

#ifdef __x86_64__
/* The numbers of another interface of the same processor. */
static void x32(void) {
    char parameters[120] = {0};
    called(syscall(0x40000000 | SYS_io_uring_setup, 1, parameters), "io_uring_setup of x32");
    called(syscall(0x40000000 | SYS_keyctl, 0, PROCESS_KEYRING, 1), "keyctl of x32");
}

/* A tracer ends scripts with such programs, so this is not among all attacks: INT80 says that it may run. */
static void int80(void) {
    long result;
    if (!*variable("INT80"))
        return;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(288 /* keyctl of i386 */), "b"(0), "c"(PROCESS_KEYRING), "d"(1)
                     : "memory", "r8", "r9", "r10", "r11");
    errno = -(int)result;
    if ((int)result >= 0)
        escaped("keyctl of i386 answers %d", (int)result);
    refused();
}
#else
static void x32(void) {}
static void int80(void) {}
#endif

static void vsock(void) {
    called(socket(AF_VSOCK, SOCK_STREAM, 0), "socket(AF_VSOCK)");
}

/* PORT: where the test listens on 127.0.0.1. */
static void tcp(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(variable("PORT")))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!*variable("PORT"))
        return;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        escaped("connected to port %s", variable("PORT"));
    refused();
}

/* ABSTRACT: the name of a socket without a file on which the test listens. */
static void abstract(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char * name = variable("ABSTRACT");
    if (!*name)
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(address.sun_path + 1, name, strlen(name));
    if (connect(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)) ==
        0)
        escaped("connected to @%s", name);
    refused();
}

static void interfaces(void) {
    struct if_nameindex * all = if_nameindex();
    for (struct if_nameindex * one = all; one && one->if_index; one++)
        if (strcmp(one->if_name, "lo"))
            escaped("there is an interface %s", one->if_name);
    if (!all)
        refused();
}

/* SHM: the key of a System V segment outside. */
static void shared_memory(void) {
    if (!*variable("SHM"))
        return;
    called(shmget((key_t)atoi(variable("SHM")), 4096, 0), "shmget of a segment outside");
}

/* A set-user-ID program of the base or the script's own gains nothing: no_new_privs. */
static void new_privileges(void) {
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) {
        errno = EPERM;
        return refused();
    }
    escaped("no_new_privs is not set");
}

const struct attack KERNEL[] = {
    {"core_pattern", core_pattern},
    {"modprobe", modprobe},
    {"sysctl", sysctl},
    {"sysrq", sysrq},
    {"interrupts", interrupts},
    {"buses", buses},
    {"kcore", kcore},
    {"kmsg", kmsg},
    {"keys", keys},
    {"kernel-tables", kernel_tables},
    {"kexec", kexec},
    {"kexec_file", kexec_file},
    {"bpf", bpf},
    {"userfaultfd", userfaultfd},
    {"perf", perf},
    {"add_key", add_key},
    {"request_key", request_key},
    {"keyctl", keyctl},
    {"modules", modules},
    {"module-removal", module_removal},
    {"machine", machine},
    {"io_uring", io_uring},
    {"io_uring-other", io_uring_other},
    {"x32", x32},
    {"int80", int80},
    {"vsock", vsock},
    {"tcp", tcp},
    {"abstract", abstract},
    {"interfaces", interfaces},
    {"shared-memory", shared_memory},
    {"no_new_privs", new_privileges},
    {NULL, NULL},
};

/* Text that the terminal's next reader takes for typed. */
static void typed(void) {
    static const char * const ALL[] = {"/dev/tty", "/proc/self/fd/2", "/proc/self/fd/1"};
    for (int fd = 0; fd < 3; fd++)
        called(ioctl(fd, TIOCSTI, "\n"), "TIOCSTI");
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++) {
        int fd = open(ALL[i], O_RDWR | O_NONBLOCK);
        if (fd < 0) {
            refused();
            continue;
        }
        called(ioctl(fd, TIOCSTI, "\n"), "TIOCSTI");
        close(fd);
    }
}

/* The terminal becomes the script's own. */
static void controlling(void) {
    if (setsid() < 0)
        refused();
    for (int fd = 0; fd < 3; fd++)
        called(ioctl(fd, TIOCSCTTY, 1), "TIOCSCTTY");
}

const struct attack TERMINAL[] = {
    {"typed", typed},
    {"controlling", controlling},
    {NULL, NULL},
};
