// The quantization pass: linears and embeddings with constant weights become products over small integers.
//
// Before:  %y = aten::linear(%x, %w, %b)                                 %e = aten::embedding(%t, %ids)
// After:   %q, %s = etch::quantize(%w, bits=4, group=32, rule="hqq")     %q, %s = etch::quantize(%t, bits=8, rule="hqq")
//          %y = etch::linear_dynamic(%x, %q, %s, %b, bits=4)             %e = …::embedding_byte(%q, %s, None, -128, 127, %ids)
//
// Requires: decompose has run (a linear is aten::linear, addmm or mm). Keeps: types and names of all results.
// The integers are constant nodes: evaluated one tensor at a time when the file is written.
// Schemes are the official exporter's names. What each scheme becomes is decided by what the official runtime can execute.
#ifndef ETCH_QUANT_QUANT_H
#define ETCH_QUANT_QUANT_H

#include "graph/graph.h"
#include "kern/quantize/quantize.h"

typedef enum {
    ETCH_QUANT_NONE,
    ETCH_QUANT_8DA4W,  // linear: activations to int8 by row at run time, 4-bit weights with a scale a group
    ETCH_QUANT_8DA8W,  // linear: the same with 8-bit weights, a scale a row
    ETCH_QUANT_4W,     // weight only, 4 bits: linears are stored dequantised, embeddings packed
    ETCH_QUANT_8W,     // weight only, 8 bits: linears with a scale a row stay int8, others are stored dequantised; embeddings int8
} etch_quant_kind;

typedef struct etch_quant_opts {
    etch_quant_kind linear, linear_fallback;  // fallback: for linears whose columns do not divide into groups; always a scale a row
    int64_t linear_group;                     // columns a scale; 0: a scale a row. Default of the official exporter: 32
    etch_quant_kind embedding;                // 4W or 8W
    int64_t embedding_group;                  // 0: a scale a row (default)
    etch_qparams rule;
    bool delegate;                            // the recipe has a delegate that executes linear_dynamic and linear_channel
    const char *suffix;                       // of the flags that gave these: "" or "_encoder"; for messages
} etch_quant_opts;

typedef struct etch_quant_entry {
    etch_str name;                    // state-dict name of the weight, or its place
    const char *scheme;               // "8da4w", "8w", "float"
    int bits;
    int64_t rows, columns, group;
    etch_str reason;                  // why it stayed float or is stored dequantised; may be empty
    etch_value *q, *scales, *weight;  // of the node etch::quantize; NULL when float
    etch_str source;                  // how the checkpoint holds it ("Q4_0", "GPTQ 4 bits"); empty for floats
    int64_t kept;                     // of rows * columns / group groups, those with the checkpoint's integers; < 0: not known
    int64_t bytes;                    // of the weight in the file, its scales included; what several uses share is written once
    double relative_rms;              // of the stored against the given values; < 0: not known (float, or merged with an equal tensor)
} etch_quant_entry;

// Entries live in the program's arena. Weights that the checkpoint holds as integers are listed even when they stay float.
typedef struct etch_quant_report { etch_quant_entry *entries; int n, cap; } etch_quant_report;

// "8da4w", "8da4w,8da8w" (with fallback); ETCH_USAGE for another word. `flag` is named in the message.
etch_status *etch_quant_parse_linear(const char *flag, etch_str text, etch_quant_kind *out_kind,
                                     etch_quant_kind *out_fallback) ETCH_MUST_USE;
etch_status *etch_quant_parse_embedding(const char *flag, etch_str text, etch_quant_kind *out_kind) ETCH_MUST_USE;
// Combinations that cannot be honoured: refused with the reason (ETCH_USAGE).
etch_status *etch_quant_check(const etch_quant_opts *o) ETCH_MUST_USE;
const char *etch_quant_name(etch_quant_kind k);

// `encoder` is for the methods named encoder or *_encoder, `o` for all others. `encoder` that asks for something in a program without such
// a method is refused (ETCH_USAGE).
etch_status *etch_quant_run(etch_program *p, const etch_quant_opts *o, const etch_quant_opts *encoder,
                            etch_quant_report *report) ETCH_MUST_USE;

#endif
