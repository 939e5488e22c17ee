"""A library to preload that counts calls of malloc and its kin, in the variable `wyrm_allocations`. For glibc.

python benchmarks/allocation_counter.py FOLDER      compile it there, and print its path
"""

import subprocess
import sys
import sysconfig
from pathlib import Path

SOURCE = """
#include <errno.h>
#include <stddef.h>

long wyrm_allocations;
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static void count(void) { __atomic_fetch_add(&wyrm_allocations, 1, __ATOMIC_RELAXED); }

void *malloc(size_t size) { count(); return __libc_malloc(size); }
void *calloc(size_t n, size_t size) { count(); return __libc_calloc(n, size); }
void *realloc(void *old, size_t size) { count(); return __libc_realloc(old, size); }
void *memalign(size_t align, size_t size) { count(); return __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { count(); return __libc_memalign(align, size); }
int posix_memalign(void **block, size_t align, size_t size) {
    count();
    *block = __libc_memalign(align, size);
    return *block == NULL ? ENOMEM : 0;
}
"""


def build(folder):
    """Compile it; the path of the library. OSError or CalledProcessError where there is no compiler or no glibc."""
    source, library = folder / "allocation_counter.c", folder / "allocation_counter.so"
    source.write_text(SOURCE)
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return library


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
