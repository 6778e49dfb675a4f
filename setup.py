"""Compiles the hot path, where there is a compiler; without one the same source runs interpreted."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

FLAGS = ["-O1", "-g0"] if os.name == "posix" else []  # as fast as with more, and built in half of the time
COMPILED = [
    Extension(
        ".".join(path.with_suffix("").parts), [str(path.with_suffix(".py"))], extra_compile_args=FLAGS, optional=True
    )
    for path in sorted(Path("otelscore").rglob("*.pxd"))  # the types of the module beside it
]

setup(
    ext_modules=cythonize(COMPILED, language_level=3, compiler_directives={"annotation_typing": False}),
    options={"build_ext": {"parallel": os.cpu_count()}},
)
