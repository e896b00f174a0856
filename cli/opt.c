// In: an option table and argv. Out: filled targets, or a status that names the wrong word.
#include "cli/opt.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t distance(const char *a, const char *b)  // Levenshtein over at most 63 characters
{
    size_t row[64], n = strlen(b), m = strlen(a);
    if (n > 63 || m > 63) return 64;
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t diag = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t up = row[j], cost = diag + (a[i - 1] != b[j - 1]);
            if (up + 1 < cost) cost = up + 1;
            if (row[j - 1] + 1 < cost) cost = row[j - 1] + 1;
            diag = up;
            row[j] = cost;
        }
    }
    return row[n];
}

const char *etch_nearest(const char *word, const char *const *words)
{
    const char *best = NULL;
    size_t least = strlen(word) / 3 + 2;
    for (; *words; words++) {
        size_t d = distance(word, *words);
        if (d < least) {
            least = d;
            best = *words;
        }
    }
    return best;
}

static const etch_opt *find(const etch_cmd *cmd, const char *word, size_t len)
{
    for (const etch_opt *o = cmd->opts; o && o->name; o++) {
        if (strlen(o->name) == len && !memcmp(o->name, word, len)) return o;
        if (o->alias && strlen(o->alias) == len && !memcmp(o->alias, word, len)) return o;
    }
    return NULL;
}

static const etch_opt *shown(const etch_opt *o)  // the first row from `o` on that the help text has
{
    while (o && o->kind == ETCH_OPT_ONLY && o->name) o++;
    return o && o->name ? o : NULL;
}

static etch_status *unknown(const etch_cmd *cmd, const char *word)
{
    const char *names[128];
    int n = 0;
    for (const etch_opt *o = cmd->opts; (o = shown(o)) && n < 127; o++) names[n++] = o->name;
    names[n] = NULL;
    const char *near = etch_nearest(word, names);
    if (near) return ETCH_ERR(ETCH_USAGE, "unknown option '%s'; did you mean '%s'?", word, near);
    return ETCH_ERR(ETCH_USAGE, "unknown option '%s'; see 'etch %s --help'", word, cmd->name);
}

static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = choices; *p;) {
        size_t len = strcspn(p, "|");
        if (len == n && !memcmp(p, value, n)) return true;
        p += len + (p[len] == '|');
    }
    return false;
}

static etch_status *set(const etch_opt *o, const char *value)
{
    char *end = NULL;
    errno = 0;
    switch (o->kind) {
    case ETCH_OPT_FLAG: *(bool *)o->target = true; return NULL;
    case ETCH_OPT_STR:
        if (!*value) return ETCH_ERR(ETCH_USAGE, "%s needs a value (%s)", o->name, o->arg);
        *(const char **)o->target = value;
        return NULL;
    case ETCH_OPT_LIST: {
        etch_opt_list *list = o->target;
        if (!*value) return ETCH_ERR(ETCH_USAGE, "%s needs a value (%s)", o->name, o->arg);
        if (list->n == ETCH_OPT_LIST_MAX) return ETCH_ERR(ETCH_USAGE, "%s is given more than %d times", o->name, ETCH_OPT_LIST_MAX);
        list->items[list->n++] = value;
        return NULL;
    }
    case ETCH_OPT_CHOICE:
        if (!is_choice(o->arg, value)) return ETCH_ERR(ETCH_USAGE, "%s: '%s' is not one of %s", o->name, value, o->arg);
        *(const char **)o->target = value;
        return NULL;
    case ETCH_OPT_INT: {
        long long v = strtoll(value, &end, 10);
        if (errno || end == value || *end) return ETCH_ERR(ETCH_USAGE, "%s: '%s' is not a whole number", o->name, value);
        if (v < o->min || v > o->max)
            return ETCH_ERR(ETCH_USAGE, "%s: %lld is outside %lld to %lld", o->name, v, (long long)o->min, (long long)o->max);
        *(int64_t *)o->target = v;
        return NULL;
    }
    case ETCH_OPT_FLOAT: {
        double v = strtod(value, &end);
        if (end == value || *end || !isfinite(v) || v < 0) return ETCH_ERR(ETCH_USAGE, "%s: '%s' is not a number ≥ 0", o->name, value);
        *(double *)o->target = v;
        return NULL;
    }
    case ETCH_OPT_ONLY:
        if (!*value || strcmp(value, o->arg)) return ETCH_ERR(ETCH_USAGE, "%s %s: %s", o->name, value, o->help);
        return NULL;
    }
    return ETCH_ERR(ETCH_INTERNAL, "%s has an unknown kind", o->name);
}

