// The files that a runner needs beside model.pte.
#ifndef ETCH_EXPORT_COMPANIONS_H
#define ETCH_EXPORT_COMPANIONS_H

#include "base/buf.h"

// Copies tokenizer, processor, chat template and configuration files of `model_dir` into `out_dir`; each appears whole or not at all.
// Absent ones are skipped.
etch_status *etch_copy_companions(const char *model_dir, const char *out_dir) ETCH_MUST_USE;
// chat.json from the text that the tracer gave; a text that tok/chat.h does not take becomes a line of `notes`. Without one no file of an
// earlier export stays there.
etch_status *etch_write_chat(etch_str json, const char *out_dir, etch_buf *notes) ETCH_MUST_USE;

#endif
