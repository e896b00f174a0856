// An image file as an input of a method, and its answer in words: for programs whose folder has the files of their model.
#ifndef ETCH_CLI_IMAGE_H
#define ETCH_CLI_IMAGE_H

#include "rt/rt.h"

// Sets the input for pixels (of floats [1, 3, H, W]) from a file, prepared as preprocessor_config.json beside the program says. *out_input
// is its number.
etch_status *etch_cli_set_image(etch_rt_method *m, const char *pte, const char *image, int *out_input) ETCH_MUST_USE;
// The likeliest labels of logits [1, labels], as config.json beside the program names them. False where there are none.
bool etch_cli_print_labels(const etch_rt_method *m, const char *pte);

#endif
