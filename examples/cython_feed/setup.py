"""python setup.py build_ext --inplace; needs wyrm, Cython and a C compiler."""

from Cython.Build import cythonize
from setuptools import Extension, setup

import wyrm

extension = Extension("walk_feed", ["walk_feed.pyx"], include_dirs=[wyrm.get_include()])
setup(
    name="walk_feed",
    ext_modules=cythonize([extension], compiler_directives={"language_level": 3, "freethreading_compatible": True}),
)
