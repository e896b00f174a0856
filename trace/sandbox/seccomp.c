// The seccomp filters, and the handler that turns a stopped call into EPERM and remembers it.
//
// A filter that only failed calls would leave no trace of the attempt; one that killed would leave no message. So a stopped call raises
// SIGSYS, and the handler writes the error into the registers that the call returns in. Code that takes the handler away is killed at its
// next attempt.
#define _GNU_SOURCE
#include "trace/sandbox/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

int etch_sandbox_drop_capabilities(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2] = { { 0 }, { 0 } };
    if (syscall(SYS_capget, &header, data)) return errno;
    data[0].effective &= 1u << CAP_DAC_READ_SEARCH;  // root reads models of any owner
    data[0].permitted &= 1u << CAP_DAC_READ_SEARCH;
    data[0].inheritable = data[1].effective = data[1].permitted = data[1].inheritable = 0;
    return syscall(SYS_capset, &header, data) ? errno : 0;
}

bool etch_seccomp_works(void)
{
    errno = 0;  // a filter at address 0: EFAULT where filters are known, EINVAL where they are not
    return prctl(PR_SET_SECCOMP, 2, NULL, 0, 0) == -1 && (errno == EFAULT || errno == EACCES);
}

#ifdef ETCH_LIBSECCOMP
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>

bool etch_seccomp_built(void) { return true; }

typedef struct denied { const char *call, *action; } denied;
#define DENY(call, action) { #call, action },
static const denied base[] = {
#include "trace/sandbox/denied.def"
}, writes[] = {
#include "trace/sandbox/writes.def"
};
#undef DENY
// Rows that depend on arguments.
static const denied partial[] = {
    { "clone", "start a process" }, { "kill", "signal another process" }, { "tgkill", "signal another process" },
    { "rt_sigqueueinfo", "signal another process" }, { "rt_tgsigqueueinfo", "signal another process" },
    { "prlimit64", "look into another process" },
    { "ioctl", "type into the terminal" }, { "open", "write a file" }, { "openat", "write a file" },
};
#define N(a) (sizeof(a) / sizeof *(a))
enum { N_ROWS = N(base) + N(writes) + N(partial) };

// Global because a signal handler reaches nothing else: the number of each row's call, and whether it was stopped.
static int numbers[N_ROWS];
static volatile sig_atomic_t stopped[N_ROWS];

static const denied *row(size_t i)
{
    if (i < N(base)) return &base[i];
    if (i < N(base) + N(writes)) return &writes[i - N(base)];
    return i < N_ROWS ? &partial[i - N(base) - N(writes)] : NULL;
}

const char *etch_seccomp_stopped(size_t i, const char **out_call)
{
    for (size_t k = 0; k < N_ROWS; k++)
        if (stopped[k] && !i--) {
            *out_call = row(k)->call;
            return row(k)->action;
        }
    return NULL;
}

static void on_stop(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    ucontext_t *u = context;
    if (info->si_code != 1 /* SYS_SECCOMP */) return;
    for (size_t i = 0; i < N_ROWS; i++)
        if (numbers[i] == info->si_syscall) stopped[i] = 1;
#if defined __x86_64__
    u->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined __aarch64__
    u->uc_mcontext.regs[0] = (uint64_t)-EPERM;
#else
    (void)u;
#endif
}

// SIGSYS can be turned into a failed call on these; elsewhere the call fails without a trace.
#if defined __x86_64__ || defined __aarch64__
#define STOP SCMP_ACT_TRAP
#else
#define STOP SCMP_ACT_ERRNO(EPERM)
#endif

static int deny_rows(scmp_filter_ctx f, const denied *rows, size_t n)
{
    int failed = 0;
    for (size_t i = 0; i < n && !failed; i++) {
        int number = seccomp_syscall_resolve_name(rows[i].call);
        if (number < 0) continue;  // not of this architecture, or newer than the library
        failed = seccomp_rule_add(f, STOP, number, 0);
    }
    return failed;
}

