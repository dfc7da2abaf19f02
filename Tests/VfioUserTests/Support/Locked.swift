import Synchronization

/// A value that several threads change.
final class Locked<Value: Sendable>: Sendable {
  private let state: Mutex<Value>
  init(_ value: Value) { state = Mutex(value) }
  var value: Value { state.withLock { $0 } }
}

extension Locked where Value == [[UInt8]] {
  func append(_ element: [UInt8]) { state.withLock { $0.append(element) } }
}
