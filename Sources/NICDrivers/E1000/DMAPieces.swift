import Machine
import Memory

extension DMABuffer {
  /// No memory at all: what a ring holds while the driver is stopped.
  static var none: DMABuffer {
    // A window of no bytes is never dereferenced; one is as good an address as any.
    let nowhere = unsafe UnsafeMutableRawPointer(bitPattern: 1)!
    return unsafe DMABuffer(window: MemoryWindow(nowhere, count: 0), busAddress: 0)
  }
}

/// The DMA memory of one start of a driver: taken piece by piece, given back at once.
struct DMAPieces {
  private let function: any FunctionHandle
  private var pieces: [DMABuffer] = []

  /// Bytes held.
  var byteCount: Int { pieces.reduce(0) { $0 + $1.window.count } }

  init(_ function: any FunctionHandle) { self.function = function }

  /// Zeroed memory of `byteCount` bytes; ``DMABuffer/none`` for no bytes.
  mutating func take(_ byteCount: Int, alignment: Int = 4096) throws(DriverError) -> DMABuffer {
    guard byteCount > 0 else { return .none }
    do {
      let piece = try function.allocateDMA(byteCount: byteCount, alignment: alignment)
      pieces.append(piece)
      return piece
    } catch {
      throw .memory(error)
    }
  }

  /// Gives everything back.
  mutating func giveBack() {
    for piece in pieces.reversed() { function.freeDMA(piece) }
    pieces.removeAll()
  }
}
