import EventLoop
import LinuxABI
import NetStack
import Packets

/// What runs on the station during a replay: servers on its ports and one action, all over system calls.
final class ReplayApplications {
  private let station: Station
  private let settings: ReplaySettings
  private let loop: any EventLoop
  private var dhcp: DHCPClient?
  private var action: LoopTask<Void, Never>?
  /// What the action came to; nil without action.
  private(set) var outcome: String?

  private var system: SystemCalls { station.system }
  private static let bufferSize = 65_536
  /// Longest time that DHCP may take.
  private static let leaseTime = TimeSpan.seconds(120)

  init(_ station: Station, _ settings: ReplaySettings) {
    self.station = station
    self.settings = settings
    loop = station.loop
  }

  /// Opens the listeners and starts the action when its time comes.
  func start() throws(BenchError) {
    for listener in settings.listeners {
      do throws(Errno) { try open(listener) } catch {
        throw .badOption(
          name: "listen \(listener.transport.rawValue) \(listener.port)", reason: String(describing: error))
      }
    }
    guard let wanted = settings.action else { return }
    outcome = "unfinished"
    action = loop.spawn { [self] in
      if settings.start > .zero {
        do { try await loop.sleep(for: settings.start) } catch { return }
      }
      outcome = await perform(wanted)
    }
  }

  func stop() {
    action?.cancel()
    dhcp?.stop()
  }

  // MARK: The action

  private func perform(_ action: ReplaySettings.Action) async -> String {
    switch action {
    case .dhcp:
      let client = DHCPClient(station.interface)
      dhcp = client
      do throws(DHCPError) {
        let lease = try await client.acquire(timeout: Self.leaseTime)
        let routers = lease.routers.map(\.description).joined(separator: " ")
        let servers = lease.domainNameServers.map(\.description).joined(separator: " ")
        return "lease \(lease.address) routers \(routers) name servers \(servers)"
      } catch {
        return "no lease: \(error)"
      }
    case .resolve(let name, let server):
      do throws(ResolveError) {
        let addresses = try await resolver(server).resolve(name, family: .ipv4)
        return "resolved " + addresses.compactMap { $0.v4?.description }.joined(separator: " ")
      } catch {
        return "not resolved: \(error)"
      }
    case .fetch(let url, let server): return await fetch(url, server)
    }
  }

  private func resolver(_ server: IPv4Address?) -> Resolver {
    let resolver = Resolver(station.stack)
    if let server { resolver.configure(servers: [IPAddress(server)], searchDomains: []) }
    return resolver
  }

  private func fetch(_ url: String, _ server: IPv4Address?) async -> String {
    let resolver = resolver(server)
    let fetch = HTTPFetch(system: system) { (host, _) async throws(FetchError) in
      do throws(ResolveError) { return try await resolver.resolve(host, family: .ipv4) } catch {
        throw FetchError.unknownHost(host, reason: String(describing: error))
      }
    }
    do throws(FetchError) {
      let sink = FetchSink(.discard, hashing: false)
      let result = try await fetch.fetch(try HTTPAddress(url), into: sink, options: FetchOptions())
      return "fetched \(result.status), \(result.received) bytes"
    } catch {
      return "not fetched: \(error)"
    }
  }

  // MARK: Servers

  private func open(_ listener: ReplaySettings.Listener) throws(Errno) {
    let isStream = listener.transport == .tcp
    let descriptor = try system.socket(
      SocketDomain.AF_INET, isStream ? SocketType.SOCK_STREAM : SocketType.SOCK_DGRAM, 0)
    try system.bind(descriptor, to: Endpoint(.any, listener.port))
    if isStream {
      try system.listen(descriptor, backlog: 128)
      loop.spawn { [self] in await accept(on: descriptor, listener.service) }
    } else {
      loop.spawn { [self] in await answerDatagrams(on: descriptor, listener.service) }
    }
  }

  /// Serves each connection in a task of its own, until the listener is closed.
  private func accept(on listener: Int32, _ service: ReplaySettings.Listener.Service) async {
    while true {
      do throws(Errno) {
        let (connection, _) = try await system.accept4(listener)
        loop.spawn { [self] in
          // A connection that breaks off has ended; there is nobody to tell.
          try? await serve(connection, service)
          try? await system.close(connection)
        }
      } catch .ECONNABORTED {
        continue
      } catch {
        return
      }
    }
  }

  private func serve(_ connection: Int32, _ service: ReplaySettings.Listener.Service) async throws(Errno) {
    if service == .http { return try await ReplayResponder(system: system, connection: connection).serve() }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 16)
    defer { buffer.deallocate() }
    while true {
      let count = try await system.read(connection, buffer)
      if count == 0 { return }
      if service == .echo {
        try await system.writeAll(connection, UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
  }

  private func answerDatagrams(on descriptor: Int32, _ service: ReplaySettings.Listener.Service) async {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 16)
    defer { buffer.deallocate() }
    while true {
      do throws(Errno) {
        let received = try await system.recvfrom(descriptor, buffer)
        guard service == .echo, let source = received.source else { continue }
        _ = try await system.sendto(
          descriptor, UnsafeRawBufferPointer(rebasing: buffer[..<received.count]), to: source)
      } catch .EBADF {
        return
      } catch .EINTR {
        return
      } catch {
        // An answer that cannot be sent is lost like one on the wire.
        continue
      }
    }
  }
}

extension SystemCalls {
  /// Writes all of `bytes`.
  func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) async throws(Errno) {
    var offset = 0
    while offset < bytes.count {
      offset += try await write(descriptor, UnsafeRawBufferPointer(rebasing: bytes[offset...]))
    }
  }
}
