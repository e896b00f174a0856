#include "export/job.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "export/export.h"
#include "export/hub.h"
#include "export/tracer.h"
#include "st/gguf.h"

static const char default_task[] = "text-generation";

void etch_job_init(etch_job *job)
{
    *job = (etch_job){ .task = default_task, .recipe = "xnnpack", .dtype = "float32", .qparams = "hqq", .logits = "all",
                        .qlinear_group_size = -1, .qembedding_group_size = -1,
                        .qlinear_encoder_group_size = -1, .qembedding_encoder_group_size = -1 };
}

// A name in the model folder comes before a path.
static void gguf_path(const etch_job *job, char *buf, size_t cap)
{
    snprintf(buf, cap, "%s/%s", job->model, job->gguf_file);
    if (job->gguf_file[0] == '/' || !etch_file_exists(buf)) snprintf(buf, cap, "%s", job->gguf_file);
}

static etch_status *check_gguf(const etch_job *job)
{
    char path[4608];
    etch_gguf *g;
    gguf_path(job, path, sizeof path);
    if (!etch_file_exists(path))
        return ETCH_ERR(ETCH_NOT_FOUND, "--gguf_file %s: there is no such file, in %s or by this path", job->gguf_file, job->model);
    ETCH_TRYF(etch_gguf_open(path, &g), "--gguf_file");
    etch_gguf_close(g);
    return NULL;
}

static etch_status *check_flags(const etch_job *job)
{
    if (job->task_file && job->task != default_task) return ETCH_ERR(ETCH_USAGE, "--task and --task-file exclude each other");
    if (job->task_file && !etch_file_exists(job->task_file))
        return ETCH_ERR(ETCH_NOT_FOUND, "--task-file %s: there is no such file", job->task_file);
    const struct { const char *flag, *scheme; int64_t group; } given[] = {
        { "--qlinear", job->qlinear, job->qlinear_group_size },
        { "--qembedding", job->qembedding, job->qembedding_group_size },
        { "--qlinear_encoder", job->qlinear_encoder, job->qlinear_encoder_group_size },
        { "--qembedding_encoder", job->qembedding_encoder, job->qembedding_encoder_group_size },
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (given[i].group >= 0 && !given[i].scheme)
            return ETCH_ERR(ETCH_USAGE, "%s_group_size is given without %s", given[i].flag, given[i].flag);
    return NULL;
}

static etch_status *resolve(etch_job *job, etch_progress *progress, etch_buf *notes)
{
    if (!etch_hub_is_id(job->model)) {
        const char *flag = job->revision ? "--revision" : job->token ? "--token" : job->offline ? "--offline" : NULL;
        return flag ? ETCH_ERR(ETCH_USAGE, "%s is for models of the Hub; --model %s is a path", flag, job->model) : NULL;
    }
    const etch_hub_request r = { job->model, job->revision, job->token, job->gguf_file, job->offline, job->weightless,
                                 job->trust_remote_code };
    ETCH_TRYF(etch_hub_resolve(&r, progress, job->hub_folder, sizeof job->hub_folder, notes),
              "there is no such folder, so '%s' is taken for a Hub id", job->model);
    job->model = job->hub_folder;
    return NULL;
}

static etch_status *check(const etch_job *job)
{
    const size_t n = strlen(job->model);
    if (!etch_file_exists(job->model)) return ETCH_ERR(ETCH_NOT_FOUND, "--model %s: there is no such folder", job->model);
    if (n > 5 && !strcmp(job->model + n - 5, ".gguf"))
        return ETCH_ERR(ETCH_USAGE, "--model %s is a file; give its folder as --model and its name as --gguf_file", job->model);
    if (etch_job_is_file(job)) return check_flags(job);
    char path[4608];
    snprintf(path, sizeof path, "%s/config.json", job->model);
    if (job->gguf_file) ETCH_TRY(check_gguf(job));
    else if (!etch_file_exists(path))
        return ETCH_ERR(ETCH_NOT_FOUND, "--model %s: no config.json in it; give the folder that save_pretrained or a Hub download made",
                        job->model);
    return check_flags(job);
}

etch_status *etch_job_prepare(etch_job *job, etch_progress *progress)
{
    if (!job->model == !job->pt2)
        return ETCH_ERR(ETCH_USAGE, job->model ? "--model and --pt2 exclude each other"
                        : "--model DIR is required (or, to export a program of PyTorch, --pt2 FILE.pt2)");
    if (job->pt2)
        return etch_file_exists(job->pt2) ? check_flags(job) : ETCH_ERR(ETCH_NOT_FOUND, "--pt2 %s: there is no such file", job->pt2);
    etch_buf notes = { 0 };
    etch_status *s = resolve(job, progress, &notes);
    if (s) etch_progress_end(progress);
    if (notes.len && !job->quiet) fprintf(stderr, "%.*s", ETCH_STR_ARGS(etch_buf_str(&notes)));
    etch_buf_deinit(&notes);
    return s ? s : check(job);
}

etch_status *etch_job_to_json(const etch_job *job, etch_buf *out)
{
    json_t *options = json_object(), *root = json_object();
    bool ok = options && root;
    ok = ok && !json_object_set_new(options, "dtype", json_string(job->dtype));
    ok = ok && !json_object_set_new(options, "use_custom_sdpa", json_boolean(job->use_custom_sdpa));
    ok = ok && !json_object_set_new(options, "use_custom_kv_cache", json_boolean(job->use_custom_kv_cache));
    ok = ok && !json_object_set_new(options, "disable_dynamic_shapes", json_boolean(job->disable_dynamic_shapes));
    if (job->image_size) ok = ok && !json_object_set_new(options, "image_size", json_integer(job->image_size));
    if (job->prefill_chunk) ok = ok && !json_object_set_new(options, "prefill_chunk", json_integer(job->prefill_chunk));
    if (job->logits && strcmp(job->logits, "all")) ok = ok && !json_object_set_new(options, "logits", json_string(job->logits));
    if (job->max_seq_len) ok = ok && !json_object_set_new(options, "max_seq_len", json_integer(job->max_seq_len));
    ok = ok && !json_object_set_new(root, "model", json_string(job->model));
    ok = ok && !json_object_set_new(root, "task", json_string(job->task));
    if (job->task_file) ok = ok && !json_object_set_new(root, "task_file", json_string(job->task_file));
    ok = ok && !json_object_set_new(root, "trust_remote_code", json_boolean(job->trust_remote_code));
    if (job->gguf_file) {
        char path[4608];
        gguf_path(job, path, sizeof path);
        ok = ok && !json_object_set_new(root, "gguf_file", json_string(path));
    }
    ok = ok && !json_object_set_new(root, "chat", json_boolean(job->chat));
    ok = ok && !json_object_set_new(root, "weightless", json_boolean(job->weightless));
    ok = ok && !json_object_set(root, "options", options);
    char *text = ok ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text) etch_buf_puts(out, text);
    free(text);
    json_decref(options);
    json_decref(root);
    if (!text) return ETCH_ERR(ETCH_INVALID, "--model %s: the name is not valid UTF-8", job->model);
    return etch_buf_check(out);
}

