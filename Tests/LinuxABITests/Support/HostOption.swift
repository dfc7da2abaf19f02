import Glibc
import LinuxABI

/// An option that the kernel under the test knows or not, depending on its configuration.
struct HostOption: Sendable {
  let type: Int32
  let level: Int32
  let name: Int32
  /// A value that a kernel which has the option takes.
  let value: [UInt8]

  /// It takes the value, or denies it to those who are not root.
  var isKnown: Bool {
    let descriptor = socket(SocketDomain.AF_INET, type, 0)
    defer { close(descriptor) }
    return setsockopt(descriptor, level, name, value, socklen_t(value.count)) == 0 || errno == EPERM
  }
}
