import IntelNIC

/// The statistics under the names that Linux's e1000 driver gives them.
///
/// Two of Linux's are missing: `rx_csum_offload_good` and `rx_csum_offload_errors`, which neither the device counts nor
/// the driver, whose receive path has no time for them.
extension E1000Driver {
  private typealias Source = @Sendable (DeviceStatistics, E1000Counters) -> UInt64

  public var statisticNames: [String] { Self.sources.map { $0.0 } }

  public func statisticValues() -> [UInt64] {
    let device = statistics()
    return Self.sources.map { $0.1(device, counted) }
  }

  private static let sources: [(String, Source)] = {
    /// The sum of the device's counters with the manual's abbreviations.
    func device(_ names: String...) -> Source {
      { statistics, _ in names.reduce(0) { $0 &+ (statistics[$1] ?? 0) } }
    }
    // What does not happen here: the driver has no watchdog that finds the transmitter hanging, and gets all its memory
    // before it starts.
    let never: Source = { _, _ in 0 }
    return [
      ("rx_packets", device("GPRC")), ("tx_packets", device("GPTC")), ("rx_bytes", device("GORC")),
      ("tx_bytes", device("GOTC")), ("rx_broadcast", device("BPRC")), ("tx_broadcast", device("BPTC")),
      ("rx_multicast", device("MPRC")), ("tx_multicast", device("MPTC")),
      ("rx_errors", device("RXERRC", "CRCERRS", "ALGNERRC", "RUC", "ROC", "CEXTERR")),
      ("tx_errors", device("ECOL", "LATECOL")),
      ("tx_dropped", { _, driver in driver.transmitWithoutLink &+ driver.transmitRefused }),
      ("multicast", device("MPRC")), ("collisions", device("COLC")), ("rx_length_errors", device("RUC", "ROC")),
      ("rx_over_errors", { _, driver in driver.receiveOversized }), ("rx_crc_errors", device("CRCERRS")),
      ("rx_frame_errors", device("ALGNERRC")), ("rx_no_buffer_count", device("RNBC")),
      ("rx_missed_errors", device("MPC")), ("tx_aborted_errors", device("ECOL")),
      ("tx_carrier_errors", device("TNCRS")), ("tx_fifo_errors", never), ("tx_heartbeat_errors", never),
      ("tx_window_errors", device("LATECOL")), ("tx_abort_late_coll", device("LATECOL")),
      ("tx_deferred_ok", device("DC")), ("tx_single_coll_ok", device("SCC")), ("tx_multi_coll_ok", device("MCC")),
      ("tx_timeout_count", never), ("tx_restart_queue", { _, driver in driver.transmitReadyCalls }),
      ("rx_long_length_errors", device("ROC")), ("rx_short_length_errors", device("RUC")),
      ("rx_align_errors", device("ALGNERRC")), ("tx_tcp_seg_good", device("TSCTC")),
      ("tx_tcp_seg_failed", device("TSCTFC")), ("rx_flow_control_xon", device("XONRXC")),
      ("rx_flow_control_xoff", device("XOFFRXC")), ("tx_flow_control_xon", device("XONTXC")),
      ("tx_flow_control_xoff", device("XOFFTXC")), ("rx_long_byte_count", device("GORC")),
      ("alloc_rx_buff_failed", never), ("tx_smbus", device("MGTPTC")), ("rx_smbus", device("MGTPRC")),
      ("dropped_smbus", device("MGTPDC")),
    ]
  }()
}
