import Packets

/// A listening endpoint: half-open connections on one side, complete ones that wait for ``accept()`` on the other.
///
/// The queues have Linux's limits: `backlog` + 1 complete connections; as many half-open ones. A SYN that arrives while
/// the accept queue is full is dropped, and so is the last ACK of a handshake: the peers try again.
public final class TCPListener {
  private let layer: TCPLayer
  private let binding: TCPBinding
  /// What connections inherit; a change counts for those that are still to come.
  public var parameters: TCPParameters
  /// Complete connections that may wait, less one.
  public var backlog: Int
  /// Called on the loop when a connection became ready to be accepted.
  public var onReadiness: ((Readiness) -> Void)?
  /// Those it shares its port with by SO_REUSEPORT.
  public internal(set) var sharers: PortSharers<TCPListener>?
  private var complete: [TCPConnection] = []
  private var firstComplete = 0
  private(set) var halfOpenCount = 0
  private(set) var isClosed = false

  init(layer: TCPLayer, binding: TCPBinding, backlog: Int, parameters: TCPParameters) {
    self.layer = layer
    self.binding = binding
    self.parameters = parameters
    self.backlog = backlog
  }

  public var local: Endpoint { binding.local }

  /// Connections that wait to be accepted.
  public var acceptableCount: Int { complete.count - firstComplete }

  /// True if ``accept()`` has something to give.
  public var hasConnections: Bool { acceptableCount > 0 }

  public var readiness: Readiness { hasConnections ? .readable : [] }

  /// The accept queue takes another connection.
  var hasRoom: Bool { acceptableCount <= backlog }

  /// Another half-open connection may begin.
  var takesSyns: Bool { halfOpenCount <= min(backlog, layer.configuration.maximumHalfOpen) }

  /// The connection that has waited longest; nil if there is none.
  public func accept() -> TCPConnection? {
    guard firstComplete < complete.count else { return nil }
    let connection = complete[firstComplete]
    firstComplete += 1
    if firstComplete == complete.count {
      complete.removeAll(keepingCapacity: true)
      firstComplete = 0
    } else if firstComplete > 32, firstComplete * 2 > complete.count {
      complete.removeSubrange(0..<firstComplete)
      firstComplete = 0
    }
    return connection
  }

  /// Stops listening. Half-open connections are forgotten, complete ones that nobody accepted are reset.
  public func close() {
    guard !isClosed else { return }
    isClosed = true
    onReadiness = nil
    layer.remove(self)
    sharers?.remove(self)
    sharers = nil
    binding.useEnded()
    for connection in layer.halfOpenConnections(of: self) {
      connection.isOrphan = true
      connection.end(with: nil, layer.loop.now)
    }
    while let connection = accept() {
      layer.counted.unacceptedCloses &+= 1
      connection.abort()
    }
  }

  // MARK: What connections say

  func handshakeBegan() { halfOpenCount += 1 }

  func handshakeCompleted(_ connection: TCPConnection) {
    halfOpenCount -= 1
    connection.listener = nil
    connection.takePort()
    complete.append(connection)
    layer.becameAcceptable(self)
  }

  func handshakeFailed(_ connection: TCPConnection) {
    halfOpenCount -= 1
    connection.listener = nil
  }
}
