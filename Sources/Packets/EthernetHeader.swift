/// Offsets of the fields of an untagged Ethernet header from the start of the frame, in bytes.
public enum EthernetField {
  @inlinable public static var destination: Int { 0 }
  @inlinable public static var source: Int { 6 }
  @inlinable public static var etherType: Int { 12 }
  /// Length of the header without tags.
  @inlinable public static var headerLength: Int { 14 }
}

/// The control information of an 802.1Q tag.
@frozen public struct VLANTag: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// `identifier` is cut to 12 bits, `priority` to 3.
  @inlinable public init(identifier: UInt16, priority: UInt8 = 0, isDropEligible: Bool = false) {
    rawValue = UInt16(priority & 7) << 13 | (isDropEligible ? 0x1000 : 0) | identifier & 0xFFF
  }

  /// VID: 0...4095.
  @inlinable public var identifier: UInt16 { rawValue & 0xFFF }
  /// PCP: 0...7.
  @inlinable public var priority: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 13) }
  /// DEI.
  @inlinable public var isDropEligible: Bool { rawValue & 0x1000 != 0 }
}

/// A view of an Ethernet frame (IEEE 802.3 clause 3) from destination address to the end of the payload, without FCS,
/// with up to two 802.1Q / 802.1ad tags.
@frozen public struct EthernetHeader: ~Escapable {
  /// The whole frame.
  public let frame: RawSpan
  @usableFromInline let typeOffset: Int

  /// Nil if the frame is too short for its header and tags.
  @inlinable @_lifetime(copy frame)
  public init?(_ frame: RawSpan) {
    guard frame.byteCount >= 14 else { return nil }
    var offset = 12
    var type = frame.loadBigEndian(12, as: UInt16.self)
    while type == 0x8100 || type == 0x88A8, offset < 20 {
      guard frame.byteCount >= offset &+ 6 else { return nil }
      offset &+= 4
      type = frame.loadBigEndian(offset, as: UInt16.self)
    }
    self.frame = frame
    typeOffset = offset
  }

  @inlinable public var destination: MACAddress { frame.macAddress(EthernetField.destination) }
  @inlinable public var source: MACAddress { frame.macAddress(EthernetField.source) }

  /// The outer tag, if the frame is tagged.
  @inlinable public var tag: VLANTag? {
    typeOffset > 12 ? VLANTag(rawValue: frame.loadBigEndian(14)) : nil
  }
  /// The second tag of a doubly tagged frame.
  @inlinable public var innerTag: VLANTag? {
    typeOffset > 16 ? VLANTag(rawValue: frame.loadBigEndian(18)) : nil
  }

  /// What the payload is, behind all tags. In the length form (``EtherType/isLength``) the payload begins with an LLC
  /// header.
  @inlinable public var etherType: EtherType { EtherType(rawValue: frame.loadBigEndian(typeOffset)) }

  /// Offset of the payload from the start of the frame: 14, 18 or 22.
  @inlinable public var headerLength: Int { typeOffset &+ 2 }

  /// The payload with any padding; in the length form cut to that length.
  @inlinable public var payload: RawSpan {
    @_lifetime(copy self) get {
      let type = etherType
      return frame.clamped(headerLength, type.isLength ? Int(type.rawValue) : Int.max)
    }
  }

  /// The fields of an Ethernet header as values, to be written.
  @frozen public struct Fields: BitwiseCopyable, Sendable, Equatable {
    public var destination: MACAddress
    public var source: MACAddress
    public var tag: VLANTag?
    public var etherType: EtherType

    @inlinable
    public init(destination: MACAddress, source: MACAddress, tag: VLANTag? = nil, etherType: EtherType) {
      self.destination = destination
      self.source = source
      self.tag = tag
      self.etherType = etherType
    }

    /// 14, or 18 with a tag.
    @inlinable public var headerLength: Int { tag == nil ? 14 : 18 }

    /// Writes the header; returns the offset behind it. The memory must have room for it.
    @inlinable @discardableResult @_lifetime(memory: copy memory)
    public func write(into memory: inout MutableRawSpan, at offset: Int = 0) -> Int {
      memory.store(destination, offset &+ EthernetField.destination)
      memory.store(source, offset &+ EthernetField.source)
      var type = offset &+ EthernetField.etherType
      if let tag {
        memory.storeBigEndian(EtherType.vlan.rawValue, type)
        memory.storeBigEndian(tag.rawValue, type &+ 2)
        type &+= 4
      }
      memory.storeBigEndian(etherType.rawValue, type)
      return type &+ 2
    }
  }
}
