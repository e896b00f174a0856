// The expanded op table and its lookups. In: op/ops.def. Out: etch_op rows with parsed schemas, found by name or by .out name.
#include "op/op.h"

#include "base/map.h"
#include "op/shape.h"

enum {
    OPF_VIEW = ETCH_OPF_VIEW, OPF_RANDOM = ETCH_OPF_RANDOM, OPF_INPLACE = ETCH_OPF_INPLACE, OPF_SYM = ETCH_OPF_SYM,
    OPF_COMPOSITE = ETCH_OPF_COMPOSITE, OPF_MAY_VIEW = ETCH_OPF_MAY_VIEW, OPF_DATA_SIZES = ETCH_OPF_DATA_SIZES, OPF_ROWS = ETCH_OPF_ROWS,
};

#define shape_NONE NULL
static etch_op rows[] = {
#define OP(id, schema, out, flags, shape, kern, decomp, xnn) { ETCH_OP_##id, schema, out, (unsigned)(flags), shape_##shape, NULL },
#include "op/ops.def"
#undef OP
};
_Static_assert(sizeof rows / sizeof rows[0] == ETCH_OP_COUNT, "one row an id");

static struct { bool done; etch_arena arena; etch_map by_name, by_out; } table;

static etch_status *init_row(etch_op *op, etch_schema *schema)
{
    etch_str text = etch_str_of(op->schema_text);
    etch_status *s = etch_schema_parse(&table.arena, text, schema);
    if (s) return etch_status_frame(ETCH_ERR(ETCH_INTERNAL, "%s", etch_status_message(s)), __FILE__, __LINE__, NULL);
    if (etch_map_has(&table.by_name, schema->name))
        return ETCH_ERR(ETCH_INTERNAL, "op/ops.def has two rows for %.*s", ETCH_STR_ARGS(schema->name));
    op->schema = schema;
    ETCH_TRY(etch_map_put(&table.by_name, schema->name, op));
    if (op->out_name && !etch_map_has(&table.by_out, etch_str_of(op->out_name)))
        ETCH_TRY(etch_map_put(&table.by_out, etch_str_of(op->out_name), op));
    return NULL;
}

etch_status *etch_ops_init(void)
{
    if (table.done) return NULL;
    etch_schema *schemas;
    ETCH_ALLOC(schemas, &table.arena, sizeof *schemas * ETCH_OP_COUNT);
    for (int i = 0; i < ETCH_OP_COUNT; i++) ETCH_TRY(init_row(&rows[i], &schemas[i]));
    table.done = true;
    return NULL;
}

const etch_op *etch_op_get(etch_op_id id) { return (unsigned)id < ETCH_OP_COUNT ? &rows[id] : NULL; }

const etch_op *etch_op_find(etch_str name)
{
    static const char suffix[] = ".default";
    size_t n = sizeof suffix - 1;
    if (name.len > n && !memcmp(name.ptr + name.len - n, suffix, n)) name.len -= n;
    return etch_map_get(&table.by_name, name);
}

const etch_op *etch_op_find_out(etch_str out_name) { return etch_map_get(&table.by_out, out_name); }

bool etch_op_param_in_out(const etch_op *op, int param)
{
    const etch_str name = op->schema->params[param].name;
    if (etch_str_eqz(name, "layout") || etch_str_eqz(name, "device") || etch_str_eqz(name, "pin_memory") || etch_str_eqz(name, "generator"))
        return false;
    if (etch_str_eqz(name, "dtype")) return etch_schema_param(op->schema, ETCH_LIT("layout")) < 0;
    return true;
}
