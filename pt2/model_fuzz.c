// libFuzzer: any bytes as models/model.json of an archive that is otherwise whole, so that mutations reach the graph.
#include "pt2/zip_build.h"

#include "pt2/pt2.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

// One storage of 8 KiB; the tensors are those of pt2/testdata.
#define META(fqn, dtype, sizes, strides) \
    "\"" fqn "\": {\"path_name\": \"storage\", \"is_param\": false, \"use_pickle\": false, \"tensor_meta\": {\"dtype\": " dtype \
    ", \"sizes\": [" sizes "], \"strides\": [" strides "], \"storage_offset\": {\"as_int\": 0}, \"layout\": 7}}"
#define N(i) "{\"as_int\": " #i "}"
static const char weights[] = "{\"config\": {" META("embedding.weight", "7", N(10) "," N(4), N(4) "," N(1)) ","
    META("head.weight", "7", N(10) "," N(4), N(4) "," N(1)) "," META("turned", "7", N(6) "," N(4), N(1) "," N(6)) ","
    META("part", "7", N(2) "," N(4), N(1) "," N(6)) "," META("mean", "7", N(4), N(1)) "}}";
static const char constants[] = "{\"config\": {" META("ring", "7", N(8) "," N(4), N(4) "," N(1)) "," META("scale", "7", N(4), N(1)) "}}";

static etch_span text(const char *z) { return (etch_span){ (const uint8_t *)z, strlen(z) }; }

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const uint8_t storage[8192];
    const zip_part parts[] = {
        { "m/archive_format", text("pt2") }, { "m/archive_version", text("0") }, { "m/models/model.json", { bytes, n } },
        { "m/data/weights/model_weights_config.json", text(weights) }, { "m/data/constants/model_constants_config.json", text(constants) },
        { "m/data/weights/storage", { storage, sizeof storage } }, { "m/data/constants/storage", { storage, sizeof storage } },
    };
    etch_pt2 *a = NULL;
    etch_program *p = NULL;
    etch_buf image = { 0 }, notes = { 0 };
    etch_status_ignore(etch_ops_init());
    zip_build(parts, sizeof parts / sizeof *parts, false, &image);
    etch_status *s = etch_pt2_open_bytes((etch_span){ image.ptr, image.len }, "fuzz.pt2", &a);
    if (!s) s = etch_pt2_program(a, &p, &notes);
    etch_status_ignore(s);
    etch_buf_deinit(&notes);
    etch_program_destroy(p);
    etch_pt2_close(a);
    etch_buf_deinit(&image);
    return 0;
}
