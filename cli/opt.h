// Command lines: one option table a command drives the parser, the usage line and the help text.
//
// Rules (docs/READING.md): unknown options and bad values are refused by name with the nearest known one, never clamped; help goes to
// stdout and exits 0; misuse goes to stderr and exits 2.
#ifndef ETCH_CLI_OPT_H
#define ETCH_CLI_OPT_H

#include "base/status.h"
#include "base/str.h"

typedef enum {
    ETCH_OPT_FLAG,    // bool *
    ETCH_OPT_STR,     // const char **
    ETCH_OPT_LIST,    // etch_opt_list *: may be given several times
    ETCH_OPT_CHOICE,  // const char **, one of `choices`
    ETCH_OPT_INT,     // int64_t *, within [min, max]
    ETCH_OPT_FLOAT,   // double *, finite, ≥ 0
    ETCH_OPT_ONLY,    // no target: a flag of another exporter of which etch can honour the value `arg` alone ("": none); any other is
                      // refused, and
                      // `help` says why. Not in the help text
} etch_opt_kind;

enum { ETCH_OPT_LIST_MAX = 8 };
typedef struct etch_opt_list { const char *items[ETCH_OPT_LIST_MAX]; int n; } etch_opt_list;

typedef struct etch_opt {
    const char *name;     // "--model"; NULL ends the table
    const char *alias;    // "-m" or NULL
    etch_opt_kind kind;
    void *target;         // left untouched when the option is absent: set the default first
    const char *arg;      // "DIR"; for CHOICE the choices themselves, "a|b|c"
    const char *help;     // one line; states unit and default. NULL: the next row's line of help has this row too, and speaks of both
    int64_t min, max;     // INT
    bool required;
    const char *group;    // heading in the help, NULL: as the row before
} etch_opt;

typedef struct etch_cmd {
    const char *name;          // "export"
    const char *summary;       // one sentence
    const char *positionals;   // "FILE.pte [IO.safetensors]" or NULL
    int min_positionals, max_positionals;
    const char *examples;      // two real lines
    etch_opt *opts;
} etch_cmd;

// Parses argv[1..]. `out_positionals` (max_positionals entries, may be NULL when that is 0) is filled in order, the rest set to NULL.
// *out_done is true when help was printed: the command returns NULL at once. Errors are ETCH_USAGE.
etch_status *etch_opt_parse(const etch_cmd *cmd, int argc, char **argv, const char **out_positionals, bool *out_done) ETCH_MUST_USE;
void etch_opt_print_help(const etch_cmd *cmd);
// "did you mean" over a NULL-terminated list; NULL when nothing is near.
const char *etch_nearest(const char *word, const char *const *words);

#endif
