import EventLoop
import Packets

/// One TCP connection: the transmission control block of RFC 9293 3.3.1 and everything that happens to it.
///
/// The application hands over bytes with ``send(_:)``, takes them with ``receive(into:)``, and is told by
/// ``onReadiness`` when something became true that it may wait for. The rest happens by itself: segments come from
/// ``TCPLayer``, timers from the loop. The type's files are its facets: opening, input, acknowledgements, data, output,
/// segments, recovery, timers, closing.
///
/// Stored state is plain values in this one object, so that the path of a segment touches neither reference counts nor
/// dynamic checks.
public final class TCPConnection {
  let layer: TCPLayer
  let key: ConnectionKey
  /// Order of creation: lists of connections are shown in it.
  let number: UInt64
  /// Source port and destination port as they stand in outgoing headers.
  let wirePorts: UInt32
  var path: Path
  /// The listener that waits for this connection's handshake.
  weak var listener: TCPListener?
  /// The port that the application bound before it connected, given back at the end.
  var binding: TCPBinding?
  /// Without a binding: the port table counts this connection; `connect` chose the port.
  var isPortCounted = false
  var isConnectBound = false
  /// The application had shut down its direction before there was a connection, which only a simultaneous open heeds,
  /// as in Linux (`tcp_rcv_state_process`).
  public var closesIfSimultaneous = false

  /// Called on the loop when something BECAME true; never from within a call of the application on this connection
  /// unless that call ended it. Several things that one batch of segments caused are reported together.
  public var onReadiness: ((Readiness) -> Void)?
  /// Became true and is not reported yet.
  var pendingReadiness: Readiness = []

  var current = TCPState.closed
  var chosen: TCPParameters
  /// The largest window that the route allowed when the connection was made; nil: any.
  let routeWindow: Int?
  /// The headers of the peer's SYN, from the IPv4 header on (TCP_SAVE_SYN), until somebody takes them.
  public var savedSyn: [UInt8]?
  /// Not every segment with the right four-tuple is taken: see ``TCPLayer/admitted(_:_:_:_:)`` and ``accepts(_:)``.
  var isSelective: Bool
  var failure: NetworkError?
  /// An ICMP error that did not end the connection: the reason, should it time out (Linux `sk_err_soft`).
  var softError: NetworkError?
  /// Where an ICMP error that ends an attempt is told in full; and whether one counts once the connection stands
  /// (IP_RECVERR).
  public var errorQueue: ErrorQueue?
  public var hearsErrors = false
  public var stamps: StreamStamps?
  /// The application has called ``close()``: nobody reads or writes any more.
  var isOrphan = false
  /// TCP_DEFER_ACCEPT: the peer has completed the handshake, and the application hears of it with the first data.
  var isAcceptDeferred = false
  /// No more bytes are wanted (`shutdown(SHUT_RD)`).
  var isReceiveShut = false
  /// `shutdown(SHUT_RD)` as Linux means it: what has arrived can be read, and data goes on being taken; but once our
  /// own direction is closed too, further data resets the connection (Linux `tcp_rcv_state_process`).
  public var refusesData = false
  /// Listed by the layer for the end of the receive batch.
  var isDirty = false
  var outputHold: OutputHold = []
  /// True while the layer's table holds this connection.
  var isRegistered = false

  // MARK: Sending (RFC 9293 3.3.1)

  /// ISS
  let initialSendSequence: SequenceNumber
  /// SND.UNA
  var sendUnacknowledged: SequenceNumber
  /// SND.NXT; never goes back: retransmissions are made from ``records``.
  var sendNext: SequenceNumber
  /// The end of the bytes that the application has handed over.
  var writeEnd: SequenceNumber
  /// SND.WND, bytes, scaled.
  var sendWindow = 0
  /// The largest SND.WND so far.
  var largestSendWindow = 0
  /// SND.WL1 and SND.WL2
  var windowUpdateSequence = SequenceNumber(0)
  var windowUpdateAcknowledgement = SequenceNumber(0)
  /// The peer offered window scaling.
  var hasPeerScale = false
  /// Snd.Wind.Shift and Rcv.Wind.Shift (RFC 7323 2.3)
  var sendScale = 0
  var receiveScale = 0
  /// The application has closed its direction: a FIN follows the last byte.
  var isSendClosed = false
  /// The end of the last segment sent that was not full (Minshall's snd_sml).
  var lastSmallEnd: SequenceNumber
  /// Payload of a full segment with the options of every segment, bytes.
  var segmentPayload = 536
  /// A larger window of the peer would make it larger.
  var isBoundByWindow = false
  /// The largest MSS that we may send (RFC 9293 3.7.1), without options.
  var sendMaximumSegment = 536
  let sendRing = ByteRing()
  let records = SendRecords()
  /// Bytes that may be queued.
  var sendLimit: Int
  /// Less than a third of the buffer was free: tell the application when that changes.
  var lacksSendSpace = false
  var lastSentAt = Instant.zero

