// In: a JSON job. Out: graph text from a child process, or the child's error in the user's terms.
#define _GNU_SOURCE
#include "export/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

static bool executable(const char *path) { return access(path, X_OK) == 0; }

// Folder of the running program, without a trailing slash.
static bool program_folder(char *buf, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", buf, cap - 1);
    if (n <= 0) return false;
    buf[n] = 0;
    char *slash = strrchr(buf, '/');
    if (!slash) return false;
    *slash = 0;
    return true;
}

etch_status *etch_tracer_python(char *buf, size_t cap)
{
    const char *env = getenv("ETCH_PYTHON");
    if (env && *env) {
        if (strchr(env, '/') && !executable(env))
            return ETCH_ERR(ETCH_NOT_FOUND, "ETCH_PYTHON is '%s', which is not an executable file", env);
        snprintf(buf, cap, "%s", env);
        return NULL;
    }
    env = getenv("VIRTUAL_ENV");
    if (env && *env) {
        snprintf(buf, cap, "%s/bin/python3", env);
        if (executable(buf)) return NULL;
    }
    char exe[4096];
    if (program_folder(exe, sizeof exe)) {
        static const char *const places[] = { "/../.venv", "/.venv", "/../lib/etch/venv" };
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            snprintf(buf, cap, "%s%s/bin/python3", exe, places[i]);
            if (executable(buf)) return NULL;
        }
    }
    snprintf(buf, cap, "python3");
    return NULL;
}

etch_status *etch_tracer_home(char *buf, size_t cap)
{
    const char *env = getenv("ETCH_HOME");
    char probe[4608], exe[4096];
    if (env && *env) {
        snprintf(buf, cap, "%s/python", env);
        snprintf(probe, sizeof probe, "%.4096s/etch_trace", buf);
        if (etch_file_exists(probe)) return NULL;
        return ETCH_ERR(ETCH_NOT_FOUND, "ETCH_HOME is '%s', but there is no python/etch_trace in it", env);
    }
    if (program_folder(exe, sizeof exe)) {
        static const char *const places[] = { "/share/etch/python", "/../share/etch/python" };
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            snprintf(buf, cap, "%s%s", exe, places[i]);
            snprintf(probe, sizeof probe, "%.4096s/etch_trace", buf);
            if (etch_file_exists(probe)) return NULL;
        }
    }
    return ETCH_ERR(ETCH_NOT_FOUND, "etch's tracer (share/etch/python) is not beside the program; rebuild with 'make', or set ETCH_HOME");
}

typedef struct child { pid_t pid; int in, graph, err; } child;

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

// Variables whose names say that they hold a secret: the child has no use for them.
static void forget_secrets(void)
{
    static const char *const words[] = { "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "API_KEY", "ACCESS_KEY" };
    for (char **e = environ; *e;) {
        char name[256];
        size_t n = strcspn(*e, "=");
        bool secret = false;
        snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), *e);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) secret = secret || strcasestr(name, words[i]);
        if (!secret || n >= sizeof name || unsetenv(name)) e++;
    }
}

static void exec_child(const char *python, const char *home, const char *scratch, unsigned grants, int in, int graph, int err)
{
    // Off the low numbers first, so that the moves cannot overwrite each other.
    in = fcntl(in, F_DUPFD, 10);
    graph = fcntl(graph, F_DUPFD, 10);
    err = fcntl(err, F_DUPFD, 10);
    if (dup2(in, 0) < 0 || dup2(err, 1) < 0 || dup2(err, 2) < 0 || dup2(graph, 3) < 0) _exit(126);
    if (close_range(4, ~0u, 0))
        for (int fd = 4; fd < 1024; fd++) close(fd);
    if (!(grants & ETCH_GRANT_SECRETS)) forget_secrets();
    unsetenv("ETCH_SCRATCH");
    if (scratch && *scratch) setenv("ETCH_SCRATCH", scratch, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("ETCH_TRACE_HOME", home, 1);
    setenv("PYTHONHASHSEED", "0", 1);
    setenv("PYTHONDONTWRITEBYTECODE", "1", 0);
    // Not -I: it would ignore the hash seed, and the order of Python's sets would change the order of nodes.
    static const char *const foreign[] = { "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONUSERBASE", "PYTHONOPTIMIZE",
                                           "PYTHONVERBOSE" };
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) unsetenv(foreign[i]);
    char *args[] = { (char *)(uintptr_t)python, "-s", "-c",
                     "import sys; sys.path[:] = [p for p in sys.path if p]; import os; sys.path.insert(0, os.environ['ETCH_TRACE_HOME']); "
                     "import etch_trace.__main__ as m; sys.exit(m.main())", NULL };
    execvp(python, args);
    dprintf(2, "cannot start %s: %s\n", python, strerror(errno));
    _exit(127);
}

