import EventLoop
import LinuxABI
import NetStack
import Packets

/// What to ping and how.
public struct PingPlan: Sendable {
  public var destination: IPAddress
  public var count = 4
  public var interval = TimeSpan.seconds(1)
  public var timeout = TimeSpan.seconds(2)
  /// Bytes behind the ICMP header; the reply must bring the same.
  public var payloadByteCount = 56

  public init(to destination: IPAddress) { self.destination = destination }
}

/// One answered request.
public struct PingReply: Sendable, Codable, Equatable {
  public let sequence: Int
  public let byteCount: Int
  public let milliseconds: Double
  public let source: String

  public var text: String { "\(byteCount) bytes from \(source): seq=\(sequence) time=\(rounded(milliseconds)) ms" }
}

/// How a series of pings went.
public struct PingReport: Sendable, Codable, Equatable {
  public var sent = 0
  public var received = 0
  public var replies: [PingReply] = []

  public var text: String {
    let loss = sent == 0 ? 0 : (sent - received) * 100 / sent
    var lines = ["\(sent) sent, \(received) received, \(loss)% lost"]
    let times = replies.map(\.milliseconds)
    if let least = times.min(), let most = times.max() {
      let mean = times.reduce(0, +) / Double(times.count)
      lines.append("round trip min/mean/max \(rounded(least))/\(rounded(mean))/\(rounded(most)) ms")
    }
    return lines.joined(separator: "\n")
  }
}

private func rounded(_ milliseconds: Double) -> String { String((milliseconds * 1000).rounded() / 1000) }

extension Station {
  /// Sends echo requests through a ping socket of the system-call layer and waits for their replies.
  ///
  /// - Throws: the errno of a system call that failed; timeouts are not failures.
  public func ping(_ plan: PingPlan, onReply: (PingReply) -> Void) async throws(Errno) -> PingReport {
    let descriptor = try system.socket(
      SocketDomain.AF_INET, SocketType.SOCK_DGRAM, Protocol.IPPROTO_ICMP)
    let report: PingReport
    do {
      report = try await ping(plan, on: descriptor, onReply: onReply)
    } catch {
      try? await system.close(descriptor)
      throw error
    }
    try await system.close(descriptor)
    return report
  }

  private func ping(
    _ plan: PingPlan, on descriptor: Int32, onReply: (PingReply) -> Void
  ) async throws(Errno) -> PingReport {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 8)
    defer { buffer.deallocate() }
    var report = PingReport()
    let start = loop.now
    for sequence in 1...plan.count {
      let message = request(sequence, plan.payloadByteCount)
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: message.count, alignment: 8)
      copy.copyBytes(from: message)
      defer { copy.deallocate() }
      let sentAt = loop.clock
      _ = try await system.sendto(descriptor, UnsafeRawBufferPointer(copy), to: Endpoint(plan.destination, 0))
      report.sent += 1
      let deadline = sentAt + plan.timeout
      while loop.now < deadline {
        var entries = [PollDescriptor(descriptor, PollMask.POLLIN)]
        let left = (deadline - loop.now).nanoseconds
        guard try await system.poll(&entries, timeout: Int32(clamping: max(1, left / 1_000_000))) > 0 else { break }
        let received: Int
        let source: Endpoint?
        do throws(Errno) {
          let result = try await system.recvfrom(descriptor, buffer, flags: MessageFlags.MSG_DONTWAIT)
          received = result.count
          source = result.source
        } catch .EAGAIN {
          continue
        }
        guard isReply(buffer, received, to: message) else { continue }
        let reply = PingReply(
          sequence: sequence, byteCount: received,
          milliseconds: (loop.clock - sentAt).seconds * 1000, source: source?.address.v4?.description ?? "?")
        report.received += 1
        report.replies.append(reply)
        onReply(reply)
        break
      }
      if sequence < plan.count {
        do { try await loop.sleep(until: start + plan.interval * sequence) } catch { throw .EINTR }
      }
    }
    return report
  }

  /// An echo request (RFC 792); the ping socket fills in identifier and checksum.
  private func request(_ sequence: Int, _ payload: Int) -> [UInt8] {
    [8, 0, 0, 0, 0, 0, UInt8(truncatingIfNeeded: sequence >> 8), UInt8(truncatingIfNeeded: sequence)]
      + (0..<payload).map { UInt8(truncatingIfNeeded: $0) }
  }

  private func isReply(_ buffer: UnsafeMutableRawBufferPointer, _ count: Int, to request: [UInt8]) -> Bool {
    count == request.count && buffer[0] == 0 && buffer[6..<count].elementsEqual(request[6...])
  }
}

/// An address for people.
public struct IPAddressText: Sendable {
  public let address: IPAddress
  public init(_ address: IPAddress) { self.address = address }
  public var text: String { address.v4?.description ?? "?" }
}