etch_status *etch_opt_parse(const etch_cmd *cmd, int argc, char **argv, const char **out_positionals, bool *out_done)
{
    *out_done = false;
    bool seen[128] = { false };
    int n_pos = 0;
    bool options_ended = false;
    for (int i = 0; i < cmd->max_positionals; i++) out_positionals[i] = NULL;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!options_ended && (!strcmp(word, "--help") || !strcmp(word, "-h"))) {
            etch_opt_print_help(cmd);
            *out_done = true;
            return NULL;
        }
        if (!options_ended && !strcmp(word, "--")) {
            options_ended = true;
            continue;
        }
        if (options_ended || word[0] != '-' || !word[1]) {
            if (n_pos == cmd->max_positionals) return ETCH_ERR(ETCH_USAGE, "unexpected argument '%s'", word);
            out_positionals[n_pos++] = word;
            continue;
        }
        const char *eq = word[1] == '-' ? strchr(word, '=') : NULL;
        size_t len = eq ? (size_t)(eq - word) : strlen(word);
        const etch_opt *o = find(cmd, word, len);
        if (!o) return unknown(cmd, word);
        if (seen[o - cmd->opts] && o->kind != ETCH_OPT_LIST) return ETCH_ERR(ETCH_USAGE, "%s is given twice", o->name);
        seen[o - cmd->opts] = true;
        const char *value = "";
        if (o->kind == ETCH_OPT_FLAG) {
            if (eq) return ETCH_ERR(ETCH_USAGE, "%s takes no value", o->name);
        } else if (eq) {
            value = eq + 1;
        } else if (i + 1 < argc) {
            value = argv[++i];
        } else {
            return ETCH_ERR(ETCH_USAGE, "%s needs a value (%s)", o->name, o->arg);
        }
        ETCH_TRY(set(o, value));
    }
    for (const etch_opt *o = cmd->opts; o && o->name; o++)
        if (o->required && !seen[o - cmd->opts]) return ETCH_ERR(ETCH_USAGE, "%s %s is required", o->name, o->arg);
    if (n_pos < cmd->min_positionals) return ETCH_ERR(ETCH_USAGE, "missing argument: expected %s", cmd->positionals);
    return NULL;
}

static const etch_opt *line_of(const etch_opt *o, char *left, size_t size)  // the rows of one line of help; the last of them
{
    size_t n = 0;
    for (;; o++) {
        int more = snprintf(left + n, size - n, "%s%s%s%s%s%s", n ? ", " : "", o->alias ? o->alias : "", o->alias ? ", " : "", o->name,
                            o->arg ? " " : "", o->arg ? o->arg : "");
        n += more > 0 ? (size_t)more : 0;
        if (o->help || n >= size) return o;
    }
}

void etch_opt_print_help(const etch_cmd *cmd)
{
    printf("%s\n\nUsage: etch %s%s%s%s\n", cmd->summary, cmd->name, cmd->positionals ? " " : "", cmd->positionals ? cmd->positionals : "",
           cmd->opts && cmd->opts->name ? " [options]" : "");
    if (cmd->examples) printf("\nExamples:\n%s\n", cmd->examples);
    enum { WIDEST = 34 };  // of the column of names; longer ones push their help to the right
    char left[128];
    int column = 0;
    for (const etch_opt *o = cmd->opts; (o = shown(o)); o++) {
        o = line_of(o, left, sizeof left);
        int width = (int)strlen(left);
        if (width <= WIDEST && width > column) column = width;
    }
    for (const etch_opt *o = cmd->opts; (o = shown(o)); o++) {
        if (o->group || o == cmd->opts) printf("\n%s:\n", o->group ? o->group : "Options");
        o = line_of(o, left, sizeof left);
        printf("  %-*s  %s%s\n", column, left, o->help, o->required ? " (required)" : "");
    }
}
