// The options that describe an export job, shared by `etch export`, `etch check` and `etch trace`.
#ifndef ETCH_CLI_JOB_OPTS_H
#define ETCH_CLI_JOB_OPTS_H

#include "cli/opt.h"
#include "export/job.h"

#define ETCH_JOB_MODEL_OPTS(job) \
    { "--model", "-m", ETCH_OPT_STR, &(job).model, "DIR|ID", "model folder (config.json and safetensors), or Hub id", \
      0, 0, false, "Model" }, \
    { "--revision", NULL, ETCH_OPT_STR, &(job).revision, "R", NULL, 0, 0, false, NULL }, \
    { "--token", NULL, ETCH_OPT_STR, &(job).token, "T", NULL, 0, 0, false, NULL }, \
    { "--offline", NULL, ETCH_OPT_FLAG, &(job).offline, NULL, "of a Hub id (default main, HF_TOKEN); only its cache", 0, 0, false, NULL }, \
    { "--gguf_file", NULL, ETCH_OPT_STR, &(job).gguf_file, "FILE", "weights from a GGUF file, and the configuration DIR may lack", \
      0, 0, false, NULL }, \
    { "--task", NULL, ETCH_OPT_STR, &(job).task, "TASK", NULL, 0, 0, false, NULL }, \
    { "--task-file", NULL, ETCH_OPT_STR, &(job).task_file, "FILE.py", "its task (default text-generation); or your own task", \
      0, 0, false, NULL }, \
    { "--dtype", NULL, ETCH_OPT_CHOICE, &(job).dtype, "float32|float16|bfloat16", "computation type (default float32)", \
      0, 0, false, NULL }, \
    { "--max_seq_len", NULL, ETCH_OPT_INT, &(job).max_seq_len, "N", "cache length in tokens (default: the task's)", \
      1, 1 << 24, false, NULL }, \
    { "--prefill_chunk", NULL, ETCH_OPT_INT, &(job).prefill_chunk, "N", "tokens of one call at most (default: cache length - 1)", \
      1, 1 << 24, false, NULL }, \
    { "--disable_dynamic_shapes", NULL, ETCH_OPT_FLAG, &(job).disable_dynamic_shapes, NULL, "one token a call", 0, 0, false, NULL }, \
    { "--logits", NULL, ETCH_OPT_CHOICE, &(job).logits, "all|last", "logits of every token or of the last one (default all)", \
      0, 0, false, NULL }, \
    { "--image_size", NULL, ETCH_OPT_INT, &(job).image_size, "N", "pixels of a side, for image tasks (default: the config's)", \
      1, 1 << 16, false, NULL }, \
    { "--use_custom_sdpa", NULL, ETCH_OPT_FLAG, &(job).use_custom_sdpa, NULL, "attention as llama::custom_sdpa", 0, 0, false, NULL }, \
    { "--use_custom_kv_cache", NULL, ETCH_OPT_FLAG, &(job).use_custom_kv_cache, NULL, "cache writes as llama::update_cache", \
      0, 0, false, NULL }, \
    { "--trust_remote_code", NULL, ETCH_OPT_FLAG, &(job).trust_remote_code, NULL, "run code that lies in the model folder, in a sandbox", \
      0, 0, false, NULL }

// After the rows above, for commands that also take a program.
#define ETCH_JOB_PT2_OPT(job) \
    { "--pt2", NULL, ETCH_OPT_STR, &(job).pt2, "FILE.pt2", "instead of a model: a program saved by torch.export.save", 0, 0, false, NULL }
// With --pt2 the options in front of it, which speak of tracing, are refused.
etch_status *etch_job_pt2_check(const etch_job *job, const etch_opt *opts) ETCH_MUST_USE;

#define ETCH_JOB_NO_PACKING "a layout of CUDA and Metal kernels, which no recipe of etch has; leave it out"

// What is done to the traced graph: `etch export` and `etch check`.
#define ETCH_JOB_LOWER_OPTS(job) \
    { "--recipe", NULL, ETCH_OPT_CHOICE, &(job).recipe, "xnnpack|portable", "backend (default xnnpack)", 0, 0, false, \
      "Backend and quantization (SCHEME: 8da4w, 8da8w, 4w, 8w, or with a fallback \"8da4w,8da8w\")" }, \
    { "--qlinear", NULL, ETCH_OPT_STR, &(job).qlinear, "SCHEME", NULL, 0, 0, false, NULL }, \
    { "--qlinear_group_size", NULL, ETCH_OPT_INT, &(job).qlinear_group_size, "N", "linears; columns a scale, 0: one a row (default 32)", \
      0, 1 << 20, false, NULL }, \
    { "--qembedding", NULL, ETCH_OPT_CHOICE, &(job).qembedding, "4w|8w", NULL, 0, 0, false, NULL }, \
    { "--qembedding_group_size", NULL, ETCH_OPT_INT, &(job).qembedding_group_size, "N", "embedding tables; the same (default 0)", \
      0, 1 << 20, false, NULL }, \
    { "--qlinear_encoder", NULL, ETCH_OPT_STR, &(job).qlinear_encoder, "SCHEME", NULL, 0, 0, false, NULL }, \
    { "--qlinear_encoder_group_size", NULL, ETCH_OPT_INT, &(job).qlinear_encoder_group_size, "N", "of a task's encoder (default 32)", \
      0, 1 << 20, false, NULL }, \
    { "--qembedding_encoder", NULL, ETCH_OPT_CHOICE, &(job).qembedding_encoder, "4w|8w", NULL, 0, 0, false, NULL }, \
    { "--qembedding_encoder_group_size", NULL, ETCH_OPT_INT, &(job).qembedding_encoder_group_size, "N", "of an encoder (default 0)", \
      0, 1 << 20, false, NULL }, \
    { "--qparams", NULL, ETCH_OPT_CHOICE, &(job).qparams, "hqq|minmax", "how scales are chosen (default hqq)", 0, 0, false, NULL }, \
    { "--device", NULL, ETCH_OPT_ONLY, NULL, "cpu", "the programs of etch's recipes run on processors; leave it out, or say cpu", \
      0, 0, false, NULL }, \
    { "--qlinear_packing_format", NULL, ETCH_OPT_ONLY, NULL, "", ETCH_JOB_NO_PACKING, 0, 0, false, NULL }, \
    { "--qlinear_encoder_packing_format", NULL, ETCH_OPT_ONLY, NULL, "", ETCH_JOB_NO_PACKING, 0, 0, false, NULL }, \
    { "--quantize_dtype", NULL, ETCH_OPT_ONLY, NULL, "", "etch quantizes what --dtype makes of the weights; leave it out", 0, 0, false, \
      NULL }

#endif
