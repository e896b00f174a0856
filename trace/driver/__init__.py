"""The tracer child: builds a model with the unmodified transformers library on etch's torch, runs it once on symbolic inputs, prints the
graph."""
