import EventLoop
import NetStack
import Packets

extension Bench {
  /// The addresses of a host name or literal; with a limit no later than after that time.
  public func resolve(_ host: String, within limit: TimeSpan? = nil) async throws(FetchError) -> [IPAddress] {
    if let literal = IPv4Address(host) { return [IPAddress(literal)] }
    if IPv6Address(host) != nil { throw .noIPv6(host) }
    if let fault = NameRecords.fault(of: host) { throw .unknownHost(host, reason: fault) }
    do throws(ResolveError) {
      return try await ask(within: limit) { [resolver] () async throws(ResolveError) in
        try await resolver.resolve(host, family: .ipv4)
      }
    } catch .cancelled {
      throw .interrupted
    } catch {
      throw .unknownHost(host, reason: reason(error))
    }
  }

  /// Asks the name servers, and says what it waits for if that takes long.
  func ask<T>(
    within limit: TimeSpan?, _ question: @escaping () async throws(ResolveError) -> T
  ) async throws(ResolveError) -> T {
    let task = loop.spawn(question)
    var isOver = false
    let end = LoopTimer(on: loop) {
      isOver = true
      task.cancel()
    }
    let complaint = LoopTimer(on: loop) { [self] in
      let most = limit.map { ", \(seconds($0)) at most" } ?? ""
      options.notice?("waiting for \(serverNames)\(most)")
    }
    if let limit { end.arm(at: loop.now + limit) }
    complaint.arm(at: loop.now + Self.silence)
    defer {
      end.cancel()
      complaint.cancel()
    }
    do throws(ResolveError) { return try await task.join() } catch {
      throw error == .cancelled && isOver ? .timedOut : error
    }
  }

  private func seconds(_ span: TimeSpan) -> String {
    let seconds = span.seconds
    return (seconds == seconds.rounded() ? String(Int(seconds)) : String(seconds)) + " s"
  }

  /// Those that are asked: the first three.
  private var serverNames: String {
    let names = resolver.configuration.servers.prefix(3).map { server in
      server.port == ResolverConfiguration.port ? IPAddressText(server.address).text : server.text
    }
    return (names.count == 1 ? "name server " : "name servers ") + names.joined(separator: ", ")
  }

  /// Why a name could not be looked up, with the servers that were asked, and what to try.
  func reason(_ error: ResolveError) -> String {
    switch error {
    case .notFound: "there is no such name"
    case .noAddress: "it has no IPv4 address"
    case .timedOut: "no answer in time from \(serverNames); check the address, or name another one with --dns"
    case .serverFailure: "\(serverNames) could not answer; name another one with --dns"
    case .noServers where resolver.configuration.servers.isEmpty: "no name server is known; name one with --dns"
    case .noServers: "\(serverNames) cannot be reached; check the address, or name another one with --dns"
    case .malformed: "\(serverNames) sent a damaged answer; name another one with --dns"
    case .cancelled: "interrupted"
    }
  }
}

extension NameRecords {
  /// Why `name` can be no name of the DNS (RFC 1035 2.3.4); nil if it can, or is an address.
  public static func fault(of name: String) -> String? {
    guard !name.isEmpty else { return "the name is empty" }
    if IPv4Address(name) != nil || IPv6Address(name) != nil { return nil }
    guard name != "." else { return "that is the root, which has no address" }
    var labels = name.split(separator: ".", omittingEmptySubsequences: false)
    if labels.last?.isEmpty == true { labels.removeLast() }
    if labels.contains(where: \.isEmpty) { return "between two dots, or before the first one, there is nothing" }
    if DNSName(name) != nil { return nil }
    if labels.contains(where: { $0.utf8.count > 63 }) { return "a part between dots is longer than 63 bytes" }
    return name.utf8.count > 253 ? "it is longer than 253 bytes" : "it has a broken escape (\\)"
  }
}
