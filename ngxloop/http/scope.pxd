"""scope_new: what an application learns of a request."""

from ngxloop.http.head cimport Head
from ngxloop.http.link cimport Link

cdef dict scope_new(Link link, const Head* head, const char* data)
