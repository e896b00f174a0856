// `etch pull`: a model of the Hugging Face Hub into its cache.
#include <stdio.h>

#include "cli/opt.h"
#include "export/hub.h"

etch_status *etch_cmd_pull(int argc, char **argv);

etch_status *etch_cmd_pull(int argc, char **argv)
{
    etch_hub_request r = { 0 };
    bool quiet = false, done;
    etch_opt opts[] = {
        { "--revision", NULL, ETCH_OPT_STR, &r.revision, "R", "branch, tag or commit (default main)", 0, 0, false, "Hub" },
        { "--token", NULL, ETCH_OPT_STR, &r.token, "T", "access token (default HF_TOKEN, or what 'hf auth login' stored)", 0, 0, false,
          NULL },
        { "--offline", NULL, ETCH_OPT_FLAG, &r.offline, NULL, "the cache only, as HF_HUB_OFFLINE=1", 0, 0, false, NULL },
        { "--config_only", NULL, ETCH_OPT_FLAG, &r.config_only, NULL, "no weights: enough for 'etch check'", 0, 0, false, "What" },
        { "--gguf_file", NULL, ETCH_OPT_STR, &r.gguf_file, "FILE", "this file instead of safetensors", 0, 0, false, NULL },
        { "--trust_remote_code", NULL, ETCH_OPT_FLAG, &r.code, NULL, "the repository's code (*.py) too; it does not run now", 0, 0, false,
          NULL },
        { "--quiet", "-q", ETCH_OPT_FLAG, &quiet, NULL, "no progress on the terminal", 0, 0, false, "Output" },
        { 0 },
    };
    const etch_cmd cmd = { "pull", "Downloads what an export reads of a Hub model, and prints the folder.\nHF_ENDPOINT, HF_HOME and "
                                   "HF_HUB_OFFLINE are honoured.", "ID", 1, 1,
                           "  etch pull HuggingFaceTB/SmolLM2-135M\n"
                           "  etch export --model \"$(etch pull OWNER/NAME --revision v1.0)\" -o out", opts };
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, &r.id, &done));
    if (done) return NULL;
    char folder[4608];
    etch_buf notes = { 0 };
    etch_progress progress;
    etch_progress_init(&progress, quiet);
    etch_status *s = etch_hub_resolve(&r, &progress, folder, sizeof folder, &notes);
    etch_progress_end(&progress);
    if (!s) printf("%s\n", folder);
    if (notes.len) fprintf(stderr, "%.*s", ETCH_STR_ARGS(etch_buf_str(&notes)));
    etch_buf_deinit(&notes);
    return s;
}
