"""Named by exporters."""


class CustomDecompTable(dict):
    pass
