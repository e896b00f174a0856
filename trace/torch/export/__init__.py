"""torch.export: the names that wrappers use to describe dynamic shapes. The driver traces; export() itself is not a door into etch."""


class _DimHint:
    def __init__(self, kind, min=None, max=None):
        self.kind, self.min, self.max = kind, min, max

    def __call__(self, min=None, max=None):
        return _DimHint(self.kind, min, max)

    def __repr__(self):
        return f"DimHint({self.kind})"


class Dim:
    AUTO = _DimHint("AUTO")
    DYNAMIC = _DimHint("DYNAMIC")
    STATIC = _DimHint("STATIC")

    def __init__(self, name, *, min=None, max=None):
        self.__name__, self.min, self.max = name, 0 if min is None else min, max

    def __repr__(self):
        return f"Dim('{self.__name__}', min={self.min}, max={self.max})"


def dims(*names, min=None, max=None):
    return tuple(Dim(name, min=min, max=max) for name in names)


class ShapesCollection:
    pass


class AdditionalInputs:
    pass


class ExportedProgram:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("etch: torch.export programs are not made in the tracer")


def export(mod, args=(), kwargs=None, *, dynamic_shapes=None, strict=False, **options):
    raise NotImplementedError("etch: torch.export.export is the exporter's own work; use `etch export`")


def register_dataclass(cls, *, serialized_type_name=None):
    return None


load = save = export_for_training = draft_export = export
