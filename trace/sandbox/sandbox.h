// Walls around code that came with a model: Landlock (files, TCP, signals) and seccomp (everything else that leaves the process).
//
// Both hold for the calling thread and what it starts, cannot be taken back, and survive whatever the code does. They are applied by the
// child itself, before any model code: while it has one thread, after the interpreter has started. The policy is trace/driver/sandbox.py.
#ifndef ETCH_TRACE_SANDBOX_H
#define ETCH_TRACE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

// The kernel's Landlock version, 0 when it has none (not built, not enabled, or forbidden here).
int etch_landlock_abi(void);
// From now on: files can be made, changed and removed beneath `writable` only (paths that exist; files count), nothing can be executed;
// where the version has it, no TCP (4), no ioctl on devices (5), no signals and abstract sockets outside (6). Each call adds a layer:
// rights only shrink.
// 0, or an errno.
int etch_landlock_restrict(const char *const *writable, size_t n_writable);

// From now on: files and folders can be opened for reading beneath `readable` only. Another layer beside the one above. 0, or an errno.
int etch_landlock_restrict_reads(const char *const *readable, size_t n_readable);

typedef enum {
    ETCH_SECCOMP_BASE,      // sockets, programs, processes, other processes' memory and signals, file metadata, the system's state
    ETCH_SECCOMP_NO_WRITE,  // opening files for writing, making and removing them: for kernels without Landlock
} etch_seccomp_layer;

bool etch_seccomp_built(void);  // false: built without libseccomp
// Adds a layer. A call that it stops fails with EPERM, and is counted below. 0, or an errno.
int etch_seccomp_restrict(etch_seccomp_layer layer);
// What was stopped at least once: the number of entries, of which entry i is "run a program (execve)" in two parts. NULL past the end.
const char *etch_seccomp_stopped(size_t i, const char **out_call);
// Does the kernel take seccomp filters? Changes nothing.
bool etch_seccomp_works(void);
// Gives up the capabilities of root except that to read any file. 0, or an errno.
int etch_sandbox_drop_capabilities(void);

#endif
