"""Settings of a compiler that is not here: assignments are accepted and change nothing."""
cache_size_limit = 8
recompile_limit = 8
accumulated_cache_size_limit = 256
capture_scalar_outputs = True
capture_dynamic_output_shape_ops = True
suppress_errors = False
assume_static_by_default = True
allow_unspec_int_on_nn_module = False
