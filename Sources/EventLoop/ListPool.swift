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

  private struct Block {
    var nodes: UnsafeMutablePointer<Node>
    var capacity: Int
    var used: Int
    /// First node that was given back, chained by `next`; -1 if there is none.
    var firstFree: Int32 = -1
  }

  /// Behind a pointer, so that nothing here mutates: owners hold the pool in a `let`, and no access of the hot path
  /// pays for a run-time check of exclusivity.
  private let block: UnsafeMutablePointer<Block>

  @inline(__always) var nodes: UnsafeMutablePointer<Node> { block.pointee.nodes }

  init(lists: Int) {
    let capacity = lists + 64
    let nodes = UnsafeMutablePointer<Node>.allocate(capacity: capacity)
    block = .allocate(capacity: 1)
    block.initialize(to: Block(nodes: nodes, capacity: capacity, used: lists))
    for head in 0..<lists {
      (nodes + head).initialize(
        to: Node(previous: Int32(head), next: Int32(head), list: Int32(head), key: 0, owner: nil))
    }
  }

  deinit {
    nodes.deallocate()
    block.deallocate()
  }

  /// A node on no list, for `owner`. The only call that may allocate.
  func reserve(for owner: Owner) -> Int32 {
    let index: Int32
    if block.pointee.firstFree >= 0 {
      index = block.pointee.firstFree
      block.pointee.firstFree = nodes[Int(index)].next
    } else {
      if block.pointee.used == block.pointee.capacity { grow() }
      index = Int32(block.pointee.used)
      block.pointee.used += 1
    }
    (nodes + Int(index)).initialize(
      to: Node(previous: index, next: index, list: -1, key: 0, owner: .passUnretained(owner)))
    return index
  }

  private func grow() {
    let larger = UnsafeMutablePointer<Node>.allocate(capacity: block.pointee.capacity * 2)
    larger.moveInitialize(from: nodes, count: block.pointee.used)
    nodes.deallocate()
    block.pointee.nodes = larger
    block.pointee.capacity *= 2
  }

  /// Gives back a node that is on no list.
  func giveBack(_ index: Int32) {
    nodes[Int(index)].owner = nil
    nodes[Int(index)].next = block.pointee.firstFree
    block.pointee.firstFree = index
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
