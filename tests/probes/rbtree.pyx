"""A red-black tree of numbered nodes, with a check of every rule that its nodes must follow."""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t

from ngxloop.core.rbtree cimport RbNode, RbTree, tree_init, tree_insert, tree_remove


cdef class Tree:
    """The tree, and `capacity` nodes that are in it or not; a node is known by its number."""

    cdef RbTree tree
    cdef RbNode* nodes       # OWNS: capacity of them
    cdef int capacity

    def __cinit__(self, int capacity):
        tree_init(&self.tree)
        self.capacity = capacity
        self.nodes = <RbNode*>PyMem_Calloc(capacity, sizeof(RbNode))
        if self.nodes == NULL:
            raise MemoryError(f"no memory for {capacity} nodes")

    def __dealloc__(self):
        PyMem_Free(self.nodes)

    def insert(self, int number, int64_t key):
        assert not self.nodes[number].linked
        self.nodes[number].key = key
        tree_insert(&self.tree, &self.nodes[number])

    def remove(self, int number):
        assert self.nodes[number].linked
        tree_remove(&self.tree, &self.nodes[number])

    def is_linked(self, int number):
        return bool(self.nodes[number].linked)

    @property
    def count(self):
        return self.tree.count

    @property
    def first(self):
        """The number of the smallest node, None if there is none."""
        return None if self.tree.first == NULL else self.tree.first - self.nodes

    @property
    def last(self):
        """The number of the largest node, None if there is none."""
        return None if self.tree.last == NULL else self.tree.last - self.nodes

    def numbers(self):
        """Return the numbers of all nodes, in order."""
        found = []
        collect(self, self.tree.root, found)
        return found

    def check(self):
        """Return the black height of the tree; raise AssertionError if a rule is broken."""
        cdef RbNode* root = self.tree.root
        assert not self.tree.nil.red, "a leaf is red"
        assert not root.red, "the root is red"
        assert root.parent == &self.tree.nil, "the root has a parent"
        return black_height(self, root)


cdef int collect(Tree probe, RbNode* node, list found) except -1:
    if node != &probe.tree.nil:
        collect(probe, node.left, found)
        found.append(node - probe.nodes)
        collect(probe, node.right, found)
    return 0


cdef int black_height(Tree probe, RbNode* node) except -1:
    cdef RbNode* nil = &probe.tree.nil
    cdef int left, right
    if node == nil:
        return 1
    assert node.linked, "a node in the tree is not marked as linked"
    assert not (node.red and (node.left.red or node.right.red)), "a red node has a red child"
    assert node.left == nil or node.left.parent == node, "a left child has another parent"
    assert node.right == nil or node.right.parent == node, "a right child has another parent"
    left = black_height(probe, node.left)
    right = black_height(probe, node.right)
    assert left == right, f"black heights differ: {left} and {right}"
    return left + (not node.red)
