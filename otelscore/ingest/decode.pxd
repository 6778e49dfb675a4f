# The types with which Cython compiles decode.py; the interpreter never reads this file.

from otelscore.model cimport raw as types

cdef _kept(types.RawSpan raw, reading, dict shared)
