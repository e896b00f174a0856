#define _GNU_SOURCE
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"

#define WRITE_BUF ((size_t)1 << 20)

static etch_status *os_error(const char *what, const char *path)
{
    return ETCH_ERR(errno == ENOENT ? ETCH_NOT_FOUND : ETCH_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

etch_status *etch_mapped_open(const char *path, etch_mapped *out_map)
{
    *out_map = (etch_mapped){ 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return os_error("open", path);
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        bool regular = S_ISREG(st.st_mode);
        etch_status *s = regular ? os_error("read", path) : ETCH_ERR(ETCH_INVALID, "%s is not a regular file", path);
        close(fd);
        return s;
    }
    size_t n = (size_t)st.st_size;
    void *p = n ? mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    etch_status *s = p == MAP_FAILED ? os_error("map", path) : NULL;
    close(fd);
    if (!s) out_map->bytes = (etch_span){ p, n };
    return s;
}

void etch_mapped_close(etch_mapped *m)
{
    if (m->bytes.ptr) munmap((void *)(uintptr_t)m->bytes.ptr, m->bytes.len);
    *m = (etch_mapped){ 0 };
}

void etch_mapped_drop(const etch_mapped *m, size_t off, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), start = etch_align_up(off, page), end = (off + len) & ~(page - 1);
    if (end > start && end <= m->bytes.len) madvise((void *)(uintptr_t)(m->bytes.ptr + start), end - start, MADV_DONTNEED);
}

etch_status *etch_file_read(const char *path, etch_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return os_error("open", path);
    static const size_t chunk = 1 << 16;
    uint8_t *tmp = malloc(chunk);
    ssize_t got = tmp ? 1 : 0;
    while (got > 0) {
        got = read(fd, tmp, chunk);
        if (got < 0 && errno == EINTR) got = 1;
        else if (got > 0) etch_buf_put(out, tmp, (size_t)got);
    }
    etch_status *s = !tmp ? ETCH_ERR(ETCH_NO_MEMORY, "out of memory") : got < 0 ? os_error("read", path) : NULL;
    free(tmp);
    close(fd);
    return s ? s : etch_buf_check(out);
}

bool etch_file_exists(const char *path) { return access(path, F_OK) == 0; }

etch_status *etch_file_beside(const char *path, const char *name, char *out, size_t capacity)
{
    const char *slash = strrchr(path, '/');
    const int n = snprintf(out, capacity, "%.*s%s", slash ? (int)(slash - path) + 1 : 0, path, name);
    return n >= 0 && (size_t)n < capacity ? NULL : ETCH_ERR(ETCH_INVALID, "the path of %s is too long", path);
}

etch_status *etch_file_mkdirs(const char *path)
{
    char *p = strdup(path);
    if (!p) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    etch_status *s = NULL;
    for (char *c = p + 1; !s; c++) {
        if (*c != '/' && *c) continue;
        char was = *c;
        *c = 0;
        if (mkdir(p, 0777) && errno != EEXIST) s = os_error("create the folder", p);
        *c = was;
        if (!was) break;
    }
    struct stat st;
    if (!s && (stat(path, &st) || !S_ISDIR(st.st_mode))) s = ETCH_ERR(ETCH_INVALID, "%s exists and is not a folder", path);
    free(p);
    return s;
}

static void close_writer(etch_writer *w)
{
    if (w->fd >= 0) close(w->fd);
    free(w->path);
    free(w->tmp);
    free(w->buf);
    *w = (etch_writer){ .fd = -1 };
}

// A file without a name in the folder of w->path: a killed process leaves nothing. -1 where the file system or the kernel has no such
// thing.
static int open_nameless(const etch_writer *w, char fd_path[32])
{
    const char *slash = strrchr(w->path, '/');
    char *folder = slash ? strndup(w->path, (size_t)(slash - w->path) + 1) : strdup(".");
    int fd = folder ? open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666) : -1;
    free(folder);
    if (fd < 0) return -1;
    snprintf(fd_path, 32, "/proc/self/fd/%d", fd);
    if (access(fd_path, F_OK) == 0) return fd;  // naming it later needs /proc
    close(fd);
    return -1;
}

etch_status *etch_writer_open(const char *path, etch_writer *out_w)
{
    char fd_path[32];
    *out_w = (etch_writer){ .fd = -1 };
    etch_writer w = { .fd = -1, .path = strdup(path), .buf = malloc(WRITE_BUF) };
    if (!w.path || !w.buf || asprintf(&w.tmp, "%s.tmp-%ld", path, (long)getpid()) < 0) {
        w.tmp = NULL;
        close_writer(&w);
        return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    }
    w.fd = open_nameless(&w, fd_path);
    w.nameless = w.fd >= 0;
    if (!w.nameless) w.fd = open(w.tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w.fd < 0) {
        etch_status *s = os_error("create", w.tmp);
        close_writer(&w);
        return s;
    }
    *out_w = w;
    return NULL;
}

static etch_status *write_all(etch_writer *w, const uint8_t *p, size_t n)
{
    while (n) {
        ssize_t got = write(w->fd, p, n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return os_error("write", w->path);
        p += got;
        n -= (size_t)got;
    }
    return NULL;
}

static etch_status *flush(etch_writer *w)
{
    size_t n = w->n;
    w->n = 0;
    return write_all(w, w->buf, n);
}

etch_status *etch_writer_put(etch_writer *w, const void *bytes, size_t n)
{
    if (n > WRITE_BUF - w->n) ETCH_TRY(flush(w));
    if (n >= WRITE_BUF) {
        ETCH_TRY(write_all(w, bytes, n));
    } else if (n) {
        memcpy(w->buf + w->n, bytes, n);
        w->n += n;
    }
    w->offset += n;
    return NULL;
}

etch_status *etch_writer_zeros(etch_writer *w, uint64_t n)
{
    static const uint8_t zeros[4096];
    for (; n; n -= n < sizeof zeros ? n : sizeof zeros)
        ETCH_TRY(etch_writer_put(w, zeros, n < sizeof zeros ? (size_t)n : sizeof zeros));
    return NULL;
}

etch_status *etch_writer_commit(etch_writer *w)
{
    etch_status *s = flush(w);
    if (!s && w->nameless) {  // a name for the instant before the rename, which replaces an older file in one step
        char fd_path[32];
        snprintf(fd_path, sizeof fd_path, "/proc/self/fd/%d", w->fd);
        unlink(w->tmp);
        if (linkat(AT_FDCWD, fd_path, AT_FDCWD, w->tmp, AT_SYMLINK_FOLLOW)) s = os_error("create", w->tmp);
        else w->nameless = false;
    }
    if (close(w->fd) && !s) s = os_error("write", w->path);  // network file systems report a full disk here
    w->fd = -1;
    if (!s && rename(w->tmp, w->path)) s = os_error("rename to", w->path);
    if (s && !w->nameless) unlink(w->tmp);
    close_writer(w);
    return s;
}

void etch_writer_abandon(etch_writer *w)
{
    if (w->tmp && !w->nameless) unlink(w->tmp);
    close_writer(w);
}

etch_status *etch_file_write(const char *path, etch_span bytes)
{
    etch_writer w;
    ETCH_TRY(etch_writer_open(path, &w));
    etch_status *s = etch_writer_put(&w, bytes.ptr, bytes.len);
    if (!s) return etch_writer_commit(&w);
    etch_writer_abandon(&w);
    return s;
}
