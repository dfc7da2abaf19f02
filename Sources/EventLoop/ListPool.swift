/// Circular doubly linked lists whose nodes lie in one block of memory and are named by small integers.
///
/// ``TimerWheel`` and ``DeferredQueue`` link, unlink and move their members with it: a handful of stores, without
/// allocation and without reference counting. Nodes `0 ..< lists` are the heads; the owner of any other node has
/// reserved it and gives it back when it goes away. The pool does not keep owners alive.
struct ListPool<Owner: AnyObject>: ~Copyable {
  struct Node {
    var previous: Int32
    var next: Int32
    /// The list the node is on; -1 if on none.
    var list: Int32
    /// What the list's user orders by.
    var key: Int64
    var owner: Unmanaged<Owner>?
  }

  private(set) var nodes: UnsafeMutablePointer<Node>
  private var capacity: Int
  private var used: Int
  /// First node that was given back, chained by `next`; -1 if there is none.
  private var firstFree: Int32 = -1

  init(lists: Int) {
    capacity = lists + 64
    used = lists
    nodes = .allocate(capacity: capacity)
    for head in 0..<lists {
      (nodes + head).initialize(
        to: Node(previous: Int32(head), next: Int32(head), list: Int32(head), key: 0, owner: nil))
    }
  }

  deinit { nodes.deallocate() }

  /// A node on no list, for `owner`. The only call that may allocate.
  mutating func reserve(for owner: Owner) -> Int32 {
    let index: Int32
    if firstFree >= 0 {
      index = firstFree
      firstFree = nodes[Int(index)].next
    } else {
      if used == capacity { grow() }
      index = Int32(used)
      used += 1
    }
    (nodes + Int(index)).initialize(
      to: Node(previous: index, next: index, list: -1, key: 0, owner: .passUnretained(owner)))
    return index
  }

  private mutating func grow() {
    let larger = UnsafeMutablePointer<Node>.allocate(capacity: capacity * 2)
    larger.moveInitialize(from: nodes, count: used)
    nodes.deallocate()
    nodes = larger
    capacity *= 2
  }

  /// Gives back a node that is on no list.
  mutating func giveBack(_ index: Int32) {
    nodes[Int(index)].owner = nil
    nodes[Int(index)].next = firstFree
    firstFree = index
  }

  /// The first member of `list`, or nil.
  @inline(__always) func first(of list: Int32) -> Int32? {
    let next = nodes[Int(list)].next
    return next == list ? nil : next
  }

  @inline(__always) func isEmpty(_ list: Int32) -> Bool { nodes[Int(list)].next == list }

  /// Appends a node, which is on no list, to `list`.
  @inline(__always) func append(_ index: Int32, to list: Int32) {
    let last = nodes[Int(list)].previous
    nodes[Int(index)].previous = last
    nodes[Int(index)].next = list
    nodes[Int(index)].list = list
    nodes[Int(last)].next = index
    nodes[Int(list)].previous = index
  }

  /// Takes a node off its list; true if that list is empty now.
  @inline(__always) func unlink(_ index: Int32) -> Bool {
    let previous = nodes[Int(index)].previous
    let next = nodes[Int(index)].next
    nodes[Int(previous)].next = next
    nodes[Int(next)].previous = previous
    nodes[Int(index)].list = -1
    return previous == next
  }
}
