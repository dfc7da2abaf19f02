import Link
import Memory

/// A protocol stack that writes down what it is told, and does what a test wants it to do then.
final class RecordingClient: NetworkDeviceClient {
  var frames: [[UInt8]] = []
  var metadata: [ReceiveMetadata] = []
  var batches = 0
  /// Frames since the last end of a batch.
  var open = 0
  var largestBatch = 0
  var readyCalls = 0
  var linkStates: [Bool] = []

  var onFrame: () -> Void = {}
  var onBatchEnd: () -> Void = {}
  var onReady: () -> Void = {}
  var onLink: (Bool) -> Void = { _ in }

  func received(_ frame: RawSpan, _ metadata: ReceiveMetadata) {
    frames.append((0..<frame.byteCount).map { frame.unsafeLoad(fromByteOffset: $0, as: UInt8.self) })
    self.metadata.append(metadata)
    open += 1
    onFrame()
  }

  func receiveBatchEnded() {
    batches += 1
    largestBatch = max(largestBatch, open)
    open = 0
    onBatchEnd()
  }

  func transmitReady() {
    readyCalls += 1
    onReady()
  }

  func linkChanged(isUp: Bool) {
    linkStates.append(isUp)
    onLink(isUp)
  }
}
