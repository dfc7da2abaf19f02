import Foundation
import Glibc
import Synchronization

/// A DNS server (RFC 1035) on a free port of 127.0.0.1, over UDP and TCP, for the addresses of a few names.
final class NameServer: Sendable {
  enum Entry: Sendable {
    case addresses([[UInt8]])
    /// IPv4 and IPv6.
    case both([[UInt8]], [[UInt8]])
    case alias(String)
    /// Too long for a datagram: over UDP only the truncation bit comes.
    case long([[UInt8]])
  }

  let port: UInt16
  private let entries: [String: Entry]
  private let datagrams: Int32
  private let streams: Int32
  private let tally = Mutex<(overUDP: Int, overTCP: Int)>((0, 0))

  init(_ entries: [String: Entry]) throws {
    self.entries = entries
    (datagrams, streams, port) = try Self.bindBoth()
    listen(streams, 8)
    Thread.detachNewThread { [self] in serveDatagrams() }
    Thread.detachNewThread { [self] in serveStreams() }
  }

  /// A UDP and a TCP socket on one port: a port that is free for one may be taken for the other, so several are tried.
  private static func bindBoth() throws -> (datagrams: Int32, streams: Int32, port: UInt16) {
    for attempt in 1...50 {
      let (datagrams, port) = try LoopbackAddress.bind(type: Int32(SOCK_DGRAM.rawValue))
      do {
        let (streams, _) = try LoopbackAddress.bind(type: Int32(SOCK_STREAM.rawValue), port: port)
        return (datagrams, streams, port)
      } catch  where attempt < 50 {
        close(datagrams)
      }
    }
    preconditionFailure("the last attempt returns or throws")
  }

  /// The `--dns` option that leads a bench here.
  var option: [String] { ["--dns", "10.0.2.2:\(port)"] }

  var queries: (overUDP: Int, overTCP: Int) { tally.withLock { $0 } }

  func stop() {
    shutdown(datagrams, Int32(SHUT_RDWR))
    shutdown(streams, Int32(SHUT_RDWR))
  }

  private func serveDatagrams() {
    var query = [UInt8](repeating: 0, count: 1500)
    while true {
      var peer = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let done = withUnsafeMutablePointer(to: &peer) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Bool in
          let count = recvfrom(datagrams, &query, query.count, 0, address, &length)
          guard count > 0 else { return true }
          tally.withLock { $0.overUDP += 1 }
          let answer = answer(to: Array(query[..<count]), mayBeLong: false)
          sendto(datagrams, answer, answer.count, 0, address, length)
          return false
        }
      }
      if done { break }
    }
    close(datagrams)
  }

  private func serveStreams() {
    while case let descriptor = accept(streams, nil, nil), descriptor >= 0 {
      let connection = LoopbackService.Connection(descriptor: descriptor)
      // RFC 1035 4.2.2: two bytes of length first.
      var query = [UInt8](repeating: 0, count: 1500)
      var got = 0
      while got < 2 || got < 2 + Int(query[0]) << 8 + Int(query[1]) {
        let count = query[got...].withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { break }
        got += count
      }
      if got > 2 {
        tally.withLock { $0.overTCP += 1 }
        let answer = answer(to: Array(query[2..<got]), mayBeLong: true)
        connection.write([UInt8(answer.count >> 8), UInt8(answer.count & 0xFF)] + answer)
      }
      close(descriptor)
    }
    close(streams)
  }

  private func answer(to query: [UInt8], mayBeLong: Bool) -> [UInt8] {
    var labels: [String] = []
    var offset = 12
    while offset < query.count, query[offset] > 0 {
      labels.append(String(decoding: query[(offset + 1)...].prefix(Int(query[offset])), as: UTF8.self))
      offset += 1 + Int(query[offset])
    }
    let question = Array(query[12..<min(offset + 5, query.count)])
    var name = labels.joined(separator: ".").lowercased()
    let type = question.count >= 4 ? question[question.count - 3] : 0
    var records: [[UInt8]] = []
    func add(_ list: [[UInt8]], type wanted: UInt8) {
      if type == wanted { records += list.map { record(name, type: wanted, $0) } }
    }
    var code: UInt8 = 0
    var isTruncated = false
    resolution: while true {
      switch entries[name] {
      case .alias(let target):
        records.append(record(name, type: 5, encode(target)))
        name = target
        continue resolution
      case .addresses(let list): add(list, type: 1)
      case .both(let list, let others):
        add(list, type: 1)
        add(others, type: 28)
      case .long(let list) where mayBeLong || type != 1: add(list, type: 1)
      case .long: isTruncated = true
      // RFC 1035 4.1.1: name error.
      case nil: code = 3
      }
      break
    }
    let flags: [UInt8] = [isTruncated ? 0x87 : 0x85, 0x80 | code]
    let counts: [UInt8] = [0, 1, 0, UInt8(records.count), 0, 0, 0, 0]
    return Array([Array(query[..<2]), flags, counts, question, Array(records.joined())].joined())
  }

  private func encode(_ name: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for label in name.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
    return bytes + [0]
  }

  private func record(_ name: String, type: UInt8, _ data: [UInt8]) -> [UInt8] {
    let fixed: [UInt8] = [0, type, 0, 1, 0, 0, 0, 60, 0, UInt8(data.count)]
    return encode(name) + fixed + data
  }
}
