/// The jobs that are ready to run, first come, first served: a ring that grows by doubling and keeps its capacity.
struct JobRing: ~Copyable {
  private var slots: UnsafeMutablePointer<UnownedJob>
  private var mask = 63
  private var head = 0
  private(set) var count = 0

  init() { slots = .allocate(capacity: 64) }

  deinit { slots.deallocate() }

  mutating func append(_ job: UnownedJob) {
    if count > mask { grow() }
    (slots + ((head &+ count) & mask)).initialize(to: job)
    count &+= 1
  }

  mutating func popFirst() -> UnownedJob? {
    if count == 0 { return nil }
    let job = (slots + head).move()
    head = (head &+ 1) & mask
    count &-= 1
    return job
  }

  private mutating func grow() {
    let larger = UnsafeMutablePointer<UnownedJob>.allocate(capacity: (mask + 1) * 2)
    for i in 0..<count { (larger + i).initialize(to: (slots + ((head + i) & mask)).move()) }
    slots.deallocate()
    slots = larger
    mask = mask * 2 + 1
    head = 0
  }
}
