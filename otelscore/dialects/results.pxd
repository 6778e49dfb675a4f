# The types with which Cython compiles results.py; the interpreter never reads this file.

cimport cython

from otelscore.dialects.content cimport hidden, parse, type_of
from otelscore.dialects.messages cimport asked_in, first_word

cdef _result(told, list requested, key, extra)

cdef bint _is_own(message) except -1

cdef str _role(dict message)

@cython.locals(inner=list)
cdef list _told_in(dict message)

cdef _body(dict part)

cdef _told(dict value)

@cython.locals(at=cython.Py_ssize_t, start=cython.Py_ssize_t)
cdef list _messages(value)

@cython.locals(at=cython.Py_ssize_t)
cdef Py_ssize_t _last_own(str text) except -2
