// `etch generate`: text from an exported language model, with the tokenizer that the export put beside it. The prompt is taken as it is:
// chat templates are programs in a language of their own, which etch does not run; --templated takes what one has written.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "cli/opt.h"
#include "cli/rt_opts.h"
#include "rt/lm.h"
#include "tok/tok.h"

etch_status *etch_cmd_generate(int argc, char **argv);

typedef struct generate_args {
    const char *file, *prompt, *prompt_file, *tokenizer, *kv_cache;
    int64_t max_new_tokens, top_k, seed, threads;
    double temperature, top_p;
    bool quiet, ids, templated;
} generate_args;

static double seconds(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static etch_status *load_tokenizer(const generate_args *a, etch_tok **out)
{
    if (a->tokenizer) return etch_tok_load(a->tokenizer, out);
    char path[4608];
    ETCH_TRY(etch_file_beside(a->file, "tokenizer.json", path, sizeof path));
    ETCH_TRYF(etch_tok_load(path, out), "no tokenizer beside the program (give one with --tokenizer)");
    return NULL;
}

// A file of its own, or a member of tokenizer_config.json (whose model_max_length may be 1e30, written as an integer).
static etch_status *find_chat_template(const char *pte, bool *found)
{
    static const char *const files[] = { "chat_template.jinja", "chat_template.json" };
    char path[4608];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ETCH_TRY(etch_file_beside(pte, files[i], path, sizeof path));
        if ((*found = etch_file_exists(path))) return NULL;
    }
    ETCH_TRY(etch_file_beside(pte, "tokenizer_config.json", path, sizeof path));
    json_t *root = json_load_file(path, JSON_DECODE_INT_AS_REAL, NULL), *v = json_object_get(root, "chat_template");
    *found = v && !json_is_null(v);
    json_decref(root);
    return NULL;
}

// Prints what has become whole characters since the last call.
static etch_status *print_new(const etch_tok *tok, const etch_ids *ids, size_t *printed, bool last)
{
    etch_buf text = { 0 };
    etch_status *s = etch_tok_decode(tok, ids->ptr, ids->len, true, &text);
    size_t n = last ? text.len : etch_utf8_complete(etch_buf_str(&text));
    static const char bad[] = "\xEF\xBF\xBD";  // an unfinished character decodes to this: wait for the next token
    if (!s && !last && n >= 3 && !memcmp(text.ptr + n - 3, bad, 3)) n = *printed;
    if (!s && n > *printed) {
        fwrite(text.ptr + *printed, 1, n - *printed, stdout);
        fflush(stdout);
        *printed = n;
    }
    etch_buf_deinit(&text);
    return s;
}

// The text of --prompt, or of --prompt_file without the newline that ends it (a template's belongs to it); `buf` holds it in that case.
static etch_status *prompt_of(const generate_args *a, etch_buf *buf, etch_str *out)
{
    if (a->prompt) {
        *out = etch_str_of(a->prompt);
        return NULL;
    }
    const char *path = strcmp(a->prompt_file, "-") ? a->prompt_file : "/dev/stdin";
    ETCH_TRYF(etch_file_read(path, buf), "--prompt_file %s", a->prompt_file);
    if (!a->templated && buf->len && buf->ptr[buf->len - 1] == '\n') buf->len--;
    *out = etch_buf_str(buf);
    return NULL;
}

static etch_status *generate(const generate_args *a, etch_str prompt, etch_lm *lm, const etch_tok *tok)
{
    etch_ids ids = { 0 };
    etch_sample_pair *scratch = NULL;
    etch_sampler sampler = { (float)a->temperature, (float)a->top_p, (int)a->top_k, (uint64_t)a->seed };
    const float *logits = NULL;
    size_t printed = 0, n_prompt = 0;
    double start = seconds(), prefill = 0;
    etch_status *s = etch_tok_encode(tok, prompt, !a->templated, &ids);
    n_prompt = ids.len;
    if (!s && !n_prompt) s = ETCH_ERR(ETCH_USAGE, "the prompt has no tokens");
    if (!s) s = etch_lm_feed(lm, ids.ptr, ids.len, &logits);
    prefill = seconds() - start;
    start = seconds();
    int64_t made = 0;
    while (!s && made < a->max_new_tokens) {
        int32_t id;
        s = etch_sample(&sampler, logits, lm->vocab_size, &scratch, &id);
        if (s || etch_lm_is_eos(lm, id)) break;
        s = etch_ids_push(&ids, id);
        made++;
        if (!s && !a->ids) s = print_new(tok, &ids, &printed, false);
        if (s || made == a->max_new_tokens || lm->position == lm->max_seq_len) break;
        s = etch_lm_feed(lm, &id, 1, &logits);
    }
    double decode = seconds() - start;
    if (!s && !a->ids) s = print_new(tok, &ids, &printed, true);
    for (size_t i = 0; !s && a->ids && i < ids.len; i++) printf("%s%d", i ? " " : "", ids.ptr[i]);
    if (!s) printf("\n");
    bool untold = false;
    if (!s && !a->quiet && !a->templated) s = find_chat_template(a->file, &untold);
    if (!s && untold)
        fprintf(stderr, "the model has a chat template; the prompt was taken as it is, without it (--help: --templated)\n");
    if (!s && !a->quiet) {
        fprintf(stderr, "prompt %zu tokens in %.3f s, generated %lld in %.3f s (%.1f tokens/s)", n_prompt, prefill, (long long)made, decode,
                decode > 0 ? (double)made / decode : 0);
        fprintf(stderr, "%s\n", lm->position >= lm->max_seq_len ? "; stopped: the cache is full" : "");
    }
    free(scratch);
    etch_ids_deinit(&ids);
    return s;
}

