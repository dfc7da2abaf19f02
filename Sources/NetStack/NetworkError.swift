/// Why a call on the stack failed, or what happened to a flow. Each case stands for exactly one Linux errno (named in
/// its comment); the numbers live in the system-call layer.
public enum NetworkError: Error, Equatable, Sendable {
  /// ECONNREFUSED: a reset answered the SYN, or an ICMP port unreachable came back.
  case connectionRefused
  /// ECONNRESET: the peer reset the connection.
  case connectionReset
  /// ECONNABORTED: the connection ended before it was accepted.
  case connectionAborted
  /// EPIPE: the sending direction is shut down.
  case brokenPipe
  /// ETIMEDOUT: retransmissions or probes were given up.
  case timedOut
  /// EHOSTUNREACH: the neighbour did not answer, or a router said so.
  case hostUnreachable
  /// EHOSTDOWN: ICMP host unknown.
  case hostDown
  /// ENONET: ICMP source host isolated.
  case hostIsolated
  /// ENETUNREACH: a router said that it does not reach the network.
  case networkUnreachable
  /// ENETUNREACH: the own routing table has no route.
  case noRoute
  /// ENETDOWN: the interface is down.
  case networkDown
  /// ENOPROTOOPT: ICMP protocol unreachable.
  case protocolUnreachable
  /// EPROTO: ICMP parameter problem.
  case protocolError
  /// EOPNOTSUPP: the object cannot do this (also ICMP source route failed).
  case operationNotSupported
  /// EADDRINUSE: the local address and port are taken, or no ephemeral port is free.
  case addressInUse
  /// EADDRNOTAVAIL: the address is not one of this host's.
  case addressNotAvailable
  /// EAFNOSUPPORT: the address family does not fit.
  case addressFamilyNotSupported
  /// EMSGSIZE: the datagram does not fit.
  case messageTooLong
  /// EMSGSIZE: the datagram does not fit the path; its MTU in bytes.
  case packetTooBig(mtu: Int)
  /// ENOTCONN.
  case notConnected
  /// EISCONN.
  case alreadyConnected
  /// EALREADY: a connection attempt is under way.
  case connectionInProgress
  /// EDESTADDRREQ: no destination given and none connected.
  case destinationRequired
  /// EAGAIN: nothing to read, or no room to write, at the moment.
  case wouldBlock
  /// ENOBUFS: a bounded table or queue is full.
  case noBuffers
  /// EINVAL.
  case invalidArgument
  /// EACCES: a broadcast was not permitted for this endpoint.
  case permissionDenied
  /// EPERM: a security policy blocks the datagram.
  case operationNotPermitted
  /// EAGAIN: a security policy wants an association, and there is none.
  case noSecurityAssociation
  /// ENODEV: no such interface.
  case noSuchDevice
  /// EFAULT: an ICMP message of a raw endpoint without the two octets that say what it is.
  case missingMessageType
  /// EEXIST: the entry is in the table already.
  case alreadyExists
  /// EBADF: the object has been closed.
  case closed
}
