/// What lies behind the extension headers of an IPv6 packet (RFC 8200 4).
@frozen public struct IPv6UpperLayer: BitwiseCopyable, Sendable, Equatable {
  /// Why the walk ended.
  @frozen public enum Ending: UInt8, BitwiseCopyable, Sendable {
    /// At a header that is none of the known extensions: the upper layer, or something unknown.
    case upperLayer
    /// At "no next header" (RFC 8200 4.7).
    case nothingFollows
    /// At a fragment that is not the first: what follows is the middle of a payload.
    case laterFragment
    /// Inside an extension header that is longer than the packet.
    case truncated
    /// More extension headers than ``IPv6Header/extensionLimit``, or hop-by-hop options not in the first place.
    case refused
  }

  public var ending: Ending
  /// The kind of header at `offset`.
  public var `protocol`: IPProtocol
  /// Where the walk ended, in bytes from the start of the IPv6 payload.
  public var offset: Int
  /// Offset in the IPv6 payload of the byte that names ``protocol``; -1 if it is the IPv6 header's own field.
  public var nextHeaderOffset: Int
  public var hasFragmentHeader: Bool
  /// Where the fragment belongs in the whole, bytes.
  public var fragmentOffset: Int
  public var moreFragments: Bool
  public var identification: UInt32

  @inlinable init(_ next: IPProtocol) {
    ending = .upperLayer
    `protocol` = next
    offset = 0
    nextHeaderOffset = -1
    hasFragmentHeader = false
    fragmentOffset = 0
    moreFragments = false
    identification = 0
  }
}

extension IPv6Header {
  /// Most extension headers that are walked over; a packet with more is refused.
  @inlinable public static var extensionLimit: Int { 8 }

  /// Walks over hop-by-hop options, destination options, routing, fragment and authentication headers.
  @inlinable public var upperLayer: IPv6UpperLayer {
    var result = IPv6UpperLayer(nextHeader)
    switch nextHeader {
    case .hopByHop, .routing, .fragment, .authentication, .noNextHeader, .destinationOptions:
      walkExtensions(&result)
    default: break
    }
    return result
  }

  @usableFromInline func walkExtensions(_ result: inout IPv6UpperLayer) {
    let payload = payload
    for step in 0...Self.extensionLimit {
      let length: Int
      switch result.protocol {
      case .noNextHeader:
        result.ending = .nothingFollows
        return
      case .hopByHop, .routing, .destinationOptions, .authentication:
        guard payload.byteCount - result.offset >= 8 else {
          result.ending = .truncated
          return
        }
        let field = Int(payload.octet(result.offset + 1))
        // Authentication counts in units of four bytes, minus two (RFC 4302 2.2); the others of eight, minus one.
        length = result.protocol == .authentication ? (field + 2) * 4 : (field + 1) * 8
      case .fragment:
        length = 8
      default:
        return
      }
      guard step < Self.extensionLimit, result.protocol != .hopByHop || step == 0 else {
        result.ending = .refused
        return
      }
      guard payload.byteCount - result.offset >= length else {
        result.ending = .truncated
        return
      }
      if result.protocol == .fragment {
        let field = payload.loadBigEndian(result.offset + 2, as: UInt16.self)
        result.hasFragmentHeader = true
        result.fragmentOffset = Int(field & 0xFFF8)
        result.moreFragments = field & 1 == 1
        result.identification = payload.loadBigEndian(result.offset + 4)
      }
      result.nextHeaderOffset = result.offset
      result.protocol = IPProtocol(rawValue: payload.octet(result.offset))
      result.offset += length
      if result.fragmentOffset > 0 {
        result.ending = .laterFragment
        return
      }
    }
  }

  /// The upper-layer packet: what lies behind the extension headers.
  @inlinable @_lifetime(copy self)
  public func upperLayerPayload(_ found: IPv6UpperLayer) -> RawSpan {
    payload.clamped(found.offset)
  }
}
