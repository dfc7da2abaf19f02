import IntelNIC
import Link

/// What can be set of an ``E1000Driver`` after it was made. It holds over stop and start.
struct E1000Settings {
  var features: DeviceFeatures
  var receiveDescriptors: Int
  var transmitDescriptors: Int
  /// As it is told, in microseconds, and as ITR has it.
  var interruptInterval: UInt32
  var throttling: UInt32
  var messageLevel: UInt32 = 7
  var link = LinkRequest(
    negotiates: true, advertised: E1000Settings.linkModes, speed: 0, duplex: 0,
    crossoverControl: PairCrossover.automatic.rawValue)
  /// Somebody chose the link's modes; until then the PHY is left as it is found.
  var isLinkSet = false
  var pause = PauseParameters()
  var wakeUp: WakeUpEvents = []

  init(_ configuration: E1000Configuration) {
    features = []
    if configuration.checksumOffload { features.formUnion([.transmitChecksum, .receiveChecksum]) }
    if configuration.offersSegmentation { features.formUnion([.segmentationIPv4, .segmentationIPv6]) }
    receiveDescriptors = configuration.receiveDescriptors
    transmitDescriptors = configuration.transmitDescriptors
    interruptInterval = UInt32(clamping: configuration.interruptInterval.nanoseconds / 1000)
    throttling = configuration.throttling
  }

  /// What the PHY can offer. (1000 Mbit/s half duplex is none of Linux's modes of these controllers.)
  static let linkModes: LinkModes = [.base10Half, .base10Full, .base100Half, .base100Full, .base1000Full]
}
