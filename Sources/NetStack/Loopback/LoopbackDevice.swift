import EventLoop
import Link
import Memory
import Packets

/// The device behind `lo`: frames that are sent come back in the next piece of deferred work, in order, without copy.
///
/// Buffers are made when they are first needed and then kept: small ones for acknowledgements and short datagrams,
/// large ones for what TCP sends with this MTU. Both kinds are bounded; when they are used up, senders wait as with any
/// device.
public final class LoopbackDevice: NetworkDevice {
  public let name = "lo"
  public let hardwareAddress = MACAddress.zero
  public let mtu = 65536
  public let features: DeviceFeatures = [.transmitChecksum, .receiveChecksum, .trusted]
  public let isLinkUp = true
  public weak var client: (any NetworkDeviceClient)?

  private static let smallCapacity = 2048
  private static let largeCapacity = 14 + 65536
  private static let smallLimit = 1024
  private static let largeLimit = 128
  /// Frames delivered in one go, before other work gets its turn.
  private static let budget = 64

  private struct QueuedFrame {
    let buffer: TransmitBuffer
    let length: Int
  }
  private var small: [TransmitBuffer] = []
  private var large: [TransmitBuffer] = []
  private var smallCount = 0
  private var largeCount = 0
  private var isStarved = false
  /// A ring of frames under way; as many places as there are buffers.
  private var queue: [QueuedFrame?]
  private var head = 0
  private var count = 0
  private var delivery: DeferredWork!

  init(on loop: any EventLoop) {
    queue = Array(repeating: nil, count: LoopbackDevice.smallLimit + LoopbackDevice.largeLimit)
    delivery = DeferredWork(on: loop) { [unowned self] in deliver() }
  }

  deinit {
    for buffer in small { unsafe buffer.window.baseAddress.deallocate() }
    for buffer in large { unsafe buffer.window.baseAddress.deallocate() }
    for frame in queue {
      if let frame { unsafe frame.buffer.window.baseAddress.deallocate() }
    }
  }

  public func reserve(capacity: Int) -> TransmitBuffer? {
    if capacity <= LoopbackDevice.smallCapacity {
      if let buffer = small.popLast() { return buffer }
      if smallCount < LoopbackDevice.smallLimit {
        smallCount += 1
        return makeBuffer(LoopbackDevice.smallCapacity, token: 0)
      }
    } else if capacity <= LoopbackDevice.largeCapacity {
      if let buffer = large.popLast() { return buffer }
      if largeCount < LoopbackDevice.largeLimit {
        largeCount += 1
        return makeBuffer(LoopbackDevice.largeCapacity, token: 1)
      }
    } else {
      return nil
    }
    isStarved = true
    return nil
  }

  private func makeBuffer(_ capacity: Int, token: Int) -> TransmitBuffer {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
    return unsafe TransmitBuffer(window: MemoryWindow(memory, count: capacity), token: token)
  }

  public func release(_ buffer: TransmitBuffer) {
    if buffer.token == 0 { small.append(buffer) } else { large.append(buffer) }
    // Told from deferred work: whoever gives a buffer back may be in the middle of sending.
    if isStarved { delivery.schedule() }
  }

  public func submit(_ buffer: TransmitBuffer, length: Int, offload: TransmitOffload) {
    let place = (head + count) % queue.count
    queue[place] = QueuedFrame(buffer: buffer, length: length)
    count += 1
  }

  public func doorbell() { if count > 0 { delivery.schedule() } }

  private func deliver() {
    guard let client else { return }
    // What is sent in answer belongs to the next round.
    var left = min(count, LoopbackDevice.budget)
    let metadata = ReceiveMetadata(networkChecksum: .good, transportChecksum: .good)
    while left > 0, let frame = queue[head] {
      left -= 1
      client.received(frame.buffer.window.bytes(0, frame.length), metadata)
      queue[head] = nil
      head = (head + 1) % queue.count
      count -= 1
      release(frame.buffer)
    }
    client.receiveBatchEnded()
    if isStarved {
      isStarved = false
      client.transmitReady()
    }
    if count > 0 { delivery.schedule() }
  }
}
