// Tensors between safetensors files and loaded methods, shared by `run` and `verify`.
#ifndef ETCH_CLI_TENSORS_H
#define ETCH_CLI_TENSORS_H

#include "rt/rt.h"
#include "st/safetensors.h"

// A view of a stored tensor; the data may be unaligned. An error for a type that etch does not compute with.
etch_status *etch_cli_view(const etch_st *st, const etch_st_tensor *from, etch_tensor *out) ETCH_MUST_USE;
// A tensor of floats, at any address, as floats of `dtype`; free(out->data).
etch_status *etch_cli_floats(const etch_tensor *from, etch_dtype dtype, etch_tensor *out) ETCH_MUST_USE;
// Sets input i of m from a stored tensor. A scalar input takes a stored tensor of one element, which must equal the program's value.
etch_status *etch_cli_set_input(etch_rt_method *m, int i, const etch_st *st, const etch_st_tensor *from) ETCH_MUST_USE;

#endif
