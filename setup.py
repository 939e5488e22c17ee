"""Build of the compiled parts and the list of packages; everything else about the package is in pyproject.toml.

Environment
-----------
WYRM_SANITIZE : ``address,undefined`` or ``thread``
    Build with those sanitizers (GCC or Clang).
WYRM_BUILD_JOBS : int
    Extension modules to compile at a time; by default as many as this process may use processors.
"""

import os
import sys
import sysconfig
from pathlib import Path

import numpy as np
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
SANITIZERS = os.environ.get("WYRM_SANITIZE", "")

# The platform to build for, which a cross build (macOS) or a universal one names in these two variables.
PLATFORM = os.environ.get("ARCHFLAGS") or sysconfig.get_platform()
X86_64 = any(name in PLATFORM for name in ("x86_64", "amd64", "universal2"))

# The kernels are compiled from one source, once per instruction set, and chosen at import: no flag here may ask
# for the processor that builds.  name: (bytes in a vector, flags of GCC and Clang, flags of MSVC)
INSTRUCTION_SETS = {"baseline": (16, [], [])}
if X86_64:
    INSTRUCTION_SETS["v3"] = (32, ["-march=x86-64-v3"], ["/arch:AVX2"])
    INSTRUCTION_SETS["v4"] = (64, ["-march=x86-64-v4", "-mprefer-vector-width=512"], ["/arch:AVX512"])

# The fast-math family of flags stays out: NaN and infinity keep their meaning, and sums their order.  Products and sums
# fuse where the kernels say so, not where a compiler likes to.
GNU_FLAGS = [
    "-O3",
    "-g0",
    "-std=c11",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-Wno-array-bounds",
]
MSVC_FLAGS = ["/O2", "/std:c11"]
SANITIZER_FLAGS = ["-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", f"-fsanitize={SANITIZERS}"]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
    "freethreading_compatible": True,
}


def extension(source, *, name=None, macros=(), depends=(), flags=((), ())):
    """One extension module; `flags` holds those of GCC and Clang, and those of MSVC."""
    found = Extension(
        name or ".".join(Path(source).with_suffix("").parts),
        [source],
        include_dirs=[np.get_include(), "wyrm", "wyrm/kernels"],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), *macros],
        depends=["setup.py", *depends],
    )
    found.own_flags = flags
    return found


def extensions():
    """Every .pyx under wyrm/, the kernel modules with the macros and flags of their instruction set."""
    kernels = Path("wyrm/kernels")
    depends = [p.as_posix() for suffix in ("pxi", "pxd", "h") for p in sorted(kernels.glob(f"*.{suffix}"))]
    by_hand = {f"_{isa}" for isa in ("baseline", "v3", "v4", "double")}
    found = []
    for isa, (width, gnu, msvc) in INSTRUCTION_SETS.items():
        if sys.platform == "darwin":  # a universal build compiles for arm64 in the same call
            gnu = [word for flag in gnu for word in ("-Xarch_x86_64", flag)]
        macros = [("WYRM_VECTOR_BYTES", str(width)), ("WYRM_REAL", "float")]
        found.append(extension(f"wyrm/kernels/_{isa}.pyx", macros=macros, depends=depends, flags=(gnu, msvc)))
    # Double precision, for the gradient checks of the test suite only.
    macros = [("WYRM_VECTOR_BYTES", "16"), ("WYRM_REAL", "double"), ("WYRM_REAL_IS_DOUBLE", "1")]
    found.append(extension("wyrm/kernels/_double.pyx", macros=macros, depends=depends))
    for path in sorted(Path("wyrm").rglob("*.pyx")):
        if path.parent != kernels or path.stem not in by_hand:
            macros = [("WYRM_SANITIZERS", f'"{SANITIZERS}"')] if path.stem == "_build" else []
            found.append(extension(path.as_posix(), macros=macros))
    return found


def jobs():
    asked = os.environ.get("WYRM_BUILD_JOBS")
    if asked:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class BuildExtensions(build_ext):
    """Cython, then the compiler, each on several modules at a time; generated C stays in the build folder."""

    def finalize_options(self):
        if self.editable_mode:
            # setuptools would compile in a temporary folder, and so from scratch at every change.
            folder = f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
            self.build_lib, self.build_temp = f"build/lib.{folder}", f"build/temp.{folder}"
        super().finalize_options()
        self.parallel = self.parallel or jobs()

    def build_extensions(self):
        msvc = self.compiler.compiler_type == "msvc"
        if msvc and SANITIZERS:
            raise SystemExit("WYRM_SANITIZE needs GCC or Clang; unset it to build with MSVC.")
        for found in self.extensions:
            found.extra_compile_args = [*(MSVC_FLAGS if msvc else GNU_FLAGS), *found.own_flags[msvc]]
            if SANITIZERS:
                found.extra_compile_args += SANITIZER_FLAGS
                found.extra_link_args = [f"-fsanitize={SANITIZERS}"]
        self.translate()
        super().build_extensions()

    def translate(self):
        from Cython.Build import cythonize

        # Cython looks at the age of its sources only; the directives are in this file.
        for found in self.extensions:
            made = Path(self.build_temp, found.sources[0]).with_suffix(".c")
            if made.exists() and made.stat().st_mtime < Path("setup.py").stat().st_mtime:
                made.unlink()
        translated = cythonize(
            self.extensions,
            compiler_directives=DIRECTIVES,
            build_dir=self.build_temp,
            nthreads=self.parallel,
            force=self.force,
            quiet=not self.verbose,
        )
        by_name = {found.name: found for found in translated}
        for found in self.extensions:
            found.sources = by_name[found.name].sources
            found.depends = by_name[found.name].depends


# The process pool of cythonize imports this file again where processes are spawned.
if __name__ == "__main__":
    os.chdir(HERE)
    setup(
        ext_modules=extensions(),
        cmdclass={"build_ext": BuildExtensions},
        # models/ is imported as wyrm.models.
        package_dir={"wyrm.models": "models"},
        packages=[
            *find_packages(include=["wyrm", "wyrm.*"]),
            "wyrm.models",
            *(f"wyrm.models.{name}" for name in find_packages("models")),
        ],
    )
