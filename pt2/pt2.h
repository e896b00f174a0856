// PT2 archives, what torch.export.save writes (PyTorch 2.13; schema version 8), as programs of the ATen graph.
//
// A zip archive of stored entries under one folder:
//   archive_format "pt2" · archive_version "0" · byteorder "little"
//   models/NAME.json                          an ExportedProgram: graph, signature, ranges of symbols
//   data/weights/NAME_weights_config.json     parameter or buffer -> entry, element type, sizes, strides, offset
//   data/weights/weight_N                     the bytes of one storage
//   data/constants/NAME_constants_config.json, data/constants/tensor_N   the same for tensors that are no state
//
// In: a path, untrusted content. Out: a program with one method a model ("forward" for the model named "model"), and the bytes of its FILE
// values, borrowed from the map. Nothing pickled is ever read. Example:
//   etch_pt2 *a;
//   ETCH_TRY(etch_pt2_open("model.pt2", &a));
//   etch_status *s = etch_pt2_program(a, &program, &notes);   // FILE values: file "model.pt2", key "data/weights/weight_0"
//   etch_pt2_close(a);
#ifndef ETCH_PT2_PT2_H
#define ETCH_PT2_PT2_H

#include "graph/graph.h"

typedef struct etch_pt2 etch_pt2;

etch_status *etch_pt2_open(const char *path, etch_pt2 **out) ETCH_MUST_USE;
// From memory that the caller keeps alive; `name` is used in messages.
etch_status *etch_pt2_open_bytes(etch_span bytes, const char *name, etch_pt2 **out) ETCH_MUST_USE;
void etch_pt2_close(etch_pt2 *a);

// All exported programs of the archive, verified. What a user should know (inputs that are fixed, outputs that are no tensors) is appended
// to `notes`, one line each. Views and in-place writes of the training IR become functional; state that is written becomes buffers.
etch_status *etch_pt2_program(etch_pt2 *a, etch_program **out, etch_buf *notes) ETCH_MUST_USE;

// The bytes of a FILE value of such a program, row-major.
etch_status *etch_pt2_bytes(const etch_pt2 *a, etch_str key, const etch_tensor *type, etch_span *out) ETCH_MUST_USE;
// Tells the kernel that they are not needed soon.
void etch_pt2_drop(const etch_pt2 *a, etch_str key);

#endif
