/// The PCI identity of the controllers this module describes.
public enum IntelPCI {
  /// Vendor ID of Intel.
  public static let vendor: UInt16 = 0x8086
  /// Class code of an Ethernet controller: base class 02h, sub-class 00h, interface 00h.
  public static let classCode: UInt32 = 0x02_00_00
}

/// The controllers known by their PCI device ID.
public enum IntelController: UInt16, Sendable, CaseIterable, CustomStringConvertible {
  /// 82540EM, desktop part of the PCI/PCI-X family (8254x).
  case i82540EM = 0x100E
  /// 82545EM (copper), the same register set with a larger EEPROM and packet buffer.
  case i82545EM = 0x100F
  /// 82574L, PCI Express.
  case i82574L = 0x10D3
  /// 82599ES, 10 Gbit/s.
  case i82599ES = 0x10FB

  /// The name on the part.
  public var description: String {
    switch self {
    case .i82540EM: "82540EM"
    case .i82545EM: "82545EM"
    case .i82574L: "82574L"
    case .i82599ES: "82599ES"
    }
  }

  /// True for the PCI/PCI-X family, whose registers are ``RegisterTable/family8254x``.
  public var is8254x: Bool { self == .i82540EM || self == .i82545EM }

  /// Revision ID in configuration space.
  public var revision: UInt8 {
    switch self {
    case .i82540EM: 0x02
    case .i82545EM: 0x01
    case .i82574L: 0x00
    case .i82599ES: 0x01
    }
  }
}

/// Base address registers of the 8254x (manual section 4.1).
public enum Intel8254xBAR {
  /// Index and size of the memory-mapped register file.
  public static let memory = 0
  public static let memoryByteCount = 0x2_0000
  /// Index and size of the I/O window: IOADDR and IODATA (manual section 13.2.2).
  public static let io = 1
  public static let ioByteCount = 0x40
  /// Offset of IOADDR in the I/O window: the register offset for the next IODATA access.
  public static let ioAddress = 0
  /// Offset of IODATA in the I/O window.
  public static let ioData = 4
}