static etch_status *spawn(const char *python, const char *home, const char *scratch, unsigned grants, child *out)
{
    int in[2] = { -1, -1 }, graph[2] = { -1, -1 }, err[2] = { -1, -1 };
    etch_status *s = NULL;
    *out = (child){ .pid = -1, .in = -1, .graph = -1, .err = -1 };
    if (pipe2(in, O_CLOEXEC) || pipe2(graph, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
        s = ETCH_ERR(ETCH_IO, "cannot make a pipe: %s", strerror(errno));
    } else {
        out->pid = fork();
        if (out->pid == 0) exec_child(python, home, scratch, grants, in[0], graph[1], err[1]);
        if (out->pid < 0) s = ETCH_ERR(ETCH_IO, "cannot start a process: %s", strerror(errno));
    }
    close_fd(&in[0]);
    close_fd(&graph[1]);
    close_fd(&err[1]);
    if (s) {
        close_fd(&in[1]);
        close_fd(&graph[0]);
        close_fd(&err[0]);
        return s;
    }
    out->in = in[1];
    out->graph = graph[0];
    out->err = err[0];
    return NULL;
}

static etch_code code_of(const char *kind)
{
    if (!kind || !strcmp(kind, "internal")) return ETCH_INTERNAL;
    if (!strcmp(kind, "unsupported")) return ETCH_UNSUPPORTED;
    if (!strcmp(kind, "not_found")) return ETCH_NOT_FOUND;
    if (!strcmp(kind, "usage")) return ETCH_USAGE;
    return ETCH_INVALID;
}

// What the child says is shown on a terminal, and model code may say it: no control characters.
static char *tame(char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool c1 = (uint8_t)s[i] == 0xC2 && i + 1 < n && (uint8_t)s[i + 1] >= 0x80 && (uint8_t)s[i + 1] < 0xA0;
        if (c1 || ((uint8_t)s[i] < 0x20 && s[i] != '\n' && s[i] != '\t') || s[i] == 0x7F) s[i] = ' ';
        if (c1) s[++i] = ' ';
    }
    return s;
}

// One line of the child's standard error.
static void heard(etch_str line, etch_progress *progress, etch_tracer_result *out, etch_buf *log, etch_status **error)
{
    json_t *j = line.len && line.ptr[0] == '{' ? json_loadb(line.ptr, line.len, 0, NULL) : NULL;
    const char *stage = json_string_value(json_object_get(j, "stage")), *note = json_string_value(json_object_get(j, "note"));
    json_t *e = json_object_get(j, "error"), *m = json_object_get(j, "missing"), *p = json_object_get(j, "progress");
    json_t *chat = json_object_get(j, "chat");
    if (json_is_object(e)) {
        const char *message = json_string_value(json_object_get(e, "message")), *where = json_string_value(json_object_get(e, "where"));
        const char *module = json_string_value(json_object_get(e, "module"));
        char *text = NULL;
        bool placed = where && *where;
        if (!*error && asprintf(&text, "%s%s%s%s%s%s", message ? message : "unknown error", placed ? " (" : "", placed ? where : "",
                                placed && module && *module ? ", in " : "", placed && module ? module : "", placed ? ")" : "") >= 0) {
            *error = ETCH_ERR(code_of(json_string_value(json_object_get(e, "kind"))), "%s", tame(text, strlen(text)));
            free(text);
        }
    } else if (stage) {
        etch_progress_stage(progress, stage);
    } else if (note) {
        size_t from = out->notes.len;
        etch_buf_puts(&out->notes, note);
        if (out->notes.len > from) tame((char *)out->notes.ptr + from, out->notes.len - from);
        etch_buf_puts(&out->notes, "\n");
    } else if (json_is_object(chat)) {
        char *text = json_dumps(chat, JSON_INDENT(1));
        out->chat.len = 0;
        etch_buf_puts(&out->chat, text ? text : "");
        etch_buf_puts(&out->chat, "\n");
        free(text);
    } else if (json_is_object(p)) {
        json_int_t now = json_integer_value(json_object_get(p, "done")), total = json_integer_value(json_object_get(p, "total"));
        if (now >= 0 && total >= now) etch_progress_bytes(progress, (uint64_t)now, (uint64_t)total);
    } else if (json_is_object(m)) {
        const char *op = json_string_value(json_object_get(m, "op")), *where = json_string_value(json_object_get(m, "where"));
        size_t from = out->missing.len;
        etch_buf_printf(&out->missing, "%s\t%s\t%d\n", op ? op : "?", where ? where : "",
                        (int)json_integer_value(json_object_get(m, "count")));
        if (out->missing.len > from) tame((char *)out->missing.ptr + from, out->missing.len - from);
    } else if (!j && line.len) {
        size_t from = log->len;
        etch_buf_put(log, line.ptr, line.len);
        if (log->len > from) tame((char *)log->ptr + from, log->len - from);
        etch_buf_puts(log, "\n");
    }
    json_decref(j);
}

