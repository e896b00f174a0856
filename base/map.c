#include "base/map.h"

#include <stdlib.h>

static uint32_t hash(etch_str s)  // FNV-1a
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < s.len; i++) h = (h ^ (unsigned char)s.ptr[i]) * 16777619u;
    return h;
}

// Index into slots where `key` is or would go; slots hold entry index + 1.
static size_t probe(const etch_map *m, etch_str key)
{
    size_t mask = m->n_slots - 1, i = hash(key) & mask;
    while (m->slots[i] && !etch_str_eq(m->entries[m->slots[i] - 1].key, key)) i = (i + 1) & mask;
    return i;
}

void etch_map_deinit(etch_map *m)
{
    free(m->entries);
    free(m->slots);
    *m = (etch_map){ 0 };
}

static etch_map_entry *find(const etch_map *m, etch_str key)
{
    if (!m->n_slots) return NULL;
    size_t i = probe(m, key);
    return m->slots[i] ? &m->entries[m->slots[i] - 1] : NULL;
}

void *etch_map_get(const etch_map *m, etch_str key)
{
    etch_map_entry *e = find(m, key);
    return e ? e->value : NULL;
}

bool etch_map_has(const etch_map *m, etch_str key) { return find(m, key) != NULL; }

etch_status *etch_map_put(etch_map *m, etch_str key, void *value)
{
    etch_map_entry *e = find(m, key);
    if (e) {
        e->value = value;
        return NULL;
    }
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 16;
        etch_map_entry *entries = realloc(m->entries, cap * sizeof *entries);
        if (!entries) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        m->entries = entries;
        uint32_t *slots = calloc(cap * 2, sizeof *slots);
        if (!slots) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        free(m->slots);
        m->slots = slots;
        m->n_slots = cap * 2;
        m->cap = cap;
        for (size_t i = 0; i < m->n; i++) m->slots[probe(m, m->entries[i].key)] = (uint32_t)i + 1;
    }
    m->entries[m->n] = (etch_map_entry){ key, value };
    m->slots[probe(m, key)] = (uint32_t)++m->n;
    return NULL;
}
