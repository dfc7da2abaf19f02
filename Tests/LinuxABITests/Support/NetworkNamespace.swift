import Glibc

/// A network namespace of the test's own, in which there are `lo` and an Ethernet interface `tap0`, both down: what is
/// done to them is nobody else's business.
final class NetworkNamespace {
  typealias RawCall = HostKernel.RawCall
  private let raw: RawCall
  private let home: Int32
  private let own: Int32
  private let tap: Int32

  private static let newNetwork: UInt = 0x4000_0000
  private static let unshareNumber = 272
  private static let setnsNumber = 308
  /// TUNSETIFF, and IFF_TAP | IFF_NO_PI
  private static let setInterface: UInt = 0x4004_54CA
  private static let tapFlags: UInt16 = 0x1002

  /// Nil where the machine does not let one make it.
  init?(_ raw: RawCall) {
    self.raw = raw
    home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    guard home >= 0 else { return nil }
    guard raw(Self.unshareNumber, Self.newNetwork, 0, 0, 0, 0, 0) == 0 else {
      close(home)
      return nil
    }
    own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)
    var request = Array("tap0".utf8) + [UInt8](repeating: 0, count: 36)
    request[16] = UInt8(Self.tapFlags & 255)
    request[17] = UInt8(Self.tapFlags >> 8)
    let made = ioctl(tap, Self.setInterface, &request)
    _ = raw(Self.setnsNumber, UInt(home), Self.newNetwork, 0, 0, 0, 0)
    guard made == 0 else { return nil }
  }

  deinit {
    for descriptor in [tap, own, home] where descriptor >= 0 { close(descriptor) }
  }

  /// Runs `body` in the namespace: sockets that it opens stay there.
  func inside<T>(_ body: () -> T) -> T {
    _ = raw(Self.setnsNumber, UInt(own), Self.newNetwork, 0, 0, 0, 0)
    defer { _ = raw(Self.setnsNumber, UInt(home), Self.newNetwork, 0, 0, 0, 0) }
    return body()
  }
}
