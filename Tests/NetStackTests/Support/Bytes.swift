import NetStack
import Packets

extension UDPEndpoint {
  /// Sends the UTF-8 bytes of `text`.
  func send(_ text: String, to destination: Endpoint? = nil) throws(NetworkError) {
    try send(Array(text.utf8), to: destination)
  }

  func send(_ bytes: [UInt8], to destination: Endpoint? = nil) throws(NetworkError) {
    try send(bytes.span.bytes, to: destination)
  }
}

extension ICMPEndpoint {
  func send(_ message: [UInt8], to destination: IPAddress) throws(NetworkError) {
    try send(message.span.bytes, to: destination)
  }
}

/// `count` bytes that differ from place to place.
func pattern(_ count: Int, seed: Int = 0) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed) &* 31 &+ ($0 &+ seed) >> 8) }
}
