# Nothing here is for Python: what it offers is cimported, from the .pxd beside it.
