# The types with which Cython compiles table.py; the interpreter never reads this file.

from otelscore.dialects.content cimport word
from otelscore.model cimport raw as types

cpdef first(types.RawSpan span, tuple sources)

cpdef str text(types.RawSpan span, tuple sources)
