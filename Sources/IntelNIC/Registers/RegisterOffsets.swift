/// Byte offsets of the 8254x registers in BAR0 (manual table 13-2).
public enum Register {
  /// CTRL
  public static let deviceControl = 0x0000
  /// STATUS
  public static let deviceStatus = 0x0008
  /// EECD
  public static let eepromControl = 0x0010
  /// EERD
  public static let eepromRead = 0x0014
  /// CTRL_EXT
  public static let extendedDeviceControl = 0x0018
  /// FLA
  public static let flashAccess = 0x001C
  /// MDIC
  public static let mdiControl = 0x0020
  /// FCAL
  public static let flowControlAddressLow = 0x0028
  /// FCAH
  public static let flowControlAddressHigh = 0x002C
  /// FCT
  public static let flowControlType = 0x0030
  /// VET
  public static let vlanEtherType = 0x0038
  /// ICR
  public static let interruptCauseRead = 0x00C0
  /// ITR
  public static let interruptThrottling = 0x00C4
  /// ICS
  public static let interruptCauseSet = 0x00C8
  /// IMS
  public static let interruptMaskSet = 0x00D0
  /// IMC
  public static let interruptMaskClear = 0x00D8
  /// RCTL
  public static let receiveControl = 0x0100
  /// FCTTV
  public static let flowControlTransmitTimer = 0x0170
  /// TXCW
  public static let transmitConfigurationWord = 0x0178
  /// RXCW
  public static let receiveConfigurationWord = 0x0180
  /// TCTL
  public static let transmitControl = 0x0400
  /// TIPG
  public static let transmitInterPacketGap = 0x0410
  /// AIFS
  public static let adaptiveInterFrameSpacing = 0x0458
  /// LEDCTL
  public static let ledControl = 0x0E00
  /// PBA
  public static let packetBufferAllocation = 0x1000
  /// FCRTL
  public static let flowControlThresholdLow = 0x2160
  /// FCRTH
  public static let flowControlThresholdHigh = 0x2168
  /// RDFH, RDFT, RDFHS, RDFTS, RDFPC
  public static let receiveFIFOHead = 0x2410
  public static let receiveFIFOTail = 0x2418
  public static let receiveFIFOHeadSaved = 0x2420
  public static let receiveFIFOTailSaved = 0x2428
  public static let receiveFIFOPacketCount = 0x2430
  /// RDBAL
  public static let receiveBaseLow = 0x2800
  /// RDBAH
  public static let receiveBaseHigh = 0x2804
  /// RDLEN: bytes of the ring, a multiple of 128
  public static let receiveLength = 0x2808
  /// RDH
  public static let receiveHead = 0x2810
  /// RDT
  public static let receiveTail = 0x2818
  /// RDTR: units of 1.024 us
  public static let receiveDelayTimer = 0x2820
  /// RXDCTL
  public static let receiveDescriptorControl = 0x2828
  /// RADV: units of 1.024 us
  public static let receiveAbsoluteDelay = 0x282C
  /// RSRPD
  public static let receiveSmallPacketDetect = 0x2C00
  /// TXDMAC
  public static let transmitDMAControl = 0x3000
  /// TDFH, TDFT, TDFHS, TDFTS, TDFPC
  public static let transmitFIFOHead = 0x3410
  public static let transmitFIFOTail = 0x3418
  public static let transmitFIFOHeadSaved = 0x3420
  public static let transmitFIFOTailSaved = 0x3428
  public static let transmitFIFOPacketCount = 0x3430
  /// TDBAL
  public static let transmitBaseLow = 0x3800
  /// TDBAH
  public static let transmitBaseHigh = 0x3804
  /// TDLEN: bytes of the ring, a multiple of 128
  public static let transmitLength = 0x3808
  /// TDH
  public static let transmitHead = 0x3810
  /// TDT
  public static let transmitTail = 0x3818
  /// TIDV: units of 1.024 us
  public static let transmitDelayTimer = 0x3820
  /// TXDCTL
  public static let transmitDescriptorControl = 0x3828
  /// TADV: units of 1.024 us
  public static let transmitAbsoluteDelay = 0x382C
  /// TSPMT
  public static let segmentationPadThreshold = 0x3830
  /// RXCSUM
  public static let receiveChecksumControl = 0x5000
  /// MTA: 128 words
  public static let multicastTable = 0x5200
  /// RAL of entry 0; entries are 8 bytes apart, 16 of them
  public static let receiveAddressLow = 0x5400
  /// RAH of entry 0
  public static let receiveAddressHigh = 0x5404
  /// VFTA: 128 words
  public static let vlanFilterTable = 0x5600
  /// WUC
  public static let wakeUpControl = 0x5800
  /// WUFC
  public static let wakeUpFilterControl = 0x5808
  /// WUS
  public static let wakeUpStatus = 0x5810
  /// MANC
  public static let managementControl = 0x5820
  /// IPAV
  public static let ipAddressValid = 0x5838
  /// IP4AT: 4 entries, 8 bytes apart
  public static let ipv4AddressTable = 0x5840
  /// IP6AT: 4 words
  public static let ipv6AddressTable = 0x5880
  /// WUPL
  public static let wakeUpPacketLength = 0x5900
  /// WUPM: 32 words
  public static let wakeUpPacketMemory = 0x5A00
  /// FFLT: 4 entries, 8 bytes apart
  public static let flexibleFilterLength = 0x5F00
  /// FFMT: 128 entries, 8 bytes apart
  public static let flexibleFilterMask = 0x9000
  /// FFVT: 128 entries, 8 bytes apart
  public static let flexibleFilterValue = 0x9800
  /// PBM: the packet buffer memory
  public static let packetBufferMemory = 0x1_0000
  /// First and last offset of the statistics block.
  public static let statistics = 0x4000...0x40FC
}

