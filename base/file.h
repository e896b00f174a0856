// Files: read-only maps, whole reads, and writes that appear whole or not at all.
#ifndef ETCH_BASE_FILE_H
#define ETCH_BASE_FILE_H

#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"

// A read-only memory map of a whole regular file. `bytes.ptr` is page-aligned; NULL for an empty file.
typedef struct etch_mapped { etch_span bytes; } etch_mapped;
etch_status *etch_mapped_open(const char *path, etch_mapped *out_map) ETCH_MUST_USE;
void etch_mapped_close(etch_mapped *m);
// Tells the kernel that [off, off+len) is not needed soon (keeps peak RSS small while streaming weights).
void etch_mapped_drop(const etch_mapped *m, size_t off, size_t len);

// Appends the whole file (or pipe) to `out`.
etch_status *etch_file_read(const char *path, etch_buf *out) ETCH_MUST_USE;
bool etch_file_exists(const char *path);
// NAME in the folder of `path`. ETCH_INVALID: that does not fit `capacity` bytes.
etch_status *etch_file_beside(const char *path, const char *name, char *out, size_t capacity) ETCH_MUST_USE;
// mkdir -p.
etch_status *etch_file_mkdirs(const char *path) ETCH_MUST_USE;

// Writes a file without a name in the target's folder (where the file system has none: under a temporary name); `commit` flushes, closes
// and renames it to the target, `abandon` removes it. A process killed in between leaves the target untouched.
// No fsync: after a power cut the file may be lost, as with any build product.
typedef struct etch_writer { int fd; char *path, *tmp; bool nameless; uint64_t offset; uint8_t *buf; size_t n; } etch_writer;
etch_status *etch_writer_open(const char *path, etch_writer *out_w) ETCH_MUST_USE;
etch_status *etch_writer_put(etch_writer *w, const void *bytes, size_t n) ETCH_MUST_USE;
etch_status *etch_writer_zeros(etch_writer *w, uint64_t n) ETCH_MUST_USE;
etch_status *etch_writer_commit(etch_writer *w) ETCH_MUST_USE;
void etch_writer_abandon(etch_writer *w);
// Bytes that are all in memory, written the same way.
etch_status *etch_file_write(const char *path, etch_span bytes) ETCH_MUST_USE;

#endif
