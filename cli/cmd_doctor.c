// `etch doctor`: what exporting needs and whether it is here.
#include <stdio.h>

#include "cli/opt.h"
#include "export/tracer.h"

etch_status *etch_cmd_doctor(int argc, char **argv);

etch_status *etch_cmd_doctor(int argc, char **argv)
{
    etch_opt opts[] = { { 0 } };
    const etch_cmd cmd = { "doctor", "Says what this machine lacks for exporting. Running a .pte needs nothing of it.", NULL, 0, 0,
                           "  etch doctor", opts };
    bool done;
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, NULL, &done));
    if (done) return NULL;
    char python[4608], home[4608];
    ETCH_TRY(etch_tracer_home(home, sizeof home));
    printf("tracer        %s\n", home);
    ETCH_TRY(etch_tracer_python(python, sizeof python));
    etch_progress progress;
    etch_progress_init(&progress, true);
    etch_tracer_result r;
    etch_status *s = etch_tracer_run(ETCH_LIT("{\"doctor\": true}"), ETCH_GRANT_NONE, &progress, &r);
    if (!s) printf("%.*s", ETCH_STR_ARGS(etch_buf_str(&r.text)));
    etch_tracer_result_deinit(&r);
    if (s) ETCH_TRYF(s, "python cannot trace yet");
    return NULL;
}
