// Which row of the op table an operator of PyTorch is.
#include "pt2/internal.h"

// "torch.ops.aten.add.Tensor" is "aten::add.Tensor"; the overload "default" has no name. Empty for anything but an operator.
etch_str pt2_op_name(etch_str target, char *buf, size_t cap)
{
    static const char prefix[] = "torch.ops.";
    const size_t skip = sizeof prefix - 1;
    if (!etch_str_starts(target, prefix)) return (etch_str){ "", 0 };
    etch_str rest = { target.ptr + skip, target.len - skip };
    const char *dot = memchr(rest.ptr, '.', rest.len);
    if (!dot) return (etch_str){ "", 0 };
    etch_str space = { rest.ptr, (size_t)(dot - rest.ptr) }, op = { dot + 1, rest.len - space.len - 1 };
    static const char plain[] = ".default";
    if (op.len > sizeof plain - 1 && !memcmp(op.ptr + op.len - (sizeof plain - 1), plain, sizeof plain - 1)) op.len -= sizeof plain - 1;
    int n = snprintf(buf, cap, "%.*s::%.*s", ETCH_STR_ARGS(space), ETCH_STR_ARGS(op));
    return n > 0 && (size_t)n < cap ? (etch_str){ buf, (size_t)n } : (etch_str){ "", 0 };
}

// Second names of operators: the same parameters, another row.
etch_str pt2_row_name(etch_str name, char *buf, size_t cap)
{
    static const char *const second[][2] = {
        { "aten::__and__", "aten::bitwise_and" }, { "aten::__or__", "aten::bitwise_or" }, { "aten::__xor__", "aten::bitwise_xor" },
        { "aten::__lshift__", "aten::bitwise_left_shift" }, { "aten::__rshift__", "aten::bitwise_right_shift" },
        { "aten::true_divide", "aten::div" }, { "aten::divide", "aten::div" }, { "aten::multiply", "aten::mul" },
        { "aten::subtract", "aten::sub" }, { "aten::concat", "aten::cat" }, { "aten::concatenate", "aten::cat" },
        { "aten::greater", "aten::gt" }, { "aten::greater_equal", "aten::ge" }, { "aten::less", "aten::lt" },
        { "aten::less_equal", "aten::le" }, { "aten::not_equal", "aten::ne" }, { "aten::absolute", "aten::abs" },
        { "aten::negative", "aten::neg" }, { "aten::clip", "aten::clamp" }, { "aten::swapaxes", "aten::transpose" },
        { "aten::swapdims", "aten::transpose" }, { "aten::moveaxis", "aten::movedim" }, { "aten::special_expit", "aten::sigmoid" },
        { "aten::special_erf", "aten::erf" }, { "aten::zero_", "aten::zeros_like_" }, { "aten::special_softmax", "aten::softmax" },
        { "aten::arctan", "aten::atan" }, { "aten::inverse", "aten::linalg_inv" },
    };
    const char *dot = memchr(name.ptr, '.', name.len);
    const size_t bare = dot ? (size_t)(dot - name.ptr) : name.len;
    for (size_t i = 0; i < sizeof second / sizeof *second; i++) {
        if (!etch_str_eqz((etch_str){ name.ptr, bare }, second[i][0])) continue;
        int n = snprintf(buf, cap, "%s%.*s", second[i][1], (int)(name.len - bare), name.ptr + bare);
        return n > 0 && (size_t)n < cap ? (etch_str){ buf, (size_t)n } : name;
    }
    return name;
}
