import EventLoop
import LinuxABI
import NetStack
import Packets

/// Connects to the first of a host's addresses that answers, within one time for all of them.
struct HTTPConnector {
  let system: SystemCalls
  /// For all addresses together, as curl's --connect-timeout.
  let limit: TimeSpan

  private var loop: any EventLoop { system.stack.loop }

  /// A connected socket, non-blocking. An address that has others behind it gets half of the time that is left.
  func connect(to address: HTTPAddress, _ candidates: [IPAddress]) async throws(FetchError) -> Int32 {
    let deadline = loop.now + limit
    var failure = FetchError.unknownHost(address.host, reason: "it has no IPv4 address")
    var tried = 0
    for (index, candidate) in candidates.enumerated() {
      let left = deadline - loop.now
      guard left > .zero || tried == 0 else { break }
      let share = index == candidates.count - 1 ? left : left / 2
      tried += 1
      do throws(FetchError) {
        return try await connect(to: Endpoint(candidate, address.port), within: share)
      } catch .interrupted {
        throw .interrupted
      } catch {
        failure = error
      }
    }
    guard candidates.count > 1 else { throw failure }
    throw .noAddressAnswers(address.host, tried: tried, of: candidates.count, last: failure, limit: limit.seconds)
  }

  private func connect(to peer: Endpoint, within span: TimeSpan) async throws(FetchError) -> Int32 {
    let descriptor: Int32
    do throws(Errno) {
      descriptor = try system.socket(
        SocketDomain.AF_INET, SocketType.SOCK_STREAM | SocketType.SOCK_NONBLOCK, Protocol.IPPROTO_TCP)
    } catch {
      throw .connectFailed(peer.text, error)
    }
    guard let failure = await failure(of: descriptor, to: peer, within: span) else { return descriptor }
    try? await system.close(descriptor)
    throw failure
  }

  /// Nil once the connection stands.
  private func failure(of descriptor: Int32, to peer: Endpoint, within span: TimeSpan) async -> FetchError? {
    do throws(Errno) {
      try await system.connect(descriptor, to: peer)
    } catch .EINPROGRESS {
      var entries = [PollDescriptor(descriptor, PollMask.POLLOUT)]
      let milliseconds = Int32(clamping: span.nanoseconds / 1_000_000)
      do throws(Errno) {
        guard try await system.poll(&entries, timeout: max(milliseconds, 1)) > 0 else {
          return .connectTimedOut(peer.text, seconds: span.seconds)
        }
        let code: Int32 = try system.getsockopt(descriptor, OptionName.SOL_SOCKET, OptionName.SO_ERROR)
        return code == 0 ? nil : .connectFailed(peer.text, Errno(rawValue: code))
      } catch .EINTR {
        return .interrupted
      } catch {
        return .connectFailed(peer.text, error)
      }
    } catch .EINTR {
      return .interrupted
    } catch {
      return .connectFailed(peer.text, error)
    }
    return nil
  }
}
