# The types with which Cython compiles content.py; the interpreter never reads this file.

cimport cython

@cython.locals(text=str)
cpdef parse(value)

@cython.locals(text=str)
cpdef bint hidden(value) except -1

cpdef str word(value)

cpdef str type_of(dict value)

cdef bytes _hash(bytes said, key)