/// Byte offsets of the statistics counters (manual section 13.7), by their abbreviations.
public enum Statistic {
  public static let crcErrors = 0x4000
  public static let alignmentErrors = 0x4004
  public static let symbolErrors = 0x4008
  public static let receiveErrors = 0x400C
  /// MPC
  public static let missedPackets = 0x4010
  /// RLEC
  public static let receiveLengthErrors = 0x4040
  /// XONRXC, XONTXC, XOFFRXC, XOFFTXC, FCRUC
  public static let xonReceived = 0x4048
  public static let xonTransmitted = 0x404C
  public static let xoffReceived = 0x4050
  public static let xoffTransmitted = 0x4054
  public static let unsupportedFlowControl = 0x4058
  /// PRC64; PRC127, 255, 511, 1023 and 1522 follow
  public static let receivedOf64Bytes = 0x405C
  /// GPRC
  public static let goodReceived = 0x4074
  /// BPRC
  public static let broadcastReceived = 0x4078
  /// MPRC
  public static let multicastReceived = 0x407C
  /// GPTC
  public static let goodTransmitted = 0x4080
  /// GORCL, GORCH
  public static let goodOctetsReceived = 0x4088
  /// GOTCL, GOTCH
  public static let goodOctetsTransmitted = 0x4090
  /// RNBC
  public static let receivedWithoutBuffer = 0x40A0
  /// RUC
  public static let undersizeReceived = 0x40A4
  /// RFC
  public static let fragmentsReceived = 0x40A8
  /// ROC
  public static let oversizeReceived = 0x40AC
  /// RJC
  public static let jabbersReceived = 0x40B0
  /// TORL, TORH
  public static let totalOctetsReceived = 0x40C0
  /// TOTL, TOTH
  public static let totalOctetsTransmitted = 0x40C8
  /// TPR
  public static let totalReceived = 0x40D0
  /// TPT
  public static let totalTransmitted = 0x40D4
  /// PTC64; PTC127, 255, 511, 1023 and 1522 follow
  public static let transmittedOf64Bytes = 0x40D8
  /// MPTC
  public static let multicastTransmitted = 0x40F0
  /// BPTC
  public static let broadcastTransmitted = 0x40F4
  /// TSCTC
  public static let segmentationContexts = 0x40F8
  /// TSCTFC
  public static let segmentationFailures = 0x40FC
}
