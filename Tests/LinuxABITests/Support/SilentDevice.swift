import Link
import Memory
import Packets

/// An Ethernet card whose cable leads nowhere: what is sent is gone, and nothing comes.
final class SilentDevice: NetworkDevice {
  let name: String
  let hardwareAddress: MACAddress
  private(set) var mtu = 1500
  let features: DeviceFeatures = []
  let isLinkUp = true
  weak var client: (any NetworkDeviceClient)?
  /// The latest filter.
  private(set) var filter: ReceiveFilter?
  /// Largest MTU that it can be set to (Linux's TAP).
  private static let limit = 65_521
  private let storage = UnsafeMutableRawPointer.allocate(byteCount: 14 + limit, alignment: 64)

  init(name: String, hardwareAddress: MACAddress) {
    self.name = name
    self.hardwareAddress = hardwareAddress
  }

  deinit { storage.deallocate() }

  func reserve(capacity: Int) -> TransmitBuffer? {
    TransmitBuffer(window: MemoryWindow(storage, count: 14 + Self.limit), token: 0)
  }

  func release(_ buffer: TransmitBuffer) {}
  func submit(_ buffer: TransmitBuffer, length: Int, offload: TransmitOffload) {}
  func doorbell() {}
  func apply(_ filter: ReceiveFilter) { self.filter = filter }

  func changeMTU(to mtu: Int) -> Bool {
    guard mtu <= Self.limit else { return false }
    self.mtu = mtu
    return true
  }
}
