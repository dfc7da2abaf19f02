/// What an ``E1000Driver`` did and met, since it was made.
public struct E1000Counters: Sendable, Equatable {
  /// Frames and bytes handed to the client.
  public var framesReceived: UInt64 = 0
  public var bytesReceived: UInt64 = 0
  /// Frames and bytes given to the device (a large segment counts once).
  public var framesSent: UInt64 = 0
  public var bytesSent: UInt64 = 0
  /// Large segments among them, for the device to cut up.
  public var segmentsOffloaded: UInt64 = 0
  /// Frames whose checksum the device was to fill in, large segments not counted.
  public var checksumsOffloaded: UInt64 = 0
  /// Context descriptors written.
  public var contextDescriptors: UInt64 = 0
  /// Transmit descriptors that carried data.
  public var dataDescriptors: UInt64 = 0
  /// Writes to TDT and RDT.
  public var doorbells: UInt64 = 0
  public var receiveTailWrites: UInt64 = 0

  /// Interrupts that had a cause, and that had none (another function's on a shared line).
  public var interrupts: UInt64 = 0
  public var spuriousInterrupts: UInt64 = 0
  /// Times the interrupt was left alone because nothing stood behind it.
  public var interruptStorms: UInt64 = 0
  /// Receive passes, and those that left work for the next.
  public var receivePasses: UInt64 = 0
  public var passesContinued: UInt64 = 0
  /// Times the ring held a frame at the check after interrupts were allowed again.
  public var framesAfterUnmask: UInt64 = 0

  /// Frames put together from several descriptors.
  public var framesAssembled: UInt64 = 0
  /// Frames with an error bit of the device: CE, SE, SEQ, CXE or RXE.
  public var receiveErrors: UInt64 = 0
  /// Descriptors whose length is larger than their buffer.
  public var receiveLengthErrors: UInt64 = 0
  /// Frames shorter than an Ethernet header.
  public var receiveRunts: UInt64 = 0
  /// Frames longer than the MTU allows, or spread over several descriptors where none can be.
  public var receiveOversized: UInt64 = 0
  /// Descriptors that were filled while there was no client.
  public var receiveWithoutClient: UInt64 = 0
  /// RXO interrupts: the device ran out of descriptors or packet buffer.
  public var receiverOverruns: UInt64 = 0

  /// Times that no transmit buffer or descriptor was free, and times the client was told that there are some again.
  public var transmitExhausted: UInt64 = 0
  public var transmitReadyCalls: UInt64 = 0
  /// Frames thrown away while the link was down or the driver stopped.
  public var transmitWithoutLink: UInt64 = 0
  /// Frames refused for a length or an offload that the device cannot do.
  public var transmitRefused: UInt64 = 0
  /// Frames that the device had not sent when the driver was stopped.
  public var transmitAbandoned: UInt64 = 0
  /// Buffers given back or submitted that belong to an earlier start of the driver.
  public var staleBuffers: UInt64 = 0
  /// Requests for buffers larger than there are.
  public var oversizedReservations: UInt64 = 0

  public var linkChanges: UInt64 = 0
  public var resets: UInt64 = 0
  /// Times the driver could not be started again when its MTU could not be changed.
  public var failedRestarts: UInt64 = 0
  /// Times the registers read all ones.
  public var deviceLosses: UInt64 = 0

  public init() {}
}
