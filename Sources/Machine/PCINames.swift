/// Names of vendors, devices and classes, in the words of the PCI ID database, as far as a bench meets them.
enum PCINames {
  static func vendor(_ id: UInt16) -> String {
    switch id {
    case 0x8086: "Intel Corporation"
    case 0x1AF4, 0x1B36: "Red Hat, Inc."
    case 0x15AD: "VMware"
    case 0x10EC: "Realtek Semiconductor Co., Ltd."
    case 0x14E4: "Broadcom Inc. and subsidiaries"
    case 0x1022: "Advanced Micro Devices, Inc. [AMD]"
    default: "Vendor \(hex(id, 4))"
    }
  }

  static func device(_ vendor: UInt16, _ device: UInt16) -> String {
    switch (vendor, device) {
    case (0x8086, 0x100E): "82540EM Gigabit Ethernet Controller"
    case (0x8086, 0x100F): "82545EM Gigabit Ethernet Controller (Copper)"
    case (0x8086, 0x10D3): "82574L Gigabit Network Connection"
    case (0x8086, 0x10FB): "82599ES 10-Gigabit SFI/SFP+ Network Connection"
    case (0x8086, 0x1237): "440FX - 82441FX PMC [Natoma]"
    case (0x8086, 0x2448): "82801 Mobile PCI Bridge"
    case (0x8086, 0x29C0): "82G33/G31/P35/P31 Express DRAM Controller"
    default: "Device"
    }
  }

  /// The name of a class and sub-class (the upper 16 bits of a class code).
  static func deviceClass(_ number: UInt16) -> String {
    switch number {
    case 0x0100: "SCSI storage controller"
    case 0x0101: "IDE interface"
    case 0x0106: "SATA controller"
    case 0x0108: "Non-Volatile memory controller"
    case 0x0200: "Ethernet controller"
    case 0x0280: "Network controller"
    case 0x0300: "VGA compatible controller"
    case 0x0600: "Host bridge"
    case 0x0601: "ISA bridge"
    case 0x0604: "PCI bridge"
    case 0x0680: "Bridge"
    case 0x0C03: "USB controller"
    default: "Class"
    }
  }

  /// `value` in lower-case hexadecimal, at least `digits` long.
  static func hex(_ value: some BinaryInteger, _ digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}
