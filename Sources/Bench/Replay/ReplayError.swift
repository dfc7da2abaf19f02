import Glibc
import PacketCapture

/// Why a replay could not be done, or not to its end.
public enum ReplayError: Error, CustomStringConvertible {
  /// The capture cannot be opened or read.
  case unreadable(path: String, reason: String)
  /// The capture is damaged; its frames up to there have been replayed.
  case damaged(path: String, CaptureError)
  /// An interface of the capture has no Ethernet frames.
  case linkType(path: String, CaptureLinkType, frame: Int)
  /// There is no expectation beside the capture.
  case noExpectation(path: String)
  /// A line of an expectation that cannot be understood; lines count from 1.
  case expectation(path: String, line: Int, reason: String)
  case cannotWrite(path: String, reason: String)
  /// The station could not be built or started.
  case station(BenchError)
  /// The station does not take frames any more.
  case stuck(path: String, reason: String)

  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): \(reason)"
    case .damaged(let path, let error): "\(path): damaged: \(error)"
    case .linkType(let path, let type, let frame):
      "\(path): frame \(frame) has link type \(type.rawValue); only Ethernet (1) can be fed into a NIC"
    case .noExpectation(let path):
      "\(path): there is no such expectation beside the capture; --update (without --full-speed) writes one"
    case .expectation(let path, let line, let reason): "\(path):\(line): \(reason)"
    case .cannotWrite(let path, let reason): "\(path): cannot be written: \(reason)"
    case .station(let error): "station: \(error)"
    case .stuck(let path, let reason): "\(path): the station takes no frames any more: \(reason)"
    }
  }

  /// 66 for what cannot be read, 65 for what is damaged, 1 for a failure of the work itself.
  public var exitCode: Int32 {
    switch self {
    case .unreadable, .noExpectation: 66
    case .damaged, .linkType, .expectation: 65
    case .cannotWrite, .station, .stuck: 1
    }
  }

  /// A capture that cannot be written, the path told once.
  static func cannotWrite(_ path: String, _ error: CaptureError) -> ReplayError {
    switch error {
    case .cannotOpen(_, let code), .writeFailed(let code):
      .cannotWrite(path: path, reason: String(cString: strerror(code)))
    default: .cannotWrite(path: path, reason: error.description)
    }
  }

  private static func reason(_ path: String, _ code: Int32) -> String {
    let remedy =
      code == EISDIR
      ? "name the files in it: \(path.hasSuffix("/") ? path : path + "/")*.pcap*"
      : "name a pcap or pcapng file, such as those of fixtures/captures"
    return FileFailure(path, code, .reading(remedy: remedy)).reason
  }

  /// The error of a capture file at `path`.
  init(_ error: CaptureError, path: String) {
    switch error {
    case .cannotOpen(_, let code):
      self = .unreadable(path: path, reason: Self.reason(path, code))
    case .readFailed(let code): self = .unreadable(path: path, reason: Self.reason(path, code))
    default: self = .damaged(path: path, error)
    }
  }
}
