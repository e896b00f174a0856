// Runs the tracer: a Python child process with etch's own `torch` package in front of the unmodified transformers library.
//
// The child reads one JSON job from standard input, writes the graph's text form to fd 3, and speaks JSON lines on standard error:
//   {"stage": "import"}                                  progress
//   {"progress": {"done": 1, "total": 2}}                bytes of a download
//   {"note": "..."}                                      shown in the summary
//   {"chat": {...}}                                      chat.json, checked by the caller (job key "chat" only)
//   {"missing": {"op": "aten::x", "where": "modeling_x.py:1", "count": 2}}  an operator that the tracer lacks (job key "weightless" only)
//   {"error": {"message": ..., "where": ..., "module": ..., "kind": "unsupported|invalid|not_found|internal"}}   and exit code 1
// Anything else on standard error is kept as a log and shown only when the child dies without an error line.
#ifndef ETCH_EXPORT_TRACER_H
#define ETCH_EXPORT_TRACER_H

#include "base/buf.h"
#include "export/progress.h"

typedef struct etch_tracer_result {
    etch_buf text;          // graph text form, owned
    etch_buf notes;         // one note a line, owned
    etch_buf missing;       // "op\twhere\tcount", one a line, owned
    etch_buf chat;          // JSON text, owned; empty: none
    uint64_t peak_rss;      // bytes, of the child
    double seconds;
} etch_tracer_result;

// What a child may have beyond the sandbox that it puts itself into (docs/SECURITY.md).
enum {
    ETCH_GRANT_NONE = 0,
    ETCH_GRANT_SCRATCH = 1,  // a folder of its own that it may write, removed afterwards; its name is in ETCH_SCRATCH
    ETCH_GRANT_SECRETS = 2,  // the variables of the environment that hold tokens and passwords
};

// The Python that traces: $ETCH_PYTHON, the active virtual environment, .venv beside the build or install folder, python3 on the path.
// `buf` receives the path.
etch_status *etch_tracer_python(char *buf, size_t cap) ETCH_MUST_USE;
// The folder that holds etch's torch package: $ETCH_HOME/python, else share/etch/python beside or one above the folder of the program.
etch_status *etch_tracer_home(char *buf, size_t cap) ETCH_MUST_USE;

// `job` is the JSON text, `grants` a set of ETCH_GRANT_*. Progress stages are named as the child names them.
// `out` needs deinit on every path: notes and missing operators are there after an error too.
etch_status *etch_tracer_run(etch_str job, unsigned grants, etch_progress *progress, etch_tracer_result *out) ETCH_MUST_USE;
void etch_tracer_result_deinit(etch_tracer_result *r);

#endif
