import CFuzzer
import Glibc

/// An input of libFuzzer, read from its beginning; zeros after its end.
public struct Script {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var place = 0

  public init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  public var isOver: Bool { place >= bytes.count }

  public mutating func byte() -> UInt8 {
    guard place < bytes.count else { return 0 }
    place += 1
    return bytes[place - 1]
  }

  public mutating func half() -> UInt16 { UInt16(byte()) | UInt16(byte()) << 8 }
  public mutating func word() -> UInt32 { UInt32(half()) | UInt32(half()) << 16 }
  public mutating func long() -> UInt64 { UInt64(word()) | UInt64(word()) << 32 }

  /// A number below `limit`.
  public mutating func below(_ limit: Int) -> Int { Int(limit > 256 ? UInt32(half()) : UInt32(byte())) % limit }
}

/// Runs libFuzzer with the arguments of the process; each input becomes a script for `play`. Does not return.
public func fuzz(_ play: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32) -> Never {
  fuzzer_use_exact_timers()
  var count = CommandLine.argc
  var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
  let result = withUnsafeMutablePointer(to: &arguments) { pointer in
    pointer.withMemoryRebound(to: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?.self, capacity: 1) {
      LLVMFuzzerRunDriver(&count, $0, play)
    }
  }
  exit(result)
}

/// Stops the fuzzer: what is tested broke a promise.
public func require(_ condition: Bool, _ promise: @autoclosure () -> String) {
  if !condition { fatalError(promise()) }
}