  // MARK: Urgent data

  /// SND.UP: behind the last urgent byte that the application sent; of meaning in urgent mode only.
  var urgentEnd = SequenceNumber(0)
  var isUrgentMode = false
  /// The place of the peer's last urgent byte, and the byte.
  var urgentSequence = SequenceNumber(0)
  var urgentState = UrgentState.none
  var urgentByte: UInt8 = 0

  // MARK: Congestion and recovery

  enum RecoveryPhase: UInt8 { case open, recovery, loss }

  var controller: any CongestionControl
  var congestion: CongestionWindow
  var phase = RecoveryPhase.open
  /// SND.NXT at the last entry into recovery (RecoveryPoint of RFC 6675, recover of RFC 6582).
  var recoveryPoint: SequenceNumber
  var hasRecoveryPoint = false
  /// Duplicate acknowledgements in a row; without SACK also what has left the network.
  var duplicateAcknowledgements = 0
  /// The window was the limit for what lies below this.
  var limitedUntil: SequenceNumber
  var estimator: RoundTripEstimator
  /// Doublings of the timeout, and retransmissions by timeout, since the last progress.
  var backoff = 0
  /// When the first retransmission of the oldest unacknowledged segment went out.
  var troubleSince: Instant?
  var probesSent = 0

  // MARK: Receiving

  /// IRS
  var initialReceiveSequence = SequenceNumber(0)
  /// RCV.NXT
  var receiveNext = SequenceNumber(0)
  /// The first byte that the application has not taken.
  var readNext = SequenceNumber(0)
  /// RCV.NXT + RCV.WND: the right edge of the window as promised; never goes back.
  var receiveEdge = SequenceNumber(0)
  /// Last.ACK.sent (RFC 7323 4.3)
  var lastAckSent = SequenceNumber(0)
  let receiveRing = ByteRing()
  let reassembly = Reassembly()
  /// The sequence number of the peer's FIN, if it has arrived above a hole.
  var finSequence: SequenceNumber?
  /// The peer's FIN has been taken in order.
  var hasReceivedFin = false
  /// The window that we are willing to offer, bytes.
  var receiveLimit: Int
  /// Payload of the peer's full segments, as far as seen (Linux `rcv_mss`).
  var peerSegment = 536
  /// The MSS that we announced.
  var announcedSegment = 536
  /// A duplicate that the next acknowledgement reports (RFC 2883).
  var duplicateBlock: SACKBlock?
  var tuning = ReceiveTuning()

  // MARK: Options

  var usesTimestamps = false {
    didSet { optionLength = (usesTimestamps ? 12 : 0) + (signingKey == nil ? 0 : TCPSignatureKey.optionLength) }
  }
  /// What every segment but a SYN is signed with (TCP_MD5SIG).
  var signingKey: TCPSignatureKey? {
    didSet { optionLength = (usesTimestamps ? 12 : 0) + (signingKey == nil ? 0 : TCPSignatureKey.optionLength) }
  }
  /// Octets of the options that every segment carries: 12 are timestamps, more than that include a signature.
  private(set) var optionLength = 0
  var usesSelectiveAcknowledgement = false
  /// TS.Recent, and when it was set.
  var recentTimestamp: UInt32 = 0
  var recentTimestampAt = Instant.zero
  var timestampOffset: UInt32
  /// The timestamp of our first SYN: older echoes are not ours.
  var firstTimestamp: UInt32 = 0

  // MARK: Acknowledging

