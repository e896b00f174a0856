// Hash map from a borrowed string to a pointer. Iteration is in insertion order (deterministic output).
// The keys are not copied: they must live as long as the map.
#ifndef ETCH_BASE_MAP_H
#define ETCH_BASE_MAP_H

#include "base/status.h"
#include "base/str.h"

typedef struct { etch_str key; void *value; } etch_map_entry;
typedef struct etch_map { etch_map_entry *entries; size_t n, cap; uint32_t *slots; size_t n_slots; } etch_map;

static inline void etch_map_init(etch_map *m) { *m = (etch_map){ 0 }; }
void etch_map_deinit(etch_map *m);
// NULL when absent.
void *etch_map_get(const etch_map *m, etch_str key);
bool etch_map_has(const etch_map *m, etch_str key);
// Inserts or replaces.
etch_status *etch_map_put(etch_map *m, etch_str key, void *value) ETCH_MUST_USE;

#endif
