"""einsum as permutations and batched matrix products, pairwise from left to right."""
import torch


def _parse(equation, operands):
    """Gives label lists for the operands and the result; an ellipsis becomes labels '0', '1', ... counted from the right."""
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum(): {len(terms)} terms in {equation!r} for {len(operands)} operands")
    inputs, widest = [], 0
    for term, operand in zip(terms, operands):
        extra = operand.dim() - len(term.replace("...", ""))
        if extra < 0 or (extra and "..." not in term):
            raise ValueError(f"einsum(): term {term!r} does not fit an operand with {operand.dim()} dimensions")
        widest = max(widest, extra if "..." in term else 0)
        head, dots, tail = term.partition("...")
        inputs.append(list(head) + [str(i) for i in reversed(range(extra))] * bool(dots) + list(tail))
    dots = [str(i) for i in reversed(range(widest))]
    if arrow:
        head, ellipsis, tail = right.partition("...")
        output = list(head) + (dots if ellipsis else []) + list(tail)
    else:
        flat = [label for labels in inputs for label in labels]
        output = dots + sorted(label for label in set(flat) - set(dots) if flat.count(label) == 1)
    return inputs, output


def _diagonals(x, labels):
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            x = x.diagonal(0, i, j)
            labels = [other for k, other in enumerate(labels) if k not in (i, j)] + [label]
    return x, labels


def _sum_out(x, labels, keep):
    drop = [i for i, label in enumerate(labels) if label not in keep]
    if drop:
        x = x.sum(drop)
        labels = [label for label in labels if label in keep]
    return x, labels


def _arrange(x, labels, order):
    if labels != order:
        x = x.permute([labels.index(label) for label in order])
    return x


def _product(sizes):
    n = 1
    for s in sizes:
        n = n * s
    return n


def _is_one(size):
    return isinstance(size, int) and size == 1


def _contract(a, la, b, lb, keep):
    """One pairwise product: batch labels are in both and kept, summed ones in both and not kept."""
    size = {}
    for labels, x in ((la, a), (lb, b)):
        for label, s in zip(labels, x.shape):
            if label not in size or _is_one(size[label]):
                size[label] = s
    # A summed dimension of size 1 that broadcasts against the other operand is summed there alone.
    batch = [label for label in la if label in lb and label in keep]
    inner = [label for label in la if label in lb and label not in keep]
    rows = [label for label in la if label not in lb]
    cols = [label for label in lb if label not in la]
    a = _arrange(a, la, batch + rows + inner)
    b = _arrange(b, lb, batch + inner + cols)

    def grown(x, labels):
        want = [size[label] for label in labels]
        return x if list(x.shape) == want else x.expand(want)

    a, b = grown(a, batch + rows + inner), grown(b, batch + inner + cols)
    order = batch + rows + cols
    if not inner:
        a = a.reshape([size[label] for label in batch + rows] + [1] * len(cols))
        b = b.reshape([size[label] for label in batch] + [1] * len(rows) + [size[label] for label in cols])
        return a * b, order
    nb, nr, ni, nc = (_product(size[label] for label in group) for group in (batch, rows, inner, cols))
    out = torch.bmm(a.reshape(nb, nr, ni), b.reshape(nb, ni, nc))
    return out.reshape([size[label] for label in order]), order


def einsum(equation, *operands):
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    if not isinstance(equation, str):
        raise NotImplementedError("etch: einsum with index lists is not available; use the string form")
    inputs, output = _parse(equation, operands)
    x, labels = _diagonals(operands[0], inputs[0])
    for k in range(1, len(operands)):
        other, other_labels = _diagonals(operands[k], inputs[k])
        later = set(output).union(*inputs[k + 1:])
        x, labels = _sum_out(x, labels, later | set(other_labels))
        other, other_labels = _sum_out(other, other_labels, later | set(labels))
        x, labels = _contract(x, labels, other, other_labels, later)
    x, labels = _sum_out(x, labels, set(output))
    return _arrange(x, labels, output)