  enum AckUrgency: UInt8 { case none, delayed, now }

  var ackUrgency = AckUrgency.none
  /// Segments that are still acknowledged at once (Linux `icsk_ack.quick`).
  var quickAcks = 0
  /// The delay of acknowledgements (Linux `ato`); zero before the first data.
  var ackDelay = TimeSpan.zero
  var lastDataReceivedAt = Instant.zero
  /// Data flows to and fro: acknowledgements ride on answers (Linux pingpong mode).
  var isInteractive = false
  /// When any segment of the peer last arrived.
  var lastReceivedAt: Instant
  /// When the last acknowledgement of an unacceptable segment went out.
  var lastInvalidAckAt: Instant?

  // MARK: Timers

  /// What the retransmission timer is armed for.
  enum RetransmitPurpose: UInt8 { case none, retransmit, probe }

  var retransmitPurpose = RetransmitPurpose.none
  var retransmitDeadline = Instant.distantFuture
  var ackDeadline = Instant.distantFuture
  /// What the wheel knows: at most the deadlines above.
  var retransmitFiresAt = Instant.distantFuture
  var ackFiresAt = Instant.distantFuture
  var keepAliveProbesSent = 0
  /// When an orphan's FIN-WAIT-2 ends.
  var finWait2Deadline = Instant.distantFuture
  /// Made when they are first needed.
  var retransmitTimer: LoopTimer?
  var ackTimer: LoopTimer?
  var idleTimer: LoopTimer?

  // MARK: Statistics

  var statistics = Statistics()

  init(
    layer: TCPLayer, key: ConnectionKey, number: UInt64, path: Path, parameters: TCPParameters,
    initialSequence: SequenceNumber
  ) {
    self.layer = layer
    self.key = key
    self.number = number
    self.path = path
    chosen = parameters
    let routeWindow = path.limits.window > 0 ? min(Int(path.limits.window), 65_535 << 14) : nil
    self.routeWindow = routeWindow
    isSelective = parameters.isSelective
    wirePorts = key.ports
    initialSendSequence = initialSequence
    sendUnacknowledged = initialSequence
    sendNext = initialSequence
    writeEnd = initialSequence + 1
    lastSmallEnd = initialSequence
    recoveryPoint = initialSequence
    limitedUntil = initialSequence
    sendLimit = parameters.sendBuffer ?? parameters.initialSendBuffer
    receiveLimit = min(
      parameters.receiveBuffer ?? parameters.initialReceiveBuffer, parameters.windowClamp ?? routeWindow ?? .max)
    controller = parameters.congestionControl.makeController()
    congestion = CongestionWindow(size: 5360, segmentSize: 536)
    estimator = RoundTripEstimator(layer.configuration, parameters)
    timestampOffset = layer.numbers.timestampOffset(key)
    lastReceivedAt = layer.loop.now
    if parameters.signatureKeys != nil { chooseSignatureKeys(parameters.signatureKeys) }
  }

  // MARK: What it is

  public var state: TCPState { current }
  /// What was chosen for this connection; changed by ``apply(_:)``.
  public var parameters: TCPParameters { chosen }
  public var local: Endpoint { key.local }
  public var remote: Endpoint { key.remote }

  /// What no window is larger than: TCP_WINDOW_CLAMP or, without it, the route's limit at the opening (Linux
  /// `tcp_connect_init`).
  var windowClamp: Int? { chosen.windowClamp ?? routeWindow }

  /// A name for events: the four-tuple.
  var name: String { key.description }

  func move(to state: TCPState) {
    guard state != current else { return }
    let tap = layer.tap
    if tap.isOn {
      tap.emit(.tcp, .stateChange(object: name, from: current.description, to: state.description))
    }
    current = state
  }

  // MARK: Readiness

  /// Notes what became true; reported at the end of the batch, or by ``flushReadiness()``.
  @inline(__always) func became(_ what: Readiness) { pendingReadiness.formUnion(what) }

  /// Reports what became true since the last report.
  func flushReadiness() {
    guard !pendingReadiness.isEmpty else { return }
    let what = pendingReadiness
    pendingReadiness = []
    guard !isOrphan, let onReadiness else { return }
    onReadiness(what)
  }
}
