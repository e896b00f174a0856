// What the user asked for, checked for contradictions, and as the tracer child's JSON job.
#ifndef ETCH_EXPORT_JOB_H
#define ETCH_EXPORT_JOB_H

#include <stdint.h>

#include "base/buf.h"
#include "export/progress.h"

// Flags of `optimum-cli export executorch` keep their names. NULL / 0 = not given.
typedef struct etch_job {
    const char *model;            // folder, or before etch_job_resolve a Hub id
    const char *revision, *token; // of a Hub id
    bool offline;                 // Hub ids from the cache only
    char hub_folder[4608];        // where the Hub id lies; `model` points here then
    const char *pt2;              // instead of a model: an archive of torch.export.save
    bool trust_remote_code;       // code that lies in the folder may run, in the sandbox
    const char *gguf_file;        // weights, in the folder or anywhere; NULL: safetensors
    bool chat;                    // chat.json is wanted, if the folder has a chat template
    bool weightless;              // the folder may lack weights, or be a config file alone: for `etch check`
    const char *task;             // "text-generation"
    const char *task_file;        // a Python file that defines the task, in the place of `task`; NULL: none
    const char *recipe;           // "xnnpack" | "portable"
    const char *output_dir;
    const char *dtype;            // "float32" | "float16" | "bfloat16"
    bool use_custom_sdpa, use_custom_kv_cache, disable_dynamic_shapes;
    int64_t max_seq_len;          // 0: the task's default
    int64_t image_size;           // pixels of a side; 0: the config's
    int64_t prefill_chunk;        // tokens of one call at most; 0: the task's default
    const char *logits;           // "all" | "last"
    const char *qlinear, *qembedding, *qlinear_encoder, *qembedding_encoder;  // the encoder's apart from the rest
    const char *qparams;          // "hqq" | "minmax"
    int64_t qlinear_group_size, qembedding_group_size, qlinear_encoder_group_size, qembedding_encoder_group_size;  // -1: not given
    bool quiet, verify;
    const char *dump_dir;         // graph text after every pass, NULL: none
} etch_job;

void etch_job_init(etch_job *job);
// A Hub id becomes a folder (export/hub.h) that `model` names from then on. The model folder exists and has a config.json; flags that
// cannot be honoured or contradict each other are refused (ETCH_USAGE).
etch_status *etch_job_prepare(etch_job *job, etch_progress *progress) ETCH_MUST_USE;
// {"model": ..., "task": ..., "options": {...}} for etch_trace, and what its process is granted.
etch_status *etch_job_to_json(const etch_job *job, etch_buf *out) ETCH_MUST_USE;
// `model` names a file (a config) instead of a folder; only with `weightless`.
bool etch_job_is_file(const etch_job *job);
unsigned etch_job_grants(const etch_job *job);

#endif
