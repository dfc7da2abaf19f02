import EventLoop
import NetStack
import Packets
import Testing

/// Between an application's check and its wait anything may arrive. Whatever it is: it is reported, once.
@Suite("TCP: readiness is neither lost nor repeated")
struct TCPReadinessTests {
  enum Arrival: String, CaseIterable, Sendable {
    case data, fin, reset, windowUpdate
  }

  /// Where the arrival falls, in microseconds after the check; the wait begins at 500.
  static let moments = stride(from: 0, through: 1000, by: 50).map { $0 }

  @Test("an arrival at any moment between check and wait is reported", arguments: Arrival.allCases, moments)
  func arrival(_ arrival: Arrival, _ moment: Int) throws {
    let peer = ScriptedPeer()
    var parameters = TCPParameters()
    parameters.sendBuffer = 3000
    try peer.establish(window: 2000, parameters: parameters)
    guard let connection = peer.connection else { throw NetworkError.notConnected }
    var reports: [Readiness] = []
    connection.onReadiness = { reports.append($0) }
    // The buffer is full and there is nothing to read: the application looks and finds nothing.
    connection.send(pattern(3000))
    #expect(connection.writableCount == 0)
    #expect(connection.readiness == [])
    peer.wait(.microseconds(200))
    let timer = LoopTimer(on: peer.network.loop) {
      switch arrival {
      case .data: peer.inject([], 1, ack: 1, count: 10)
      case .fin: peer.inject(.fin, 1, ack: 1)
      case .reset: peer.inject(.rst, 1)
      case .windowUpdate: peer.inject([], 1, ack: 1609, window: 2000)
      }
    }
    timer.arm(at: peer.network.loop.now + .microseconds(moment))
    peer.wait(.microseconds(500))
    // The application waits only now: what came before must show in the level, what comes later in a report.
    let level = connection.readiness
    let seen = reports.count
    peer.wait(.milliseconds(10))
    let expected: Readiness
    switch arrival {
    case .data: expected = .readable
    case .fin: expected = [.readable, .readHangUp]
    case .reset: expected = [.readable, .writable, .hangUp, .readHangUp, .error]
    case .windowUpdate: expected = .writable
    }
    let later = reports[seen...].reduce(into: Readiness()) { $0.formUnion($1) }
    #expect(level.union(later).isSuperset(of: expected))
    #expect(reports.filter { $0.isSuperset(of: expected) }.count == 1)
    #expect(connection.readiness.isSuperset(of: expected))
  }

  @Test("room is reported when a third of the buffer is free, and only after it was full")
  func roomToWrite() throws {
    let peer = ScriptedPeer()
    var parameters = TCPParameters()
    parameters.sendBuffer = 3000
    try peer.establish(parameters: parameters)
    var reports = 0
    peer.connection.onReadiness = { if $0.contains(.writable) { reports += 1 } }
    #expect(peer.connection.send(pattern(5000)) == 3000)
    peer.wait(.milliseconds(1))
    peer.send([], 1, ack: 537)
    #expect(reports == 0)
    peer.send([], 1, ack: 1073)
    #expect(reports == 1)
    peer.send([], 1, ack: 2000)
    #expect(reports == 1)
    #expect(peer.connection.send(pattern(10)) == 10)
    peer.send([], 1, ack: 3001)
    #expect(reports == 1)
  }

  @Test("a refused connection reports an error once")
  func refused() throws {
    let network = TestNetwork()
    let a = network.addHost("10.0.0.1/24")
    let b = network.addHost("10.0.0.2/24")
    let connection = try a.stack.tcp.connect(to: Endpoint(b.address, 81))
    var reports: [Readiness] = []
    connection.onReadiness = { reports.append($0) }
    network.advance(.seconds(10))
    #expect(reports.count == 1)
    #expect(reports.first?.contains(.error) == true)
    #expect(connection.takeError() == .connectionRefused)
    #expect(a.stack.tcp.connections.isEmpty && b.stack.tcp.connections.isEmpty)
  }
}
