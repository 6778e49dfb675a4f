"""Compiles the decoder, where there is a compiler; without one the same source runs interpreted."""

from Cython.Build import cythonize
from setuptools import Extension, setup

COMPILED = [Extension("otelscore.ingest.otlp_protobuf", ["otelscore/ingest/otlp_protobuf.py"], optional=True)]

setup(ext_modules=cythonize(COMPILED, language_level=3, compiler_directives={"annotation_typing": False}))
