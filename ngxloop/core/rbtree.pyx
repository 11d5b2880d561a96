"""An intrusive red-black tree ordered by key, equal keys in order of insertion; see rbtree.pxd.

How it works. A node is red or black, a red node has black children, and every way down from a node
to a leaf passes the same number of black nodes: so no way is more than twice as long as another.
Inserting hangs a red node at a leaf and repairs upwards where two reds meet; removing a black node
leaves its place one black short and repairs upwards from there. `nil` stands for every leaf, so
that the repairs can read the colour and the parent of a leaf without checking whether it is one.
"""


cdef void tree_init(RbTree* tree) noexcept nogil:
    tree.nil.red = False
    tree.nil.left = tree.nil.right = tree.nil.parent = &tree.nil
    tree.root = &tree.nil
    tree.first = tree.last = NULL
    tree.count = 0


cdef void tree_insert(RbTree* tree, RbNode* node) noexcept nogil:
    cdef RbNode* parent = &tree.nil
    cdef RbNode* place = tree.root
    cdef bint smallest = True
    cdef bint goes_left = False
    if tree.last != NULL and node.key >= tree.last.key:
        parent = tree.last
        place = &tree.nil
        smallest = False
    while place != &tree.nil:
        parent = place
        goes_left = node.key < place.key  # an equal key was here before: it stays in front
        if goes_left:
            place = place.left
        else:
            place = place.right
            smallest = False
    node.parent = parent
    node.left = node.right = &tree.nil
    node.red = True
    node.linked = True
    tree.count += 1
    if parent == &tree.nil:
        tree.root = node
    elif goes_left:
        parent.left = node
    else:
        parent.right = node
    if smallest:
        tree.first = node
    if tree.last == NULL or tree.last.right == node:
        tree.last = node
    repair_after_insert(tree, node)


cdef void tree_remove(RbTree* tree, RbNode* node) noexcept nogil:
    cdef RbNode* child
    cdef RbNode* heir = node
    cdef bint lost_black = not node.red
    if tree.first == node:
        tree.first = next_of(tree, node)
    if tree.last == node:
        tree.last = previous_of(tree, node)
    if node.left == &tree.nil:
        child = node.right
        replace(tree, node, child)
    elif node.right == &tree.nil:
        child = node.left
        replace(tree, node, child)
    else:  # the next larger node has no left child: it takes over this place and this colour
        heir = smallest_below(tree, node.right)
        lost_black = not heir.red
        child = heir.right
        if heir.parent == node:
            child.parent = heir  # child may be nil: the repair reads its parent
        else:
            replace(tree, heir, child)
            heir.right = node.right
            heir.right.parent = heir
        replace(tree, node, heir)
        heir.left = node.left
        heir.left.parent = heir
        heir.red = node.red
    node.linked = False
    tree.count -= 1
    if lost_black:
        repair_after_remove(tree, child)


cdef RbNode* tree_next(RbTree* tree, RbNode* node) noexcept nogil:
    """Return the node after any node, in order; NULL after the last one."""
    if node.right != &tree.nil:
        return smallest_below(tree, node.right)
    while node.parent != &tree.nil and node == node.parent.right:
        node = node.parent
    return node.parent if node.parent != &tree.nil else NULL


cdef RbNode* smallest_below(RbTree* tree, RbNode* node) noexcept nogil:
    while node.left != &tree.nil:
        node = node.left
    return node


cdef RbNode* next_of(RbTree* tree, RbNode* node) noexcept nogil:
    """Return the node after the smallest one: it has no left child and is a left child itself."""
    if node.right != &tree.nil:
        return smallest_below(tree, node.right)
    return node.parent if node.parent != &tree.nil else NULL


cdef RbNode* previous_of(RbTree* tree, RbNode* node) noexcept nogil:
    """Return the node before the largest one: it has no right child and is a right child itself."""
    if node.left == &tree.nil:
        return node.parent if node.parent != &tree.nil else NULL
    node = node.left
    while node.right != &tree.nil:
        node = node.right
    return node


cdef void replace(RbTree* tree, RbNode* old, RbNode* new) noexcept nogil:
    """Hang new, with all below it, where old hangs."""
    if old.parent == &tree.nil:
        tree.root = new
    elif old == old.parent.left:
        old.parent.left = new
    else:
        old.parent.right = new
    new.parent = old.parent


cdef void rotate_left(RbTree* tree, RbNode* node) noexcept nogil:
    cdef RbNode* up = node.right
    node.right = up.left
    if up.left != &tree.nil:
        up.left.parent = node
    replace(tree, node, up)
    up.left = node
    node.parent = up


cdef void rotate_right(RbTree* tree, RbNode* node) noexcept nogil:
    cdef RbNode* up = node.left
    node.left = up.right
    if up.right != &tree.nil:
        up.right.parent = node
    replace(tree, node, up)
    up.right = node
    node.parent = up


cdef void repair_after_insert(RbTree* tree, RbNode* node) noexcept nogil:
    cdef RbNode* uncle
    cdef RbNode* grandparent
    while node.parent.red:
        grandparent = node.parent.parent
        if node.parent == grandparent.left:
            uncle = grandparent.right
            if not uncle.red:
                if node == node.parent.right:
                    node = node.parent
                    rotate_left(tree, node)
                node.parent.red = False
                grandparent.red = True
                rotate_right(tree, grandparent)
                break
        else:
            uncle = grandparent.left
            if not uncle.red:
                if node == node.parent.left:
                    node = node.parent
                    rotate_right(tree, node)
                node.parent.red = False
                grandparent.red = True
                rotate_left(tree, grandparent)
                break
        node.parent.red = uncle.red = False
        grandparent.red = True
        node = grandparent
    tree.root.red = False


cdef void repair_after_remove(RbTree* tree, RbNode* node) noexcept nogil:
    while node != tree.root and not node.red:
        if node == node.parent.left:
            node = repair_left(tree, node)
        else:
            node = repair_right(tree, node)
    node.red = False


cdef RbNode* repair_left(RbTree* tree, RbNode* node) noexcept nogil:
    """Give a left child its missing black; return the node that is one black short now."""
    cdef RbNode* sibling = node.parent.right
    if sibling.red:
        sibling.red = False
        node.parent.red = True
        rotate_left(tree, node.parent)
        sibling = node.parent.right
    if not sibling.left.red and not sibling.right.red:
        sibling.red = True
        return node.parent
    if not sibling.right.red:
        sibling.left.red = False
        sibling.red = True
        rotate_right(tree, sibling)
        sibling = node.parent.right
    sibling.red = node.parent.red
    node.parent.red = sibling.right.red = False
    rotate_left(tree, node.parent)
    return tree.root


cdef RbNode* repair_right(RbTree* tree, RbNode* node) noexcept nogil:
    """The mirror image of repair_left."""
    cdef RbNode* sibling = node.parent.left
    if sibling.red:
        sibling.red = False
        node.parent.red = True
        rotate_right(tree, node.parent)
        sibling = node.parent.left
    if not sibling.left.red and not sibling.right.red:
        sibling.red = True
        return node.parent
    if not sibling.left.red:
        sibling.right.red = False
        sibling.red = True
        rotate_left(tree, sibling)
        sibling = node.parent.left
    sibling.red = node.parent.red
    node.parent.red = sibling.left.red = False
    rotate_right(tree, node.parent)
    return tree.root
