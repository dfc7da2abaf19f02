import EventLoop
import LinuxABI
import NetStack
import Packets

/// What comes of requests as it comes.
public enum PingEvent: Sendable {
  case reply(PingReply)
  case problem(PingProblem)
}

extension PingPlan {
  /// Why a ping by this plan could not be sent.
  public func explanation(of error: any Error) -> String {
    error as? Errno == .EACCES && !allowsBroadcast
      ? "it is a broadcast address; --broadcast (-b) pings it all the same" : String(describing: error)
  }
}

extension Station {
  /// Sends echo requests through a ping socket of the system-call layer and waits for their replies, or for what ICMP
  /// has to say about them (IP_RECVERR).
  ///
  /// - Throws: the errno of a system call that failed; timeouts and ICMP errors are not failures.
  public func ping(_ plan: PingPlan, onEvent: (PingEvent) -> Void) async throws(Errno) -> PingReport {
    let descriptor = try system.socket(
      SocketDomain.AF_INET, SocketType.SOCK_DGRAM, Protocol.IPPROTO_ICMP)
    let report: PingReport
    do {
      try system.setsockopt(descriptor, Protocol.IPPROTO_IP, OptionName.IP_RECVERR, 1)
      if plan.allowsBroadcast { try system.setsockopt(descriptor, OptionName.SOL_SOCKET, OptionName.SO_BROADCAST, 1) }
      report = try await ping(plan, on: descriptor, onEvent: onEvent)
    } catch {
      try? await system.close(descriptor)
      throw error
    }
    try await system.close(descriptor)
    return report
  }

  private func ping(
    _ plan: PingPlan, on descriptor: Int32, onEvent: (PingEvent) -> Void
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
      // What is known of earlier requests would be told as a failure of this one.
      _ = try await takeProblems(descriptor, buffer, &report, onEvent)
      let sentAt = loop.clock
      _ = try await system.sendto(descriptor, UnsafeRawBufferPointer(copy), to: Endpoint(plan.destination, 0))
      report.sent += 1
      let deadline = sentAt + plan.timeout
      while loop.now < deadline {
        var entries = [PollDescriptor(descriptor, PollMask.POLLIN)]
        let left = (deadline - loop.now).nanoseconds
        guard try await system.poll(&entries, timeout: Int32(clamping: max(1, left / 1_000_000))) > 0 else { break }
        if entries[0].returned & PollMask.POLLERR != 0 {
          if try await takeProblems(descriptor, buffer, &report, onEvent).contains(sequence) { break }
          continue
        }
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
        onEvent(.reply(reply))
        break
      }
      if sequence < plan.count {
        do { try await loop.sleep(until: start + plan.interval * sequence) } catch { throw .EINTR }
      }
    }
    return report
  }

  /// Empties the error queue; returns the sequence numbers of the requests that it was about.
  private func takeProblems(
    _ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ report: inout PingReport,
    _ onEvent: (PingEvent) -> Void
  ) async throws(Errno) -> Set<Int> {
    var sequences: Set<Int> = []
    while true {
      let entry: QueuedError
      do throws(Errno) {
        let result = try await system.recvfrom(descriptor, buffer, flags: MessageFlags.MSG_ERRQUEUE)
        guard let queued = result.queuedError else { break }
        entry = queued
      } catch .EAGAIN {
        break
      }
      guard entry.payload.count >= ICMPField.headerLength else { continue }
      let sequence = Int(entry.payload[6]) << 8 | Int(entry.payload[7])
      let problem = PingProblem(
        sequence: sequence, source: entry.offender?.description ?? "this host", reason: Self.reason(entry))
      sequences.insert(sequence)
      report.problems.append(problem)
      onEvent(.problem(problem))
    }
    // An error without an entry would be found again and again.
    let code: Int32 = try system.getsockopt(descriptor, OptionName.SOL_SOCKET, OptionName.SO_ERROR)
    if code != 0 && sequences.isEmpty { throw Errno(rawValue: code) }
    return sequences
  }

  /// In the words of ping(8).
  private static func reason(_ entry: QueuedError) -> String {
    guard entry.origin == .icmp else { return "Message too long, mtu=\(entry.info)" }
    switch (entry.type, entry.code) {
    case (3, 0): return "Destination Net Unreachable"
    case (3, 1): return "Destination Host Unreachable"
    case (3, 2): return "Destination Protocol Unreachable"
    case (3, 3): return "Destination Port Unreachable"
    case (3, 4): return "Frag needed and DF set (mtu = \(entry.info))"
    case (3, 5): return "Source Route Failed"
    case (3, 6): return "Destination Net Unknown"
    case (3, 7): return "Destination Host Unknown"
    case (3, 9): return "Destination Net Prohibited"
    case (3, 10): return "Destination Host Prohibited"
    case (3, 13): return "Packet filtered"
    case (3, let code): return "Dest Unreachable, Bad Code: \(code)"
    case (11, 0): return "Time to live exceeded"
    case (11, _): return "Frag reassembly time exceeded"
    case (12, _): return "Parameter problem: pointer = \(entry.info)"
    case (let type, let code): return "ICMP type \(type) code \(code)"
    }
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
