import NetStack

// Time stamps of what a stream sends (SO_TIMESTAMPING; Linux `sock_set_timestamping`, `tcp_tx_timestamp`).
extension TCPSocket {
  /// The flags of SO_TIMESTAMPING change: how entries of the error queue are numbered, and what they carry.
  func chooseStamps(_ flags: UInt32, before: UInt32) {
    // SOF_TIMESTAMPING_OPT_ID, OPT_ID_TCP, OPT_TSONLY
    if flags & 0x80 == 0 {
      stamps.origin = nil
    } else if before & 0x80 == 0, let connection {
      stamps.origin = flags & 0x10000 != 0 ? connection.nextNumbers.send : connection.firstUnacknowledged
    }
    stamps.carriesPackets = flags & 0x800 == 0
  }

  /// What the program wants to hear of a call; nil: nothing.
  func stampKinds(_ control: DatagramControl?) -> [StreamStamps.Kind]? {
    guard storedOptions.timestamping != 0 || control != nil,
      let wanted = control?.transmitStamps ?? storedOptions.transmitStamps, !wanted.isEmpty
    else { return nil }
    return wanted.compactMap { StreamStamps.Kind(rawValue: $0) }
  }
}