etch_status *etch_cmd_generate(int argc, char **argv)
{
    generate_args a = { .max_new_tokens = 64, .top_p = 1, .seed = 0 };
    etch_opt opts[] = {
        { "--prompt", "-p", ETCH_OPT_STR, &a.prompt, "TEXT", "what the text starts with, as it is: no chat template is applied", 0,
          0, false, "Text" },
        { "--prompt_file", "-f", ETCH_OPT_STR, &a.prompt_file, "FILE", "the same from a file (- is standard input)", 0, 0, false, NULL },
        { "--templated", NULL, ETCH_OPT_FLAG, &a.templated, NULL,
          "a chat template wrote it: keep its last newline, add no <bos>", 0, 0, false, NULL },
        { "--max_new_tokens", "-n", ETCH_OPT_INT, &a.max_new_tokens, "N", "how many tokens at the most (default 64)", 1, 1 << 24, false,
          NULL },
        { "--tokenizer", NULL, ETCH_OPT_STR, &a.tokenizer, "FILE", "tokenizer.json (default: beside the .pte)", 0, 0, false, NULL },
        ETCH_CLI_THREADS(a.threads),
        ETCH_CLI_KV_CACHE(a.kv_cache),
        { "--temperature", NULL, ETCH_OPT_FLOAT, &a.temperature, "T", "0 takes the likeliest token (default 0)", 0, 0, false, "Sampling" },
        { "--top_k", NULL, ETCH_OPT_INT, &a.top_k, "K", "keep the K likeliest tokens (default all)", 1, 1 << 24, false, NULL },
        { "--top_p", NULL, ETCH_OPT_FLOAT, &a.top_p, "P", "keep the likeliest tokens of probability P together (default 1)", 0, 0, false,
          NULL },
        { "--seed", NULL, ETCH_OPT_INT, &a.seed, "N", "the same seed draws the same text (default 0)", 0, INT64_MAX, false, NULL },
        { "--ids", NULL, ETCH_OPT_FLAG, &a.ids, NULL, "print token ids in place of text", 0, 0, false, "Output" },
        { "--quiet", "-q", ETCH_OPT_FLAG, &a.quiet, NULL, "nothing on standard error but errors", 0, 0, false, NULL },
        { 0 },
    };
    const etch_cmd cmd = { "generate", "Generates text with an exported language model.", "FILE.pte", 1, 1,
                           "  etch generate out/model.pte --prompt \"In the beginning\"\n"
                           "  etch generate out/model.pte -p \"And it came\" -n 100 --temperature 0.8 --top_p 0.95 --seed 7\n"
                           "  etch generate out/model.pte -f chat.txt --templated    # docs/EXPORTING.md: how to write chat.txt", opts };
    bool done;
    const char *file = NULL;
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, &file, &done));
    if (done) return NULL;
    a.file = file;
    if (!a.prompt == !a.prompt_file) return ETCH_ERR(ETCH_USAGE, "give either --prompt TEXT or --prompt_file FILE");
    if (a.top_p <= 0 || a.top_p > 1) return ETCH_ERR(ETCH_USAGE, "--top_p: %g is outside 0 (exclusive) to 1", a.top_p);
    etch_tok *tok = NULL;
    etch_rt *rt = NULL;
    etch_lm lm = { 0 };
    etch_buf text = { 0 };
    etch_str prompt = { 0 };
    etch_status *s = prompt_of(&a, &text, &prompt);
    if (s) {
        etch_buf_deinit(&text);
        return s;
    }
    s = etch_rt_open(file, &(etch_rt_options){ .n_threads = (int)a.threads, .kv_cache = a.kv_cache }, &rt);
    if (!s) s = etch_lm_open(rt, &lm);
    if (!s) s = load_tokenizer(&a, &tok);
    if (!s) s = generate(&a, prompt, &lm, tok);
    etch_lm_close(&lm);
    if (rt) etch_rt_close(rt);
    etch_tok_destroy(tok);
    etch_buf_deinit(&text);
    if (s) ETCH_TRYF(s, "%s", file);
    return NULL;
}