// Feeds the job, drains both pipes.
static etch_status *converse(child *c, etch_str job, etch_progress *progress, etch_tracer_result *out, etch_buf *log, etch_status **error)
{
    uint8_t chunk[65536];
    etch_buf line = { 0 };
    etch_status *s = NULL;
    fcntl(c->in, F_SETFL, O_NONBLOCK);
    while (!s && (c->graph >= 0 || c->err >= 0)) {
        struct pollfd fds[3] = { { c->graph, POLLIN, 0 }, { c->err, POLLIN, 0 }, { c->in, POLLOUT, 0 } };
        if (poll(fds, 3, -1) < 0) {
            if (errno != EINTR) s = ETCH_ERR(ETCH_IO, "cannot wait for the tracer: %s", strerror(errno));
            continue;
        }
        if (fds[2].revents) {
            ssize_t n = job.len ? write(c->in, job.ptr, job.len) : 0;
            if (n > 0) job = (etch_str){ job.ptr + n, job.len - (size_t)n };
            if (!job.len || (n < 0 && errno != EAGAIN && errno != EINTR)) close_fd(&c->in);
        }
        if (fds[0].revents) {
            ssize_t n = read(c->graph, chunk, sizeof chunk);
            if (n > 0) etch_buf_put(&out->text, chunk, (size_t)n);
            else if (n == 0 || errno != EINTR) close_fd(&c->graph);
        }
        if (fds[1].revents) {
            ssize_t n = read(c->err, chunk, sizeof chunk);
            for (ssize_t i = 0; i < n; i++) {
                if (chunk[i] != '\n') {
                    etch_buf_put(&line, &chunk[i], 1);
                    continue;
                }
                heard(etch_buf_str(&line), progress, out, log, error);
                line.len = 0;
            }
            if (n == 0 || (n < 0 && errno != EINTR)) close_fd(&c->err);
        }
        if (out->text.oom || log->oom) s = ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    }
    if (line.len) heard(etch_buf_str(&line), progress, out, log, error);
    etch_buf_deinit(&line);
    return s;
}

static etch_status *died(int status, const etch_buf *log)
{
    size_t from = log->len > 1500 ? log->len - 1500 : 0;
    etch_str tail = { (const char *)log->ptr + from, log->len - from };
    if (WIFSIGNALED(status))
        return ETCH_ERR(ETCH_INVALID, "the tracer was killed by signal %d (%s)%s%.*s", WTERMSIG(status), strsignal(WTERMSIG(status)),
                        tail.len ? "; its last words:\n" : "", ETCH_STR_ARGS(tail));
    return ETCH_ERR(ETCH_INVALID, "the tracer ended with exit code %d%s%.*s", WEXITSTATUS(status), tail.len ? ":\n" : "",
                    ETCH_STR_ARGS(tail));
}

// The sandbox lets the child write here; model code may have filled it with anything, so nothing in it is followed.
static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path) && 0;
}

static bool make_scratch(char *path, size_t cap)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(path, cap, "%s/etch-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (n > 0 && (size_t)n < cap && mkdtemp(path)) return true;
    *path = 0;
    return false;
}

etch_status *etch_tracer_run(etch_str job, unsigned grants, etch_progress *progress, etch_tracer_result *out)
{
    *out = (etch_tracer_result){ 0 };
    char python[4608], home[4608], scratch[4608] = "";
    ETCH_TRY(etch_tracer_python(python, sizeof python));
    ETCH_TRY(etch_tracer_home(home, sizeof home));
    if (grants & ETCH_GRANT_SCRATCH) make_scratch(scratch, sizeof scratch);  // without: the child says what it cannot do
    double start = etch_now();
    child c;
    void (*was)(int) = signal(SIGPIPE, SIG_IGN);
    etch_status *s = spawn(python, home, scratch, grants, &c);
    if (s) {
        if (*scratch) rmdir(scratch);
        return s;
    }
    etch_buf log = { 0 };
    etch_status *error = NULL;
    s = converse(&c, job, progress, out, &log, &error);
    close_fd(&c.in);
    close_fd(&c.graph);
    close_fd(&c.err);
    if (s) kill(c.pid, SIGKILL);
    int status = 0;
    struct rusage usage = { 0 };
    while (wait4(c.pid, &status, 0, &usage) < 0 && errno == EINTR) {}
    if (*scratch) nftw(scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    signal(SIGPIPE, was);
    out->seconds = etch_now() - start;
    out->peak_rss = (uint64_t)usage.ru_maxrss * 1024;
    if (!s && error) {
        s = error;
        error = NULL;
    }
    if (!s && (!WIFEXITED(status) || WEXITSTATUS(status))) s = died(status, &log);
    if (!s) s = etch_buf_check(&out->text);
    if (!s && !out->text.len) s = ETCH_ERR(ETCH_INTERNAL, "the tracer printed no graph");
    if (s && log.len && getenv("ETCH_VERBOSE")) fwrite(log.ptr, 1, log.len, stderr);
    etch_status_ignore(error);
    etch_buf_deinit(&log);
    return s;
}

void etch_tracer_result_deinit(etch_tracer_result *r)
{
    etch_buf_deinit(&r->text);
    etch_buf_deinit(&r->notes);
    etch_buf_deinit(&r->missing);
    etch_buf_deinit(&r->chat);
}
