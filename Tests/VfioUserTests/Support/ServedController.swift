import EventLoop
import Events
import IntelNIC
import Link
import Machine
import Memory
import NICModels
import Packets
import VfioUser

/// A cable that writes down what the controller sends.
final class RecordingWire: Wire {
  weak var port: (any WirePort)?
  var frames: [[UInt8]] = []
  let hasCarrier = true
  var onFrame: (() -> Void)?

  func send(_ frame: RawSpan) -> Bool {
    frames.append((0..<frame.byteCount).map { frame.unsafeLoad(fromByteOffset: $0, as: UInt8.self) })
    onFrame?()
    return true
  }

  func portIsReady() {}
}

/// The model of an 82540EM with its register file.
final class OwnedModel {
  let model: Intel8254x
  private let storage: UnsafeMutableRawPointer

  static let address = MACAddress("52:54:00:12:34:56")!

  init(_ loop: any EventLoop, _ tap: EventTap, negotiation: TimeSpan = .zero) throws {
    storage = .allocate(byteCount: Intel8254xBAR.memoryByteCount, alignment: 4096)
    let registers = MemoryWindow(storage, count: Intel8254xBAR.memoryByteCount)
    registers.fill(0, at: 0, count: registers.count)
    var options = Intel8254x.Options()
    options.negotiation = negotiation
    model = try Intel8254x(
      .i82540EM, address: Self.address, loop: loop, tap: tap, registers: registers, name: "nic", options: options)
  }

  deinit { storage.deallocate() }
}

/// A served 82540EM on a recording cable.
final class ServedController {
  let owned: OwnedModel
  let served: ServedFunction<Intel8254x>
  let wire = RecordingWire()

  init() throws {
    var made: OwnedModel?
    served = try ServedFunction { loop, tap in
      let owned = try OwnedModel(loop, tap)
      made = owned
      return owned.model
    }
    owned = made!
    owned.model.plug(into: wire)
  }

  // The register file outlives the server, which resets the model.
  deinit { served.server.close() }

  var model: Intel8254x { owned.model }

  /// A frame for the controller's address.
  static func frame(_ length: Int, _ seed: Int = 0) -> [UInt8] {
    [0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 1, 0x88, 0xB5]
      + (14..<length).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ seed) }
  }
}
