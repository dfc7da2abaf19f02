extension TCPConnection {
  /// What a connection has counted (TCP_INFO).
  struct Statistics {
    var bytesSent: UInt64 = 0
    var bytesAcknowledged: UInt64 = 0
    var bytesReceived: UInt64 = 0
    var bytesRetransmitted: UInt64 = 0
    var segmentsIn: UInt64 = 0
    var segmentsOut: UInt64 = 0
    var retransmitted: UInt64 = 0
    var duplicateSacks: UInt64 = 0
    var outOfOrder: UInt64 = 0
  }
}
