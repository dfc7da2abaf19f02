/// The descriptors of one process: numbers to open files, the lowest free number first (POSIX.1-2017 2.14).
struct DescriptorTable {
  private struct Slot {
    /// Nil: reserved for a call that has not got its file yet.
    var file: OpenFile?
    var closesOnExec: Bool
  }

  private var slots: [Slot?] = []
  /// No number below this is free.
  private var lowestCandidate: Int
  /// Numbers that the process keeps for standard input, output and error.
  private let reserved: Int
  /// RLIMIT_NOFILE.
  let limit: Int

  init(reserved: Int, limit: Int) {
    self.reserved = reserved
    self.limit = limit
    lowestCandidate = reserved
    slots = Array(repeating: nil, count: reserved)
  }

  var openCount: Int { slots.lazy.filter { $0?.file != nil }.count }

  subscript(descriptor: Int32) -> OpenFile? {
    guard descriptor >= 0, Int(descriptor) < slots.count else { return nil }
    return slots[Int(descriptor)]?.file
  }

  /// Gives `file` the lowest free number that is at least `minimum`. EMFILE if the table is full.
  mutating func insert(_ file: OpenFile, closesOnExec: Bool, minimum: Int = 0) throws(Errno) -> Int32 {
    let number = try reserve(closesOnExec: closesOnExec, minimum: minimum)
    fill(number, with: file)
    return number
  }

  /// Takes the lowest free number for a file that is still to come: to others it is neither free nor open.
  mutating func reserve(closesOnExec: Bool, minimum: Int = 0) throws(Errno) -> Int32 {
    var number = max(lowestCandidate, minimum)
    while number < slots.count, slots[number] != nil { number += 1 }
    guard number < limit else { throw .EMFILE }
    while slots.count <= number { slots.append(nil) }
    slots[number] = Slot(file: nil, closesOnExec: closesOnExec)
    if minimum <= lowestCandidate { lowestCandidate = number + 1 }
    return Int32(number)
  }

  /// The file for a number that was reserved.
  mutating func fill(_ number: Int32, with file: OpenFile) {
    slots[Int(number)]?.file = file
    file.references += 1
  }

  /// Gives a reserved number back.
  mutating func release(_ number: Int32) {
    slots[Int(number)] = nil
    lowestCandidate = min(lowestCandidate, Int(number))
  }

  /// Puts `file` at `number`; returns what was there if nobody uses it any more. EBUSY if the number is reserved.
  mutating func place(_ file: OpenFile, at number: Int32, closesOnExec: Bool) throws(Errno) -> OpenFile? {
    while slots.count <= Int(number) { slots.append(nil) }
    let old = slots[Int(number)]
    if let old, old.file == nil { throw .EBUSY }
    slots[Int(number)] = Slot(file: file, closesOnExec: closesOnExec)
    file.references += 1
    return old?.file.flatMap(Self.letGo)
  }

  /// Frees the number; returns the file if nobody uses it any more. EBADF if it is not open.
  mutating func remove(_ descriptor: Int32) throws(Errno) -> OpenFile? {
    guard let file = self[descriptor] else { throw .EBADF }
    slots[Int(descriptor)] = nil
    if Int(descriptor) >= reserved { lowestCandidate = min(lowestCandidate, Int(descriptor)) }
    return Self.letGo(file)
  }

  /// A number of `file` less, and with it the process's locks on it, whatever other numbers there are (fcntl(2)).
  /// Returns the file if nobody uses it any more.
  private static func letGo(_ file: OpenFile) -> OpenFile? {
    file.references -= 1
    file.locks?.dropThoseOfProcess()
    return file.isUnused ? file : nil
  }

  func closesOnExec(_ descriptor: Int32) -> Bool { slots[Int(descriptor)]?.closesOnExec ?? false }

  mutating func setClosesOnExec(_ descriptor: Int32, _ value: Bool) { slots[Int(descriptor)]?.closesOnExec = value }

  func contains(where isWanted: (OpenFile) -> Bool) -> Bool {
    slots.contains { $0?.file.map(isWanted) ?? false }
  }

  /// All open numbers.
  var descriptors: [Int32] { slots.indices.filter { slots[$0]?.file != nil }.map(Int32.init) }
}
