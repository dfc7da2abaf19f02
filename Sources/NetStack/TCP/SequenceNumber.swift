/// A position in the sequence space of a TCP connection: 32 bits, compared modulo 2^32 (RFC 9293 3.4).
///
/// The order holds between numbers less than 2^31 apart. It is not transitive, hence no conformance to `Comparable`.
@frozen public struct SequenceNumber: Hashable, Sendable, BitwiseCopyable {
  public var rawValue: UInt32

  @inlinable public init(_ rawValue: UInt32) { self.rawValue = rawValue }

  @inlinable public static func < (a: SequenceNumber, b: SequenceNumber) -> Bool { a - b < 0 }
  @inlinable public static func <= (a: SequenceNumber, b: SequenceNumber) -> Bool { a - b <= 0 }
  @inlinable public static func > (a: SequenceNumber, b: SequenceNumber) -> Bool { a - b > 0 }
  @inlinable public static func >= (a: SequenceNumber, b: SequenceNumber) -> Bool { a - b >= 0 }

  /// The signed distance from `b` to `a`, -2^31 ..< 2^31.
  @inlinable public static func - (a: SequenceNumber, b: SequenceNumber) -> Int {
    Int(Int32(bitPattern: a.rawValue &- b.rawValue))
  }
  @inlinable public static func + (a: SequenceNumber, count: Int) -> SequenceNumber {
    SequenceNumber(a.rawValue &+ UInt32(truncatingIfNeeded: count))
  }
  @inlinable public static func - (a: SequenceNumber, count: Int) -> SequenceNumber {
    SequenceNumber(a.rawValue &- UInt32(truncatingIfNeeded: count))
  }
  @inlinable public static func += (a: inout SequenceNumber, count: Int) { a = a + count }

  /// The later of two numbers.
  @inlinable static func later(_ a: SequenceNumber, _ b: SequenceNumber) -> SequenceNumber { a < b ? b : a }
  /// The earlier of two numbers.
  @inlinable static func earlier(_ a: SequenceNumber, _ b: SequenceNumber) -> SequenceNumber { b < a ? b : a }
}

extension SequenceNumber: CustomStringConvertible {
  public var description: String { String(rawValue) }
}
