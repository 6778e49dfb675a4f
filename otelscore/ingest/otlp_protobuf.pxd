# The types with which Cython compiles otlp_protobuf.py; the interpreter never reads this file.

cimport cython

from otelscore.ingest.records cimport check_depth, raw_event, raw_span

cdef int _MAX_GROUPS, _VARINT, _FIXED64, _LENGTH, _GROUP, _END_GROUP, _FIXED32
cdef unsigned long long _MAX_TAG, _SIGN, _MASK

@cython.locals(tag=cython.ulonglong, size=cython.ulonglong, start=cython.Py_ssize_t, kind=cython.longlong, status=cython.longlong)
cdef _span(const unsigned char* body, Py_ssize_t at, Py_ssize_t end, wanted, origin)

@cython.locals(tag=cython.ulonglong, start=cython.Py_ssize_t)
cdef tuple _status(const unsigned char* body, Py_ssize_t at, Py_ssize_t end, long long code, message)

@cython.locals(tag=cython.ulonglong, start=cython.Py_ssize_t)
cdef _event(const unsigned char* body, Py_ssize_t at, Py_ssize_t end, wanted)

@cython.locals(tag=cython.ulonglong, start=cython.Py_ssize_t)
cdef tuple _link(const unsigned char* body, Py_ssize_t at, Py_ssize_t end)

@cython.locals(tag=cython.ulonglong, start=cython.Py_ssize_t)
cdef _log(const unsigned char* body, Py_ssize_t at, Py_ssize_t end, wanted, origin)

@cython.locals(tag=cython.ulonglong, size=cython.ulonglong, middle=cython.Py_ssize_t, begin=cython.Py_ssize_t, start=cython.Py_ssize_t, stop=cython.Py_ssize_t)
cdef _attribute(const unsigned char* body, Py_ssize_t at, Py_ssize_t end, wanted, dict found, int depth)

@cython.locals(tag=cython.ulonglong, start=cython.Py_ssize_t, begin=cython.Py_ssize_t, stop=cython.Py_ssize_t)
cdef _value(const unsigned char* body, Py_ssize_t at, Py_ssize_t end, int depth)

@cython.locals(tag=cython.ulonglong, start=cython.Py_ssize_t)
cdef list _parts(const unsigned char* body, Py_ssize_t at, Py_ssize_t end, unsigned long long wanted_tag)

@cython.locals(tag=cython.ulonglong, size=cython.ulonglong, wire=cython.int, stop=cython.Py_ssize_t)
cdef (unsigned long long, Py_ssize_t, Py_ssize_t) _field(const unsigned char* body, Py_ssize_t at, Py_ssize_t end) except *

@cython.locals(tag=cython.ulonglong, after=cython.Py_ssize_t)
cdef Py_ssize_t _skip_group(const unsigned char* body, Py_ssize_t at, Py_ssize_t end, unsigned long long opened, int depth) except -1

@cython.locals(byte=cython.ulonglong, value=cython.ulonglong, shift=cython.int)
cdef (unsigned long long, Py_ssize_t) _varint(const unsigned char* body, Py_ssize_t at, Py_ssize_t end) except *

@cython.locals(value=cython.ulonglong)
cdef long long _int64(const unsigned char* body, Py_ssize_t at, Py_ssize_t end) except? -1

@cython.locals(value=cython.ulonglong)
cdef long long _int32(const unsigned char* body, Py_ssize_t at, Py_ssize_t end) except? -1

cdef _merged(const unsigned char* body, list values, int depth)

@cython.locals(start=cython.Py_ssize_t, stop=cython.Py_ssize_t, pair_start=cython.Py_ssize_t, pair_stop=cython.Py_ssize_t)
cdef _resource(const unsigned char* body, Py_ssize_t at, Py_ssize_t end, origins)

cdef _scope(const unsigned char* body, Py_ssize_t at, Py_ssize_t end)

cdef _last_text(const unsigned char* body, Py_ssize_t at, Py_ssize_t end, unsigned long long wanted_tag)
