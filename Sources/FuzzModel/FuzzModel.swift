import CFuzzer
import Glibc

/// A libFuzzer target: each input is a script of what a hostile guest, its wire and time do to an 82540EM or 82545EM,
/// step by step, in virtual time (``Guest``). Afterwards the books must balance, and after a reset the device must send
/// and receive (``World/check()``).
@main
struct FuzzModel {
  static func main() {
    var count = CommandLine.argc
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
    let result = withUnsafeMutablePointer(to: &arguments) { pointer in
      pointer.withMemoryRebound(to: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?.self, capacity: 1) { rebound in
        LLVMFuzzerRunDriver(&count, rebound) { data, size in
          FuzzModel.run(UnsafeBufferPointer(start: data, count: size))
          return 0
        }
      }
    }
    exit(result)
  }

  static func run(_ bytes: UnsafeBufferPointer<UInt8>) {
    var script = Script(bytes)
    let world = World(script.byte() & 1 == 0 ? .i82540EM : .i82545EM, isLossless: script.byte() & 1 == 0)
    let guest = Guest(world, script)
    guest.play()
    world.check()
  }
}

/// The input, read from its beginning; zeros after its end.
struct Script {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var place = 0

  init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  var isOver: Bool { place >= bytes.count }

  mutating func byte() -> UInt8 {
    guard place < bytes.count else { return 0 }
    place += 1
    return bytes[place - 1]
  }

  mutating func half() -> UInt16 { UInt16(byte()) | UInt16(byte()) << 8 }
  mutating func word() -> UInt32 { UInt32(half()) | UInt32(half()) << 16 }
  mutating func long() -> UInt64 { UInt64(word()) | UInt64(word()) << 32 }

  /// A number below `limit`.
  mutating func below(_ limit: Int) -> Int { Int(limit > 256 ? UInt32(half()) : UInt32(byte())) % limit }
}
