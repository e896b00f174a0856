// `etch generate`: text from an exported language model, with the tokenizer that the export put beside it. A prompt is taken as it is:
// chat templates are programs in a language of their own, which etch does not run. --chat has the pieces that an export took from one
// (cli/chat.h); --templated takes what one has written.
// With an encoder-decoder program the prompt, or what a processor has made, goes into the encoder (cli/seq2seq.h).
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "cli/chat.h"
#include "cli/encode.h"
#include "cli/opt.h"
#include "cli/prepared.h"
#include "cli/prompt.h"
#include "cli/rt_opts.h"
#include "cli/seq2seq.h"
#include "cli/text_out.h"
#include "rt/lm.h"
#include "rt/sample.h"
#include "tok/tok.h"

etch_status *etch_cmd_generate(int argc, char **argv);

typedef struct generate_args {
    const char *file, *prompt, *prompt_file, *chat, *system, *inputs, *tokenizer, *kv_cache;
    int64_t max_new_tokens, top_k, seed, threads;
    double temperature, top_p, min_p, penalty;
    bool quiet, ids, templated;
    etch_opt_list images, stops;
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

typedef struct session {
    etch_rt *rt;
    etch_lm lm;
    etch_tok *tok;             // NULL: ids come in and go out
    etch_cli_prepared inputs;
    etch_cli_rows rows;
    bool has_encoder;          // of an encoder-decoder program: the prompt goes into it, and g->prompt is what the decoder begins with
    etch_cli_seq2seq source;
    etch_cli_prompt prompt;
    double encoding;           // seconds
} session;

static bool has_text(const generate_args *a) { return a->prompt || a->prompt_file || a->chat; }

static etch_status *encode_source(const generate_args *a, session *g, etch_str text)
{
    const double start = seconds();
    ETCH_TRY(etch_cli_seq2seq_read(&g->source, g->tok, has_text(a) ? &text : NULL, !a->templated, &g->lm, &g->prompt.ids));
    etch_cli_seq2seq_close(&g->source);  // its memory is not needed any more
    g->encoding = seconds() - start;
    return NULL;
}

static etch_status *read_prompt(const generate_args *a, session *g, etch_str text)
{
    if (g->has_encoder) ETCH_TRY(encode_source(a, g, text));
    else if (g->inputs.ids) ETCH_TRY(etch_cli_prepared_ids(&g->inputs, g->inputs.ids, &g->prompt.ids));
    else if (a->chat) ETCH_TRY(etch_cli_chat(a->file, a->chat, a->system, g->tok, &g->lm, &g->prompt.ids));
    else ETCH_TRY(etch_tok_encode(g->tok, text, !a->templated, &g->prompt.ids));
    return etch_cli_prompt_place(&g->prompt, g->rt, g->tok, &g->rows, &g->lm);
}

static void print_ids(const etch_cli_prompt *p)
{
    for (size_t i = 0; i < p->n_fed; i++) printf("%s%d", i ? " " : "", p->fed[i]);
    for (size_t i = p->n; i < p->ids.len; i++) printf(" %d", p->ids.ptr[i]);
}

static etch_status *tell(const generate_args *a, const session *g, double prefill, double decode, int64_t made)
{
    bool untold = false;
    if (!a->templated && !a->chat && !g->inputs.ids && !g->has_encoder) ETCH_TRY(find_chat_template(a->file, &untold));
    if (untold)
        fprintf(stderr, "the model has a chat template; the prompt was taken as it is, without it (--help: --chat, --templated)\n");
    if (g->rows.k || g->has_encoder) fprintf(stderr, "%s in %.3f s, ", g->has_encoder ? "encoder" : g->rows.encoder, g->encoding);
    fprintf(stderr, "%s %zu tokens in %.3f s, generated %lld in %.3f s (%.1f tokens/s)", g->has_encoder ? "decoder began with" : "prompt",
            g->prompt.n_fed, prefill, (long long)made, decode, decode > 0 ? (double)made / decode : 0);
    fprintf(stderr, "%s\n", g->lm.position >= g->lm.max_seq_len ? "; stopped: the cache is full" : "");
    return NULL;
}

static etch_status *generate(const generate_args *a, etch_str prompt, session *g)
{
    etch_lm *lm = &g->lm;
    etch_sampler sampler = { .temperature = (float)a->temperature, .top_p = (float)a->top_p, .top_k = (int)a->top_k,
                             .min_p = (float)a->min_p, .repetition_penalty = (float)a->penalty, .state = (uint64_t)a->seed };
    etch_cli_text shown = { 0 };
    const float *logits = NULL;
    bool stopped = false;
    double start = seconds(), prefill = 0;
    etch_status *s = read_prompt(a, g, prompt);
    if (!s) s = etch_cli_text_open(g->tok, &a->stops, &g->prompt.ids, a->ids, &shown);
    if (!s && (a->chat || g->has_encoder)) shown.printed = shown.begin;  // the answer alone
    if (!s) s = etch_sampler_see(&sampler, g->prompt.fed, g->prompt.n_fed, lm->vocab_size);
    if (!s) s = etch_lm_feed(lm, g->prompt.fed, g->prompt.n_fed, &logits);
    prefill = seconds() - start - (g->has_encoder ? g->encoding : 0);
    start = seconds();
    int64_t made = 0;
    while (!s && made < a->max_new_tokens) {
        int32_t id;
        s = etch_sample(&sampler, logits, lm->vocab_size, &id);
        if (s || etch_lm_is_eos(lm, id) || etch_cli_text_ends(&shown, id)) break;
        s = etch_ids_push(&g->prompt.ids, id);
        made++;
        if (!s) s = etch_sampler_see(&sampler, &id, 1, lm->vocab_size);
        if (!s) s = etch_cli_text_show(&shown, &g->prompt.ids, false, &stopped);
        if (s || stopped || made == a->max_new_tokens || lm->position == lm->max_seq_len) break;
        s = etch_lm_feed(lm, &id, 1, &logits);
    }
    double decode = seconds() - start;
    if (!s && !stopped) s = etch_cli_text_show(&shown, &g->prompt.ids, true, &stopped);
    if (!s && a->ids) print_ids(&g->prompt);
    if (!s) printf("\n");
    if (!s && !a->quiet) s = tell(a, g, prefill, decode, made);
    etch_sampler_deinit(&sampler);
    return s;
}

static etch_status *open_inputs(const generate_args *a, bool has_encoder, etch_cli_prepared *out)
{
    const bool text = has_text(a);
    if (a->inputs) ETCH_TRY(etch_cli_prepared_open(a->inputs, out));
    if (out->ids && (text || a->templated))
        return ETCH_ERR(ETCH_USAGE, "--inputs has input_ids, a prompt: give no other, and no --templated");
    if (has_encoder) return NULL;
    if (out->begin) return ETCH_ERR(ETCH_USAGE, "--inputs has decoder_input_ids, which only a program with an encoder and a decoder takes");
    if (!out->ids && !text) return ETCH_ERR(ETCH_USAGE, "--inputs has no input_ids: give --prompt TEXT or --prompt_file FILE, too");
    if (out->features && a->images.n) return ETCH_ERR(ETCH_USAGE, "--inputs has what --image would be made into: give one of them");
    return NULL;
}

static etch_status *open_source(const generate_args *a, session *g)
{
    if (a->chat) return ETCH_ERR(ETCH_USAGE, "--chat is for programs that hold a conversation; this one has an encoder for --prompt TEXT");
    if (a->images.n)
        return ETCH_ERR(ETCH_USAGE, "--image is for programs with a vision_encoder; the encoder of this one takes --prompt or --inputs");
    if (a->templated && !has_text(a)) return ETCH_ERR(ETCH_USAGE, "--templated is for a prompt, and none is given");
    ETCH_TRY(etch_cli_seq2seq_open(g->rt, &g->inputs, has_text(a), &g->source));
    return etch_lm_open_encoded(g->rt, &g->lm);
}

static etch_status *open_decoder(const generate_args *a, session *g)
{
    const bool whole = etch_rt_has_method(g->rt, ETCH_LIT("forward")) || !etch_rt_has_method(g->rt, ETCH_LIT("token_embedding"));
    const double start = seconds();
    if (a->images.n) ETCH_TRY(etch_cli_encode_images(g->rt, a->file, &a->images, &g->rows));
    if (g->inputs.features) ETCH_TRY(etch_cli_prepared_encode(&g->inputs, g->rt, &g->rows));
    g->encoding = seconds() - start;
    return whole && !g->rows.k ? etch_lm_open(g->rt, &g->lm) : etch_lm_open_multimodal(g->rt, &g->lm);
}

static etch_status *open_session(const generate_args *a, session *g)
{
    ETCH_TRY(etch_rt_open(a->file, &(etch_rt_options){ .n_threads = (int)a->threads, .kv_cache = a->kv_cache }, &g->rt));
    g->has_encoder = etch_lm_has_encoder(g->rt);
    ETCH_TRY(open_inputs(a, g->has_encoder, &g->inputs));
    ETCH_TRY(g->has_encoder ? open_source(a, g) : open_decoder(a, g));
    // Where no text comes in or goes out, there need be no tokenizer.
    return !has_text(a) && a->ids && !a->stops.n && !a->tokenizer ? NULL : load_tokenizer(a, &g->tok);
}

static void close_session(session *g)
{
    etch_lm_close(&g->lm);
    etch_cli_seq2seq_close(&g->source);
    if (g->rt) etch_rt_close(g->rt);
    etch_tok_destroy(g->tok);
    etch_cli_rows_deinit(&g->rows);
    etch_cli_prepared_close(&g->inputs);
    etch_cli_prompt_deinit(&g->prompt);
}

etch_status *etch_cmd_generate(int argc, char **argv)
{
    generate_args a = { .max_new_tokens = 64, .top_p = 1, .penalty = 1, .seed = 0 };
    etch_opt opts[] = {
        { "--prompt", "-p", ETCH_OPT_STR, &a.prompt, "TEXT", "what the text starts with, as it is, without a chat template", 0,
          0, false, "Text" },
        { "--prompt_file", "-f", ETCH_OPT_STR, &a.prompt_file, "FILE", "the same from a file (- is standard input)", 0, 0, false, NULL },
        { "--chat", NULL, ETCH_OPT_STR, &a.chat, "TEXT", "what to answer: the model's chat template is applied", 0, 0, false, NULL },
        { "--system", NULL, ETCH_OPT_STR, &a.system, "TEXT", "of --chat: how to answer (default: what the template has)", 0, 0, false,
          NULL },
        { "--templated", NULL, ETCH_OPT_FLAG, &a.templated, NULL,
          "a template wrote it: keep the last newline, add no <bos>", 0, 0, false, NULL },
        { "--image", NULL, ETCH_OPT_LIST, &a.images, "FILE.png|ppm",
          "an image for its place in the prompt; may be given again", 0, 0, false, NULL },
        { "--inputs", "-i", ETCH_OPT_STR, &a.inputs, "FILE", "safetensors of a processor: ids, pixels, features of sound", 0, 0,
          false, NULL },
        { "--max_new_tokens", "-n", ETCH_OPT_INT, &a.max_new_tokens, "N", "how many tokens at the most (default 64)", 1, 1 << 24, false,
          NULL },
        { "--tokenizer", NULL, ETCH_OPT_STR, &a.tokenizer, "FILE", "tokenizer.json (default: beside the .pte)", 0, 0, false, NULL },
        ETCH_CLI_THREADS(a.threads),
        ETCH_CLI_KV_CACHE(a.kv_cache),
        { "--temperature", NULL, ETCH_OPT_FLOAT, &a.temperature, "T", "0 takes the likeliest token (default 0)", 0, 0, false, "Sampling" },
        { "--top_k", NULL, ETCH_OPT_INT, &a.top_k, "K", "keep the K likeliest tokens (default all)", 1, 1 << 24, false, NULL },
        { "--top_p", NULL, ETCH_OPT_FLOAT, &a.top_p, "P", "keep the likeliest tokens of probability P together (default 1)", 0, 0, false,
          NULL },
        { "--min_p", NULL, ETCH_OPT_FLOAT, &a.min_p, "P", "tokens of at least P times the greatest probability (default 0)", 0, 0,
          false, NULL },
        { "--repetition_penalty", NULL, ETCH_OPT_FLOAT, &a.penalty, "R", "above 1: tokens of the text so far are less likely (default 1)",
          0, 0, false, NULL },
        { "--seed", NULL, ETCH_OPT_INT, &a.seed, "N", "the same seed draws the same text (default 0)", 0, INT64_MAX, false, NULL },
        { "--stop", NULL, ETCH_OPT_LIST, &a.stops, "TEXT", "end before this text; may be given several times", 0, 0, false, "Output" },
        { "--ids", NULL, ETCH_OPT_FLAG, &a.ids, NULL, "print token ids in place of text", 0, 0, false, NULL },
        { "--quiet", "-q", ETCH_OPT_FLAG, &a.quiet, NULL, "nothing on standard error but errors", 0, 0, false, NULL },
        { 0 },
    };
    const etch_cmd cmd = { "generate", "Generates text with an exported language model.", "FILE.pte", 1, 1,
                           "  etch generate out/model.pte --prompt \"In the beginning\"\n"
                           "  etch generate out/model.pte -p \"And it came\" -n 100 --temperature 0.8 --top_p 0.95 --seed 7\n"
                           "  etch generate out/model.pte --chat \"Why is the sky blue?\" --system \"Answer in a sentence.\"\n"
                           "  etch generate out/model.pte -f chat.txt --templated    # docs/EXPORTING.md: how to write chat.txt\n"
                           "  etch generate out/model.pte --inputs sound.safetensors # what a processor has made", opts };
    bool done;
    const char *file = NULL;
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, &file, &done));
    if (done) return NULL;
    a.file = file;
    const int prompts = !!a.prompt + !!a.prompt_file + !!a.chat;
    if (prompts > 1 || (!prompts && !a.inputs))
        return ETCH_ERR(ETCH_USAGE, "give either --prompt TEXT or --prompt_file FILE or --chat TEXT");
    if (a.chat && a.templated) return ETCH_ERR(ETCH_USAGE, "--templated is for a prompt; --chat applies the template itself");
    if (a.chat && a.images.n)
        return ETCH_ERR(ETCH_USAGE, "--chat has text only; --image needs a prompt with its place: -f FILE --templated");
    if (a.system && !a.chat) return ETCH_ERR(ETCH_USAGE, "--system is for --chat; a prompt is taken as it is");
    if (a.top_p <= 0 || a.top_p > 1) return ETCH_ERR(ETCH_USAGE, "--top_p: %g is outside 0 (exclusive) to 1", a.top_p);
    if (a.min_p > 1) return ETCH_ERR(ETCH_USAGE, "--min_p: %g is outside 0 to 1", a.min_p);
    if (a.penalty < 0.01 || a.penalty > 100) return ETCH_ERR(ETCH_USAGE, "--repetition_penalty: %g is outside 0.01 to 100", a.penalty);
    session g = { 0 };
    etch_buf text = { 0 };
    etch_str prompt = { 0 };
    etch_status *s = a.prompt || a.prompt_file ? prompt_of(&a, &text, &prompt) : NULL;
    if (s) {
        etch_buf_deinit(&text);
        return s;
    }
    s = open_session(&a, &g);
    if (!s) s = generate(&a, prompt, &g);
    close_session(&g);
    etch_buf_deinit(&text);
    if (s) ETCH_TRYF(s, "%s", file);
    return NULL;
}
