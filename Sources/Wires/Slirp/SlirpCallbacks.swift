import CSlirp
import EventLoop
import Glibc

/// Calls `body` with the network behind `opaque`, without counting a reference: its owner is on the call stack.
@inline(__always) private func withNetwork<T>(
  _ opaque: UnsafeMutableRawPointer?, _ body: (SlirpNetwork) -> T
) -> T {
  Unmanaged<SlirpNetwork>.fromOpaque(opaque!)._withUnsafeGuaranteedRef(body)
}

/// Bytes that a server may send ahead of libslirp, which takes 128 KiB at a time; Linux takes the half of its
/// `tcp_rmem` if that is less.
private let receiveWindow: Int32 = 16 << 20

/// Lets the server at the other end of a stream send ahead: then it goes on by itself, on its own processor, and not in
/// the softirq of our acknowledgements, which cost us a quarter of a fetch. Linux gives a socket the room that
/// SO_RCVLOWAT asks for, keeps it, and goes on tuning it (`tcp_set_rcvlowat`); SO_RCVBUF would fix it, at less where
/// `rmem_max` is small.
private func widenReceiveWindow(_ descriptor: Int32) {
  var type: Int32 = 0
  var length = socklen_t(MemoryLayout<Int32>.size)
  guard getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length) == 0, type == SOCK_STREAM.rawValue else { return }
  for lowWater in [receiveWindow, 1] {
    var value = lowWater
    _ = setsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &value, length)
  }
}

/// libslirp's view of a ``SlirpNetwork``: C functions with the network as their opaque argument.
extension SlirpNetwork {
  static let addCallback: SlirpAddPollCb = { descriptor, events, opaque in
    withNetwork(opaque) { $0.descriptors.add(descriptor, $0.wantedNow(events)) }
  }

  static let eventsCallback: SlirpGetREventsCb = { index, opaque in
    withNetwork(opaque) { $0.descriptors.events(at: index) }
  }

  /// The callbacks, in memory of their own: libslirp keeps the pointer.
  static func makeCallbacks() -> UnsafeMutablePointer<SlirpCb> {
    var callbacks = SlirpCb()
    callbacks.send_packet = { bytes, length, opaque in
      guard let bytes, length > 0 else { return 0 }
      withNetwork(opaque) { $0.output(RawSpan(_unsafeStart: bytes, byteCount: length)) }
      return length
    }
    callbacks.guest_error = { message, opaque in
      let message = message.map { String(cString: $0) } ?? "guest error"
      withNetwork(opaque) { $0.complain(message) }
    }
    callbacks.clock_get_ns = { opaque in withNetwork(opaque) { $0.clock } }
    callbacks.timer_new_opaque = { id, argument, opaque in
      withNetwork(opaque) { $0.makeTimer(id, argument) }
    }
    callbacks.timer_free = { timer, opaque in
      if let timer { withNetwork(opaque) { $0.timers[timer] = nil } }
    }
    callbacks.timer_mod = { timer, milliseconds, opaque in
      if let timer { withNetwork(opaque) { $0.arm(timer, milliseconds) } }
    }
    // A new descriptor may have the number of an old one.
    callbacks.register_poll_fd = { descriptor, opaque in
      widenReceiveWindow(descriptor)
      withNetwork(opaque) { $0.descriptors.forget(descriptor) }
    }
    callbacks.unregister_poll_fd = { descriptor, opaque in
      withNetwork(opaque) { $0.descriptors.forget(descriptor) }
    }
    callbacks.notify = { opaque in withNetwork(opaque) { $0.notify() } }
    callbacks.init_completed = { _, _ in }
    let memory = UnsafeMutablePointer<SlirpCb>.allocate(capacity: 1)
    memory.initialize(to: callbacks)
    return memory
  }

  private func makeTimer(_ id: SlirpTimerId, _ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer {
    let timer = SlirpTimer(id: id, argument: argument)
    timer.timer = LoopTimer(on: loop) { [unowned self, unowned timer] in fire(timer) }
    let identity = Unmanaged.passUnretained(timer).toOpaque()
    timers[identity] = timer
    return identity
  }

  /// `milliseconds`: absolute, by ``clock``.
  private func arm(_ identity: UnsafeMutableRawPointer, _ milliseconds: Int64) {
    let (nanoseconds, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
    guard !overflow else { return }
    timers[identity]?.timer.arm(at: Instant(nanoseconds: nanoseconds - loop.epochNanoseconds))
  }
}

/// The text of an errno.
func systemMessage(_ code: Int32) -> String { String(cString: strerror(code)) }
