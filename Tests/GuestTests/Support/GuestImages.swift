import Foundation
import Glibc
import Testing

/// What `scripts/guest-images` made: a QEMU with vfio-user-pci, a kernel, an initramfs, a boot ROM.
enum GuestImages {
  private static let environment = ProcessInfo.processInfo.environment

  private static let cache: String = {
    if let folder = environment["WIREBENCH_CACHE"], !folder.isEmpty { return folder }
    if let folder = environment["XDG_CACHE_HOME"], !folder.isEmpty { return folder + "/wirebench" }
    return (environment["HOME"] ?? "/root") + "/.cache/wirebench"
  }()

  static let qemu = cache + "/qemu/qemu-system-x86_64"
  static let kernel = cache + "/guest/vmlinux"
  static let initramfs = cache + "/guest/initramfs.gz"
  static let bootROM = cache + "/guest/ipxe-e1000.rom"

  /// Why the guests cannot run; nil if they can.
  static let absence: Comment? = {
    guard environment["WIREBENCH_GUESTS"] == "1" else { return "guests are booted by `make test-qemu` only" }
    let files: [String] = [qemu, kernel, initramfs, bootROM]
    let missing = files.filter { path in access(path, R_OK) != 0 }
    return missing.isEmpty
      ? nil : "scripts/guest-images has not made \(missing.joined(separator: ", ")); run it to see why"
  }()
}

extension Trait where Self == ConditionTrait {
  /// Runs the test only where guests can be booted.
  static var needsGuests: Self {
    .enabled(if: GuestImages.absence == nil, GuestImages.absence ?? "")
  }
}

/// Why a check cannot go on.
struct GuestError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
