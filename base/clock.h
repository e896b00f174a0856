// Time that only goes forward, for measuring.
#ifndef ETCH_BASE_CLOCK_H
#define ETCH_BASE_CLOCK_H

#include <stdint.h>

// Nanoseconds since some moment in the past.
uint64_t etch_clock_ns(void);

#endif
