"""Trees of Python containers: flatten, unflatten, map; the part of PyTorch's pytree that model libraries use.

A node type is registered with flatten(tree) -> (children, context) and unflatten(children, context) -> tree.
"""
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple

Context = Any
PyTree = Any


class MappingKey(NamedTuple):
    key: Any

    def __str__(self):
        return f"[{self.key!r}]"


class SequenceKey(NamedTuple):
    idx: int

    def __str__(self):
        return f"[{self.idx!r}]"


class GetAttrKey(NamedTuple):
    name: str

    def __str__(self):
        return f".{self.name}"


class NodeDef(NamedTuple):
    type: type
    flatten_fn: Callable
    unflatten_fn: Callable
    flatten_with_keys_fn: Any = None


SUPPORTED_NODES = {}
SUPPORTED_SERIALIZED_TYPES = {}


def _register(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn=None):
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)


def register_pytree_node(cls, flatten_fn, unflatten_fn, *, serialized_type_name=None, to_dumpable_context=None,
                         from_dumpable_context=None, flatten_with_keys_fn=None, **kwargs):
    _register(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)


_register_pytree_node = register_pytree_node


def register_dataclass(cls, *, field_names=None, drop_field_names=None, serialized_type_name=None):
    import dataclasses

    names = field_names or [f.name for f in dataclasses.fields(cls)]
    _register(cls, lambda x: ([getattr(x, n) for n in names], names), lambda values, context: cls(**dict(zip(context, values))))


def register_constant(cls):
    _register(cls, lambda x: ([], x), lambda values, context: context)


def _list_flatten(d):
    return list(d), None


def _dict_flatten(d):
    return list(d.values()), list(d.keys())


def _dict_flatten_with_keys(d):
    values, context = _dict_flatten(d)
    return [(MappingKey(k), v) for k, v in zip(context, values)], context


def _dict_unflatten(values, context):
    return dict(zip(context, values))


def _sequence_with_keys(d):
    values, context = SUPPORTED_NODES[_kind(d)].flatten_fn(d)
    return [(SequenceKey(i), v) for i, v in enumerate(values)], context


def _is_namedtuple(cls):
    return issubclass(cls, tuple) and hasattr(cls, "_fields")


def _kind(tree):
    cls = type(tree)
    return namedtuple if cls not in SUPPORTED_NODES and _is_namedtuple(cls) else cls


_register(list, _list_flatten, lambda values, context: list(values), lambda d: _sequence_with_keys(d))
_register(tuple, _list_flatten, lambda values, context: tuple(values), lambda d: _sequence_with_keys(d))
_register(deque, lambda d: (list(d), d.maxlen), lambda values, context: deque(values, maxlen=context), lambda d: _sequence_with_keys(d))
_register(dict, _dict_flatten, _dict_unflatten, _dict_flatten_with_keys)
_register(OrderedDict, _dict_flatten, lambda values, context: OrderedDict(zip(context, values)), _dict_flatten_with_keys)
_register(defaultdict, lambda d: (list(d.values()), [d.default_factory, list(d.keys())]),
          lambda values, context: defaultdict(context[0], zip(context[1], values)))
_register(namedtuple, lambda d: (list(d), type(d)), lambda values, context: context(*values), lambda d: _sequence_with_keys(d))


@dataclass
class TreeSpec:
    type: Any
    context: Any
    children_specs: list

    @property
    def num_leaves(self):
        return 1 if self.type is None else sum(c.num_leaves for c in self.children_specs)

    @property
    def num_children(self):
        return len(self.children_specs)

    def is_leaf(self):
        return self.type is None

    def children(self):
        return self.children_specs

    def unflatten(self, leaves):
        return tree_unflatten(leaves, self)


class LeafSpec(TreeSpec):
    def __init__(self):
        super().__init__(None, None, [])


def treespec_leaf():
    return LeafSpec()


def _is_leaf(tree, is_leaf=None):
    return (is_leaf is not None and is_leaf(tree)) or _kind(tree) not in SUPPORTED_NODES


def tree_is_leaf(tree, is_leaf=None):
    return _is_leaf(tree, is_leaf)


def tree_flatten(tree, is_leaf=None):
    leaves = []

    def walk(node):
        if _is_leaf(node, is_leaf):
            leaves.append(node)
            return LeafSpec()
        kind = _kind(node)
        children, context = SUPPORTED_NODES[kind].flatten_fn(node)
        return TreeSpec(kind, context, [walk(c) for c in children])

    spec = walk(tree)
    return leaves, spec


def tree_unflatten(leaves, treespec):
    it = iter(leaves)

    def build(spec):
        if spec.type is None:
            return next(it)
        return SUPPORTED_NODES[spec.type].unflatten_fn([build(c) for c in spec.children_specs], spec.context)

    return build(treespec)


def tree_iter(tree, is_leaf=None):
    return iter(tree_flatten(tree, is_leaf)[0])


def tree_leaves(tree, is_leaf=None):
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree, is_leaf=None):
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func, tree, *rests, is_leaf=None):
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_flatten(r, is_leaf)[0] for r in rests]
    return tree_unflatten([func(*xs) for xs in zip(leaves, *others)], spec)


def tree_map_(func, tree, *rests, is_leaf=None):
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def map_only(type_or_types):
    def wrapper(func):
        return lambda x: func(x) if isinstance(x, type_or_types) else x

    return wrapper


def tree_map_only(type_or_types, func, tree, is_leaf=None):
    return tree_map(map_only(type_or_types)(func), tree, is_leaf=is_leaf)


def tree_map_only_(type_or_types, func, tree, is_leaf=None):
    return tree_map_(map_only(type_or_types)(func), tree, is_leaf=is_leaf)


def tree_all(pred, tree, is_leaf=None):
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred, tree, is_leaf=None):
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_flatten_with_path(tree, is_leaf=None):
    spec = tree_structure(tree, is_leaf)
    out = []

    def walk(node, path):
        if _is_leaf(node, is_leaf):
            out.append((path, node))
            return
        definition = SUPPORTED_NODES[_kind(node)]
        if definition.flatten_with_keys_fn is None:
            raise ValueError(f"Did not find a flatten_with_keys_fn for type: {_kind(node)}")
        for key, child in definition.flatten_with_keys_fn(node)[0]:
            walk(child, (*path, key))

    walk(tree, ())
    return out, spec


def tree_map_with_path(func, tree, *rests, is_leaf=None):
    pairs, spec = tree_flatten_with_path(tree, is_leaf)
    others = [tree_flatten(r, is_leaf)[0] for r in rests]
    return tree_unflatten([func(path, leaf, *xs) for (path, leaf), *xs in zip(pairs, *others)], spec)


def keystr(path):
    return "".join(str(p) for p in path)


def _broadcast_to_and_flatten(tree, treespec, is_leaf=None):
    if treespec.type is None:
        return [tree] if _is_leaf(tree, is_leaf) else None
    if _is_leaf(tree, is_leaf):
        return [tree] * treespec.num_leaves
    leaves, spec = tree_flatten(tree, is_leaf)
    return leaves if spec.num_leaves == treespec.num_leaves else None


def _get_node_type(tree):
    return _kind(tree)


def is_namedtuple(obj):
    return _is_namedtuple(obj if isinstance(obj, type) else type(obj))
