import IntelNIC

/// What the registers say about receiving, in the form that a frame asks for. Renewed whenever one of them may have
/// changed (``Intel8254x/renewReceiveSettings()``), so that the usual frame meets a few comparisons.
struct ReceiveSettings {
  /// Longest frame that may take the short way, bytes; 0 while no frame may: the receiver or the link is down, the
  /// device sleeps, loops or waits for a wake-up frame, stores the FCS, delays interrupts or looks for small frames.
  /// Such a frame fits into one buffer.
  var longestPlain = 0
  /// Destinations that pass every filter, in memory order: the station's address and the broadcast address, or numbers
  /// that are no address.
  var station = UInt64.max
  var broadcast = UInt64.max
  /// Types, in memory order, of frames that are looked at more closely: VLAN tags and MAC control.
  var tagType: UInt16 = 0
  var controlType: UInt16 = 0
  /// Bytes of each receive buffer.
  var bufferSize = 2048
  /// RDMTS: the ring has this part left, as a shift of its length.
  var thresholdShift = 1
  var checksum = ReceiveChecksumControl()
}

extension Intel8254x {
  /// Makes ``receiveSettings`` follow the registers, the link and the power state.
  func renewReceiveSettings() {
    let control = ReceiveControl(rawValue: load(Register.receiveControl))
    var settings = ReceiveSettings()
    settings.bufferSize = control.bufferByteCount
    settings.thresholdShift = Int(control.minimumThreshold) &+ 1
    settings.checksum = ReceiveChecksumControl(rawValue: load(Register.receiveChecksumControl))
    let station = registers.load(Register.receiveAddressLow, as: UInt64.self)
    // AV, AS = 0, and an individual address: the reserved bits between are 0.
    if station >> 48 == 1 << 15, station & 1 == 0 { settings.station = station & 0xFFFF_FFFF_FFFF }
    if control.acceptBroadcast { settings.broadcast = 0xFFFF_FFFF_FFFF }
    settings.tagType = UInt16(truncatingIfNeeded: load(Register.vlanEtherType)).byteSwapped
    settings.controlType = UInt16(truncatingIfNeeded: load(Register.flowControlType)).byteSwapped
    // PME_EN: every frame is shown to the wake-up filters.
    if control.enabled, control.stripCRC, isLinkUp, !isLooping, !isSleeping, load(Register.wakeUpControl) & 2 == 0,
      load(Register.receiveDelayTimer) == 0, load(Register.receiveSmallPacketDetect) == 0
    {
      settings.longestPlain = min(control.longPackets ? FrameScratch.largestFrame &- 4 : 1518, settings.bufferSize)
    }
    receiveSettings = settings
    receiveCursor.forget()
  }
}
