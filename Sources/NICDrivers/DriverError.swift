import Machine
import Packets

/// Why a driver refused a function, or could not bring it up.
public enum DriverError: Error, Equatable, CustomStringConvertible {
  /// The slot is empty: the vendor ID reads all ones.
  case functionAbsent
  /// No driver of the table takes these IDs.
  case unsupported(vendor: UInt16, device: UInt16)
  /// The table knows the controller, but nothing drives it yet.
  case notYetDriven(device: UInt16, name: String)
  /// A value of the configuration is out of the hardware's range.
  case badConfiguration(String)
  /// CTRL.RST did not clear itself.
  case resetTimedOut
  /// EERD.DONE did not come.
  case eepromTimedOut(word: Int)
  /// Words 0...0x3F of the EEPROM sum to `sum`, which must be 0xBABA.
  case eepromChecksum(sum: UInt16)
  /// The EEPROM holds a group address, or zeros.
  case badHardwareAddress(MACAddress)
  /// MDIC.R did not come.
  case phyTimedOut(register: UInt8)
  /// MDIC.E: no PHY answered.
  case phyAbsent(register: UInt8)
  /// The PHY's identifier registers make no sense.
  case unknownPHY(identifier: UInt32)
  /// Memory for rings and buffers could not be had.
  case memory(MachineError)
  /// Registers read all ones: the function was pulled out, or memory decoding is off.
  case deviceGone

  public var description: String {
    func hex(_ value: some FixedWidthInteger, _ digits: Int) -> String {
      let text = String(value, radix: 16)
      return "0x" + String(repeating: "0", count: max(0, digits - text.count)) + text
    }
    return switch self {
    case .functionAbsent: "no PCI function answers at this address"
    case .unsupported(let vendor, let device):
      "no driver for PCI ID \(hex(vendor, 4).dropFirst(2)):\(hex(device, 4).dropFirst(2))"
    case .notYetDriven(let device, let name): "the \(name) (device \(hex(device, 4))) is not yet driven"
    case .badConfiguration(let reason): reason
    case .resetTimedOut: "the device does not come out of reset (CTRL.RST stays set)"
    case .eepromTimedOut(let word): "the EEPROM does not answer (word \(hex(word, 2)))"
    case .eepromChecksum(let sum): "the EEPROM's checksum is \(hex(sum, 4)), not 0xbaba"
    case .badHardwareAddress(let address): "the EEPROM holds \(address), which is no station address"
    case .phyTimedOut(let register): "the PHY does not answer (register \(register))"
    case .phyAbsent(let register): "no PHY on the management bus (error on register \(register))"
    case .unknownPHY(let identifier): "the PHY identifies itself as \(hex(identifier, 8))"
    case .memory(let error): "no memory for rings and buffers: \(error)"
    case .deviceGone: "the device is gone: its registers read all ones"
    }
  }
}
