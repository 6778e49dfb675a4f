# The types with which Cython compiles messages.py; the interpreter never reads this file.

cimport cython

from otelscore.dialects.content cimport hidden, parse, type_of, word

@cython.locals(calls=list)
cpdef list asked_in(message)

cdef _walk(value, list texts, list calls, int levels)

cdef bint _is_message(value) except -1

cdef _call(dict value)

cpdef str first_word(dict value, tuple fields)
