/// A register or descriptor word whose bits have names: a struct over `rawValue`.
public protocol BitFields: Sendable, Equatable, BitwiseCopyable {
  var rawValue: UInt32 { get set }
  init(rawValue: UInt32)
}

extension BitFields {
  /// The bit with the given number.
  @inline(__always) @inlinable public subscript(bit bit: Int) -> Bool {
    get { rawValue &>> UInt32(truncatingIfNeeded: bit) & 1 != 0 }
    set {
      let mask = 1 as UInt32 &<< UInt32(truncatingIfNeeded: bit)
      rawValue = newValue ? rawValue | mask : rawValue & ~mask
    }
  }

  /// The unsigned number in the given bits; a value that is too wide is cut off.
  @inline(__always) @inlinable public subscript(bits bits: Range<Int>) -> UInt32 {
    get {
      let mask = UInt32.max &>> UInt32(truncatingIfNeeded: 32 &- (bits.upperBound &- bits.lowerBound))
      return rawValue &>> UInt32(truncatingIfNeeded: bits.lowerBound) & mask
    }
    set {
      let width = bits.upperBound &- bits.lowerBound
      let mask = UInt32.max &>> UInt32(truncatingIfNeeded: 32 &- width)
      let shift = UInt32(truncatingIfNeeded: bits.lowerBound)
      rawValue = rawValue & ~(mask &<< shift) | (newValue & mask) &<< shift
    }
  }

  @inlinable public init() { self.init(rawValue: 0) }
}

/// A named stretch of bits of a register, for decoding.
public struct BitField: Sendable, Equatable {
  public let name: String
  /// Lowest bit and number of bits.
  public let low: Int
  public let width: Int

  public init(_ name: String, _ low: Int, _ width: Int = 1) {
    self.name = name
    self.low = low
    self.width = width
  }

  /// The field's bits in place.
  public var mask: UInt32 { (width >= 32 ? .max : (1 << UInt32(width)) - 1) << UInt32(low) }

  /// The field's value in `register`.
  public func value(in register: UInt32) -> UInt32 { (register & mask) >> UInt32(low) }
}
