"""How the compiled modules of this installation were built."""

import cython

cdef extern from *:
    """
    #define WYRM_TEXT_(x) #x
    #define WYRM_TEXT(x) WYRM_TEXT_(x)
    #if defined(__clang__)
    #define WYRM_COMPILER "Clang " __clang_version__
    #elif defined(__GNUC__)
    #define WYRM_COMPILER "GCC " __VERSION__
    #elif defined(_MSC_VER)
    #define WYRM_COMPILER "MSVC " WYRM_TEXT(_MSC_FULL_VER)
    #else
    #define WYRM_COMPILER "unknown"
    #endif
    """
    const char* WYRM_COMPILER
    const char* WYRM_SANITIZERS

compiler = WYRM_COMPILER.decode().strip()
cython_version = cython.__version__
sanitizers = tuple(name for name in WYRM_SANITIZERS.decode().split(",") if name)
