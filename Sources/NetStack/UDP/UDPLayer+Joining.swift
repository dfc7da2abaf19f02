import Packets

/// A message that UDP_SEGMENT has cut up: over the loopback interface it goes whole, and is cut where it is received
/// (Linux leaves that to the device, and the loopback device to `udp_rcv_segment`).
struct UDPTrain {
  var source: Endpoint
  var port: UInt16
  var length: Int
  /// Octets of each piece but the last.
  var size: Int
}

/// What an endpoint with UDP_GRO joins the next datagram to (Linux `udp_gro_receive_segment`).
struct UDPJoint {
  /// The receive batch; datagrams of another one stay apart.
  var batch: UInt64
  var source: Endpoint
  var destination: IPAddress
  var tos: UInt8
  var ttl: UInt8
  /// Octets of each datagram but the last, and how many there are.
  var size: Int
  var count: Int
  var identification: UInt16

  /// UDP_GRO_CNT_MAX
  static let limit = 64
}

extension UDPLayer {
  /// The size of the pieces of a message that goes whole over the loopback interface; 0 for others.
  func takeTrain(_ record: ReceivedDatagram, port: UInt16) -> Int {
    let place = trains.firstIndex {
      $0.source == record.source && $0.port == port && $0.length == record.length
    }
    guard let place else { return 0 }
    // What went before it is lost.
    defer { trains.removeFirst(place + 1) }
    return trains[place].size
  }

  /// Notes such a message that was just sent.
  func sent(_ train: UDPTrain) {
    // As many as the device holds: older ones never came.
    if trains.count == 2048 { trains.removeFirst() }
    trains.append(train)
  }

  /// Delivers a message of pieces: whole to whoever joins datagrams, else one by one. `size` 0: it is one datagram.
  func deliver(
    _ record: ReceivedDatagram, inPiecesOf size: Int, _ packet: RawSpan, _ arrival: borrowing IPv4Arrival,
    to endpoint: UDPEndpoint
  ) {
    guard size > 0 else { return deliver(record, packet, arrival, to: endpoint) }
    var record = record
    if endpoint.joinsDatagrams {
      record.segmentSize = UInt16(truncatingIfNeeded: size)
      return deliver(record, packet, arrival, to: endpoint)
    }
    let (header, payload) = (packet.clamped(0, UDPField.headerLength).array, packet.clamped(UDPField.headerLength))
    var offset = 0
    while offset < payload.byteCount {
      record.length = min(size, payload.byteCount - offset)
      let piece = header + payload.clamped(offset, record.length).array
      deliver(record, unsafe piece.span.bytes, arrival, to: endpoint)
      offset += size
    }
  }

  /// Joins a datagram to the one before it, if it is of the same flow and batch and no larger. False: it stands alone.
  func join(
    _ record: ReceivedDatagram, _ packet: RawSpan, _ arrival: borrowing IPv4Arrival, to endpoint: UDPEndpoint
  ) -> Bool {
    let datagram = arrival.datagram
    let identification = datagram.loadBigEndian(IPv4Field.identification, as: UInt16.self)
    let isAlone =
      arrival.headerLength != IPv4Field.minimumLength || arrival.largestFragment != 0 || record.length == 0
      || stack.interface(at: record.interfaceIndex)?.isLoopback != false
      || packet.loadBigEndian(UDPField.checksum, as: UInt16.self) == 0
    guard !isAlone else {
      endpoint.joint = nil
      return false
    }
    if var joint = endpoint.joint, joint.batch == batch, joint.source == record.source,
      joint.destination == record.destination, joint.tos == record.tos, joint.ttl == record.ttl,
      joint.count < UDPJoint.limit, record.length <= joint.size,
      identification == joint.identification &+ UInt16(joint.count),
      endpoint.extendNewest(packet.clamped(UDPField.headerLength), segmentSize: joint.size)
    {
      joint.count += 1
      endpoint.joint = record.length == joint.size ? joint : nil
      return true
    }
    endpoint.joint = UDPJoint(
      batch: batch, source: record.source, destination: record.destination, tos: record.tos, ttl: record.ttl,
      size: record.length, count: 1, identification: identification)
    return false
  }
}
