"""Named by exporters; nothing to trace with."""
