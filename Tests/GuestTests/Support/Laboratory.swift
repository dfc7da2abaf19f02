import Testing

/// The benches that the tests share, so that not every test boots a guest. A bench that has become unusable is made
/// anew.
///
/// The suite is serialised: only one test at a time comes here.
final class Laboratory: @unchecked Sendable {
  @TaskLocal static var current = Laboratory()

  private var online: [GuestNIC: LinuxBench] = [:]
  private var pairs: [GuestNIC: LinuxBench] = [:]
  private var servers: [Int: FileServer] = [:]

  /// A guest on slirp, its NIC up and with an address.
  func online(_ nic: GuestNIC) throws -> LinuxBench {
    var cabling = Cabling()
    cabling.forwardedPort = try freePort()
    let bench = try bench(&online[nic]) { try LinuxBench(nic, cabling) }
    try bench.bringUp()
    return bench
  }

  /// A guest with two NICs that are joined.
  func pair(_ nic: GuestNIC) throws -> LinuxBench {
    try bench(&pairs[nic]) { try LinuxBench(nic, Cabling(wire: .loop)) }
  }

  /// A file of so many MiB, served on the host's loopback.
  func server(megabytes: Int) throws -> FileServer {
    if let server = servers[megabytes] { return server }
    let server = try FileServer(byteCount: megabytes << 20)
    servers[megabytes] = server
    return server
  }

  private func bench(_ place: inout LinuxBench?, _ make: () throws -> LinuxBench) rethrows -> LinuxBench {
    if let bench = place, bench.isUsable { return bench }
    place?.close()
    place = nil
    let bench = try make()
    place = bench
    return bench
  }

  func close() {
    for bench in online.values { bench.close() }
    for bench in pairs.values { bench.close() }
  }
}

/// Gives a suite a laboratory, and closes it after the last test.
struct LaboratoryTrait: SuiteTrait, TestScoping {
  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
  ) async throws {
    let laboratory = Laboratory()
    defer { laboratory.close() }
    try await Laboratory.$current.withValue(laboratory) { try await function() }
  }
}

extension Trait where Self == LaboratoryTrait {
  static var laboratory: Self { Self() }
}
