// The `etch` program: finds the command, runs it, turns a status into an exit code.
// Exit codes: 0 done, 1 failed (or verify found a difference), 2 the command line is wrong, 130 interrupted.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/opt.h"
#include "op/op.h"

#ifndef ETCH_VERSION
#define ETCH_VERSION "0.1.0"
#endif

#define COMMAND(fn, name, help) etch_status *etch_cmd_##fn(int argc, char **argv);
#include "cli/commands.def"
#undef COMMAND

static const struct { const char *name, *help; etch_status *(*run)(int, char **); } commands[] = {
#define COMMAND(fn, name, help) { name, help, etch_cmd_##fn },
#include "cli/commands.def"
#undef COMMAND
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static void help(void)
{
    printf("etch exports Hugging Face Transformers models to ExecuTorch (.pte) without PyTorch, and runs them.\n\n"
           "Usage: etch COMMAND [options]\n\nCommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++) printf("  %-10s %s\n", commands[i].name, commands[i].help);
    printf("\nExamples:\n"
           "  etch export --model models/tiny --task text-generation --recipe xnnpack -o out\n"
           "  etch generate out/model.pte --prompt \"Once upon a time\"\n\n"
           "'etch COMMAND --help' explains a command; 'etch --version' prints the version.\n"
           "ETCH_VERBOSE=1 adds the chain of source locations to an error.\n");
}

static int report(etch_status *s, const char *command)
{
    if (!s) return 0;
    etch_code code = etch_status_code(s);
    fprintf(stderr, "etch%s%s: %s\n", command ? " " : "", command ? command : "", etch_status_message(s));
    if (getenv("ETCH_VERBOSE")) fputs(etch_status_trace(s), stderr);
    if (code == ETCH_INTERNAL) fprintf(stderr, "This is a fault in etch, not in your model; please report it with the command line.\n");
    if (code == ETCH_USAGE) fprintf(stderr, "See 'etch%s%s --help'.\n", command ? " " : "", command ? command : "");
    etch_status_free(s);
    return code == ETCH_USAGE ? 2 : 1;
}

int main(int argc, char **argv)
{
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        help();
        return argc < 2 ? 2 : 0;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("etch %s\n", ETCH_VERSION);
        return 0;
    }
    etch_status *s = etch_ops_init();
    if (s) return report(s, NULL);
    const char *names[N_COMMANDS + 1] = { NULL };
    for (size_t i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(argv[1], commands[i].name)) continue;
        s = commands[i].run(argc - 1, argv + 1);
        if (fflush(stdout) || ferror(stdout)) {
            if (!s) s = ETCH_ERR(ETCH_IO, "cannot write to standard output");
        }
        return report(s, commands[i].name);
    }
    const char *near = etch_nearest(argv[1], names);
    return report(near ? ETCH_ERR(ETCH_USAGE, "unknown command '%s'; did you mean '%s'?", argv[1], near)
                       : ETCH_ERR(ETCH_USAGE, "unknown command '%s'", argv[1]), NULL);
}