// Stops `call` where its argument `arg` compares so; `b` is what a masked argument must equal.
static int deny_where(scmp_filter_ctx f, const char *call, unsigned arg, enum scmp_compare op, scmp_datum_t a, scmp_datum_t b)
{
    const struct scmp_arg_cmp compare = { arg, op, a, b };
    int number = seccomp_syscall_resolve_name(call);
    return number < 0 ? 0 : seccomp_rule_add_array(f, STOP, number, 1, &compare);
}

// The kernel is said to have no such call: for those whose arguments lie in memory, where a filter cannot look. Callers fall back to an
// older one.
static int deny_existence(scmp_filter_ctx f, const char *call)
{
    int number = seccomp_syscall_resolve_name(call);
    return number < 0 ? 0 : seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), number, 0);
}

static int fill_base(scmp_filter_ctx f)
{
    static const char *const signals[] = { "kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo" };
    const scmp_datum_t self = (scmp_datum_t)getpid(), truncating = O_ACCMODE | O_TRUNC, tiocl = 0x541c;  // TIOCLINUX pastes into a console
    int failed = deny_rows(f, base, N(base));
    for (size_t i = 0; i < N(signals) && !failed; i++) failed = deny_where(f, signals[i], 0, SCMP_CMP_NE, self, 0);
    if (!failed) failed = deny_where(f, "clone", 0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
    if (!failed) failed = deny_where(f, "prlimit64", 0, SCMP_CMP_NE, 0, 0);
    if (!failed) failed = deny_where(f, "ioctl", 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCSTI);
    if (!failed) failed = deny_where(f, "ioctl", 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, tiocl);
    // Reading with O_TRUNC empties a file; Landlock stops it from version 3 on.
    if (!failed) failed = deny_where(f, "open", 1, SCMP_CMP_MASKED_EQ, truncating, O_TRUNC);
    if (!failed) failed = deny_where(f, "openat", 2, SCMP_CMP_MASKED_EQ, truncating, O_TRUNC);
    if (!failed) failed = deny_existence(f, "clone3");
    if (!failed) failed = deny_existence(f, "openat2");
    return failed;
}

static int fill_writes(scmp_filter_ctx f)
{
    const scmp_datum_t flags[] = { O_WRONLY, O_RDWR, O_CREAT, O_TRUNC };
    int failed = deny_rows(f, writes, N(writes));
    for (size_t i = 0; i < N(flags) && !failed; i++) {
        failed = deny_where(f, "open", 1, SCMP_CMP_MASKED_EQ, flags[i], flags[i]);
        if (!failed) failed = deny_where(f, "openat", 2, SCMP_CMP_MASKED_EQ, flags[i], flags[i]);
    }
    return failed;
}

static int listen_for_stops(void)
{
    for (size_t i = 0; i < N_ROWS; i++) numbers[i] = seccomp_syscall_resolve_name(row(i)->call);
    struct sigaction act = { .sa_sigaction = on_stop, .sa_flags = SA_SIGINFO | SA_RESTART };
    sigemptyset(&act.sa_mask);
    return sigaction(SIGSYS, &act, NULL) ? errno : 0;
}

int etch_seccomp_restrict(etch_seccomp_layer layer)
{
    int failed = listen_for_stops();
    if (failed) return failed;
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    if (!f) return ENOMEM;
    failed = -seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 1);
    (void)seccomp_attr_set(f, SCMP_FLTATR_CTL_SSB, 1);  // the filter is no reason to slow the process down
    (void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (!failed) failed = -(layer == ETCH_SECCOMP_BASE ? fill_base(f) : fill_writes(f));
    if (!failed) failed = -seccomp_load(f);
    seccomp_release(f);
    return failed;
}

#else
bool etch_seccomp_built(void) { return false; }
int etch_seccomp_restrict(etch_seccomp_layer layer) { return (void)layer, ENOSYS; }
const char *etch_seccomp_stopped(size_t i, const char **out_call) { return (void)i, *out_call = NULL, NULL; }
#endif