bool etch_job_is_file(const etch_job *job)
{
    struct stat st;
    return job->weightless && !stat(job->model, &st) && S_ISREG(st.st_mode);
}

// A lone config file is read as if it lay in a folder, which is made in the scratch folder; so is the tokenizer of a chat template.
unsigned etch_job_grants(const etch_job *job)
{
    return job->trust_remote_code || job->chat || etch_job_is_file(job) ? ETCH_GRANT_SCRATCH : ETCH_GRANT_NONE;
}

static etch_status *quant_opts(const char *suffix, const char *linear, int64_t linear_group, const char *embedding, int64_t embedding_group,
                               etch_quant_opts *o)
{
    char flag[32];
    o->suffix = suffix;
    o->linear_group = linear_group < 0 ? 32 : linear_group;
    o->embedding_group = embedding_group < 0 ? 0 : embedding_group;
    snprintf(flag, sizeof flag, "--qlinear%s", suffix);
    if (linear) ETCH_TRY(etch_quant_parse_linear(flag, etch_str_of(linear), &o->linear, &o->linear_fallback));
    snprintf(flag, sizeof flag, "--qembedding%s", suffix);
    if (embedding) ETCH_TRY(etch_quant_parse_embedding(flag, etch_str_of(embedding), &o->embedding));
    return etch_quant_check(o);
}

etch_status *etch_job_quant(const etch_job *job, etch_recipe recipe, etch_quant_opts *out, etch_quant_opts *out_encoder)
{
    *out = (etch_quant_opts){ .delegate = recipe == ETCH_RECIPE_XNNPACK };
    ETCH_TRY(etch_qparams_parse(etch_str_of(job->qparams), &out->rule));
    *out_encoder = *out;
    ETCH_TRY(quant_opts("", job->qlinear, job->qlinear_group_size, job->qembedding, job->qembedding_group_size, out));
    return quant_opts("_encoder", job->qlinear_encoder, job->qlinear_encoder_group_size, job->qembedding_encoder,
                      job->qembedding_encoder_group_size, out_encoder);
}
