import Testing

/// What tshark says of a capture.
enum Tshark {
  /// Frames that are damaged in themselves.
  static let damaged = """
    _ws.malformed || _ws.expert.severity == error || ip.checksum.status == "Bad" || tcp.checksum.status == "Bad" || \
    udp.checksum.status == "Bad" || icmp.checksum.status == "Bad"
    """

  /// Segments that no clean wire shows.
  static let unexpected = """
    tcp.analysis.retransmission || tcp.analysis.fast_retransmission || tcp.analysis.spurious_retransmission || \
    tcp.analysis.duplicate_ack || tcp.analysis.out_of_order || tcp.analysis.lost_segment || \
    tcp.analysis.ack_lost_segment
    """

  /// Lines of the frames that pass `filter`, all without one. The file must be readable to its end.
  static func frames(_ path: String, _ filter: String? = nil) async throws -> [String] {
    let program = try ChildProcess.find("tshark", package: "tshark")
    let checks = ["ip", "tcp", "udp"].flatMap { ["-o", "\($0).check_checksum:TRUE"] }
    let outcome = try await ChildProcess(
      program, ["-n", "-r", path] + checks + (filter.map { ["-Y", $0] } ?? [])
    ).end(limit: 60)
    #expect(outcome.code == 0, "tshark: \(outcome.diagnostics)")
    return outcome.output.split(separator: "\n").map(String.init)
  }

  /// Expects a capture with at least `least` frames in which nothing is wrong.
  static func expectClean(
    _ path: String, least: Int, at location: SourceLocation = #_sourceLocation
  ) async throws {
    let count = try await frames(path).count
    #expect(count >= least, "\(count) frames", sourceLocation: location)
    let bad = try await frames(path, damaged + " || " + unexpected)
    #expect(bad.isEmpty, "\(bad.prefix(5))", sourceLocation: location)
  }
}
