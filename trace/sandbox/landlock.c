// Landlock by its system calls: the numbers and structures are the kernel's ABI (Documentation/userspace-api/landlock.rst), written out
// because the headers of older distributions know only its first versions.
#define _GNU_SOURCE
#include "trace/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The same on all architectures.
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { GET_VERSION = 1, RULE_PATH_BENEATH = 1 };

enum {
    FS_EXECUTE = 1 << 0, FS_WRITE_FILE = 1 << 1, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4, FS_REMOVE_FILE = 1 << 5, FS_MAKE_CHAR = 1 << 6, FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8, FS_MAKE_SOCK = 1 << 9, FS_MAKE_FIFO = 1 << 10, FS_MAKE_BLOCK = 1 << 11, FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13,      // version 2
    FS_TRUNCATE = 1 << 14,   // version 3
    FS_IOCTL_DEV = 1 << 15,  // version 5
};
#define FS_VERSION_1 (FS_EXECUTE | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_CHAR | FS_MAKE_DIR | FS_MAKE_REG | \
                      FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_BLOCK | FS_MAKE_SYM)
enum { NET_BIND_TCP = 1, NET_CONNECT_TCP = 2 };           // version 4
enum { SCOPE_ABSTRACT_UNIX_SOCKET = 1, SCOPE_SIGNAL = 2 };  // version 6

struct ruleset { uint64_t fs, net, scope; };
struct path_beneath { uint64_t allowed; int32_t parent_fd; } __attribute__((packed));

int etch_landlock_abi(void)
{
    long v = syscall(CREATE_RULESET, NULL, 0, GET_VERSION);
    return v > 0 ? (int)v : 0;
}

static struct ruleset handled(int abi)
{
    struct ruleset r = { .fs = FS_VERSION_1 };
    if (abi >= 2) r.fs |= FS_REFER;
    if (abi >= 3) r.fs |= FS_TRUNCATE;
    if (abi >= 4) r.net = NET_BIND_TCP | NET_CONNECT_TCP;
    if (abi >= 5) r.fs |= FS_IOCTL_DEV;
    if (abi >= 6) r.scope = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    return r;
}

static int allow(int ruleset, const char *path, uint64_t rights)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return errno;
    struct stat st;
    struct path_beneath rule = { rights, fd };
    if (!fstat(fd, &st) && !S_ISDIR(st.st_mode)) rule.allowed &= FS_WRITE_FILE | FS_TRUNCATE | FS_READ_FILE;
    int failed = syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) ? errno : 0;
    close(fd);
    return failed;
}

// `rights` of what `r` handles are granted beneath the paths.
static int restrict_self(const struct ruleset *r, int abi, uint64_t rights, const char *const *paths, size_t n)
{
    size_t size = abi >= 6 ? sizeof *r : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    long fd = syscall(CREATE_RULESET, r, size, 0);
    if (fd < 0) return errno;
    int failed = 0;
    for (size_t i = 0; i < n && !failed; i++) failed = allow((int)fd, paths[i], rights);
    if (!failed && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) failed = errno;
    if (!failed && syscall(RESTRICT_SELF, fd, 0)) failed = errno;
    close((int)fd);
    return failed;
}

int etch_landlock_restrict(const char *const *writable, size_t n_writable)
{
    int abi = etch_landlock_abi();
    if (!abi) return ENOSYS;
    const struct ruleset r = handled(abi);
    return restrict_self(&r, abi, r.fs & ~(uint64_t)(FS_EXECUTE | FS_IOCTL_DEV | FS_MAKE_CHAR | FS_MAKE_BLOCK), writable, n_writable);
}

int etch_landlock_restrict_reads(const char *const *readable, size_t n_readable)
{
    int abi = etch_landlock_abi();
    if (!abi) return ENOSYS;
    const struct ruleset r = { .fs = FS_READ_FILE | FS_READ_DIR };
    return restrict_self(&r, abi, r.fs, readable, n_readable);
}
