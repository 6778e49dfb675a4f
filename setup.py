"""Compiles the hot path, where there is a compiler; without one the same source runs interpreted."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FLAGS = ["-O1", "-g0"] if os.name == "posix" else []  # as fast as with more, and built in half of the time
COMPILED = [
    Extension(".".join(path.with_suffix("").parts), [str(path.with_suffix(".py"))], extra_compile_args=FLAGS)
    for path in sorted(Path("otelscore").rglob("*.pxd"))  # the types of the module beside it
]


class BuildAllOrNone(build_ext):
    """`optional` of an extension is not heeded by all releases of setuptools, and these modules need each other."""

    def build_extensions(self) -> None:
        try:
            super().build_extensions()
        except Exception as error:
            self.warn(f"nothing is compiled, which costs speed alone: {error}")
            for path in self.get_outputs():
                Path(path).unlink(missing_ok=True)
            self.extensions = []


setup(
    cmdclass={"build_ext": BuildAllOrNone},
    ext_modules=cythonize(COMPILED, language_level=3, compiler_directives={"annotation_typing": False}),
    options={"build_ext": {"parallel": os.cpu_count()}},
)
