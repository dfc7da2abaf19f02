import EventLoop
import NetStack
import Packets

/// A name server whose answers a test writes, over UDP and TCP.
final class ScriptedDNSServer {
  let host: TestHost
  let endpoint: UDPEndpoint
  private var listener: TCPListener?
  private var connections: [TCPConnection] = []
  private(set) var questions: [DNSQuestion] = []
  private(set) var sources: [Endpoint] = []
  private(set) var identifiers: [UInt16] = []
  /// The answer to a question; nil: silence.
  var respond: (DNSMessage) -> DNSMessage? = { $0.response(code: .serverFailure) }
  /// Over TCP; the same as over UDP if nil.
  var respondOverTCP: ((DNSMessage) -> DNSMessage?)?
  /// Sent in place of ``respond``'s answers.
  var raw: ((DNSMessage) -> [[UInt8]])?

  init(_ network: TestNetwork, _ address: String, tcp: Bool = false) throws {
    host = network.addHost(address)
    endpoint = host.stack.udp.open()
    try endpoint.bind(to: Endpoint(.any, 53))
    endpoint.onReadiness = { [unowned self] in if $0.contains(.readable) { receive() } }
    if tcp {
      let listener = try host.stack.tcp.listen(on: Endpoint(.any, 53), backlog: 8)
      listener.onReadiness = { [unowned self] _ in accept() }
      self.listener = listener
    }
  }

  private func receive() {
    while let (record, bytes) = endpoint.receive() {
      guard let query = try? DNSMessage(parsing: bytes.span.bytes) else { continue }
      questions += query.questions
      sources.append(record.source)
      identifiers.append(query.identifier)
      for answer in raw?(query) ?? respond(query).map({ [$0.encoded()] }) ?? [] {
        try? endpoint.send(answer, to: record.source)
      }
    }
  }

  private func accept() {
    while let connection = listener?.accept() {
      connections.append(connection)
      connection.onReadiness = { [unowned self, unowned connection] _ in serve(connection) }
      serve(connection)
    }
  }

  private func serve(_ connection: TCPConnection) {
    var chunk = [UInt8](repeating: 0, count: 2048)
    let count = chunk.withUnsafeMutableBytes { connection.receive(into: $0) }
    guard count > 2, let query = try? DNSMessage(parsing: Array(chunk[2..<count]).span.bytes),
      let answer = (respondOverTCP ?? respond)(query)
    else { return }
    let bytes = answer.encoded()
    // In two parts, so that the reader has to put them together.
    let framed = [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
    _ = connection.send(Array(framed[..<1]).span.bytes)
    _ = connection.send(Array(framed[1...]).span.bytes)
  }
}
