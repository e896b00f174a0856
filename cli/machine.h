// What a benchmark sets its figures against: times in order, memory of this process, the machine's read bandwidth.
#ifndef ETCH_CLI_MACHINE_H
#define ETCH_CLI_MACHINE_H

#include <stddef.h>
#include <stdint.h>

// Sorts `ns`.
void etch_cli_sort_times(uint64_t *ns, size_t n);
// The q-th quantile (0 ... 1) of sorted times in milliseconds.
double etch_cli_quantile_ms(const uint64_t *sorted_ns, size_t n, double q);
// Anonymous memory of this process now (heap, stacks, arenas; mapped files aside), bytes; 0 when the system does not say.
uint64_t etch_cli_anonymous_bytes(void);
// Bytes a second that n threads read together, again and again, from a buffer of `bytes` (> 0): the best of some passes, with and without
// asking for what comes next. As large as what is measured against it, since a shared cache may hold it. 0: no memory.
double etch_cli_read_bandwidth(int n_threads, size_t bytes);

#endif
