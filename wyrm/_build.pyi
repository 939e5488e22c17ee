compiler: str
cython_version: str
sanitizers: tuple[str, ...]
