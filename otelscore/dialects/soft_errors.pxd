# The types with which Cython compiles soft_errors.py; the interpreter never reads this file.

cimport cython

from otelscore.dialects.content cimport parse, type_of

cdef _in_value(value, command, extra, int levels)

@cython.locals(marks=frozenset)
cdef _in_object(dict value, command)

cdef _unwrap(value)

cdef bint _is_tool_message(dict value) except -1

cdef bint _is_part(value) except -1

cdef bint _has_type(value) except -1

@cython.locals(head=str, tail=str, last_line=str)
cdef _in_text(str text, command, extra)
