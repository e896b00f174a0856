"""torch._jit_internal: names for annotations."""
from typing import Dict, Final, List, Optional, Tuple, Union  # noqa: F401


def boolean_dispatch(arg_name, arg_index, default, if_true, if_false, module_name, func_name):
    def fn(*args, **kwargs):
        flag = kwargs.get(arg_name, args[arg_index] if len(args) > arg_index else default)
        return (if_true if flag else if_false)(*args, **kwargs)

    return fn


class BroadcastingList1:
    def __class_getitem__(cls, item):
        return List[item]


BroadcastingList2 = BroadcastingList3 = BroadcastingList1
